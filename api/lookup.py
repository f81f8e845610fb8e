"""What the ids in a call mean: campaigns, segments and groups by public id, people by what others call them."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import CharField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, NullIf

from api import refusals
from api.refusals import Refused
from audiences import addresses, identities
from audiences.models import Profile, Segment, SubscriptionGroup
from campaigns.models import Campaign, Draft

_API = "api"


@dataclass(frozen=True)
class People:
    """Those found, by what they were called by, and what nobody is called by. Several may have one address."""

    ids: dict[str, tuple[int, ...]]
    unknown: tuple[str, ...]

    @property
    def all(self) -> list[int]:
        return sorted({one for ids in self.ids.values() for one in ids})


def campaigns() -> QuerySet[Campaign]:
    """All, with `kind`: how the live version is sent, else how the draft would be."""
    drafted = Draft.objects.filter(campaign=OuterRef("pk")).annotate(how=KT("document__delivery__kind"))
    text = CharField()
    live = NullIf(F("digest__kind"), Value(""), output_field=text)
    kind = Coalesce(live, Subquery(drafted.values("how")[:1], output_field=text), Value(""), output_field=text)
    return Campaign.objects.annotate(kind=kind)


def campaign(public_id: uuid.UUID, *, is_api: bool = False) -> Campaign:
    """Raises Refused for one that isn't there, and for one that nothing triggers by API where that is wanted."""
    found = campaigns().select_related("live_version").filter(public_id=public_id).first()
    if found is None:
        raise Refused(refusals.INVALID_CAMPAIGN, "campaign_id: There is no campaign with this id.")
    if is_api and found.kind != _API:  # type: ignore[attr-defined]  # an annotation
        raise Refused(refusals.INVALID_CAMPAIGN, "campaign_id: This campaign is not sent by API. Choose another one.")
    return found


def is_api(found: Campaign) -> bool:
    """Of a campaign out of `campaigns`."""
    return bool(found.kind == _API)  # type: ignore[attr-defined]  # an annotation


def example() -> Campaign | None:
    """The newest published campaign that is sent by API, else the newest published one. One query."""
    found = list(campaigns().filter(live_version__isnull=False).order_by("-pk")[:50])
    return next((one for one in found if is_api(one)), found[0] if found else None)


def segment(public_id: uuid.UUID) -> Segment:
    found = Segment.objects.filter(public_id=public_id, deleted_at=None).first()
    if found is None:
        raise Refused(refusals.INVALID_SEGMENT, "segment_id: There is no segment with this id.")
    return found


def group(public_id: uuid.UUID) -> SubscriptionGroup:
    found = SubscriptionGroup.objects.filter(public_id=public_id).first()
    if found is None:
        told = "subscription_group_id: There is no subscription group with this id."
        raise Refused(refusals.INVALID_GROUP, told)
    return found


def by_external_id(wanted: Sequence[str]) -> People:
    """One query."""
    found = identities.find([identities.Name(identities.EXTERNAL_ID, one) for one in wanted])
    return _people(wanted, [(name.text, pk) for name, pk in found.items()])


def by_email(wanted: Sequence[str]) -> People:
    """Everybody with these mailboxes, as they are compared everywhere. One query."""
    keys = {email: addresses.key(email) for email in wanted}
    rows = list(
        Profile.objects.filter(email_key__in={key for key in keys.values() if key}).values_list("email_key", "pk")
    )
    return _people(wanted, [(email, pk) for email, key in keys.items() for found, pk in rows if key == found])


def _people(wanted: Iterable[str], pairs: Iterable[tuple[str, int]]) -> People:
    ids: dict[str, tuple[int, ...]] = {}
    for name, pk in pairs:
        ids[name] = (*ids.get(name, ()), pk)
    return People(ids, tuple(name for name in dict.fromkeys(wanted) if name not in ids))
