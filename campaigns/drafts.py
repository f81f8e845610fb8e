"""The unpublished changes of a campaign: create, save, take up, discard, restore; and who has them open.

Promises: an acknowledged save is never lost; the first of two saves on one revision wins and the second is told who and
what; a repeated request changes nothing; a campaign has at most one draft. Called by the editor's views. Every function
locks the campaign first and the draft second, for one short transaction without rendering or network.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from campaigns import digests
from campaigns import document as documents
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot, EditingSession
from lib import texts
from lib.errors import DomainError
from messaging.models import Template

DraftInvalid = documents.DraftInvalid
# The one field of an edit that is not in the document.
NAME = "name"


class DraftGone(DomainError):
    """The draft was published or discarded by somebody; the message names the event."""

    code = "draft_gone"


class DraftConflict(DomainError):
    """Somebody saved first. Carries what the second person must know to keep and sort out their text."""

    code = "draft_conflict"

    def __init__(self, draft: Draft, *, changed_fields: list[str], by: User) -> None:
        self.revision = draft.revision
        self.saved_by = draft.saved_by
        self.saved_at = draft.saved_at
        self.is_self = draft.saved_by_id == by.pk
        self.changed_fields = changed_fields
        self.document = documents.normalise(draft.document)
        self.name = draft.campaign.name
        at = date_format(timezone.localtime(draft.saved_at), "H:i")
        if self.is_self:
            message = _("You saved changes in another tab at %(time)s.") % {"time": at}
        else:
            message = _("%(name)s saved changes at %(time)s.") % {"name": draft.saved_by, "time": at}
        super().__init__(message)

    @property
    def values(self) -> dict[str, Any]:
        """The values now stored of the fields that somebody changed."""
        return {
            name: self.name if name == NAME else documents.value(self.document, name) for name in self.changed_fields
        }


@dataclass(frozen=True)
class Saved:
    """The revision that now holds the edit. `changed` is empty when everything already was as sent."""

    revision: int
    saved_at: dt.datetime
    changed: list[str] = field(default_factory=list)


def create(
    *, name: str, by: User, document: Mapping[str, Any] | None = None, started_from: Template | None = None
) -> Campaign:
    """A new campaign of `by` with its first draft, which may be given as any document."""
    access.check(by, roles.EDIT)
    now = timezone.now()
    with transaction.atomic():
        campaign = Campaign.objects.create(
            name=_checked_name(name), owner=by, edited_at=now, edited_by=by, started_from=started_from
        )
        Draft.objects.create(
            campaign=campaign, document=documents.normalise(document), created_by=by, saved_by=by, saved_at=now
        )
        digests.refresh(campaign)
        audit.record("campaign.created", subject=_subject(campaign), by=by)
    return campaign


def duplicate(campaign_id: int, *, by: User, of_draft: bool = False, name: str = "") -> Campaign:
    """A new campaign with what is live in this one, or with its draft: asked for, or never published.

    It is called `name`, or "Copy of …". Date and time are not copied, nor who got it: the copy may go to the same
    people again.
    """
    original = Campaign.objects.select_related("live_version", "draft", "started_from").get(pk=campaign_id)
    draft = Draft.objects.filter(campaign=original).first()
    source = draft if draft and (of_draft or original.live_version is None) else original.live_version
    assert source is not None, "a campaign has a draft or a live version"
    copied = documents.without_schedule(documents.normalise(source.document))
    name = name or _("Copy of %(name)s") % {"name": original.name}
    campaign = create(name=name[:200], by=by, document=copied, started_from=original.started_from)
    campaign.tags = original.tags
    campaign.save(update_fields=["tags"])
    return campaign


def save(
    draft_id: int,
    *,
    session_id: uuid.UUID,
    base_revision: int,
    save_id: uuid.UUID,
    fields: Mapping[str, object],
    by: User,
) -> Saved:
    """Store `fields` if nobody stored anything since `base_revision`; return the revision that holds them.

    "name" in `fields` renames the campaign. Safe to repeat with the same `save_id`: the first result is returned.
    Values equal to the stored ones make no new revision. A stopped campaign stays stopped.
    Raises DraftConflict (someone saved first), DraftGone (published or discarded), DraftInvalid (not an edit).
    """
    access.check(by, roles.EDIT)
    with transaction.atomic():
        draft = _lock(draft_id)
        session = EditingSession.objects.filter(public_id=session_id, draft=draft, user=by).first()
        if session and session.last_save_id == save_id and session.last_save_revision:
            return Saved(session.last_save_revision, draft.saved_at)
        if draft.revision != base_revision:
            raise conflict(draft, base_revision=base_revision, by=by)
        now = timezone.now()
        content = {name: value for name, value in fields.items() if name != NAME}
        before = documents.normalise(draft.document)
        after = documents.apply(before, content)
        changed = documents.differences(before, after)
        renamed = _rename(draft.campaign, fields)
        if renamed:
            changed = [NAME, *changed]
        revision = draft.revision
        if changed:
            revision = _store(draft, after, changed, by, now)
        if session:
            session.last_save_id, session.last_save_revision, session.seen_at = save_id, revision, now
            session.save(update_fields=["last_save_id", "last_save_revision", "seen_at"])
        return Saved(revision, now if changed else draft.saved_at, changed)


def modify(campaign_id: int, *, by: User) -> Draft:
    """The draft of a published campaign, made from its live version unless one is there; the same for everybody."""
    access.check(by, roles.EDIT)
    with transaction.atomic():
        campaign = lock_campaign(campaign_id)
        _refuse_archived(campaign)
        existing = Draft.objects.filter(campaign=campaign).first()
        if existing is not None:
            return existing
        version = campaign.live_version
        assert version is not None, "a campaign without a draft has a live version"
        draft = _make(campaign, version.document, version, by)
        audit.record("draft.created", subject=_subject(campaign), by=by, detail={"version": version.number})
    return draft


def discard(draft_id: int, *, by: User) -> DraftSnapshot:
    """End the draft; the returned snapshot restores it. Refused before the first publication: delete the campaign."""
    access.check(by, roles.EDIT)
    with transaction.atomic():
        draft = _lock(draft_id)
        campaign = draft.campaign
        if campaign.state == CampaignState.DRAFT:
            raise DomainError(_("This campaign was never published. Delete it instead."), code="never_published")
        snapshot = end(draft, cause="discarded", by=by)
        digests.refresh(campaign)
        _touch(campaign, by, timezone.now())
        audit.record("draft.discarded", subject=_subject(campaign), by=by, detail={"snapshot": snapshot.pk})
    return snapshot


def restore(campaign_id: int, *, by: User, snapshot_id: int | None = None, version_id: int | None = None) -> Draft:
    """Make the draft what a snapshot or a version was; never touches the live version.

    An existing draft is kept in the history as discarded and rises by one revision, so that open tabs are told.
    """
    access.check(by, roles.EDIT)
    assert (snapshot_id is None) != (version_id is None), "one source"
    with transaction.atomic():
        campaign = lock_campaign(campaign_id)
        _refuse_archived(campaign)
        number = None
        if snapshot_id is not None:
            wanted = DraftSnapshot.objects.get(pk=snapshot_id, campaign=campaign).document
        else:
            version = CampaignVersion.objects.get(campaign=campaign, id=version_id or 0)
            wanted, number = version.document, version.number
        draft = Draft.objects.select_for_update(no_key=True).filter(campaign=campaign).first()
        if draft is None:
            draft = _make(campaign, wanted, campaign.live_version, by)
        else:
            draft.campaign = campaign
            _snapshot(draft, cause="discarded", changed=[], by=by)
            after = documents.normalise(wanted)
            changed = documents.differences(documents.normalise(draft.document), after)
            draft.revision = _store(draft, after, changed, by, timezone.now())
            draft.document = after
        detail: dict[str, object] = {"snapshot": snapshot_id, "version": version_id, "number": number}
        audit.record("draft.restored", subject=_subject(campaign), by=by, detail=detail)
    return draft


def mark_tested(draft_id: int, *, revision: int, by: User) -> None:
    """Remember which revision was last sent as a test, for the alert that the message changed since."""
    with transaction.atomic():
        draft = _lock(draft_id)
        draft.tested_revision, draft.tested_at, draft.tested_by = revision, timezone.now(), by
        draft.save(update_fields=["tested_revision", "tested_at", "tested_by"])
        audit.record("campaign.tested", subject=_subject(draft.campaign), by=by, detail={"revision": revision})


def end(draft: Draft, *, cause: str, by: User) -> DraftSnapshot:
    """Take the locked `draft` away and keep what it was. For `discard` and campaigns.versions."""
    snapshot = _snapshot(draft, cause=cause, changed=[], by=by)
    draft.delete()
    return snapshot


def lock_campaign(campaign_id: int) -> Campaign:
    """The campaign, locked against every other writer until the transaction ends."""
    return Campaign.objects.select_for_update(no_key=True).get(pk=campaign_id)


def conflict(draft: Draft, *, base_revision: int, by: User) -> DraftConflict:
    """What to tell somebody whose page shows `base_revision` of `draft`."""
    return DraftConflict(draft, changed_fields=_changed_since(draft, base_revision), by=by)


def gone(campaign: Campaign) -> DraftGone:
    """What became of the draft that a tab still holds, for the banner: published or discarded, by whom and when."""
    version = (
        CampaignVersion.objects.filter(campaign=campaign).select_related("published_by").order_by("-number").first()
    )
    ended = (
        DraftSnapshot.objects.filter(campaign=campaign, cause="discarded")
        .select_related("by")
        .order_by("-at", "-id")
        .first()
    )
    if ended is not None and (version is None or ended.at > version.published_at):
        at = date_format(timezone.localtime(ended.at), "H:i")
        return DraftGone(_("%(name)s discarded the draft at %(time)s.") % {"name": ended.by, "time": at})
    if version is not None:
        at = date_format(timezone.localtime(version.published_at), "H:i")
        parts = {"name": version.published_by, "n": version.number, "time": at}
        return DraftGone(_("%(name)s published version %(n)d at %(time)s.") % parts)
    return DraftGone(_("This draft was published or discarded."))


def _lock(draft_id: int) -> Draft:
    """The draft with its campaign, both locked, campaign first. Raises DraftGone."""
    found = Draft.objects.filter(pk=draft_id).values_list("campaign_id", flat=True).first()
    if found is None:
        raise DraftGone(_("This draft was published or discarded."))
    campaign = lock_campaign(found)
    draft = (
        Draft.objects.select_for_update(no_key=True, of=("self",))
        .select_related("saved_by")
        .filter(pk=draft_id)
        .first()
    )
    if draft is None:
        raise gone(campaign)
    _refuse_archived(campaign)
    draft.campaign = campaign
    return draft


def _store(draft: Draft, after: documents.Document, changed: list[str], by: User, now: dt.datetime) -> int:
    """Write the next revision with the old one in WHERE, and its snapshot."""
    n = Draft.objects.filter(pk=draft.pk, revision=draft.revision).update(
        document=after, revision=draft.revision + 1, saved_by=by, saved_at=now
    )
    assert n == 1, "the draft is locked"
    DraftSnapshot.objects.create(
        campaign=draft.campaign,
        revision=draft.revision + 1,
        document=after,
        cause="saved",
        changed_fields=changed,
        by=by,
    )
    digests.refresh(draft.campaign)
    _touch(draft.campaign, by, now)
    return draft.revision + 1


def _make(campaign: Campaign, source: Mapping[str, Any], base: CampaignVersion | None, by: User) -> Draft:
    """A first revision above all earlier ones of the campaign, so that a tab of an ended draft can't fit by chance."""
    last = (
        DraftSnapshot.objects.filter(campaign=campaign).order_by("-revision").values_list("revision", flat=True).first()
    )
    now = timezone.now()
    draft = Draft.objects.create(
        campaign=campaign,
        document=documents.normalise(source),
        revision=(last or 0) + 1,
        base_version=base,
        created_by=by,
        saved_by=by,
        saved_at=now,
    )
    digests.refresh(campaign)
    return draft


