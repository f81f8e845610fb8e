"""What a campaign's badge depends on, read in SQL as one short text per campaign.

"published||once|finished|fresh|recent": state, archived, kind, state of the current send, whether it is of the live
version, whether it was opened lately. The current send is the newest that was not called off. The badge itself is
computed by campaigns.badges only, so that lists, counts and pages can't disagree.
"""

import datetime as dt
from typing import NamedTuple

from django.db.models import Case, Exists, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils import timezone

from campaigns import badges
from campaigns.models import Campaign, CampaignSend, ConfirmationRequest, Draft, RequestStatus
from delivery.models import DeliveryState

# A failed send asks for attention for this long.
_RECENT = dt.timedelta(days=7)


class Derived(NamedTuple):
    """One distinct text with what it means."""

    text: str
    badge: badges.Badge
    is_recent: bool


def with_facts(campaigns: QuerySet[Campaign]) -> QuerySet[Campaign]:
    """`campaigns` with `facts` (what the badge depends on, as text), `current_delivery`, `has_draft` and
    `is_in_review` (somebody asked for a confirmation)."""
    latest = (
        # What single requests opened, and what brings messages of calls, comes and goes beside the send people mean.
        CampaignSend.objects.filter(campaign=OuterRef("pk"), delivery__request_no=0, delivery__part="")
        .exclude(delivery__state=DeliveryState.CANCELLED)
        .order_by("-pk")
    )
    described = latest.annotate(
        text=_joined(
            Cast("delivery__state", TextField()),
            _flag("fresh", "stale", version_id=OuterRef("live_version_id")),
            _flag("recent", "old", delivery__opened_at__gte=timezone.now() - _RECENT),
        )
    )
    return campaigns.annotate(
        facts=_joined(
            Cast("state", TextField()),
            _flag("archived", "", archived_at__isnull=False),
            Coalesce("digest__kind", _text(""), output_field=TextField()),
            Coalesce(Subquery(described.values("text")[:1]), _text("")),
        ),
        current_delivery=Subquery(latest.values("delivery_id")[:1]),
        is_in_review=Exists(
            ConfirmationRequest.objects.filter(send__campaign=OuterRef("pk"), status=RequestStatus.OPEN)
        ),
        has_draft=Exists(Draft.objects.filter(campaign=OuterRef("pk"))),
    )


def _text(value: str) -> Value:
    return Value(value, output_field=TextField())


def _flag(yes: str, no: str, **condition: object) -> Case:
    return Case(When(**condition, then=_text(yes)), default=_text(no), output_field=TextField())


def _joined(*parts: Combinable) -> Combinable:
    """The parts with | between them. All are TextField, or Django refuses to guess."""
    first, *rest = parts
    for part in rest:
        first = Concat(first, _text("|"), part, output_field=TextField())
    return first


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
