"""What comes back, stored once: events, addresses, figures; in any order, late, twice, at the same time."""

import contextlib
import datetime as dt
import random
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from audiences import profiles, quarantine
from audiences.models import AddressError, Profile, QuarantineEntry
from delivery import inbound, kpi, logs, rollups
from delivery.inbound import Feedback, Recorded
from delivery.models import Delivery, Event, EventKind
from messaging import verdicts
from messaging.verdicts import Kind, Verdict
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
HARD = {"verdict": Verdict(Kind.HARD, verdicts.USER_UNKNOWN), "code": "550 5.1.1", "detail": "No such user"}
SOFT = {"verdict": Verdict(Kind.SOFT, verdicts.MAILBOX_FULL), "code": "452 4.2.2", "detail": "Over quota"}
BLOCKED = {"verdict": Verdict(Kind.BLOCKED, verdicts.REFUSED), "code": "550 5.7.1", "detail": "Blocked"}
MESSAGE = {"verdict": Verdict(Kind.MESSAGE, verdicts.TOO_LARGE), "code": "552 5.3.4", "detail": "Too large"}


def sent(n: int = 1, **fields: Any) -> tuple[Delivery, list[Profile]]:
    made = records.delivery(people=n, **fields)
    people = [factories.profile() for _ in range(n)]
    for person in people:
        records.log(made, person.pk, address=person.email)
    records.shard(made, [person.pk for person in people], n_sent=n)
    return made, people


def fact(of: Delivery, person: Profile, kind: str, source: str = "", **fields: Any) -> Feedback:
    defaults: dict[str, Any] = {
        "delivery_id": of.pk, "profile_id": person.pk, "request_no": 0, "kind": EventKind(kind),
        "at": timezone.now(), "source_id": source or f"test:{kind}:{person.pk}",
    }  # fmt: skip
    return Feedback(**{**defaults, **fields})


def test_a_hard_bounce_is_in_the_log_and_its_address_in_quarantine() -> None:
    made, (person, other) = sent(2)
    done = inbound.record([fact(made, person, "bounced", **HARD)])
    assert done == Recorded(n_new=1, n_quarantined=1)
    event = Event.objects.get()
    assert (event.kind, event.verdict, event.reason, event.code) == ("bounced", "hard", "user_unknown", "550 5.1.1")
    entry = profiles.quarantined(person.email_key)
    assert entry is not None and (entry.reason, entry.evidence) == ("user_unknown", "550 5.1.1 No such user")
    assert profiles.quarantined(other.email_key) is None
    shown = {row.profile_id: row.status for row in logs.sending(made, logs.Filter()).rows}
    assert shown == {person.pk: "failed", other.pk: "sent"}
    rollups.rebuild(made.pk)
    panel = kpi.panel(made)
    assert (panel.sent, panel.delivered, panel.failed) == (2, 1, 1)


@pytest.mark.parametrize(
    ("case", "kind", "fields", "in_quarantine", "errors"),
    [
        ("hard", "bounced", HARD, True, 0),
        ("soft", "bounced", SOFT, False, 1),
        ("blocked", "bounced", BLOCKED, False, 0),
        ("message", "bounced", MESSAGE, False, 0),
        ("the relay tries on", "deferred", SOFT, False, 0),
        ("delivered", "delivered", {}, False, 0),
        ("complaint", "complained", {}, True, 0),
    ],
)
def test_what_each_report_does_to_its_address(
    case: str, kind: str, fields: dict[str, Any], in_quarantine: bool, errors: int
) -> None:
    made, (person,) = sent()
    assert inbound.record([fact(made, person, kind, **fields)]).n_new == 1
    assert (profiles.quarantined(person.email_key) is not None) == in_quarantine, case
    assert AddressError.objects.filter(address_key=person.email_key, n_errors=1).count() == errors, case
    assert Profile.objects.get(pk=person.pk).email_consent == person.email_consent


