"""Why a prepared list may not be confirmed any more, as far as this room can tell. Pages show it before anybody
presses; delivery.gate asks again under the lock.

The *basis* of a list is what its preparation rested on beside the message: the rules of the segments its audience
names, at any depth, the mail server, and the chosen time. It is taken before people are chosen, is part of the seal,
and is compared with how things are now. Who is in a segment changes all the time and makes nothing stale; what it asks
for does.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from audiences import segments
from audiences.models import Segment
from delivery.models import Delivery, DeliveryState
from messaging import transports
from messaging.models import Transport

# A list older than this is refused at confirmation: people unsubscribe, segments change.
MAX_AGE = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Reason:
    """One cause: a sentence for people, and whether preparing again mends it."""

    code: str
    message: str
    is_mended: bool = True


def basis(delivery: Delivery) -> dict[str, Any]:
    """What a preparation that begins now rests on, as JSON. A query for each level of segments."""
    return {
        "segments": {str(one.public_id): _digest(one) for one in segments.behind(delivery.audience)},
        "transport": _server(delivery.transport),
        "scheduled_at": _stamp(delivery),
    }


def reasons(delivery: Delivery, now: dt.datetime) -> list[Reason]:
    """Everything that stands against confirming the prepared list; [] for one that can be confirmed or is not prepared.

    At most as many queries as `basis`.
    """
    if delivery.state != DeliveryState.PREPARED or delivery.prepared_at is None:
        return []
    found = _changed_segments(delivery)
    stored = delivery.basis
    if "transport" in stored and _now(delivery) != stored["transport"]:
        found.append(Reason("transport", _("The mail server was changed. Prepare again.")))
    if "scheduled_at" in stored and _stamp(delivery) != stored["scheduled_at"]:
        found.append(Reason("schedule", _("The schedule changed.")))
    if now - delivery.prepared_at > MAX_AGE:
        found.append(Reason("too_old", _("Prepared more than 24 h ago.")))
    return found


def segments_changed(delivery: Delivery) -> bool:
    """Whether the segments of the latest list, prepared or being replaced, ask for others now. One query."""
    return bool(_changed_segments(delivery))


def accept_schedule(delivery: Delivery) -> None:
    """The list stays good for another time: take the delivery's new time into its basis. Saved by the caller, who holds
    the lock."""
    delivery.basis = delivery.basis | {"scheduled_at": _stamp(delivery)}


def _changed_segments(delivery: Delivery) -> list[Reason]:
    stored: dict[str, str] = delivery.basis.get("segments", {})
    if not stored:
        return []
    return [
        _reason(one)
        for one in Segment.objects.filter(public_id__in=stored).order_by("name")
        if _digest(one) != stored[str(one.public_id)]
    ]


def _reason(segment: Segment) -> Reason:
    if segment.deleted_at is not None:
        sentence = _("The segment “{name}” was deleted {when}. Choose another audience and publish again.")
        return Reason("segment", sentence.format(name=segment.name, when=_when(segment.deleted_at)), is_mended=False)
    sentence = _("The segment “{name}” was changed {when}. Prepare again.")
    return Reason("segment", sentence.format(name=segment.name, when=_when(segment.updated_at)))


def _when(moment: dt.datetime) -> str:
    """at 13:57, with the day when it is not today."""
    local = timezone.localtime(moment)
    time = formats.time_format(local, "H:i")
    if local.date() == timezone.localdate():
        return _("at %(time)s") % {"time": time}
    return _("on %(day)s at %(time)s") % {
        "day": formats.date_format(local, pgettext("date format", "j M")),
        "time": time,
    }


def _digest(segment: Segment) -> str:
    asked = json.dumps([segment.kind, segment.rule, segment.deleted_at is not None], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def _now(delivery: Delivery) -> str:
    """What `transport` of a basis would be now: the server behind the default, which a new preparation would take."""
    return _server(transports.default())


def _server(transport: Transport) -> str:
    """Where messages go and how it answers, without the secret: another password is the same server."""
    try:
        server = transports.server(transport)
    except transports.TransportInvalid:
        return "unusable"
    return f"{transport.pk} {server.security} {server.username}@{server.host}:{server.port} {transport.feedback}"


def _stamp(delivery: Delivery) -> str:
    return delivery.scheduled_at.isoformat() if delivery.scheduled_at else ""
