"""One effect for one Idempotency-Key: replayed, refused with another body, raced by a hundred threads, and crashed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from api import idempotency, tasks
from api.envelope import Answer
from api.idempotency import Claim
from api.models import AnsweredCall, SendId
from api.refusals import Refused
from campaigns.models import Campaign
from tests import factories
from tests.api.callers import Caller, make_key

CREATE = "/sends/id/create"


def triggered() -> Campaign:
    return factories.published(factories.user("Operator"), delivery__kind="api")


def claim(**fields: Any) -> Claim:
    given = {"idempotency_key": "order-1", "path": CREATE, "body": {"a": 1, "b": [2]}}
    return Claim(**{"key": make_key().key, **given, **fields})


@pytest.mark.django_db
def test_the_same_call_gets_the_same_answer_and_does_nothing_more() -> None:
    campaign, caller = triggered(), Caller()
    body, headers = {"campaign_id": str(campaign.public_id)}, {"Idempotency-Key": "order-1"}
    first = caller.post(CREATE, body, headers=headers)
    again = caller.post(CREATE, body, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, again.content)
    assert not first.has_header("Idempotent-Replayed") and again["Idempotent-Replayed"] == "true"
    assert SendId.objects.count() == 1
    caller.post(CREATE, body, headers={"Idempotency-Key": "order-2"})
    caller.post(CREATE, body)
    assert SendId.objects.count() == 3


@pytest.mark.django_db
def test_the_order_of_names_makes_no_other_call_but_everything_else_does() -> None:
    first = claim()
    idempotency.once(first, Answer)
    same = Claim(first.key, first.idempotency_key, first.path, {"b": [2], "a": 1})
    assert idempotency.once(same, never).is_repeated
    for changed in (
        {"path": "/messages/send"},
        {"body": {}},
        {"body": {"a": 1, "b": ["2"]}},
        {"body": {"a": True, "b": [2]}},
    ):
        with pytest.raises(Refused) as refused:
            idempotency.once(Claim(**{**vars(first), **changed}), never)
        assert refused.value.status == 422
    other = claim(key=make_key().key)
    assert not idempotency.once(other, Answer).is_repeated, "each API key has its own"


def never() -> Answer:
    raise AssertionError("done a second time")


@pytest.mark.django_db
def test_what_was_refused_may_be_corrected_under_the_same_key() -> None:
    campaign, caller = triggered(), Caller()
    headers = {"Idempotency-Key": "order-1"}
    assert caller.post(CREATE, {"campaign_id": "unknown"}, headers=headers).status_code == 400
    assert not AnsweredCall.objects.exists()
    assert caller.post(CREATE, {"campaign_id": str(campaign.public_id)}, headers=headers).status_code == 201


@pytest.mark.parametrize("name", ["x" * 256, "é", "a\x07b", "", "  "])
def test_a_key_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        idempotency.read(name)
    assert refused.value.status == 400


@pytest.mark.parametrize(("header", "name"), [(None, ""), (" order 1 ", "order 1"), ("x" * 255, "x" * 255)])
def test_a_key_is_read_from_its_header(header: str | None, name: str) -> None:
    assert idempotency.read(header) == name


@pytest.mark.django_db
def test_a_call_with_an_empty_key_does_nothing() -> None:
    body = {"campaign_id": str(triggered().public_id)}
    assert Caller().post(CREATE, body, headers={"Idempotency-Key": ""}).status_code == 400
    assert not SendId.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("age_h", "is_repeated"), [(23, True), (25, False)])
def test_answers_are_kept_for_a_day(age_h: int, is_repeated: bool) -> None:
    first = claim()
    idempotency.once(first, Answer)
    AnsweredCall.objects.update(created_at=timezone.now() - timedelta(hours=age_h))
    assert idempotency.once(first, Answer).is_repeated is is_repeated
    assert AnsweredCall.objects.count() == 1
    AnsweredCall.objects.update(created_at=timezone.now() - timedelta(hours=age_h))
    assert tasks.purge_calls() == (0 if is_repeated else 1)


@pytest.mark.django_db(transaction=True)
def test_a_hundred_calls_at_once_have_one_effect() -> None:
    campaign = triggered()
    caller = Caller()
    body = {"campaign_id": str(campaign.public_id)}
    start = threading.Barrier(20)

    def one(number: int) -> tuple[int, bytes]:
        try:
            if number < 20:
                start.wait(timeout=30)
            mine = Caller.__new__(Caller)
            mine.__dict__.update(caller.__dict__, client=type(caller.client)(raise_request_exception=False))
            answer = mine.post(CREATE, body, headers={"Idempotency-Key": "race"})
            return answer.status_code, answer.content
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(100)))
    assert SendId.objects.count() == AnsweredCall.objects.count() == 1
    assert {status for status, _content in answers} <= {201, 409}
    assert len({content for status, content in answers if status == 201}) == 1


def held(effect: Callable[[], Answer], first: Claim) -> threading.Thread:
    """A process that is in the middle of `effect`."""

    def work() -> None:
        try:
            idempotency.once(first, effect)
        except ConnectionResetError:
            pass
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_who_comes_meanwhile_is_told_and_a_crash_leaves_nothing() -> None:
    first, campaign = claim(), triggered()
    is_inside, may_die = threading.Event(), threading.Event()

    def dies() -> Answer:
        SendId.objects.create(campaign=campaign, send_id="lost", key=first.key)
        is_inside.set()
        may_die.wait(timeout=30)
        # As when the process is killed: the connection ends without a word.
        connection.connection.close()
        raise ConnectionResetError

    thread = held(dies, first)
    assert is_inside.wait(timeout=30)
    with pytest.raises(Refused) as refused, transaction.atomic():
        idempotency.once(first, never)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (409, "1")
    may_die.set()
    thread.join(timeout=30)
    assert not SendId.objects.exists() and not AnsweredCall.objects.exists()
    assert idempotency.once(first, Answer).is_repeated is False
