"""Open a delivery: pin the message, copy what the send needs, so that later edits of anything change nothing in it."""

import datetime as dt
from dataclasses import dataclass
from typing import NotRequired, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from delivery import partitions, timetables
from delivery.models import EMAIL, Delivery
from messaging import transports
from messaging.models import Feedback, Message


@dataclass(frozen=True)
class Spread:
    """Who gets it when: everybody at once, each at the wall time `local_time` ("2026-11-25T09:00") in their own zone,
    or in `waves`; with or without regard to quiet hours."""

    local_time: str = ""
    waves: timetables.Waves | None = None
    ignores_quiet_hours: bool = False

    def __post_init__(self) -> None:
        assert not (self.local_time and self.waves), "waves are of people who have the same time"


AT_ONCE = Spread()


class Terms(TypedDict):
    """Columns of Delivery that whoever opens one says in its words.

    `re_eligible_after_s`: seconds, None = never again, 0 = every time. `author` published the message. `ignores_cap`:
    the sending limit does not hold for it. `is_standing`: it takes people from requests; `request_no`: the request for
    a whole audience that it is for; `part` as in callformat.Origin.
    """

    audience: dict[str, object]
    validity_s: int
    re_eligible_after_s: int | None
    rate_per_minute: int | None
    scheduled_at: dt.datetime | None
    scheduled_zone: str
    owner: User | None
    author: NotRequired[User | None]
    n_estimated: NotRequired[int | None]
    ignores_cap: NotRequired[bool]
    is_standing: NotRequired[bool]
    request_no: NotRequired[int]
    part: NotRequired[str]


def open_delivery(
    *,
    message: Message,
    label: str,
    origin: tuple[str, str],
    by: User | None,
    spread: Spread = AT_ONCE,
    **terms: Unpack[Terms],
) -> Delivery:
    """A new delivery in state `new`, through the default transport. Nothing is chosen and nothing is sent yet.

    `origin` is (kind, id) as text, such as ("campaign", "<uuid>"); earlier deliveries of the same origin count for
    re-eligibility.
    """
    month = partitions.month_of(timezone.now())
    with transaction.atomic():
        partitions.ensure(month)
        transport = transports.default()
        delivery = Delivery.objects.create(
            origin_kind=origin[0],
            origin_id=origin[1],
            label=label[:255],
            message=message,
            channel=message.channel,
            transport=transport,
            # Whoever takes a webhook says so at once.
            feedback=transport.feedback if message.channel == EMAIL else Feedback.BOUNCES_ONLY,
            local_time=spread.local_time,
            waves=spread.waves.as_json if spread.waves else {},
            ignores_quiet_hours=spread.ignores_quiet_hours,
            opened_month=month,
            opened_by=by,
            **terms,
        )
        subject, who = ("delivery", str(delivery.public_id)), "" if by else "scheduler"
        audit.record("delivery.opened", subject=subject, by=by, label=who, detail={"label": delivery.label})
    return delivery
