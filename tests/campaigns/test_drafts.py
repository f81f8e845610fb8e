"""Saving: first save wins, repeated requests change nothing, nothing typed is lost."""

import uuid

import pytest

from accounts.models import AuditEntry
from campaigns import document as documents
from campaigns import drafts, sessions
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db


def save(draft: Draft, base: int, by, fields=None, **over):  # type: ignore[no-untyped-def]
    given = {
        "session_id": uuid.uuid4(),
        "save_id": uuid.uuid4(),
        "fields": fields or {"compose.subject": "New"},
        **over,
    }
    return drafts.save(draft.pk, base_revision=base, by=by, **given)


def test_create_makes_a_campaign_with_its_draft() -> None:
    by = factories.user("Marketer")
    made = drafts.create(name="  ", by=by, document={"compose": {"subject": "Hi"}})
    assert (made.name, made.state, made.owner) == ("Untitled campaign", CampaignState.DRAFT, by)
    assert made.draft.document["compose"]["subject"] == "Hi"
    assert made.draft.document["delivery"] == documents.blank()["delivery"]
    assert AuditEntry.objects.get(action="campaign.created").subject_id == str(made.public_id)


def test_save_stores_fields_and_raises_the_revision() -> None:
    made = factories.campaign()
    saved = save(made.draft, 1, made.owner, {"compose.subject": "New", "delivery.validity_hours": "soon"})
    draft = Draft.objects.get(pk=made.draft.pk)
    assert (saved.revision, saved.changed) == (2, ["compose.subject", "delivery.validity_hours"])
    assert (draft.revision, draft.saved_by, draft.saved_at) == (2, made.owner, saved.saved_at)
    assert draft.document["compose"]["subject"] == "New"
    assert draft.document["delivery"]["validity_hours"] == "soon"
    assert draft.document["compose"]["body"] == factories.BODY
    snapshot = DraftSnapshot.objects.get(campaign=made)
    assert (snapshot.revision, snapshot.cause, snapshot.document) == (2, "saved", draft.document)


def test_save_of_equal_values_makes_no_revision() -> None:
    made = factories.campaign()
    saved = save(made.draft, 1, made.owner, {"compose.subject": "Autumn sale", "name": made.name})
    assert (saved.revision, saved.changed) == (1, [])
    assert not DraftSnapshot.objects.exists()


def test_save_renames_the_campaign_in_the_same_revision() -> None:
    made = factories.campaign()
    saved = save(made.draft, 1, made.owner, {"name": " Winter sale ", "compose.subject": "Cold"})
    assert saved.changed == ["name", "compose.subject"]
    assert Campaign.objects.get(pk=made.pk).name == "Winter sale"
    assert save(made.draft, 2, made.owner, {"name": "   "}).revision == 2
    assert Campaign.objects.get(pk=made.pk).name == "Winter sale"


def test_second_save_on_the_same_base_is_told_who_and_what() -> None:
    made, second = factories.campaign(), factories.user("Operator")
    save(made.draft, 1, made.owner, {"compose.subject": "First"})
    save(made.draft, 2, made.owner, {"name": "Renamed", "compose.preheader": "Also"})
    with pytest.raises(drafts.DraftConflict) as caught:
        save(made.draft, 1, second, {"compose.subject": "Second"})
    conflict = caught.value
    assert (conflict.status, conflict.revision, conflict.saved_by, conflict.is_self) == (409, 3, made.owner, False)
    assert conflict.changed_fields == ["name", "compose.subject", "compose.preheader"]
    assert conflict.values == {"name": "Renamed", "compose.subject": "First", "compose.preheader": "Also"}
    assert str(made.owner) in conflict.message
    assert Draft.objects.get(pk=made.draft.pk).document["compose"]["subject"] == "First"


def test_conflict_with_oneself_says_another_tab() -> None:
    made = factories.campaign()
    save(made.draft, 1, made.owner)
    with pytest.raises(drafts.DraftConflict) as caught:
        save(made.draft, 1, made.owner, {"compose.subject": "Other"})
    assert caught.value.is_self
    assert "another tab" in caught.value.message


def test_repeated_save_id_returns_the_first_result() -> None:
    made = factories.campaign()
    session = sessions.open_session(made.draft.pk, by=made.owner)
    save_id = uuid.uuid4()
    again = {"session_id": session.public_id, "save_id": save_id, "fields": {"compose.subject": "Once"}}
    first = drafts.save(made.draft.pk, base_revision=1, by=made.owner, **again)
    second = drafts.save(made.draft.pk, base_revision=1, by=made.owner, **again)
    assert second.revision == first.revision == 2
    assert DraftSnapshot.objects.count() == 1


def test_a_save_id_counts_only_for_its_own_session_and_person() -> None:
    made, other = factories.campaign(), factories.user("Marketer")
    session = sessions.open_session(made.draft.pk, by=made.owner)
    save_id = uuid.uuid4()
    save(made.draft, 1, made.owner, session_id=session.public_id, save_id=save_id)
    with pytest.raises(drafts.DraftConflict):
        save(made.draft, 1, other, {"compose.subject": "X"}, session_id=session.public_id, save_id=save_id)


@pytest.mark.parametrize("fields", [{"compose.colour": "red"}, {"audience.segments": "{"}])
def test_what_is_no_edit_is_refused_and_changes_nothing(fields: dict[str, object]) -> None:
    made = factories.campaign()
    with pytest.raises(drafts.DraftInvalid):
        save(made.draft, 1, made.owner, {"compose.subject": "Kept out", "name": "Kept out", **fields})
    assert Draft.objects.get(pk=made.draft.pk).revision == 1
    assert Campaign.objects.get(pk=made.pk).name == "Autumn sale"


