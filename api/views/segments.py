"""Segments: which there are, and what one is."""

from typing import Any

from api import campaign_facts, lookup, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from audiences import wording
from audiences.models import Segment, SegmentKind

SEGMENT = "8d6f8c7a-5b4e-4f3d-a2c1-b0a9f8e7d6c5"

PAGE_SIZE = 100


class ListQuery(shapes.Shape):
    page = shapes.Whole(least=0, most=1_000_000, default=0, help_text="100 segments each, from 0.")
    sort_direction = shapes.OneOf(("asc", "desc"), default="asc", help_text="By creation.")


class ListSegments(Endpoint):
    """List segments, 100 to a page."""

    scope = "segments.list"
    takes = ListQuery
    asks = {"page": 0}
    answers = {
        "segments": [
            {
                "id": SEGMENT,
                "name": "Customers in France",
                "analytics_tracking_enabled": False,
                "tags": [],
            }
        ]
    }

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        found = Segment.objects.filter(deleted_at=None)
        found = found.order_by("created_at" if entered["sort_direction"] == "asc" else "-created_at", "pk")
        start = entered["page"] * PAGE_SIZE
        return Answer({"segments": [_row(one) for one in found[start : start + PAGE_SIZE]]})


class DetailsQuery(shapes.Shape):
    segment_id = shapes.PublicId()


class SegmentDetails(Endpoint):
    """Read a segment: its rule in words, and how many people it had when it was last counted."""

    scope = "segments.details"
    takes = DetailsQuery
    asks = {"segment_id": SEGMENT}
    answers = {
        "name": "Customers in France",
        "description": "",
        "text_description": "people whose country is France",
        "tags": [],
        "created_at": "2026-11-01T09:00:00+00:00",
        "updated_at": "2026-11-02T09:00:00+00:00",
        "size": 12480,
        "counted_at": "2026-11-25T09:00:00+00:00",
    }
    may_be_null = frozenset({"size", "counted_at"})

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        segment = lookup.segment(entered["segment_id"])
        is_rule = segment.kind == SegmentKind.RULE
        return Answer(
            {
                "created_at": campaign_facts.moment(segment.created_at),
                "updated_at": campaign_facts.moment(segment.updated_at),
                "name": segment.name,
                "description": "",
                "text_description": wording.describe_group(segment.rule) if is_rule else "a list of people",
                "tags": [],
                "teams": [],
                "size": segment.n_people,
                "counted_at": campaign_facts.moment(segment.counted_at),
            }
        )


def _row(segment: Segment) -> dict[str, Any]:
    return {
        "id": str(segment.public_id),
        "name": segment.name,
        "analytics_tracking_enabled": False,
        "tags": [],
    }
