"""Events of transactional calls, posted to the address of Settings, Webhooks: found, posted, tried again, given up.

`note` marks a call that will be told about, in the call's own transaction. A worker then runs `run` every two seconds:
what became of the marked calls is looked up, each event gets a row (once, by a constraint), and those that are due are
leased in one short transaction, posted outside of it, and settled. Workers pass over what another one has locked. One
that dies between posting and settling leaves a lease: when that ends the event is posted again, with the same
webhook-id, by which its receiver can tell. A receiver that is slow or down holds up MOST_AT_ONCE attempts, whoever
works.
"""

import datetime as dt
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts import access, roles
from accounts.models import User
from api import postback_settings, postbacks
from api.models import Postback, PostbackStatus, TransactionalCall
from delivery.models import TriggerRequest
from messaging import calling, outward, webhooks

# Attempts at the same time, of all workers together.
MOST_AT_ONCE = 8
# Seconds of one attempt, and until its connection stands.
TIMEOUT_S, CONNECT_S = 10.0, 4.0
# Longer than an attempt can take, the resolver included.
_LEASE = dt.timedelta(seconds=60)
# After so many seconds one run begins nothing more.
_RUN_S = 4.0
_LOOKS = 500
# A receiver that is restarted is nothing to speak of.
_QUIET = dt.timedelta(minutes=10)
# What an event that isn't settled yet may wait for at its sibling's first attempt.
_BEGUN = Q(n_attempts=0) | Q(leased_until__isnull=False)


class Due(NamedTuple):
    """One event that this worker has until its lease ends. `n_attempts` counts the one that begins."""

    id: int
    request_id: int
    status: PostbackStatus
    happened_at: dt.datetime
    n_attempts: int


class Posted(NamedTuple):
    due: Due
    is_taken: bool
    answer: str


def note(request: TriggerRequest) -> None:
    """Somebody wants to hear of this call, while there is an address; in the transaction that takes it."""
    if postback_settings.recent_address():
        TransactionalCall.objects.create(request=request, look_at=timezone.now())


def run() -> int:
    """Find and post what is due; how many attempts were made. Any number of workers at once, any number of times."""
    address = postback_settings.address()
    if not address:
        return 0
    try:
        keys = webhooks.keys()
    except webhooks.SwitchedOff:
        # Nothing goes unsigned; it waits.
        return 0
    started, n_made = time.monotonic(), 0
    while _look() == _LOOKS and time.monotonic() - started < _RUN_S / 2:
        # However many calls there are to look at, half of the time is for posting.
        pass
    ends_at = started + _RUN_S
    while time.monotonic() < ends_at and (due := lease()):
        n_made += len(due)
        _post_all(due, address, keys)
    return n_made


@transaction.atomic
def _look() -> int:
    """Write down the events of calls that are to be looked at; how many calls there were, _LOOKS at most."""
    now = timezone.now()
    waiting = TransactionalCall.objects.filter(look_at__lte=now).order_by("look_at")
    calls = list(waiting.select_for_update(no_key=True, skip_locked=True)[:_LOOKS])
    rows = postbacks.read(call.pk for call in calls) if calls else {}
    found = []
    for call in calls:
        row = rows.get(call.pk)
        events = postbacks.happened(row) if row else {}
        found += [Postback(call=call, status=one, happened_at=at, next_try_at=now) for one, at in events.items()]
        call.look_at = postbacks.next_look(row, events, now)
    Postback.objects.bulk_create(found, ignore_conflicts=True)
    TransactionalCall.objects.bulk_update(calls, ["look_at"])
    return len(calls)


