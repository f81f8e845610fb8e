"""The figures of a whole log, against a recomputation that reads one row after the other."""

import datetime as dt
import random

import pytest
from django.forms.models import model_to_dict
from django.utils import timezone

from delivery import rollups, status
from delivery.models import Delivery, DeliveryStat, Event, SendLog
from messaging.models import Feedback
from tests.delivery import records

pytestmark = pytest.mark.django_db
OUTCOMES = ["sent"] * 12 + ["failed", "not_sent", "cancelled", "unknown"]
EVENTS: list[dict[str, object]] = [
    {"kind": "delivered"},
    {"kind": "deferred", "verdict": "soft", "code": "451 4.4.1"},
    {"kind": "bounced", "verdict": "hard", "code": "550 5.1.1"},
    {"kind": "bounced", "verdict": "soft", "code": "4.2.2"},
    {"kind": "bounced", "verdict": "soft", "code": "552 5.2.2"},
    {"kind": "bounced", "verdict": "blocked", "code": "421 4.7.28"},
    {"kind": "bounced", "verdict": "message", "code": "552 5.3.4"},
    {"kind": "bounced", "verdict": "ignored", "code": ""},
    {"kind": "opened"},
    {"kind": "opened", "is_automatic": True},
    {"kind": "clicked"},
    {"kind": "clicked", "is_automatic": True},
    {"kind": "unsubscribed"},
    {"kind": "complained"},
]


def random_log(seed: int, *, mode: str, is_final: bool, people: int = 120) -> Delivery:
    draw = random.Random(seed)
    end = timezone.now() + dt.timedelta(days=-1 if is_final else 1)
    made = records.delivery(people=people, feedback=mode, valid_until=end)
    for profile_id in range(1, people + 1):
        records.log(made, profile_id, draw.choice(OUTCOMES))
        for event in draw.choices(EVENTS, k=draw.randint(0, 4)):
            records.event(made, profile_id, **event)  # type: ignore[arg-type]
    return made


def by_hand(of: Delivery, *, is_final: bool) -> dict[str, int]:
    """The same figures from plain rows, by the pure function."""
    counts = dict.fromkeys([name for name in fields(DeliveryStat()) if name.startswith("n_")], 0)
    for row in SendLog.objects.filter(delivery=of):
        events = list(Event.objects.filter(delivery=of, profile_id=row.profile_id))
        own = {event.kind for event in events if not event.is_automatic}
        automatic = {event.kind for event in events if event.is_automatic} - own
        known = status.facts((event.kind, event.verdict, event.code) for event in events)
        seen = status.derive(row.outcome, known, feedback=of.feedback, is_final=is_final)
        counts["n_failed_at_handover" if row.outcome == "failed" else f"n_{row.outcome}"] += 1
        counts["n_failed"] += seen == "failed"
        if row.outcome != "sent":
            continue
        counts["n_delivered"] += seen == "sent"
        counts["n_pending"] += seen == "pending"
        counts["n_not_opened"] += seen in {"sent", "pending"} and "opened" not in own
        for kind, name in (("opened", "n_opened"), ("clicked", "n_clicked")):
            counts[name] += kind in own
            counts[f"{name}_automatic"] += kind in automatic
        counts["n_unsubscribed"] += "unsubscribed" in own
        counts["n_complained"] += "complained" in own
    return counts


def fields(stat: DeliveryStat) -> dict[str, int]:
    return {name: value for name, value in model_to_dict(stat).items() if name.startswith("n_")}


@pytest.mark.parametrize("mode", [Feedback.BOUNCES_ONLY, Feedback.REAL_TIME])
@pytest.mark.parametrize("is_final", [False, True])
def test_figures_equal_a_recomputation_row_by_row(mode: str, is_final: bool) -> None:
    made = random_log(7, mode=mode, is_final=is_final)
    other = records.delivery(people=1)
    records.log(other, 1)
    records.event(other, 1, "opened")

    stat = rollups.rebuild(made.pk)

    assert fields(stat) == by_hand(made, is_final=is_final)
    assert stat.n_delivered + stat.n_pending + stat.n_failed == stat.n_sent + stat.n_failed_at_handover
    assert stat.n_opened > 0 and stat.n_clicked > 0 and stat.n_failed > stat.n_failed_at_handover


def test_rebuilding_again_changes_nothing_but_the_time() -> None:
    made = random_log(3, mode=Feedback.REAL_TIME, is_final=False, people=30)
    first, second = rollups.rebuild(made.pk), rollups.rebuild(made.pk)
    assert fields(first) == fields(second)
    assert second.computed_at > first.computed_at


def test_an_empty_log_gives_zeros() -> None:
    stat = rollups.rebuild(records.delivery(people=5).pk)
    assert set(fields(stat).values()) == {0}


def test_a_small_send_is_rebuilt_at_most_every_fifteen_seconds() -> None:
    made = records.delivery(people=1)
    records.log(made, 1)
    rollups.freshen(made)
    records.event(made, 1, "opened")
    rollups.freshen(made)
    assert DeliveryStat.objects.get(pk=made.pk).n_opened == 0
    DeliveryStat.objects.update(computed_at=timezone.now() - dt.timedelta(seconds=rollups.FRESH_S + 1))
    rollups.freshen(made)
    assert DeliveryStat.objects.get(pk=made.pk).n_opened == 1


def test_a_large_send_waits_for_the_hour() -> None:
    made = records.delivery(people=rollups.SMALL)
    rollups.freshen(made)
    assert not DeliveryStat.objects.filter(pk=made.pk).exists()


def test_the_hourly_job_takes_what_may_still_change() -> None:
    new = records.delivery(people=1)
    fresh = records.delivery(people=1)
    rollups.rebuild(fresh.pk)
    stale = records.delivery(people=1)
    rollups.rebuild(stale.pk)
    DeliveryStat.objects.filter(pk=stale.pk).update(computed_at=timezone.now() - dt.timedelta(hours=1))
    old = records.delivery(people=1, valid_until=timezone.now() - dt.timedelta(days=30))
    rollups.rebuild(old.pk)
    DeliveryStat.objects.filter(pk=old.pk).update(computed_at=timezone.now() - dt.timedelta(days=20))
    records.delivery(state="prepared", people=1)
    assert set(rollups.due()) == {new.pk, stale.pk}
    assert rollups.refresh() == 2
    assert rollups.due() == []


def test_a_month_that_was_never_analysed_is_still_counted_by_hashing() -> None:
    """Without statistics PostgreSQL takes a log for a row or two, and would look through all events for each of a
    million rows."""
    made = records.delivery(people=3)
    for number in range(3):
        records.log(made, number + 1)
        records.event(made, number + 1)
    with rollups.reading() as cursor:
        cursor.execute(f"EXPLAIN {rollups._REBUILD}", rollups.verdict_values(made, timezone.now()))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Join" in plan and "Nested Loop" not in plan
