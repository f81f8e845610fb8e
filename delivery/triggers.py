"""What a request says about its people, for rendering: api_trigger_properties and files, read once for each lease.

Requests never change once their people are queued, so what was read stays right for as long as the lease is held.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from delivery import attached
from delivery.models import RequestRecipient, TriggerRequest

_REQUEST = "SELECT trigger, n_attachments FROM delivery_triggerrequest WHERE id = %s"
_RECIPIENTS = """
SELECT profile_id, trigger FROM delivery_requestrecipient
WHERE request_id = %s AND reason = '' AND profile_id IS NOT NULL AND trigger IS NOT NULL
"""


@dataclass(frozen=True)
class Triggers:
    """`common` for everybody, and those of people who have their own (the common ones are in them)."""

    common: Mapping[str, object] = field(default_factory=dict)
    own: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    # Files that go with every message, as parts of MIME.
    attached: tuple[bytes, ...] = ()

    @property
    def n_bytes(self) -> int:
        return sum(map(len, self.attached))

    def of(self, profile_id: int) -> Mapping[str, object]:
        """What a message calls `api_trigger_properties` for this person."""
        return self.own.get(profile_id, self.common)


NONE = Triggers()


def of(connection: "psycopg.Connection[tuple[object, ...]]", request_no: int) -> Triggers:
    """Those of one request, in two small reads, and one for its files; nothing for sends without a request."""
    if not request_no:
        return NONE
    row = connection.execute(_REQUEST, (request_no,), prepare=True).fetchone()
    if row is None:
        return NONE
    common: Any = row[0]
    own: Any = connection.execute(_RECIPIENTS, (request_no,), prepare=True).fetchall()
    return Triggers(common, dict(own), attached.parts(connection, request_no) if row[1] else ())


def common(request_no: int) -> Mapping[str, object]:
    """What a request says about everybody; empty without one."""
    if not request_no:
        return {}
    return TriggerRequest.objects.filter(pk=request_no).values_list("trigger", flat=True).first() or {}


def for_reader(request_no: int, profile_id: int) -> Mapping[str, object]:
    """The same for one person, for pages that show the message again; empty when the request was deleted."""
    if not request_no:
        return {}
    mine = RequestRecipient.objects.filter(request=request_no, profile_id=profile_id, reason="").first()
    return common(request_no) if mine is None or mine.trigger is None else mine.trigger
