"""One timeline: versions, drafts in stretches, and what people did."""

import datetime as dt
import uuid

import pytest
import time_machine
from django.utils import timezone

from campaigns import drafts, history, lifecycle, sends, tasks
from campaigns.models import Campaign, Draft, DraftSnapshot
from delivery import preparation
from tests import factories

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)


def save(made: Campaign, by: object, minutes: int, **fields: object) -> None:
    draft = Draft.objects.get(campaign=made)
    with time_machine.travel(NOON + dt.timedelta(minutes=minutes), tick=False):
        drafts.save(
            draft.pk,
            session_id=uuid.uuid4(),
            base_revision=draft.revision,
            save_id=uuid.uuid4(),
            fields={name.replace("__", "."): value for name, value in fields.items()},
            by=by,  # type: ignore[arg-type]
        )


def test_autosaves_of_one_person_within_a_quarter_of_an_hour_are_one_line() -> None:
    made, other = factories.campaign(), factories.user("Operator")
    save(made, made.owner, 0, compose__subject="1")
    save(made, made.owner, 10, compose__subject="2", name="Renamed")
    save(made, made.owner, 20, compose__body="3")
    save(made, other, 21, compose__body="4")
    save(made, made.owner, 22, compose__body="5")
    save(made, made.owner, 60, compose__body="6")
    found = [entry for entry in history.timeline(made) if entry.kind == "saves"]
    assert [(entry.title, entry.who, entry.note) for entry in found] == [
        ("1 autosave", str(made.owner), "Body"),
        ("1 autosave", str(made.owner), "Body"),
        ("1 autosave", str(other), "Body"),
        ("3 autosaves", str(made.owner), "Subject, Name, Body"),
    ]
    assert found[-1].since == NOON
    assert [one.revision for one in found[-1].saves] == [4, 3, 2]
    assert [one.changed for one in history.saves(made, limit=2)] == ["Body", "Body"]


def test_versions_say_what_was_sent_with_them_and_events_who_did_what() -> None:
    made, operator = factories.published(), factories.user("Operator")
    delivery = sends.open_send(made.pk, by=made.owner)
    preparation.run(delivery.pk)
    delivery.refresh_from_db(fields=["seal", "n_to_send"])
    sends.confirm(made.pk, delivery.pk, by=operator, seal=delivery.seal, n_to_send=1)
    draft = drafts.modify(made.pk, by=operator)
    drafts.discard(draft.pk, by=operator)
    drafts.modify(made.pk, by=operator)
    lifecycle.stop(made.pk, by=operator)
    found = history.timeline(Campaign.objects.get(pk=made.pk))
    assert [entry.at for entry in found] == sorted((entry.at for entry in found), reverse=True)
    (version,) = [entry for entry in found if entry.kind == "version"]
    assert (version.title, version.is_live) == ("Version 1", True)
    assert [send.delivery for send in version.sends] == [delivery]
    assert [entry.kind for entry in found].count("discarded") == [entry.kind for entry in found].count("draft") == 1
    told = {(entry.title, entry.who, entry.note) for entry in found if entry.kind == "event"}
    assert {
        ("Created", str(made.owner), ""),
        ("Send confirmed", str(operator), "1 email"),
        ("Campaign stopped", str(operator), ""),
        ("Draft created", str(operator), ""),
    } <= told


def test_the_timeline_has_a_fixed_number_of_queries(django_assert_max_num_queries: object) -> None:
    made = factories.published()
    for n in range(4):
        factories.publish_again(made, compose__subject=f"{n}")
        factories.campaign_send(Campaign.objects.get(pk=made.pk), "cancelled")
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert (
            len([entry for entry in history.timeline(Campaign.objects.get(pk=made.pk)) if entry.kind == "version"]) == 5
        )


def test_snapshots_are_kept_thirty_days() -> None:
    made = factories.campaign()
    for days in (29, 31):
        snapshot = DraftSnapshot.objects.create(campaign=made, revision=days, document={}, cause="saved")
        DraftSnapshot.objects.filter(pk=snapshot.pk).update(at=timezone.now() - dt.timedelta(days=days))
    assert tasks.purge_snapshots() == 1
    assert tasks.purge_snapshots() == 0
    assert DraftSnapshot.objects.get().revision == 29
