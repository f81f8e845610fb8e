"""Tags of campaigns: short words people find campaigns by. Anybody who may edit campaigns adds and removes them.

A tag keeps the spelling it was first given anywhere; "News" and "news" are the same tag. Tags are no content: they
change neither the draft nor who edited last, and an archived campaign keeps and changes its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import access, audit, roles
from accounts.models import User
from campaigns import digests
from campaigns.models import Campaign
from lib import texts
from lib.errors import DomainError

MAX_LENGTH = 40
MAX_TAGS = 20


@dataclass(frozen=True)
class Tagged:
    """What a change of tags did: the tag as it is spelled, how many campaigns changed, and which are full, by name."""

    tag: str
    n_changed: int
    full: tuple[str, ...] = ()


class TagInvalid(DomainError):
    """What was typed is no tag."""

    code = "tag_invalid"
    status = 422

    def __init__(self, message: str) -> None:
        super().__init__(message, fields={"tag": message})


def add(campaign_ids: Sequence[int], *, tag: str, by: User) -> Tagged:
    """Give `tag` to every one of the campaigns that has room; one short transaction that locks them by number.

    Campaigns that have it already are left alone; those with MAX_TAGS others are named. Raises TagInvalid.
    """
    tag = _spelled(clean(tag))
    with transaction.atomic():
        access.check(access.fresh(by), roles.EDIT)
        found = _locked(campaign_ids)
        missing = [one for one in found if key(tag) not in map(key, one.tags)]
        full = [one for one in missing if len(one.tags) >= MAX_TAGS]
        changed = [one for one in missing if len(one.tags) < MAX_TAGS]
        for campaign in changed:
            campaign.tags = [*campaign.tags, tag]
        _store(changed, "campaign.tagged", tag, by)
    return Tagged(tag, len(changed), tuple(campaign.name for campaign in full))


def remove(campaign_ids: Sequence[int], *, tag: str, by: User) -> Tagged:
    """Take `tag`, in any spelling, from the campaigns that have it; locks as `add` does. Raises TagInvalid."""
    tag = clean(tag)
    with transaction.atomic():
        access.check(access.fresh(by), roles.EDIT)
        changed = [one for one in _locked(campaign_ids) if key(tag) in map(key, one.tags)]
        for campaign in changed:
            campaign.tags = [one for one in campaign.tags if key(one) != key(tag)]
        _store(changed, "campaign.untagged", tag, by)
    return Tagged(tag, len(changed))


def known() -> list[tuple[str, int]]:
    """Every tag in use with its number of campaigns, archived ones apart, by name. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tag, count(*) FILTER (WHERE archived_at IS NULL) FROM campaigns_campaign, unnest(tags) AS tag"
            " GROUP BY tag ORDER BY lower(tag), tag"
        )
        return [(tag, n) for tag, n in cursor.fetchall()]


def clean(text: str) -> str:
    """`text` as a tag: single spaces, no quotes, which the search could not take. Raises TagInvalid."""
    tag = " ".join(texts.storable(text).replace('"', " ").split())
    if not tag:
        raise TagInvalid(_("The tag is empty. Enter a tag."))
    if len(tag) > MAX_LENGTH:
        sentence = ngettext(
            "A tag has at most %(n)d character. Shorten it.",
            "A tag has at most %(n)d characters. Shorten it.",
            MAX_LENGTH,
        )
        raise TagInvalid(sentence % {"n": MAX_LENGTH})
    return tag


def key(tag: str) -> str:
    """What two spellings of one tag share."""
    return digests.fold(tag)


def _spelled(tag: str) -> str:
    """The spelling in use, if there is one. Two people who bring a new tag at once may bring two, found alike."""
    return next((one for one, _n in known() if key(one) == key(tag)), tag)


def _locked(campaign_ids: Sequence[int]) -> list[Campaign]:
    return list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=campaign_ids).order_by("pk"))


def _store(changed: list[Campaign], action: str, tag: str, by: User) -> None:
    Campaign.objects.bulk_update(changed, ["tags"], batch_size=1000)
    subjects = [("campaign", str(campaign.public_id)) for campaign in changed]
    audit.record_many(action, subjects=subjects, by=by, detail={"tag": tag})
