"""Each move of a delivery: from where, by whom, and that it leaves exactly one trace."""

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts import roles
from accounts.models import AuditEntry, User
from delivery import lifecycle, staleness
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db

S = DeliveryState
Move = Callable[[Delivery, User], Delivery]
MOVES: dict[str, tuple[Move, set[str], str, str]] = {
    # name: (call, states it may leave, state it leads to, narrowest role)
    "prepare": (lambda d, u: lifecycle.prepare(d.pk, by=u), {S.NEW, S.PREPARED, S.MISSED}, S.PREPARING, "Marketer"),
    "abort": (lambda d, u: lifecycle.abort(d.pk, by=u), {S.PREPARING}, S.NEW, "Marketer"),
    "confirm": (
        lambda d, u: lifecycle.confirm(d.pk, by=u, seal=d.seal, n_to_send=d.n_to_send or 0),
        {S.PREPARED},
        S.CONFIRMED,
        "Operator",
    ),
    "cancel": (lambda d, u: lifecycle.cancel(d.pk, by=u), {S.CONFIRMED}, S.PREPARED, "Operator"),
    "start_now": (lambda d, u: lifecycle.start_now(d.pk, by=u), {S.CONFIRMED}, S.SENDING, "Operator"),
    "pause": (lambda d, u: lifecycle.pause(d.pk, by=u), {S.SENDING}, S.PAUSED, "Operator"),
    "resume": (lambda d, u: lifecycle.resume(d.pk, by=u), {S.PAUSED}, S.SENDING, "Operator"),
    "stop": (lambda d, u: lifecycle.stop(d.pk, by=u), {S.SENDING, S.PAUSED}, S.STOPPED, "Operator"),
    "discard": (lambda d, u: lifecycle.discard(d.pk, by=u), {S.NEW, S.PREPARED, S.MISSED}, S.CANCELLED, "Marketer"),
}
_RANK = ["", "Viewer", "Marketer", "Operator", "Admin"]


def in_state(state: str, *, owner: User | None = None) -> Delivery:
    """A delivery as if it had come to `state`, with a sealed list of one person."""
    factories.people(f"p{Delivery.objects.count()}x")
    delivery = factories.prepared(factories.user("Operator"), owner=owner)
    now = timezone.now()
    Delivery.objects.filter(pk=delivery.pk).delete()
    delivery = Delivery(
        **{f.attname: getattr(delivery, f.attname) for f in Delivery._meta.fields if f.attname != "state"}, state=state
    )
    if state in {S.CONFIRMED, S.SENDING, S.PAUSED, S.FINISHED, S.STOPPED}:
        delivery.confirmed_at, delivery.confirmed_by = now, delivery.opened_by
        delivery.start_at = now + dt.timedelta(hours=1)
    delivery.save(force_insert=True)
    return delivery


def saved(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


@pytest.mark.parametrize("name", MOVES)
def test_a_move_leaves_only_the_states_it_may_leave(name: str) -> None:
    move, sources, target, _role = MOVES[name]
    operator = factories.user("Operator")
    for state in S.values:
        delivery = in_state(state)
        AuditEntry.objects.all().delete()
        if state in sources:
            assert move(delivery, operator).state == saved(delivery).state == target
            assert AuditEntry.objects.filter(subject_id=str(delivery.public_id), actor=operator).count() == 1
        else:
            with pytest.raises(DomainError) as refused:
                move(delivery, operator)
            assert refused.value.status == 409
            assert saved(delivery).state == state
            assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("role", _RANK)
def test_a_move_needs_its_role(name: str, role: str) -> None:
    move, sources, target, narrowest = MOVES[name]
    delivery = in_state(sorted(sources)[0])
    user = factories.user(role)
    if _RANK.index(role) >= _RANK.index(narrowest):
        assert move(delivery, user).state == target
        return
    with pytest.raises(NotAllowed):
        move(delivery, user)
    assert saved(delivery).state == delivery.state


@pytest.mark.parametrize(
    ("name", "is_allowed"), [("pause", True), ("cancel", True), ("resume", False), ("stop", False)]
)
def test_the_owner_may_hold_their_own_send_but_not_push_it(name: str, is_allowed: bool) -> None:
    owner = factories.user("Marketer")
    move, sources, target, _role = MOVES[name]
    delivery = in_state(sorted(sources)[0], owner=owner)
    if is_allowed:
        assert move(delivery, owner).state == target
    else:
        with pytest.raises(NotAllowed):
            move(delivery, owner)


def test_a_right_taken_away_a_moment_ago_counts() -> None:
    operator = factories.user("Operator")
    delivery = in_state(S.PREPARED)
    assert operator.has_perm(roles.START)
    roles.give(User.objects.get(pk=operator.pk), "Marketer")
    with pytest.raises(NotAllowed):
        lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=1)


