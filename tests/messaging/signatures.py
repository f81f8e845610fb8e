"""What providers sign, signed with keys of our own, for tests of the checks."""

import base64
import datetime as dt
import functools
import hashlib
import hmac
import time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from django.core.cache import cache

TOPIC = "arn:aws:sns:eu-west-3:123456789012:chappe-events"
CERTIFICATE_URL = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
MAILGUN_KEY = "key-of-mailgun"


@functools.cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def _ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def know_certificate() -> None:
    """Put the certificate of our own "Amazon" where it lies once it was fetched."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_rsa().public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(_rsa(), hashes.SHA256())
    )
    cache.set(f"sns-certificate:{CERTIFICATE_URL}", made.public_bytes(serialization.Encoding.PEM), timeout=60)


def sns(
    text: str, *, kind: str = "Notification", version: str = "1", subject: str | None = None, number: str = "1"
) -> dict[str, Any]:
    """A signed SNS message around `text`."""
    message: dict[str, Any] = {
        "Type": kind,
        "MessageId": f"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324-{number}",
        "TopicArn": TOPIC,
        "Message": text,
        "Timestamp": "2026-11-25T12:00:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    }
    names = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    if kind != "Notification":
        message |= {"Token": "t", "SubscribeURL": "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription"}
        names += ["Token", "SubscribeURL"]
    elif subject:
        message["Subject"] = subject
        names.append("Subject")
    signed = "".join(f"{name}\n{message[name]}\n" for name in sorted(names)).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = _rsa().sign(signed, padding.PKCS1v15(), algorithm)
    return message | {"Signature": base64.b64encode(signature).decode()}


def mailgun(
    *, at: float | None = None, token: str = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
) -> dict[str, str]:
    """Mailgun's signature block."""
    timestamp = str(int(time.time() if at is None else at))
    digest = hmac.new(MAILGUN_KEY.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"token": token, "timestamp": timestamp, "signature": digest}


def sendgrid_key() -> str:
    """The verification key as SendGrid's settings page shows it."""
    public = (
        _ec().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(public).decode()


def sendgrid(body: bytes, *, at: float | None = None) -> dict[str, str]:
    """SendGrid's headers for `body`."""
    timestamp = str(int(time.time() if at is None else at))
    signature = _ec().sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
