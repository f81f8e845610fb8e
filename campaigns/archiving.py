"""Archiving many campaigns at once, and taking exactly that back.

The rules are those of lifecycle.archive; here they are checked for all in a fixed number of queries. The campaigns of
one call share the moment they were archived at, which is how `restore` knows them again.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from campaigns import lifecycle, schedules, settling
from campaigns.models import Campaign, CampaignSend, CampaignState


@dataclass(frozen=True)
class Archived:
    """What `archive` did or would do. `refused` has one sentence for each campaign that can't be archived, by name."""

    n_possible: int
    refused: tuple[str, ...]
    # When they were archived; None when nothing was changed.
    at: dt.datetime | None = None

    @property
    def n_asked(self) -> int:
        return self.n_possible + len(self.refused)


def check(campaign_ids: Sequence[int], *, by: User) -> Archived:
    """What `archive` would do now; changes nothing."""
    access.check(by, roles.EDIT)
    possible, refused = _sorted_out(list(Campaign.objects.filter(pk__in=campaign_ids).order_by("pk")), by)
    return Archived(len(possible), refused)


def archive(campaign_ids: Sequence[int], *, by: User) -> Archived:
    """Archive those that can be; marketers their own. Archived ones are left as they are and not counted.

    One transaction that locks them by number. Safe to repeat: the second call finds nothing to do.
    """
    with transaction.atomic():
        user = access.fresh(by)
        access.check(user, roles.EDIT)
        possible, refused = _sorted_out(_locked(campaign_ids), user)
        at = timezone.now()
        Campaign.objects.filter(pk__in=[one.pk for one in possible]).update(archived_at=at)
        audit.record_many("campaign.archived", subjects=_subjects(possible), by=by)
        settling.close_archived(possible, by=by)
    return Archived(len(possible), refused, at if possible else None)


def restore(at: dt.datetime, *, by: User) -> int:
    """Undo the `archive` of that moment; returns how many came back. One restored or archived anew since stays so."""
    with transaction.atomic():
        user = access.fresh(by)
        access.check(user, roles.EDIT)
        ids = Campaign.objects.filter(archived_at=at).values_list("pk", flat=True)
        found = [one for one in _locked(list(ids)) if one.archived_at == at and _is_theirs(one, user)]
        Campaign.objects.filter(pk__in=[one.pk for one in found]).update(archived_at=None)
        audit.record_many("campaign.unarchived", subjects=_subjects(found), by=by)
    return len(found)


def _sorted_out(campaigns: list[Campaign], user: User) -> tuple[list[Campaign], tuple[str, ...]]:
    """Those that can be archived, and why the others can't. Three queries."""
    shown = [one for one in campaigns if one.archived_at is None]
    ids = [one.pk for one in shown]
    # As lifecycle.would_send.
    would_send = Q(delivery__state__in=lifecycle.OPEN) | Q(delivery__refreshing_from__isnull=False)
    sends = CampaignSend.objects.filter(would_send, campaign_id__in=ids)
    are_open = set(sends.values_list("campaign_id", flat=True))
    active = Campaign.objects.filter(pk__in=ids, state=CampaignState.ACTIVE)
    are_standing = set(active.filter(digest__kind__in=schedules.STANDING).values_list("pk", flat=True))
    owners = User.objects.in_bulk({one.owner_id for one in shown})
    possible, refused = [], []
    for campaign in shown:
        name = {"name": campaign.name, "owner": owners[campaign.owner_id]}
        if not _is_theirs(campaign, user):
            sentence = _("%(name)s is a campaign of %(owner)s. Its owner or an operator can archive it.") % name
            refused.append(sentence)
        elif campaign.pk in are_standing:
            refused.append(_("%(name)s is live. Stop it first.") % name)
        elif campaign.pk in are_open:
            refused.append(_("%(name)s is sending or scheduled. Stop it first.") % name)
        else:
            possible.append(campaign)
    return possible, tuple(sorted(refused))


def _locked(campaign_ids: Sequence[int]) -> list[Campaign]:
    return list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=campaign_ids).order_by("pk"))


def _is_theirs(campaign: Campaign, user: User) -> bool:
    """Marketers act on their own campaigns, people who may start sends on everybody's."""
    return campaign.owner_id == user.pk or user.has_perm(roles.START)


def _subjects(campaigns: Sequence[Campaign]) -> list[tuple[str, str]]:
    return [("campaign", str(campaign.public_id)) for campaign in campaigns]
