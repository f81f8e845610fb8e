"""Figures by domain and day, against the panel's own figures and a recomputation row by row."""

import datetime as dt
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connections
from django.db.models import Sum
from django.utils import timezone

from delivery import domain_days, rollups, status
from delivery.models import Delivery, DeliveryStat, DomainDay, Event, SendLog
from messaging import verdicts
from messaging.models import Feedback
from tests.delivery import records, test_rollups

pytestmark = pytest.mark.django_db
NAMES = ("n_sent", "n_delivered", "n_hard", "n_soft", "n_complained", "n_unsubscribed")


def sums(of: Delivery) -> dict[str, Any]:
    return DomainDay.objects.filter(delivery=of).aggregate(**{name: Sum(name, default=0) for name in NAMES})


def by_hand(of: Delivery, *, is_final: bool) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in SendLog.objects.filter(delivery=of, outcome__in=["sent", "failed"]):
        domain = row.address.split("@")[1]
        events = list(Event.objects.filter(delivery=of, profile_id=row.profile_id))
        known = status.facts((event.kind, event.verdict, event.code) for event in events)
        seen = status.derive(row.outcome, known, feedback=of.feedback, is_final=is_final)
        kinds = {event.kind for event in events} if row.outcome == "sent" else set()
        is_temporary = status.is_soft(verdicts.of_reply(row.code, row.detail).kind, row.code)
        is_hard = known.has_final_bounce if row.outcome == "sent" else not is_temporary
        is_soft = known.has_soft_bounce if row.outcome == "sent" else is_temporary
        facts = {
            "n_sent": True,
            "n_delivered": seen == "sent",
            "n_hard": is_hard,
            "n_soft": is_soft and not is_hard and not (known.is_delivered and row.outcome == "sent"),
            "n_complained": "complained" in kinds,
            "n_unsubscribed": "unsubscribed" in kinds,
        }
        counts.update((domain, name) for name, holds in facts.items() if holds)
    return counts


@pytest.mark.parametrize("mode", [Feedback.BOUNCES_ONLY, Feedback.REAL_TIME])
@pytest.mark.parametrize("is_final", [False, True])
def test_figures_equal_the_log_and_the_panel(mode: str, is_final: bool) -> None:
    made = test_rollups.random_log(11, mode=mode, is_final=is_final)
    for i, code in enumerate(["452 4.2.2", "550 5.1.1", ""]):
        records.log(made, 500 + i, "failed", code=code, address=f"x{i}@OTHER.test".lower())
    domain_days.rebuild(made.pk)
    expected = by_hand(made, is_final=is_final)
    found = {
        (row.domain, name): getattr(row, name)
        for row in DomainDay.objects.filter(delivery=made)
        for name in NAMES
        if getattr(row, name)
    }
    assert found == dict(expected) and {domain for domain, _name in found} == {"example.test", "other.test"}
    stat, total = rollups.rebuild(made.pk), sums(made)
    assert total["n_sent"] == stat.n_sent + stat.n_failed_at_handover
    assert total["n_delivered"] == stat.n_delivered
    assert (total["n_complained"], total["n_unsubscribed"]) == (stat.n_complained, stat.n_unsubscribed)


def test_small_domains_share_a_row_and_nobody_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_days, "MOST_DOMAINS", 2)
    made = records.delivery(people=7)
    for i, domain in enumerate(["a.test", "A.test", "a.test", "b.test", "b.test", "c.test", "d.test"]):
        records.log(made, i, address=f"p{i}@{domain}")
    domain_days.rebuild(made.pk)
    assert dict(DomainDay.objects.values_list("domain", "n_sent")) == {"a.test": 3, "b.test": 2, "": 2}


def test_days_are_those_of_the_hand_over_in_utc() -> None:
    made = records.delivery(people=2)
    for i, moment in enumerate(["2026-11-22T23:59:59+00:00", "2026-11-23T00:00:00+00:00"]):
        records.log(made, i, at=dt.datetime.fromisoformat(moment))
    domain_days.rebuild(made.pk)
    days = [str(day) for day in DomainDay.objects.order_by("day").values_list("day", flat=True)]
    assert days == ["2026-11-22", "2026-11-23"]


def test_what_was_counted_again_is_counted_here_once() -> None:
    made, empty = records.delivery(people=1), records.delivery(people=1)
    records.log(made, 1)
    for one in (made, empty):
        rollups.rebuild(one.pk)
    assert domain_days.refresh() == 1 and domain_days.refresh() == 0
    records.event(made, 1, "complained")
    rollups.rebuild(made.pk)
    assert domain_days.refresh() == 1 and sums(made)["n_complained"] == 1


def test_a_large_send_under_way_is_counted_every_quarter_of_an_hour() -> None:
    large = records.delivery(people=rollups.SMALL)
    small = records.delivery(people=1, state="finished")
    records.delivery(people=1, state="finished", ended_at=timezone.now() - dt.timedelta(days=2))
    for one in (large, small):
        records.log(one, 1)
    assert domain_days.refresh_recent() == 2 and domain_days.refresh_recent() == 1
    DomainDay.objects.filter(delivery=large).update(computed_at=timezone.now() - dt.timedelta(minutes=16))
    assert domain_days.refresh_recent() == 2


@pytest.mark.django_db(transaction=True)
def test_two_countings_at_once_give_the_figures_once() -> None:
    made = records.delivery(people=50)
    for i in range(50):
        records.log(made, i, address=f"p{i}@d{i}.test")
    gate = threading.Barrier(2)

    def run() -> None:
        try:
            gate.wait()
            domain_days.rebuild(made.pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums(made)["n_sent"] == 50 and not DeliveryStat.objects.exists()
