"""A process that stands still in the middle of a call, or whose machine is gone, gives back what others wait for."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from api import envelope, idempotency
from api.envelope import Answer
from api.idempotency import Claim
from api.models import AnsweredCall
from api.refusals import Refused
from audiences import turns
from delivery import requests
from delivery.models import Delivery
from lib import statements
from tests import factories
from tests.api.callers import make_key

pytestmark = pytest.mark.django_db(transaction=True)
_LOCKS: dict[str, Callable[[], object]] = {
    "of making people": turns.take,
    "of a standing delivery": lambda: requests.lock_standing(requests.Origin("campaign", _origin(), "")),
}


def _origin() -> str:
    return Delivery.objects.values_list("origin_id", flat=True).get(is_standing=True)


def stand_still(work: Callable[[Callable[[], Any]], Any]) -> tuple[threading.Thread, threading.Event, list[Exception]]:
    """Run `work`, which calls what it is given where it stands still: until the event. And what it ended with."""
    is_there, may_go_on, ended = threading.Event(), threading.Event(), list[Exception]()

    def still() -> Answer:
        is_there.set()
        may_go_on.wait(30)
        factories.profile(external_id="late")
        return Answer({"by": "who stood still"})

    def run() -> None:
        try:
            work(still)
        except Exception as error:  # noqa: BLE001  # what it is, is looked at
            ended.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert is_there.wait(30)
    return thread, may_go_on, ended


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "STILL_S", 0.3)


@pytest.mark.parametrize("name", _LOCKS)
def test_locks_of_calls_are_given_back(name: str) -> None:
    factories.published(delivery__kind="api")

    @transaction.atomic
    def work(still: Callable[[], Any]) -> None:
        _LOCKS[name]()
        still()

    thread, may_go_on, ended = stand_still(work)
    began = time.monotonic()
    with transaction.atomic():
        turns.take()
        list(Delivery.objects.select_for_update())
    assert time.monotonic() - began < 5
    may_go_on.set()
    thread.join(30)
    # It is told that nothing of it was kept, and so is who called.
    assert envelope.refusal(ended[0]).status == 503


def test_an_idempotency_key_is_given_back_and_the_call_is_done_once() -> None:
    claim = Claim(make_key().key, "order-1", "/campaigns/trigger/send", {})
    thread, may_go_on, ended = stand_still(lambda still: idempotency.once(claim, still))
    deadline = time.monotonic() + 5
    reply = None
    while reply is None and time.monotonic() < deadline:
        with contextlib.suppress(Refused):
            reply = idempotency.once(claim, lambda: Answer({"by": "the next one"}))
        time.sleep(0.05)
    may_go_on.set()
    thread.join(30)
    assert reply is not None and b"the next one" in reply.content
    assert envelope.refusal(ended[0]).status == 503
    assert AnsweredCall.objects.count() == 1