def test_a_complaint_keeps_the_message_sent_and_is_counted_apart() -> None:
    made, (person,) = sent(feedback="real_time")
    inbound.record([fact(made, person, "delivered"), fact(made, person, "complained")])
    stat = rollups.rebuild(made.pk)
    assert (stat.n_delivered, stat.n_failed, stat.n_complained) == (1, 0, 1)
    assert QuarantineEntry.objects.get().reason == quarantine.COMPLAINT


def test_the_same_report_again_is_one_event_and_one_strike() -> None:
    made, (person,) = sent()
    one = fact(made, person, "bounced", **SOFT)
    assert inbound.record([one, one]) == Recorded(n_new=1, n_known=1)
    assert inbound.record([one]) == Recorded(n_known=1)
    assert Event.objects.count() == 1
    assert AddressError.objects.get().n_errors == 1


def test_a_release_is_not_undone_by_the_same_report_again() -> None:
    made, (person,) = sent()
    one = fact(made, person, "bounced", **HARD)
    inbound.record([one])
    entry = profiles.quarantined(person.email_key)
    assert entry is not None
    profiles.release(entry, factories.user("Admin"), "They opened a new mailbox.")
    inbound.record([one])
    assert profiles.quarantined(person.email_key) is None


def test_a_success_starts_the_count_anew() -> None:
    made, (person,) = sent()
    inbound.record([fact(made, person, "bounced", at=timezone.now() - dt.timedelta(hours=2), **SOFT)])
    inbound.record([fact(made, person, "delivered")])
    assert not AddressError.objects.exists()


@pytest.mark.parametrize(
    ("case", "fields", "bounces", "counted"),
    [
        ("arrived in silence", {}, [], 1),
        ("its validity is not over", {"valid_until": timezone.now() + dt.timedelta(hours=1)}, [], 2),
        ("it bounced too", {}, [BLOCKED], 2),
        ("only an automatic reply", {}, [{"verdict": Verdict(Kind.IGNORED, verdicts.AUTO_REPLY)}], 1),
        ("deliveries are reported", {"feedback": "real_time"}, [], 2),
    ],
)
def test_a_message_that_arrived_in_silence_is_a_success(
    case: str, fields: dict[str, Any], bounces: list[dict[str, Any]], counted: int
) -> None:
    first, (person,) = sent()
    days = [timezone.now() - dt.timedelta(days=n) for n in range(9)]
    inbound.record([fact(first, person, "bounced", "test:1", at=days[8], **SOFT)])
    between = records.delivery(people=1, **{"valid_until": days[2], **fields})
    records.log(between, person.pk, address=person.email, at=days[5])
    inbound.record([fact(between, person, "bounced", f"test:b{n}", **one) for n, one in enumerate(bounces)])
    inbound.record([fact(first, person, "bounced", "test:2", **SOFT)])
    assert AddressError.objects.get(address_key=person.email_key).n_errors == counted, case


@pytest.mark.parametrize("mode", ["bounces_only", "real_time"])
def test_any_order_in_any_batches_gives_the_same_figures(mode: str) -> None:
    made, people = sent(12, feedback=mode)
    draw = random.Random(2)
    choices = [("delivered", {}), ("deferred", SOFT), ("bounced", SOFT), ("bounced", HARD), ("complained", {})]
    facts = [
        fact(made, person, kind, f"test:{person.pk}:{n}", **fields)
        for person in people
        for n, (kind, fields) in enumerate(draw.choices(choices, k=3))
    ]
    seen = []
    for seed in range(3):
        Event.objects.all().delete()
        order = facts * 2
        random.Random(seed).shuffle(order)
        for at in range(0, len(order), 7):
            inbound.record(order[at : at + 7])
        stat = rollups.rebuild(made.pk)
        seen.append((stat.n_delivered, stat.n_pending, stat.n_failed, stat.n_complained))
    assert len(set(seen)) == 1
    assert Event.objects.count() == len(facts)


def test_a_report_goes_to_the_address_that_was_written_to() -> None:
    made, (person,) = sent()
    Profile.objects.filter(pk=person.pk).update(email="new@example.test", email_key="new@example.test")
    inbound.record([fact(made, person, "bounced", **HARD)])
    assert list(QuarantineEntry.objects.values_list("address_key", flat=True)) == [person.email_key]


