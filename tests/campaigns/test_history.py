"""One timeline: versions, drafts in stretches, and what people did."""

import datetime as dt
import uuid

import pytest
import time_machine
from django.utils import timezone

from accounts import audit
from campaigns import drafts, history, lifecycle, sends, stretches, tasks
from campaigns.models import Campaign, Draft, DraftSnapshot
from delivery import preparation
from delivery.models import Delivery
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
    found = [entry for entry in history.page(made).entries if entry.kind == "saves"]
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
    found = history.page(Campaign.objects.get(pk=made.pk)).entries
    assert found[0].kind == "draft"
    assert [entry.at for entry in found[1:]] == sorted((entry.at for entry in found[1:]), reverse=True)
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
        factories.draft_of(made, compose__preheader=f"{n}")
    with django_assert_max_num_queries(11):  # type: ignore[operator]
        found = history.page(Campaign.objects.get(pk=made.pk)).entries
    assert len([entry for entry in found if entry.kind == "version"]) == 5


def snapshots(of: Campaign, times: list[dt.datetime], **fields: object) -> None:
    rows = DraftSnapshot.objects.bulk_create(
        DraftSnapshot(
            **{
                "campaign": of,
                "revision": n,
                "document": {},
                "cause": "saved",
                "by": of.owner,
                "changed_fields": ["name"],
            }
            | fields
        )
        for n, _at in enumerate(times)
    )
    for row, at in zip(rows, times, strict=True):
        row.at = at
    DraftSnapshot.objects.bulk_update(rows, ["at"])


def pages(of: Campaign, kind: str, size: int) -> list[list[history.Entry]]:
    """All pages of one kind, from the newest on."""
    found, until = [], None
    while True:
        page = history.page(of, kind=kind, until=until, size=size)
        found.append(page.entries)
        if page.older is None:
            return found
        until = page.older


@pytest.mark.parametrize("size", [1, 3, 7, 500])
def test_pages_leave_nothing_out_and_repeat_nothing(size: int) -> None:
    made = factories.published()
    for n in range(5):
        factories.publish_again(made, compose__subject=f"{n}")
        drafts.discard(factories.draft_of(made, compose__preheader=f"{n}").pk, by=made.owner)
    made = Campaign.objects.get(pk=made.pk)
    for kind in history.KINDS:
        (everything,) = pages(made, kind, 10_000)
        divided = pages(made, kind, size)
        assert [entry for page in divided for entry in page] == everything
        assert all(divided) or divided == [[]]
    assert len(pages(made, history.VERSIONS, 10_000)[0]) == 6
    assert len([one for one in pages(made, history.DRAFTS, 10_000)[0] if one.kind == "discarded"]) == 5


def test_a_stretch_longer_than_a_page_is_counted_whole_and_can_be_read_save_by_save() -> None:
    made = factories.campaign()
    snapshots(made, [NOON + dt.timedelta(seconds=10 * n) for n in range(230)])
    snapshots(made, [NOON - dt.timedelta(hours=1)], cause="discarded")
    found = [entry for page in pages(made, history.DRAFTS, 1) for entry in page if entry.kind != "event"]
    _draft, newest, discarded = found
    assert (newest.title, newest.n, newest.since) == ("230 autosaves", 230, NOON)
    assert [save.revision for save in newest.saves] == list(range(229, 229 - stretches.LISTED, -1))
    assert discarded.kept_until == NOON - dt.timedelta(hours=1) + dt.timedelta(days=30)
    each = [entry for page in pages(made, history.SAVES, 50) for entry in page]
    assert [entry.at for entry in each] == [NOON + dt.timedelta(seconds=10 * n) for n in reversed(range(230))]


def test_each_kind_has_its_own_entries() -> None:
    made = factories.published()
    factories.campaign_send(made)
    audit.record("delivery.prepared", subject=("delivery", str(Delivery.objects.get().public_id)), by=made.owner)
    factories.draft_of(made, compose__subject="New")
    of = Campaign.objects.get(pk=made.pk)
    kinds = {
        kind: {(entry.kind, entry.title) for entry in history.page(of, kind=kind).entries} for kind in history.KINDS
    }
    assert kinds["versions"] == {("version", "Version 1")}
    assert kinds["drafts"] == {("draft", "Draft"), ("saves", "1 autosave"), ("event", "Draft created")}
    assert kinds["sends"] == {("event", "Prepared")}
    assert kinds["events"] == {("event", "Created")}
    assert kinds["saves"] == {("saves", "Autosave")}
    assert kinds["all"] == kinds["versions"] | kinds["drafts"] | kinds["sends"] | kinds["events"]


def test_the_authors_of_a_draft_are_those_who_saved_it_in_their_order() -> None:
    made, other = factories.published(), factories.user("Operator")
    draft = drafts.modify(made.pk, by=other)
    assert history.authors(draft) == [str(other)]
    for by, minute in ((made.owner, 1), (other, 2), (made.owner, 3)):
        draft = Draft.objects.get(pk=draft.pk)
        fields = {"compose.subject": f"{minute}"}
        ids = {"session_id": uuid.uuid4(), "save_id": uuid.uuid4()}
        drafts.save(draft.pk, base_revision=draft.revision, fields=fields, by=by, **ids)
    assert history.authors(draft) == [str(made.owner), str(other)]


def test_snapshots_are_kept_thirty_days() -> None:
    made = factories.campaign()
    for days in (29, 31):
        snapshot = DraftSnapshot.objects.create(campaign=made, revision=days, document={}, cause="saved")
        DraftSnapshot.objects.filter(pk=snapshot.pk).update(at=timezone.now() - dt.timedelta(days=days))
    assert tasks.purge_snapshots() == 1
    assert tasks.purge_snapshots() == 0
    assert DraftSnapshot.objects.get().revision == 29
