"""The catalogue of alerts: each case with its words, its level, its step and its field."""

import datetime as dt

import pytest
import time_machine

from campaigns import alerts, drafts
from campaigns import document as documents
from campaigns.models import Draft, DraftSnapshot
from messaging import compilation, linkcheck
from messaging.models import LinkCheck, Sender
from tests import factories

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
REPEAT = {
    "delivery.kind": "repeat",
    "delivery.repeat_from": "2026-03-02",
    "delivery.time": "09:00",
    "delivery.zone": "UTC",
}
AFTER = {**REPEAT, "delivery.reeligibility": "after"}
AT = {"delivery.kind": "at", "delivery.date": "2026-03-05", "delivery.time": "09:00", "delivery.zone": "Europe/Paris"}
E, W = alerts.ERROR, alerts.WARNING
TABLE = [
    ({"compose.subject": " "}, "subject_empty", E, "compose.subject", "The subject is empty. Enter a subject."),
    ({"compose.body": ""}, "body_empty", E, "compose.body", "The message is empty. Add a block."),
    ({"compose.sender": ""}, "sender_missing", E, "compose.sender", "There is no sender. Choose a sender."),
    (
        {"compose.sender": "5b0f5d4e-2a0b-4a51-9d7c-0d9b6f1b7c11"},
        "sender_gone",
        E,
        "compose.sender",
        "The sender doesn't exist any more. Choose another sender.",
    ),
    (
        {"compose.preheader": ""},
        "preheader_missing",
        W,
        "compose.preheader",
        "There is no preheader. Mail apps will show the first words of the message.",
    ),
    (
        {"compose.subject": "Hi {{ profile.shoe }}"},
        "unknown_field",
        E,
        "compose.subject",
        "“profile.shoe” doesn't exist. Choose a field.",
    ),
    ({"audience.conditions": None}, "audience_empty", E, "audience.segments", "Choose at least one segment."),
    (
        {"audience.segments": ["5b0f5d4e-2a0b-4a51-9d7c-0d9b6f1b7c11"]},
        "audience_invalid",
        E,
        "audience.segments.0",
        "A segment of this audience doesn't exist.",
    ),
    (
        {"audience.conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "Mars"}]}},
        "audience_zero",
        E,
        "audience.segments",
        "Nobody matches right now.",
    ),
    ({"delivery.kind": "at"}, "schedule_missing", E, "delivery.date", "Choose a date and a time."),
    ({**AT, "delivery.zone": "Mars/Base"}, "zone_unknown", E, "delivery.zone", "Choose a time zone."),
    (
        {**AT, "delivery.date": "2026-02-30"},
        "schedule_unreadable",
        E,
        "delivery.date",
        "This date or time doesn't exist. Choose another.",
    ),
    (
        {**AT, "delivery.date": "2026-02-28"},
        "schedule_past",
        E,
        "delivery.date",
        "The send time has passed. Choose a later time.",
    ),
    (
        {**AT, "delivery.date": "2026-03-29", "delivery.time": "02:30"},
        "schedule_skipped",
        W,
        "delivery.time",
        "02:30 doesn't exist on 29 March. It will send at 03:00.",
    ),
    (
        {**AT, "delivery.date": "2026-10-25", "delivery.time": "02:30"},
        "schedule_twice",
        W,
        "delivery.time",
        "02:30 exists twice on 25 October. It will send at the first.",
    ),
    ({"delivery.kind": "sometimes"}, "kind_unknown", E, "delivery.kind", "Choose when it is sent."),
    (
        {"delivery.validity_hours": "soon"},
        "number_invalid",
        E,
        "delivery.validity_hours",
        "Enter a whole number from 1 to 336.",
    ),
    (
        {"delivery.rate_per_minute": 0},
        "number_invalid",
        E,
        "delivery.rate_per_minute",
        "Enter a whole number from 1 to 10,000,000.",
    ),
    (
        {"delivery.reeligibility": "after", "delivery.reeligible_after": ""},
        "number_invalid",
        E,
        "delivery.reeligible_after",
        "Enter a whole number from 1 to 3,650.",
    ),
    (
        {"delivery.reeligibility": "perhaps"},
        "reeligibility_unknown",
        E,
        "delivery.reeligibility",
        "Choose who can get it again.",
    ),
    (
        {**REPEAT, "delivery.repeat_from": ""},
        "repeat_from_missing",
        E,
        "delivery.repeat_from",
        "Choose the day from which it repeats.",
    ),
    ({**REPEAT, "delivery.time": ""}, "schedule_missing", E, "delivery.time", "Choose a time."),
    ({**REPEAT, "delivery.zone": "Mars/Base"}, "zone_unknown", E, "delivery.zone", "Choose a time zone."),
    (
        {**REPEAT, "delivery.repeat_every": 0},
        "number_invalid",
        E,
        "delivery.repeat_every",
        "Enter a whole number from 1 to 366.",
    ),
    (
        {**REPEAT, "delivery.repeat_unit": "year"},
        "unit_unknown",
        E,
        "delivery.repeat_unit",
        "Choose days, weeks or months.",
    ),
    (
        {**REPEAT, "delivery.repeat_weekdays": ["someday"]},
        "weekday_unknown",
        E,
        "delivery.repeat_weekdays",
        "Choose days of the week.",
    ),
    (
        {**REPEAT, "delivery.repeat_unit": "month", "delivery.repeat_month_day": 32},
        "number_invalid",
        E,
        "delivery.repeat_month_day",
        "Enter a whole number from 1 to 31.",
    ),
    ({**REPEAT, "delivery.repeat_ends": "soon"}, "ends_unknown", E, "delivery.repeat_ends", "Choose when it ends."),
    (
        {**REPEAT, "delivery.repeat_ends": "on"},
        "repeat_until_missing",
        E,
        "delivery.repeat_until",
        "Choose the last day.",
    ),
    (
        {**REPEAT, "delivery.repeat_ends": "after", "delivery.repeat_count": 1001},
        "number_invalid",
        E,
        "delivery.repeat_count",
        "Enter a whole number from 1 to 1,000.",
    ),
    (
        {**REPEAT, "delivery.repeat_ends": "on", "delivery.repeat_until": "2026-03-01"},
        "schedule_past",
        E,
        "delivery.repeat_ends",
        "The last send time has passed. Choose a later end.",
    ),
    (
        {**REPEAT, "delivery.confirm_within_hours": 19},
        "number_invalid",
        E,
        "delivery.confirm_within_hours",
        "Enter a whole number from 1 to 18.",
    ),
    (
        {**REPEAT, "delivery.if_unconfirmed": "wait"},
        "unconfirmed_unknown",
        E,
        "delivery.if_unconfirmed",
        "Choose what happens when nobody confirms.",
    ),
    (
        {**REPEAT, "delivery.repeat_unit": "day", "delivery.time": "02:30", "delivery.zone": "Europe/Paris"},
        "schedule_skipped",
        W,
        "delivery.time",
        "02:30 doesn't exist on 29 March. It will send at 03:00.",
    ),
    (
        {**AFTER, "delivery.reeligible_after": 7},
        "eligibility_gap",
        W,
        "delivery.reeligible_after",
        "Sends every Monday, but people wait 7 days. Some will be skipped. Use 6 days or less.",
    ),
    (
        {**AFTER, "delivery.repeat_unit": "month", "delivery.reeligible_after": 30},
        "eligibility_gap",
        W,
        "delivery.reeligible_after",
        "Sends every month on day 2, but people wait 30 days. Some will be skipped. Use 27 days or less.",
    ),
    (
        {
            **AFTER,
            "delivery.repeat_unit": "day",
            "delivery.reeligible_after": 20,
            "delivery.reeligible_unit": "hours",
        },
        "eligibility_gap",
        W,
        "delivery.reeligible_after",
        "Sends every day, but people wait 20 hours. Some will be skipped. Use 19 hours or less.",
    ),
    (
        {
            **REPEAT,
            "audience.conditions": {
                "match": "all",
                "rules": [{"field": "profile.country", "op": "is", "value": "Mars"}],
            },
        },
        "audience_zero",
        W,
        "audience.segments",
        "Nobody matches right now.",
    ),
    (
        {"tracking.conversion_event": "placed order"},
        "event_invalid",
        E,
        "tracking.conversion_event",
        "Use letters, digits, _ . and - only, at most 60 characters.",
    ),
    (
        {"tracking.conversion2_event": "x" * 61},
        "event_invalid",
        E,
        "tracking.conversion2_event",
        "Use letters, digits, _ . and - only, at most 60 characters.",
    ),
    (
        {"tracking.conversion_event": "placed_order", "tracking.conversion_within": 31},
        "number_invalid",
        E,
        "tracking.conversion_within",
        "Enter a whole number from 1 to 30.",
    ),
    (
        {"tracking.conversion_event": "placed_order", "tracking.conversion_unit": "weeks"},
        "unit_unknown",
        E,
        "tracking.conversion_within",
        "Choose hours or days.",
    ),
    (
        {"tracking.conversion_event": "placed_order", "tracking.conversion2_event": "placed_order "},
        "conversion_twice",
        E,
        "tracking.conversion2_event",
        "The second conversion is the same as the first. Choose another event or remove it.",
    ),
]


@pytest.fixture(autouse=True)
def _now() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(("fields", "code", "level", "field", "message"), TABLE, ids=[row[1] for row in TABLE])
def test_alert(fields: dict[str, object], code: str, level: str, field: str, message: str) -> None:
    factories.profile()
    made = factories.campaign()
    assert alerts.compute(made, made.draft.document) == []
    found = alerts.compute(made, documents.apply(made.draft.document, fields))
    assert [(one.id, one.level, one.field, one.message) for one in found] == [(code, level, field, message)]
    assert found[0].step == field.split(".")[0]
    assert alerts.blocks(found) is (level == E)
    assert alerts.steps(found)[found[0].step] == alerts.steps(found)["review"] == level


def test_valid_schedule_and_no_preheader_have_no_alerts() -> None:
    factories.profile()
    made = factories.campaign()
    fields = {**AT, "compose.preheader": "", "compose.no_preheader": True}
    assert alerts.compute(made, documents.apply(made.draft.document, fields)) == []


@pytest.mark.parametrize(
    "fields",
    [
        REPEAT,
        {"delivery.kind": "api"},
        {**AFTER, "delivery.reeligible_after": 6},
        {**AFTER, "delivery.repeat_unit": "month", "delivery.reeligible_after": 27},
        {**AFTER, "delivery.repeat_ends": "after", "delivery.repeat_count": 1, "delivery.reeligible_after": 30},
        {**REPEAT, "delivery.asks_confirmation": False, "delivery.confirm_within_hours": "odd"},
        {"delivery.repeat_from": "rubbish", "delivery.repeat_every": "often"},
        {"tracking.conversion_event": "shop.placed_order-2", "tracking.conversion2_event": "signed_up"},
        {
            "tracking.conversion_event": "a",
            "tracking.conversion_within": 720,
            "tracking.conversion_unit": "hours",
        },
    ],
)
def test_what_can_be_used_has_no_alerts(fields: dict[str, object]) -> None:
    factories.profile()
    made = factories.campaign()
    assert alerts.compute(made, documents.apply(made.draft.document, fields)) == []


@pytest.mark.parametrize(
    ("unasked", "field"),
    [
        ({"delivery.asks_confirmation": False}, "asks_confirmation"),
        ({"delivery.if_unconfirmed": "send"}, "if_unconfirmed"),
    ],
)
def test_only_operators_publish_what_sends_without_confirmation(unasked: dict[str, object], field: str) -> None:
    factories.profile()
    made = factories.campaign()
    document = documents.apply(made.draft.document, REPEAT | unasked)
    marketer, operator = factories.user("Marketer"), factories.user("Operator", name="Ann")
    (found,) = alerts.compute(made, document, by=marketer)
    sentence = "Only operators can publish a campaign that sends without confirmation."
    assert (found.id, found.level, found.field) == ("needs_start", E, f"delivery.{field}")
    assert found.message == f"{sentence} Ann can."
    factories.user("Operator", name="Bo")
    (found,) = alerts.compute(made, document, by=marketer)
    assert found.message == f"{sentence} Ann and Bo can."
    assert alerts.compute(made, document, by=operator) == alerts.compute(made, document) == []
    # Once confirmed, and a kind that is not chosen, ask for nothing.
    assert alerts.compute(made, documents.apply(made.draft.document, unasked), by=marketer) == []


def test_an_archived_sender_is_gone() -> None:
    factories.profile()
    made = factories.campaign()
    Sender.objects.update(archived_at=NOW)
    assert [one.id for one in alerts.compute(made, made.draft.document)] == ["sender_gone"]


def test_own_text_older_than_the_message() -> None:
    factories.profile()
    made = factories.campaign()
    own = documents.apply(
        made.draft.document,
        {"compose.text_mode": "own", "compose.text": "Hello. {{ unsubscribe_url }} {{ postal_address }}"},
    )
    assert alerts.compute(made, own) == []
    (found,) = alerts.compute(made, documents.apply(own, {"compose.body": factories.BODY + "<p>More</p>"}))
    assert (found.id, found.level, found.message) == ("text_stale", W, "The plain text is older than the message.")


def test_own_text_that_says_what_the_message_says_is_not_old() -> None:
    factories.profile()
    made = factories.campaign()
    old = "Old. {{ unsubscribe_url }}"
    own = documents.apply(made.draft.document, {"compose.text_mode": "own", "compose.text": old})
    changed = documents.apply(own, {"compose.body": factories.BODY + "<p>More</p>"})
    assert [one.id for one in alerts.compute(made, changed)] == ["text_stale"]
    generated = documents.apply(changed, {"compose.text_mode": "generated"})
    changed["compose"]["text"] = compilation.compile_spec(documents.content_spec(generated)).text
    assert alerts.compute(made, changed) == []


def test_test_is_stale_only_when_the_message_changed() -> None:
    factories.profile()
    made = factories.campaign()
    drafts.mark_tested(made.draft.pk, revision=1, by=made.owner)

    def store(revision: int, field: str, value: object) -> list[alerts.Alert]:
        draft = Draft.objects.get(pk=made.draft.pk)
        document = documents.apply(draft.document, {field: value})
        Draft.objects.filter(pk=draft.pk).update(document=document, revision=revision)
        DraftSnapshot.objects.create(
            campaign=made, revision=revision, document=document, cause="saved", changed_fields=[field]
        )
        return alerts.compute(made, document)

    assert store(2, "delivery.validity_hours", 24) == []
    (found,) = store(3, "compose.subject", "Changed")
    assert (found.id, found.level, found.message) == ("test_stale", W, "The message changed since your last test.")


def test_a_link_whose_page_is_gone_is_told_where_links_are_listed() -> None:
    factories.profile()
    made = factories.campaign()
    linkcheck.want(["https://shop.test/sale"])
    LinkCheck.objects.update(status=404, checked_at=NOW)
    (found,) = alerts.compute(made, made.draft.document)
    assert (found.id, found.level, found.step, found.field) == ("link_broken", W, "tracking", "tracking.links")
    assert found.message == "https://shop.test/sale answered 404."


def test_errors_come_first_within_a_step_and_steps_in_order() -> None:
    made = factories.campaign()
    fields = {
        "audience.conditions": None,
        "compose.preheader": "",
        "compose.subject": "",
        "delivery.validity_hours": "",
    }
    found = alerts.compute(made, documents.apply(made.draft.document, fields))
    assert [one.id for one in found] == ["subject_empty", "preheader_missing", "number_invalid", "audience_empty"]
    assert alerts.steps(found) == {"compose": E, "delivery": E, "audience": E, "tracking": "done", "review": E}
    assert (alerts.count(found, E), alerts.count(found, W)) == (3, 1)


def test_blank_documents_and_rubbish_are_answered_with_alerts() -> None:
    made = factories.campaign()
    for raw in ({}, {"audience": {"conditions": {"x": 1}}}, {"compose": {"body": "{{", "body_kind": "mjml"}}):
        assert alerts.blocks(alerts.compute(made, documents.normalise(raw)))