def test_viewers_and_strangers_cannot_save() -> None:
    made = factories.campaign()
    for role in ("Viewer", ""):
        with pytest.raises(NotAllowed):
            save(made.draft, 1, factories.user(role))
    assert Draft.objects.get(pk=made.draft.pk).revision == 1


def test_modify_creates_one_draft_from_the_live_version_and_leaves_it_alone() -> None:
    made, other = factories.published(), factories.user("Marketer")
    live = CampaignVersion.objects.get()
    first = drafts.modify(made.pk, by=made.owner)
    assert drafts.modify(made.pk, by=other).pk == first.pk
    assert (first.document, first.base_version) == (live.document, live)
    save(first, first.revision, other, {"compose.subject": "Changed"})
    assert Campaign.objects.get(pk=made.pk).live_version == live
    assert CampaignVersion.objects.get().document["compose"]["subject"] == "Autumn sale"
    assert AuditEntry.objects.filter(action="draft.created").count() == 1


def test_a_new_draft_never_fits_a_tab_of_an_ended_one() -> None:
    made = factories.published()
    old = drafts.modify(made.pk, by=made.owner)
    stale = save(old, old.revision, made.owner).revision
    drafts.discard(old.pk, by=made.owner)
    new = drafts.modify(made.pk, by=made.owner)
    assert new.revision > stale
    with pytest.raises(drafts.DraftGone) as caught:
        save(old, stale, made.owner)
    assert caught.value.status == 409


def test_discard_leaves_the_live_version_and_can_be_undone() -> None:
    made = factories.published()
    before = CampaignVersion.objects.get()
    draft = drafts.modify(made.pk, by=made.owner)
    save(draft, draft.revision, made.owner, {"compose.subject": "Thrown away"})
    snapshot = drafts.discard(draft.pk, by=made.owner)
    assert not Draft.objects.exists()
    assert CampaignVersion.objects.get().document == before.document
    assert "discarded the draft" in drafts.gone(made).message
    restored = drafts.restore(made.pk, snapshot_id=snapshot.pk, by=made.owner)
    assert restored.document["compose"]["subject"] == "Thrown away"
    assert Campaign.objects.get(pk=made.pk).live_version == before


def test_the_draft_of_a_never_published_campaign_is_not_discarded() -> None:
    made = factories.campaign()
    with pytest.raises(DomainError) as caught:
        drafts.discard(made.draft.pk, by=made.owner)
    assert caught.value.code == "never_published"
    assert Draft.objects.filter(pk=made.draft.pk).exists()


def test_restore_of_a_version_keeps_the_current_draft_in_the_history_and_tells_open_tabs() -> None:
    made = factories.published()
    version = CampaignVersion.objects.get()
    draft = drafts.modify(made.pk, by=made.owner)
    revision = save(draft, draft.revision, made.owner, {"compose.subject": "Mine"}).revision
    restored = drafts.restore(made.pk, version_id=version.pk, by=made.owner)
    assert (restored.pk, restored.document) == (draft.pk, version.document)
    kept = DraftSnapshot.objects.filter(campaign=made, cause="discarded").get()
    assert kept.document["compose"]["subject"] == "Mine"
    with pytest.raises(drafts.DraftConflict) as caught:
        save(draft, revision, made.owner, {"compose.preheader": "P"})
    assert caught.value.changed_fields == ["compose.subject"]


def test_restore_refuses_what_belongs_to_another_campaign() -> None:
    made, other = factories.published(), factories.published()
    with pytest.raises(CampaignVersion.DoesNotExist):
        drafts.restore(made.pk, version_id=other.live_version_id, by=made.owner)


def test_archived_campaigns_take_no_edits() -> None:
    made = factories.campaign()
    Campaign.objects.filter(pk=made.pk).update(archived_at=made.edited_at)
    with pytest.raises(DomainError) as caught:
        save(made.draft, 1, made.owner)
    assert caught.value.code == "archived"


def test_duplicate_copies_the_content_and_not_the_schedule() -> None:
    made, by = (
        factories.published(
            delivery__kind="at", delivery__date="2199-01-01", delivery__time="09:00", delivery__zone="UTC"
        ),
        factories.user("Marketer"),
    )
    copy = drafts.duplicate(made.pk, by=by)
    assert (copy.name, copy.state, copy.owner) == ("Copy of Autumn sale", CampaignState.DRAFT, by)
    assert copy.draft.document["compose"] == made.live_version.document["compose"]
    assert (copy.draft.document["delivery"]["kind"], copy.draft.document["delivery"]["date"]) == ("once", "")


def test_presence_lists_the_others_until_they_go() -> None:
    made, other = factories.campaign(), factories.user("Operator")
    mine = sessions.open_session(made.draft.pk, by=made.owner)
    theirs = sessions.open_session(made.draft.pk, by=other)
    (seen,) = sessions.presence(mine.public_id, is_idle=False)
    assert (seen.name, seen.is_self, seen.state) == (str(other), False, "viewing")
    save(made.draft, 1, other, session_id=theirs.public_id)
    assert [one.state for one in sessions.presence(mine.public_id, is_idle=False)] == ["editing"]
    sessions.presence(theirs.public_id, is_idle=True)
    assert [one.state for one in sessions.presence(mine.public_id, is_idle=False)] == ["idle"]
    assert sessions.revision(mine.public_id) == 2
    sessions.release(theirs.public_id)
    assert sessions.presence(mine.public_id, is_idle=False) == []
    assert sessions.presence(uuid.uuid4(), is_idle=False) == []