def _snapshot(draft: Draft, *, cause: str, changed: list[str], by: User) -> DraftSnapshot:
    return DraftSnapshot.objects.create(
        campaign=draft.campaign,
        revision=draft.revision,
        document=draft.document,
        cause=cause,
        changed_fields=changed,
        by=by,
    )


def _changed_since(draft: Draft, base_revision: int) -> list[str]:
    """Fields saved after `base_revision`; all fields when that revision is of another draft or unknown."""
    lists = DraftSnapshot.objects.filter(
        campaign=draft.campaign, cause="saved", revision__gt=base_revision, revision__lte=draft.revision
    ).values_list("changed_fields", flat=True)
    seen = {name for changed in lists for name in changed}
    ordered = [name for name in documents.names() if name in seen]
    return [NAME, *ordered] if NAME in seen else ordered


def _rename(campaign: Campaign, fields: Mapping[str, object]) -> bool:
    """Set the campaign's name from `fields`; an empty name is kept as it was. Written by `_touch`."""
    if NAME not in fields:
        return False
    name = texts.storable(str(fields[NAME])).strip()[:200]
    if not name or name == campaign.name:
        return False
    campaign.name = name
    campaign.save(update_fields=["name"])
    return True


def _touch(campaign: Campaign, by: User, now: dt.datetime) -> None:
    campaign.edited_at, campaign.edited_by = now, by
    campaign.save(update_fields=["edited_at", "edited_by"])


def _checked_name(name: str) -> str:
    return texts.storable(name).strip()[:200] or _("Untitled campaign")


def _refuse_archived(campaign: Campaign) -> None:
    if campaign.archived_at:
        raise DomainError(_("%(name)s is archived. Unarchive it first.") % {"name": campaign.name}, code="archived")


def _subject(campaign: Campaign) -> tuple[str, str]:
    return ("campaign", str(campaign.public_id))