@transaction.atomic
def lease() -> list[Due]:
    """Take what is due, oldest first, as many as may be posted at once; nobody else has them until the lease ends.

    Of one call one at a time until each had its first attempt, so that they arrive in their order.
    """
    now = timezone.now()
    n_free = MOST_AT_ONCE - Postback.objects.filter(leased_until__gt=now).count()
    if n_free <= 0:
        return []
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    before = Postback.objects.filter(_BEGUN, call=OuterRef("call"), pk__lt=OuterRef("pk"), next_try_at__isnull=False)
    waiting = Postback.objects.filter(free, ~Exists(before), next_try_at__lte=now).order_by("next_try_at", "pk")
    found = list(waiting.select_for_update(no_key=True, skip_locked=True)[:n_free])
    for one in found:
        one.n_attempts, one.leased_until = one.n_attempts + 1, now + _LEASE
    Postback.objects.bulk_update(found, ["n_attempts", "leased_until"])
    return [Due(one.pk, one.call_id, PostbackStatus(one.status), one.happened_at, one.n_attempts) for one in found]


def _post_all(due: Sequence[Due], address: str, keys: Sequence[bytes]) -> None:
    """Each in a thread, without the database; settled as they come back."""
    rows = postbacks.read(one.request_id for one in due)
    with ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="postback") as pool:
        flying: list[Future[Posted]] = [
            pool.submit(_post, one, rows[one.request_id], address, keys) for one in due if one.request_id in rows
        ]
        for done in as_completed(flying):
            settle(done.result())


def _post(due: Due, row: postbacks.Row, address: str, keys: Sequence[bytes]) -> Posted:
    body = postbacks.body(row, due.status, due.happened_at)
    name, now = postbacks.message_id(row.public_id, due.status), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": webhooks.signature(keys, name, now, body),
    }
    try:
        answer = outward.send(
            "POST", address, headers, body, most_bytes=0, timeout=TIMEOUT_S, connect_timeout=CONNECT_S
        )
    except outward.OutwardProblem as problem:
        return Posted(due, is_taken=False, answer=problem.message)
    # What it wrote besides is not kept: it could be about somebody.
    return Posted(due, is_taken=200 <= answer.status < 300, answer=calling.line(answer.status))


def settle(posted: Posted) -> None:
    """Record what came of an attempt, unless another one began meanwhile."""
    now, due = timezone.now(), posted.due
    mine = Postback.objects.filter(pk=due.id, n_attempts=due.n_attempts, leased_until__isnull=False)
    mine.update(
        leased_until=None,
        next_try_at=None if posted.is_taken else postbacks.next_try(due.n_attempts, now),
        taken_at=now if posted.is_taken else None,
        answer=posted.answer[:200],
        answered_at=now,
    )


@transaction.atomic
def redeliver(public_id: uuid.UUID, status: str, *, by: User) -> None:
    """Post an event once more, with all its attempts. Raises NotAllowed, Postback.DoesNotExist."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    found = Postback.objects.select_for_update(no_key=True, of=("self",))
    one = found.get(call__request__public_id=public_id, status=status)
    one.n_attempts, one.next_try_at, one.leased_until = 0, timezone.now(), None
    one.taken_at, one.answered_at, one.answer = None, None, ""
    one.save(update_fields=["n_attempts", "next_try_at", "leased_until", "taken_at", "answered_at", "answer"])


def newest(n: int) -> QuerySet[Postback]:
    """The last events, newest first, with their requests."""
    return Postback.objects.select_related("call__request").order_by("-pk")[:n]


def untaken_since(now: dt.datetime) -> tuple[dt.datetime, str] | None:
    """Since when no event was taken although some were posted, and the last answer; None while all is well. Three
    queries at most."""
    answered = Postback.objects.filter(answered_at__isnull=False)
    last = answered.order_by("-answered_at").first()
    if last is None or last.taken_at is not None:
        return None
    taken_at = Postback.objects.aggregate(at=Max("taken_at"))["at"]
    refused = answered.filter(taken_at=None, answered_at__gt=taken_at) if taken_at else answered.filter(taken_at=None)
    first_at = refused.aggregate(at=Min("happened_at"))["at"]
    since = max(taken_at, first_at) if taken_at else first_at
    return (since, last.answer) if now - since >= _QUIET else None