def test_a_report_may_be_faster_than_the_send_log_and_outlive_the_profile() -> None:
    made = records.delivery(people=2)
    person, gone = factories.profile(), factories.profile()
    deleted = Profile(pk=gone.pk)
    gone.delete()
    assert inbound.record([fact(made, person, "bounced", **HARD), fact(made, deleted, "bounced", **HARD)]).n_new == 2
    assert list(QuarantineEntry.objects.values_list("address_key", flat=True)) == [person.email_key]
    # Nobody is counted who is not in the log.
    assert rollups.rebuild(made.pk).n_failed == 0


def test_late_reports_go_to_the_month_of_their_delivery() -> None:
    started = timezone.now() - dt.timedelta(days=45)
    made, (person,) = sent(started_at=started, valid_until=started + dt.timedelta(days=3))
    inbound.record([fact(made, person, "bounced", **HARD)])
    assert Event.objects.get().opened_month == made.opened_month
    assert rollups.rebuild(made.pk).n_failed == 1


def test_reports_after_retention_and_about_nothing_are_dropped_alone() -> None:
    made, (person,) = sent()
    old = records.delivery(people=1, opened_month=dt.date(2019, 3, 1))
    unknown = Delivery(pk=2**62)
    nobody = Profile(pk=2**63 - 1)
    facts = [
        fact(old, person, "bounced", "test:1", **HARD),
        fact(unknown, nobody, "bounced", "test:2", **HARD),
        fact(made, person, "delivered"),
    ]
    assert inbound.record(facts) == Recorded(n_new=1, n_lost=2)
    assert not QuarantineEntry.objects.exists()


def test_one_bad_item_loses_itself_only() -> None:
    made, people = sent(9)
    facts = [
        fact(made, person, "bounced", detail="x\x00\ud800y" * 300, code="c" * 99, verdict=HARD["verdict"])
        for person in people
    ]
    facts[4] = fact(made, people[4], "bounced", verdict=Verdict("nonsense", "y"))  # type: ignore[arg-type]
    done = inbound.record(facts)
    assert (done.n_new, done.n_bad, done.n_quarantined) == (8, 1, 8)
    assert Event.objects.filter(verdict="hard").count() == 8


def test_nothing_reported_is_nothing_done() -> None:
    assert inbound.record([]) == Recorded()


@pytest.mark.django_db(transaction=True)
def test_the_same_reports_in_several_processes_at_once_count_once() -> None:
    made, people = sent(30)
    facts = [
        fact(made, person, kind, **fields)
        for person in people
        for kind, fields in (("bounced", SOFT), ("complained", {}))
    ]
    barrier, done = threading.Barrier(4), []

    def report(seed: int) -> None:
        order = list(facts)
        random.Random(seed).shuffle(order)
        barrier.wait()
        done.append(inbound.record(order))
        connection.close()

    threads = [threading.Thread(target=report, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.n_new for one in done) == 60 and sum(one.n_known for one in done) == 180
    assert Event.objects.count() == 60
    assert QuarantineEntry.objects.filter(reason="complaint", released_at=None).count() == 30


@pytest.mark.django_db(transaction=True)
def test_reports_that_cross_each_other_wait_and_do_not_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """One forgives an address and strikes another, the second the other way round; both were counted before."""
    made, people = sent(2)
    inbound.record([fact(made, one, "bounced", f"before:{one.pk}", **SOFT) for one in people])
    assert AddressError.objects.count() == 2
    barrier, results, strike = threading.Barrier(2), [], quarantine.strike

    def late_strike(strikes: Any) -> int:
        # Both have forgiven by now, where nothing keeps them apart.
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(1)
        return strike(strikes)

    monkeypatch.setattr(quarantine, "strike", late_strike)

    def report(good: Profile, bad: Profile) -> None:
        try:
            later = timezone.now() + dt.timedelta(days=2)
            facts = [fact(made, good, "delivered", at=later), fact(made, bad, "bounced", at=later, **SOFT)]
            results.append(inbound.record(facts))
        except OperationalError as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=report, args=pair) for pair in (people, people[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [Recorded(n_new=2)] * 2
