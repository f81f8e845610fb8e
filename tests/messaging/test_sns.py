"""Amazon's signature on SNS messages: only a right one, of our topic, with a certificate from Amazon's own hosts."""

from typing import Any

import pytest

from messaging import sns
from tests.messaging import signatures
from tests.messaging.signatures import CERTIFICATE_URL, TOPIC


@pytest.fixture(autouse=True)
def amazon() -> None:
    signatures.know_certificate()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"])
@pytest.mark.parametrize("subject", [None, "Amazon SES"])
def test_what_amazon_signed_is_believed(version: str, kind: str, subject: str | None) -> None:
    message = signatures.sns("{}", kind=kind, version=version, subject=subject)
    assert sns.is_genuine(message, topic=TOPIC)


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("another text", {"Message": '{"eventType": "Bounce"}'}),
        ("another id", {"MessageId": "2"}),
        ("another time", {"Timestamp": "2026-11-26T12:00:00.000Z"}),
        ("a subject more", {"Subject": "x"}),
        ("another kind", {"Type": "UnsubscribeConfirmation"}),
        ("no kind", {"Type": None}),
        ("another topic", {"TopicArn": TOPIC + "x"}),
        ("no signature", {"Signature": None}),
        ("a signature that is none", {"Signature": "%%%"}),
        ("another version", {"SignatureVersion": "3"}),
        ("a list for a text", {"Message": ["x"]}),
        ("half a character", {"Message": "\ud800"}),
        ("a certificate from elsewhere", {"SigningCertURL": CERTIFICATE_URL.replace("amazonaws.com", "evil.test")}),
        ("no certificate", {"SigningCertURL": None}),
    ],
)
def test_anything_else_is_not(case: str, change: dict[str, Any]) -> None:
    assert not sns.is_genuine(signatures.sns("{}") | change, topic=TOPIC), case


def test_without_a_topic_of_ours_nothing_is_believed() -> None:
    assert not sns.is_genuine(signatures.sns("{}") | {"TopicArn": ""}, topic="")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (CERTIFICATE_URL, True),
        (CERTIFICATE_URL.replace("eu-west-3", "cn-north-1").replace(".com", ".com.cn"), True),
        (CERTIFICATE_URL.replace("https", "http"), False),
        (CERTIFICATE_URL.replace("amazonaws.com/", "amazonaws.com:8443/"), False),
        (CERTIFICATE_URL.replace("amazonaws.com/", "amazonaws.com:x/"), False),
        (CERTIFICATE_URL.replace("sns.", "sns.evil.test/sns."), False),
        (CERTIFICATE_URL.replace("https://sns", "https://sns.eu-west-3.amazonaws.com@evil.test/sns"), False),
        (CERTIFICATE_URL.replace("sns.eu", "s3.eu"), False),
        (CERTIFICATE_URL + "?x=1", False),
        (CERTIFICATE_URL.replace("/Simple", "/../Simple"), False),
        ("https://sns.eu-west-3.amazonaws.com/other.pem", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_certificates_come_from_amazon_only(url: str, expected: bool) -> None:
    assert sns.is_amazons(url) is expected


def test_a_certificate_that_can_not_be_had_now_is_no_refusal() -> None:
    other = CERTIFICATE_URL.replace("eu-west-3", "eu-nowhere-9")
    with pytest.raises(sns.Unreachable):
        # Tests reach this machine only.
        sns.is_genuine(signatures.sns("{}") | {"SigningCertURL": other}, topic=TOPIC)
