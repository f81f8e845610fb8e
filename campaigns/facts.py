"""What a campaign's badge depends on, read in SQL as one short text per campaign.

"published||once|finished|fresh|recent": state, archived, kind, state of the current send, whether it is of the live
version, whether it was opened lately. The current send is the newest that was not called off. The badge itself is
computed by campaigns.badges only, so that lists, counts and pages can't disagree.
"""

import datetime as dt
from typing import NamedTuple

from django.db.models import Case, Exists, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat
from django.utils import timezone

from campaigns import badges
from campaigns.models import Campaign, CampaignSend, Draft
from delivery.models import DeliveryState

# A failed send asks for attention for this long.
_RECENT = dt.timedelta(days=7)


class Derived(NamedTuple):
    """One distinct text with what it means."""

    text: str
    badge: badges.Badge
    is_recent: bool


def with_facts(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """`campaigns` with `facts` (what the badge depends on, as text), `current_delivery` and `has_draft`."""
    fresh = Case(When(version_id=OuterRef("live_version_id"), then=Value("fresh")), default=Value("stale"))
    recent = Case(When(delivery__opened_at__gte=timezone.now() - _RECENT, then=Value("recent")), default=Value("old"))
    latest = (
        CampaignSend.objects.filter(campaign=OuterRef("pk"))
        .exclude(delivery__state=DeliveryState.CANCELLED)
        .order_by("-pk")
    )
    described = latest.annotate(
        text=Concat("delivery__state", Value("|"), fresh, Value("|"), recent, output_field=TextField())
    )
    archived = Case(When(archived_at__isnull=False, then=Value("archived")), default=Value(""))
    return campaigns.annotate(
        facts=Concat(
            "state",
            Value("|"),
            archived,
            Value("|"),
            Coalesce(KT("live_version__document__delivery__kind"), Value("")),
            Value("|"),
            Coalesce(Subquery(described.values("text")[:1]), Value("")),
            output_field=TextField(),
        ),
        current_delivery=Subquery(latest.values("delivery_id")[:1]),
        has_draft=Exists(Draft.objects.filter(campaign=OuterRef("pk"))),
    )


def derive(text: str) -> Derived:
    """The meaning of a text of `with_facts`."""
    parts = [*(text or "draft|||").split("|"), "", "", ""]
    state, archived, kind, delivery_state, fresh, recent = parts[:6]
    badge = badges.badge(
        badges.Facts(
            state=state,
            is_archived=bool(archived),
            kind=kind or "once",
            delivery_state=delivery_state,
            is_stale=fresh == "stale",
        )
    )
    return Derived(text, badge, recent == "recent")
