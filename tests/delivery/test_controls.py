"""Control rules: each alone against a good message, what stops a send, and what the page of a send says of it."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from delivery import controls, left_out, lifecycle, preparation
from delivery.models import Delivery, DeliveryState
from messaging import controls as message_controls
from messaging.models import Message
from tests import factories
from tests.factories import HTML_BODY as GOOD

pytestmark = pytest.mark.django_db
BARE = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}"></a></p>'


def codes(message: Message) -> list[tuple[str, str]]:
    return [(one.code, one.level) for one in message_controls.check(message)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"subject": " "}, [("subject_empty", "error")]),
        ({"body": BARE}, [("body_empty", "error")]),
        ({"body": "<p>Hello</p>{{ postal_address }}"}, [("unsubscribe_missing", "error")]),
        ({"text": "Hello {{ postal_address }}"}, [("text_unsubscribe_missing", "error")]),
        ({"text": "Hello {{ unsubscribe_url }}"}, []),
        ({"body": f'<a href="https://a.test/x"> </a>{GOOD}'}, [("link_label_missing", "warning")]),
        ({"body": f'<a href="https://a.test/x"><img src="https://a.test/i" alt=""></a>{GOOD}'},
         [("link_label_missing", "warning")]),
        ({"body": f'<a href="https://a.test/x"><img src="https://a.test/i" alt="Sale"></a>{GOOD}'}, []),
        ({"body": f'<a href="https://a.test/x">{{{{ profile.city | default: "x" }}}}</a>{GOOD}'}, []),
        ({"body": f'<a name="top"></a>{GOOD}'}, []),
        ({"body": f'<a href="">x</a>{GOOD}'}, [("link_empty", "warning")]),
        ({"body": f"<p>{{{{ profile.shoe }}}}</p>{GOOD}"}, [("unknown_field", "error")]),
        ({"body": f"<p>{'x' * 110_000}</p>{GOOD}"}, [("too_big", "warning")]),
        ({"preheader": ""}, []),
    ],
)  # fmt: skip
def test_each_rule_of_content_alone(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    factories.profile()
    # Frozen without a subject, as nothing that is published now can be.
    subject = fields.get("subject")
    message = factories.message(**{key: one for key, one in fields.items() if key != "subject"})
    if subject is not None:
        message = Message(**{f.name: getattr(message, f.name) for f in Message._meta.fields} | {"subject": subject})
    assert codes(message) == expected


def test_a_domain_that_is_not_verified_stops_the_send(settings: Any) -> None:
    message = factories.message()
    assert codes(message) == []
    settings.VERIFIED_DOMAINS_ONLY = True
    assert codes(message) == [("sender_unverified", "error")]


@pytest.mark.parametrize(
    ("sizes", "problems", "rate", "validity_h", "expected"),
    [
        ([3000, 9000], 0, None, 72, [("info", "samples_size")]),
        ([3000, 200_000], 0, None, 72, [("warning", "samples_large")]),
        ([3000], 1, None, 72, [("warning", "samples_unwritten"), ("info", "samples_size")]),
        ([], 2, None, 72, [("warning", "samples_unwritten")]),
        ([3000], 0, 10, 72, [("info", "samples_size")]),
        ([3000], 0, 10, 1, [("warning", "validity_short"), ("info", "samples_size")]),
        ([3000], 0, None, 0.5, [("warning", "validity_short"), ("info", "samples_size")]),
    ],
)
def test_what_samples_and_numbers_say(
    sizes: list[int], problems: int, rate: int | None, validity_h: float, expected: list[tuple[str, str]]
) -> None:
    samples = [{"n_bytes": n, "problem": ""} for n in sizes] + [{"n_bytes": 0, "problem": "No."}] * problems
    made: Any = SimpleNamespace(channel="email", rate_per_minute=rate, validity_s=int(validity_h * 3600))
    lines = controls.stored(controls.after(made, samples, n_to_send=1000))
    assert [(line["level"], line["code"]) for line in lines] == expected
    if rate and validity_h == 1:
        assert lines[0]["text"] == (
            "At this speed sending takes 1 h 40 min, longer than it is valid (1 h 0 min)."
            " Who isn't reached by then gets nothing."
        )


def prepare(by: Any, **message: Any) -> tuple[Delivery, str]:
    """A prepared send of a campaign whose message then became another one, and its page."""
    campaign = factories.published(by)
    made = factories.campaign_send(campaign, "new", message=factories.message(**message)) if message else None
    if made is None:
        made = factories.campaign_send(campaign, "new")
    lifecycle.prepare(made.pk, by=by)
    preparation.run(made.pk)
    page = reverse("campaigns:send", args=[campaign.public_id, made.public_id])
    return Delivery.objects.get(pk=made.pk), page


def test_an_error_ends_the_preparation_with_its_sentence_and_the_way_to_mend_it(client: Client) -> None:
    by = factories.user("Marketer")
    made, page = prepare(by, body="<p>Hello <a href=''>x</a></p>{{ postal_address }}")
    assert made.state == DeliveryState.FAILED
    assert made.failure == "There is no unsubscribe link. Add the footer block."
    assert (made.n_prepared, made.seal) == (0, "") and not made.exclusions.exists()
    client.force_login(by)
    shown = client.get(page).content.decode()
    assert "Preparation failed" in shown and made.failure in shown and "Go to Compose" in shown
    assert "found__line--err" in shown and "<strong>Error:</strong>" in shown
    assert "· 1 error, 1 warning" in shown
    client.force_login(factories.user("Viewer"))
    assert "Go to Compose" not in client.get(page).content.decode()


def test_a_warning_stands_under_details_and_stops_nothing(client: Client) -> None:
    by = factories.user("Operator")
    made, page = prepare(by, body=f'<a href="https://a.test/x"> </a>{GOOD}')
    assert made.state == DeliveryState.PREPARED
    assert [(line["level"], line["code"]) for line in made.controls] == [
        ("warning", "link_label_missing"), ("info", "samples_size"),
    ]  # fmt: skip
    client.force_login(by)
    shown = client.get(page).content.decode()
    assert "1 link has no text." in shown and "· 1 warning" in shown and "Confirm send…" in shown


def test_lines_are_sorted_by_weight_and_know_their_page() -> None:
    lines = [controls.Line(level, level, level, "compose") for level in ("info", "warning", "error")]
    made: Any = SimpleNamespace(controls=controls.stored(lines))
    found = left_out.findings(made, {"compose": "/here/"})
    assert [(one.word, one.tone, one.url) for one in found] == [
        ("Error", "err", "/here/"), ("Warning", "warn", "/here/"), ("Information", "info", "/here/"),
    ]  # fmt: skip
    assert left_out.findings(made, {})[0].url == ""
    with pytest.raises(dataclasses.FrozenInstanceError):
        lines[0].text = "other"  # type: ignore[misc]
