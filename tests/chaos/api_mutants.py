"""Seeded bugs of the API: each breaks one half of "2xx is a promise"; a chaos run with it must fail.

`apply` is called in the program that has the bug, before it does anything. `SCENARIO` names the strikes under which the
bug shows.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from rest_framework.response import Response

from api import envelope, idempotency
from api.envelope import Answer
from api.models import AnsweredCall

SCENARIO = {
    "answered_before_the_commit": ("web killed",) * 2,
    "answer_is_stored_apart": ("web killed",) * 2,
    "claimed_before_it_is_done": ("web killed",) * 2,
    "effect_in_parts": ("web killed",) * 2,
    "answer_is_not_replayed": ("web stopped",),
    "outage_is_a_page": ("PostgreSQL shut down",),
    "broadcast_begins_anew": (),
    "another_id_when_retried": (),
}
# Which program has the bug when it isn't the web server, and the kinds of calls that show it. Then messages are sent.
ELSEWHERE = {"broadcast_begins_anew": ("worker", "segment,audience"), "another_id_when_retried": ("sender", "webhook")}
# Seconds that the bug takes, so that a kill falls into them; not the same for all, or calls would go in step.
_SLOW_S = (0.1, 0.4)


def apply(name: str) -> None:
    """Break the API of this process. KeyError for an unknown name."""
    assert name in SCENARIO
    globals()[f"_{name}"]()


def _dawdle() -> None:
    time.sleep(random.uniform(*_SLOW_S))


def _keep(claim: idempotency.Claim, reply: idempotency.Reply) -> None:
    AnsweredCall.objects.update_or_create(
        key=claim.key,
        idempotency_key=claim.idempotency_key,
        defaults={
            "path": claim.path,
            "body_sha256": claim.sha256,
            "status": reply.status,
            "body": reply.content.decode(),
        },
    )


def _answered_before_the_commit() -> None:
    """The answer is given while the transaction is open, which another thread ends a moment later."""
    inner = idempotency.once

    def once(claim: idempotency.Claim, effect: Callable[[], Answer], **_before: Any) -> idempotency.Reply:
        found: list[Any] = []
        is_done = threading.Event()

        def work() -> None:
            try:
                with transaction.atomic():
                    found.append(inner(claim, effect))
                    is_done.set()
                    _dawdle()
            except Exception as error:  # noqa: BLE001  # raised where it belongs
                found.append(error)
            finally:
                is_done.set()
                connection.close()

        threading.Thread(target=work).start()
        is_done.wait()
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]  # type: ignore[no-any-return]

    idempotency.once = once


def _answer_is_stored_apart() -> None:
    """First the effect is committed, then the answer to the key."""

    def once(claim: idempotency.Claim, effect: Callable[[], Answer], **_before: Any) -> idempotency.Reply:
        if (found := idempotency._answered(claim)) is not None:
            return found
        with transaction.atomic():
            reply = idempotency._reply(effect())
        _dawdle()
        _keep(claim, reply)
        return reply

    idempotency.once = once


def _claimed_before_it_is_done() -> None:
    """The key counts as used as soon as the call is there."""
    early = idempotency.Reply(201, b'{"message":"success"}')

    def once(claim: idempotency.Claim, effect: Callable[[], Answer], **_before: Any) -> idempotency.Reply:
        if (found := idempotency._answered(claim)) is not None:
            return found
        _keep(claim, early)
        _dawdle()
        with transaction.atomic():
            return idempotency._reply(effect())

    idempotency.once = once


def _effect_in_parts() -> None:
    """The request is committed before its people, so that a death in the middle leaves half of the effect."""
    from delivery import queueing, requests  # noqa: PLC0415  # only this one needs them

    record, write = requests.record, queueing.write

    def recorded(*arguments: Any, **named: Any) -> Any:
        found = _apart(lambda: record(*arguments, **named))
        _dawdle()
        return found

    def written(request: Any, *arguments: Any, is_new: bool, **named: Any) -> None:
        if is_new:
            _apart(lambda: request.save(force_insert=True))
            _dawdle()
        write(request, *arguments, is_new=False, **named)

    requests.record, queueing.write = recorded, written


def _apart(work: Callable[[], Any]) -> Any:
    """The result of `work` on a connection of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def _answer_is_not_replayed() -> None:
    """What was answered before is done again."""

    def once(claim: idempotency.Claim, effect: Callable[[], Answer], **_before: Any) -> idempotency.Reply:
        with transaction.atomic():
            reply = idempotency._reply(effect())
            _keep(claim, reply)
            return reply

    idempotency.once = once


def _outage_is_a_page() -> None:
    """While PostgreSQL is away, programs get what people get. Calls take their time: some are under way then."""
    inner, once = envelope.handle, idempotency.once

    def slowly(claim: idempotency.Claim, effect: Callable[[], Answer], **before: Any) -> idempotency.Reply:
        def work() -> Answer:
            _dawdle()
            return effect()

        return once(claim, work, **before)

    def handle(error: Exception, context: Any) -> Any:
        answer = inner(error, context)
        return Response("<html>Traceback</html>", status=500) if answer.status_code == 503 else answer

    envelope.handle, idempotency.once = handle, slowly


def _broadcast_begins_anew() -> None:
    """What was let go is not written down with it; so whoever looks next opens another delivery of the request."""
    from campaigns import broadcasts  # noqa: PLC0415  # as above
    from delivery.models import TriggerRequest  # noqa: PLC0415

    inner, seen = broadcasts._done, set[int]()

    def done(request: Any, delivery: Any) -> None:
        if request.pk in seen:
            inner(request, delivery)
        seen.add(request.pk)
        TriggerRequest.objects.filter(pk=request.pk, state="taken").update(delivery=None)

    broadcasts._done = done


def _another_id_when_retried() -> None:
    """Each attempt of a webhook is a webhook of its own to its receiver."""
    from messaging.channels import webhook  # noqa: PLC0415  # as above

    inner = webhook.Program._id
    webhook.Program._id = lambda self, *whom: f"{inner(self, *whom)}{time.time_ns()}"  # type: ignore[method-assign]