def test_confirm_releases_only_what_was_shown() -> None:
    operator = factories.user("Operator")
    delivery = in_state(S.PREPARED)
    n = delivery.n_to_send or 0
    for seal, n_to_send in ((delivery.seal, n + 1), ("0" * 64, n), ("", n)):
        with pytest.raises(lifecycle.Stale) as refused:
            lifecycle.confirm(delivery.pk, by=operator, seal=seal, n_to_send=n_to_send)
        assert (refused.value.code, refused.value.status) == ("stale", 409)
    Delivery.objects.filter(pk=delivery.pk).update(prepared_at=timezone.now() - dt.timedelta(hours=25))
    with pytest.raises(lifecycle.Stale, match="24 h"):
        lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=n)
    Delivery.objects.filter(pk=delivery.pk).update(prepared_at=timezone.now() - dt.timedelta(hours=23))
    assert lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=n).state == S.CONFIRMED


def test_a_second_confirmation_names_the_first() -> None:
    first, second = factories.user("Operator", name="Ada"), factories.user("Operator")
    delivery = in_state(S.PREPARED)
    lifecycle.confirm(delivery.pk, by=first, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    with pytest.raises(lifecycle.AlreadyConfirmed, match="Ada already confirmed") as refused:
        lifecycle.confirm(delivery.pk, by=second, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    assert (refused.value.code, refused.value.status) == ("already_confirmed", 409)


def test_the_grace_period_and_the_schedule_say_when_it_starts(settings: Settings) -> None:
    settings.GRACE_S = 30
    operator = factories.user("Operator")
    delivery = in_state(S.PREPARED)
    confirmed = lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    assert (
        confirmed.start_at and abs(confirmed.start_at - timezone.now() - dt.timedelta(seconds=30)).total_seconds() < 5
    )
    with pytest.raises(lifecycle.WrongState) as refused:
        lifecycle.start(delivery.pk)
    assert refused.value.code == "not_due"
    lifecycle.cancel(delivery.pk, by=operator)
    tomorrow = timezone.now() + dt.timedelta(days=1)
    moved = saved(delivery)
    moved.scheduled_at = tomorrow
    staleness.accept_schedule(moved)
    moved.save(update_fields=["scheduled_at", "basis"])
    confirmed = lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    assert confirmed.start_at == tomorrow


def test_only_a_transport_pause_ends_without_a_person() -> None:
    delivery = in_state(S.SENDING)
    lifecycle.pause(delivery.pk, by=None, cause="transport", trouble="connection refused")
    assert saved(delivery).trouble == "connection refused"
    resumed = lifecycle.resume(delivery.pk, by=None)
    assert (resumed.state, resumed.trouble, resumed.pause_cause) == (S.SENDING, "", "")
    lifecycle.pause(delivery.pk, by=None, cause="errors", trouble="550")
    with pytest.raises(AssertionError):
        lifecycle.resume(delivery.pk, by=None)


def test_a_started_send_can_not_be_cancelled_only_stopped() -> None:
    delivery = in_state(S.SENDING)
    with pytest.raises(lifecycle.WrongState) as refused:
        lifecycle.cancel(delivery.pk, by=factories.user("Operator"))
    assert refused.value.code == "already_started"


def test_it_is_not_finished_while_anybody_waits() -> None:
    delivery = in_state(S.SENDING)
    factories.people("waits")
    waiting = factories.sending()
    with pytest.raises(lifecycle.WrongState) as refused:
        lifecycle.finish(waiting.pk)
    assert refused.value.code == "not_finished"
    # The other one lost its shards when it was made anew.
    assert lifecycle.finish(delivery.pk).state == S.FINISHED


@pytest.mark.django_db(transaction=True)
def test_twenty_confirmations_at_once_are_one_send() -> None:
    factories.people("a", "b")
    delivery = factories.prepared()
    operators = [factories.user("Operator") for _n in range(20)]
    barrier = threading.Barrier(len(operators))
    results: list[str] = []

    def confirm(operator: User) -> None:
        try:
            barrier.wait()
            lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=2)
            results.append("confirmed")
        except DomainError as error:
            results.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=confirm, args=(operator,)) for operator in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["already_confirmed"] * 19 + ["confirmed"]
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer"])
def test_a_machine_confirms_only_for_somebody_who_may(role: str) -> None:
    factories.people("a")
    made = factories.prepared()
    with pytest.raises(NotAllowed):
        lifecycle.confirm_for(made.pk, on_behalf_of=factories.user(role))
    assert Delivery.objects.get(pk=made.pk).state == "prepared"
    operator = factories.user("Operator", name="Ona Operator")
    confirmed = lifecycle.confirm_for(made.pk, on_behalf_of=operator)
    assert (confirmed.state, confirmed.confirmed_by) == ("confirmed", operator)
    row = AuditEntry.objects.get(action="delivery.confirmed")
    assert (row.actor, row.actor_label, row.detail["on_behalf_of"]) == (None, "scheduler", "Ona Operator")
    with pytest.raises(lifecycle.AlreadyConfirmed):
        lifecycle.confirm_for(made.pk, on_behalf_of=operator)


def test_a_machine_may_prepare_abort_and_discard_and_leaves_its_name() -> None:
    made = factories.delivery()
    for move in (lifecycle.prepare, lifecycle.abort, lifecycle.discard):
        move(made.pk, by=None)
    rows = AuditEntry.objects.filter(subject_id=str(made.public_id), actor=None).order_by("pk")
    assert [(row.action, row.actor_label) for row in rows] == [
        ("delivery.preparing", "scheduler"),
        ("delivery.preparation_aborted", "scheduler"),
        ("delivery.discarded", "scheduler"),
    ]
