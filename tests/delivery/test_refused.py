"""Refusals at hand-over, held against their addresses: once each, in any order of commits, and never for a wall."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts import audit
from audiences import profiles
from audiences.models import AddressError, Profile, QuarantineEntry
from delivery import clock, fuses, reasons, refused
from delivery.models import Delivery, NotedRefusal, RefusalLook
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
OLD = dt.timedelta(minutes=5)


def failing(
    of: Delivery, *refusals: tuple[str, str], ago: dt.timedelta = OLD, n_sent: int = 1, **fields: Any
) -> list[Profile]:
    """One person for each (code, answer), refused in a shard of `of` that sent to others as well."""
    people = [factories.profile() for _ in refusals]
    for person, (code, detail) in zip(people, refusals, strict=True):
        at = timezone.now() - ago
        records.log(of, person.pk, "failed", address=person.email, at=at, code=code, detail=detail, **fields)
    records.shard(of, [person.pk for person in people], n_failed=len(people), n_sent=n_sent)
    return people


UNKNOWN = ("550 5.1.1", "550 5.1.1 No such user")
FULL = ("552 5.2.2", "552 5.2.2 Mailbox full")
POLICY = ("550 5.7.1", "550 5.7.1 Blocked")
EXPIRED = (reasons.EXPIRED, "The validity period ended first.")


def in_quarantine(*people: Profile) -> list[bool]:
    return [profiles.quarantined(person.email_key) is not None for person in people]


def test_each_refusal_weighs_what_its_verdict_says_and_counts_once() -> None:
    made = records.delivery(people=4)
    people = failing(made, UNKNOWN, FULL, POLICY, ("", "Something"))
    assert refused.hold_against_addresses() == 4
    assert in_quarantine(*people) == [True, False, False, False]
    counted = dict(AddressError.objects.values_list("address_key", "n_errors"))
    assert counted == {people[1].email_key: 1, people[3].email_key: 1}
    assert refused.hold_against_addresses() == 0
    assert RefusalLook.objects.get(pk=made.pk).n_noted == 4


def test_a_released_address_is_not_held_to_the_same_refusal_again() -> None:
    made = records.delivery(people=2)
    (person,) = failing(made, UNKNOWN)
    refused.hold_against_addresses()
    entry = profiles.quarantined(person.email_key)
    assert entry is not None
    profiles.release(entry, factories.user("Admin"), "It works.")
    failing(made, UNKNOWN)
    assert refused.hold_against_addresses() == 1
    assert in_quarantine(person) == [False]


def test_rows_that_are_committed_late_and_out_of_order_are_found() -> None:
    made = records.delivery(people=9, state="finished")
    first = failing(made, UNKNOWN, ago=dt.timedelta(minutes=5))
    assert refused.hold_against_addresses() == 1
    # A lost worker's journal: rows from before, stored after.
    late = failing(made, UNKNOWN, UNKNOWN, ago=dt.timedelta(hours=3))
    assert refused.hold_against_addresses() == 2
    assert in_quarantine(*first, *late) == [True, True, True]


def test_a_refusal_waits_a_minute_before_it_counts() -> None:
    made = records.delivery(people=2)
    young, old = failing(made, UNKNOWN, ago=dt.timedelta(seconds=5)), failing(made, UNKNOWN)
    assert refused.hold_against_addresses() == 1
    assert in_quarantine(*young, *old) == [False, True]


def test_while_a_server_takes_nothing_at_all_nobody_is_blamed_until_the_end() -> None:
    made = records.delivery(people=3)
    people = failing(made, UNKNOWN, UNKNOWN, n_sent=0)
    assert refused.hold_against_addresses() == 0
    Delivery.objects.filter(pk=made.pk).update(state="finished", ended_at=timezone.now())
    assert refused.hold_against_addresses() == 2
    assert in_quarantine(*people) == [True, True]


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_wall_of_errors_quarantines_nobody_for_its_code(is_resumed: bool) -> None:
    made = records.delivery(people=99, state="sending" if is_resumed else "paused")
    audit.record(
        "delivery.paused",
        subject=("delivery", str(made.public_id)),
        label="fuse",
        detail={"cause": "errors", "trouble": "x"},
    )
    if not is_resumed:
        Delivery.objects.filter(pk=made.pk).update(pause_cause="errors")
    wall = failing(made, *[UNKNOWN] * fuses.N_IN_A_ROW)
    (other,) = failing(made, ("550 5.1.10", "550 5.1.10 Null MX"))
    assert refused.hold_against_addresses() == fuses.N_IN_A_ROW + 1
    assert in_quarantine(*wall) == [False] * fuses.N_IN_A_ROW
    assert in_quarantine(other) == [True]
    assert not AddressError.objects.exists()


def test_without_a_blown_fuse_many_dead_addresses_are_many_dead_addresses() -> None:
    made = records.delivery(people=99)
    people = failing(made, *[UNKNOWN] * (fuses.N_IN_A_ROW + 1))
    refused.hold_against_addresses()
    assert all(in_quarantine(*people))


@pytest.mark.parametrize(
    ("case", "last", "counted"),
    [
        ("mailbox full to the end", ("452 4.2.2", "452 4.2.2 Full"), 1),
        ("no answer", None, 1),
        ("slowed to the end", ("421 4.7.28", "421 4.7.28 Rate limited"), 0),
        ("temporary whatever it says", ("450 5.1.1", "450 5.1.1 Unknown for now"), 1),
    ],
)
def test_what_was_retried_to_the_end_counts_as_temporary(case: str, last: tuple[str, str] | None, counted: int) -> None:
    made = records.delivery(people=1, state="finished")
    (person,) = failing(made, EXPIRED)
    records.attempt(made, person.pk, number=1, code="550 5.7.1", reply="not the last one")
    if last:
        records.attempt(made, person.pk, number=2, code=last[0], reply=last[1])
    else:
        records.attempt(made, person.pk, number=2, code="", reply="")
    refused.hold_against_addresses()
    assert AddressError.objects.filter(address_key=person.email_key).count() == counted, case
    assert in_quarantine(person) == [False]


def test_old_deliveries_and_rows_that_are_no_refusal_are_not_looked_at() -> None:
    ended = timezone.now() - dt.timedelta(days=9)
    old = records.delivery(people=1, state="finished", ended_at=ended)
    failing(old, UNKNOWN)
    stopped = records.delivery(people=3, state="stopped")
    for n, outcome in enumerate(("cancelled", "not_sent", "unknown")):
        records.log(stopped, n + 1, outcome, code="stopped", at=timezone.now() - OLD)
    records.shard(stopped, [1, 2, 3], n_cancelled=1, n_not_sent=1, n_unknown=1)
    assert refused.hold_against_addresses() == 0
    assert not QuarantineEntry.objects.exists() and not NotedRefusal.objects.exists()


def test_the_tick_does_it() -> None:
    made = records.delivery(people=9, state="finished")
    people = failing(made, UNKNOWN)
    clock.tick()
    assert in_quarantine(*people) == [True]


@pytest.mark.django_db(transaction=True)
def test_two_looks_at_once_count_each_refusal_once() -> None:
    made = records.delivery(people=99, state="finished")
    failing(made, *[FULL] * 20)
    barrier, counts = threading.Barrier(3), []

    def look() -> None:
        barrier.wait()
        counts.append(refused.hold_against_addresses())
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 20 == RefusalLook.objects.get(pk=made.pk).n_noted
    assert set(AddressError.objects.values_list("n_errors", flat=True)) == {1}
