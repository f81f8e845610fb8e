"""One source for every number: all surfaces against a recomputation that shares no SQL with them, for random logs."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from audiences.models import Profile
from delivery import (
    alerting,
    charts,
    deliverability,
    domain_days,
    failures,
    history,
    kpi,
    logs,
    people_lists,
    recipients,
    rollups,
    sums,
    totals,
)
from delivery.models import Delivery, DeliveryState, DomainDay, ShardState
from delivery.status import Status
from messaging.models import Feedback
from tests.delivery import records

pytestmark = pytest.mark.django_db
N = 60
OUTCOMES = ["sent"] * 14 + ["failed"] * 3 + ["not_sent", "cancelled", "unknown"]
REFUSALS = [
    ("550 5.1.1", "550 5.1.1 No such user"),
    ("452 4.2.2", "452 4.2.2 Mailbox full"),
    ("552 5.2.2", "552 5.2.2 Mailbox full"),
    ("550 5.7.1", "550 5.7.1 Blocked by our list"),
    ("expired", "Not sent before the end of its validity period."),
    ("", "Connection closed"),
]
BOUNCES = [
    ("hard", "550 5.1.1"),
    ("soft", "452 4.2.2"),
    ("soft", "552 5.2.2"),
    ("blocked", "550 5.7.1"),
    ("blocked", "421 4.7.28"),
    ("message", "552 5.3.4"),
    ("message", "451 4.6.0"),
    ("ignored", ""),
]
# One row for each person of the log, by questions of its own about the events: nothing is grouped or shared.
TRUTH = """
SELECT l.profile_id, l.outcome, l.code, split_part(l.address, '@', 2),
    EXISTS (SELECT 1 FROM ev WHERE kind = 'bounced' AND verdict IN ('hard', 'blocked', 'message', '')
            AND (verdict = 'hard' OR left(code, 1) <> '4')),
    EXISTS (SELECT 1 FROM ev WHERE kind = 'bounced' AND verdict NOT IN ('hard', 'ignored')
            AND (verdict = 'soft' OR left(code, 1) = '4')),
    EXISTS (SELECT 1 FROM ev WHERE kind = 'deferred'),
    EXISTS (SELECT 1 FROM ev WHERE kind = 'delivered'),
    ARRAY(SELECT DISTINCT kind FROM ev WHERE NOT is_automatic),
    ARRAY(SELECT DISTINCT kind FROM ev WHERE is_automatic)
FROM delivery_sendlog l WHERE l.delivery_id = %s ORDER BY l.profile_id
""".replace(" ev WHERE", " delivery_event e WHERE e.delivery_id = l.delivery_id AND e.profile_id = l.profile_id AND")


class Truth:
    """What became of everybody: `status` and the kinds of `own` and `automatic` events by profile, and counts."""

    def __init__(self, of: Delivery, *, is_final: bool) -> None:
        self.status: dict[int, str] = {}
        self.counts: Counter[str] = Counter()
        self.domains: Counter[tuple[str, str]] = Counter()
        with connection.cursor() as cursor:
            cursor.execute(TRUTH, [of.pk])
            for profile_id, outcome, code, domain, *facts in cursor.fetchall():
                self._add(profile_id, outcome, code, domain, facts, of=of, is_final=is_final)

    def _add(
        self, profile_id: int, outcome: str, code: str, domain: str, facts: list[Any], *, of: Delivery, is_final: bool
    ) -> None:
        hard, soft, deferred, delivered, own, automatic = facts
        is_live = of.feedback == Feedback.REAL_TIME
        seen = outcome
        if outcome == "sent" and hard:
            seen = "failed"
        elif outcome == "sent" and not delivered:
            if is_live:
                seen = "failed" if soft or deferred else "pending"
            elif soft and is_final:
                seen = "failed"
        self.status[profile_id] = seen
        self.counts.update([seen, f"log {outcome}"])
        if outcome in {"sent", "failed"}:
            self.domains[domain, "n_sent"] += 1
            self.domains[domain, "n_delivered"] += seen == "sent"
            is_hard = hard if outcome == "sent" else code in {"550 5.1.1", "550 5.7.1"}
            is_soft = soft and not delivered if outcome == "sent" else True
            self.domains[domain, "n_hard"] += is_hard
            self.domains[domain, "n_soft"] += is_soft and not is_hard
        if outcome == "sent":
            self.counts.update(f"own {kind}" for kind in own)
            self.counts.update(f"automatic {kind}" for kind in set(automatic) - set(own))
            self.domains[domain, "n_complained"] += "complained" in own
            self.domains[domain, "n_unsubscribed"] += "unsubscribed" in own
            self.counts["got, not opened"] += seen in {"sent", "pending"} and "opened" not in own

    @property
    def n_handed(self) -> int:
        return self.counts["log sent"] + self.counts["log failed"]


def written(draw: random.Random, *, mode: str, is_final: bool) -> Delivery:
    """A send with every kind of outcome and event: late, early and repeated ones, also of people never sent to."""
    now = timezone.now()
    made = records.delivery(
        state=DeliveryState.FINISHED,
        people=N,
        feedback=mode,
        started_at=now - dt.timedelta(days=3),
        ended_at=now - dt.timedelta(days=2, hours=20),
        valid_until=now + dt.timedelta(days=-1 if is_final else 1),
    )
    # The month of the log is that of the start; the start itself is some minutes ago unless it is said again.
    made.started_at = now - dt.timedelta(days=3)
    made.save(update_fields=["started_at"])
    outcomes: Counter[str] = Counter()
    for profile_id in people():
        outcome = draw.choice(OUTCOMES)
        outcomes[outcome] += 1
        code, detail = draw.choice(REFUSALS) if outcome == "failed" else ("", "")
        at = now - dt.timedelta(days=3, minutes=-draw.randint(0, 300))
        address = f"person{profile_id}@{draw.choice(['one', 'two', 'three'])}.test"
        records.log(made, profile_id, outcome, code=code, detail=detail, at=at, address=address)
        for event in events(draw):
            late = at + dt.timedelta(seconds=draw.choice([-5, 1, 60, 3600, 90_000, 200_000]))
            for _n in range(draw.choice([1, 1, 1, 3])):
                records.event(made, profile_id, at=min(now, late), **event)
    shard_of(made, N, outcomes, state=ShardState.DONE)
    return made


def people() -> list[int]:
    """N profiles, made once in each test."""
    if not Profile.objects.exists():
        Profile.objects.bulk_create([Profile(email=f"p{i}@one.test", email_key=f"p{i}@one.test") for i in range(N)])
    return list(Profile.objects.order_by("pk").values_list("pk", flat=True))


def events(draw: random.Random) -> Iterator[dict[str, Any]]:
    for _n in range(draw.choice([0, 0, 1, 1, 2, 4])):
        kind = draw.choice(
            ["delivered", "deferred", "bounced", "bounced", "opened", "opened", "clicked", "unsubscribed", "complained"]
        )
        if kind == "bounced":
            verdict, code = draw.choice(BOUNCES)
            yield {"kind": kind, "verdict": verdict, "code": code, "detail": f"{code} words"}
        elif kind == "deferred":
            yield {"kind": kind, "verdict": "soft", "code": "451 4.4.1", "detail": "451 4.4.1 later"}
        else:
            yield {"kind": kind, "is_automatic": kind in {"opened", "clicked"} and draw.random() < 0.4}


def shard_of(of: Delivery, n_ids: int, outcomes: Counter[str], *, state: str) -> None:
    counts = {f"n_{name}": outcomes[name] for name in ("sent", "failed", "not_sent", "cancelled", "unknown")}
    records.shard(of, list(range(1, n_ids + 1)), n_authorised=min(n_ids, N), state=state, **counts)


CASES = [(seed, mode, is_final) for seed in (1, 2) for mode in Feedback.values for is_final in (False, True)]


@pytest.fixture(params=CASES, ids=[f"{mode}-{'after' if over else 'before'}-{seed}" for seed, mode, over in CASES])
def case(request: pytest.FixtureRequest) -> tuple[Delivery, Truth]:
    seed, mode, is_final = request.param
    made = written(random.Random(seed), mode=mode, is_final=is_final)
    rollups.rebuild(made.pk)
    return made, Truth(made, is_final=is_final)


def test_every_page_says_what_the_log_says(case: tuple[Delivery, Truth]) -> None:
    made, truth = case
    panel = kpi.panel(made)
    expected = (truth.n_handed, truth.counts["sent"], truth.counts["failed"], truth.counts["pending"])
    assert (panel.sent, panel.delivered, panel.failed, panel.pending) == expected
    assert panel.delivered + panel.pending + panel.failed == panel.sent
    assert panel.pending == 0 or made.feedback == Feedback.REAL_TIME
    rest = (panel.not_sent, panel.cancelled, panel.unknown, panel.waiting, panel.retrying)
    assert rest == (truth.counts["not_sent"], truth.counts["cancelled"], truth.counts["unknown"], 0, 0)
    assert panel.sent + sum(rest) == panel.to_send == N
    for name in ("opened", "clicked"):
        assert getattr(panel, name) == truth.counts[f"own {name}"]
        assert getattr(panel, f"{name}_automatic") == truth.counts[f"automatic {name}"]
    assert (panel.unsubscribed, panel.complained) == (truth.counts["own unsubscribed"], truth.counts["own complained"])
    assert vars(kpi.summaries([made.pk])[made.pk]).items() <= vars(panel).items()
    groups = people_lists.groups(made, panel)
    assert groups == {name: people_lists.n_people(made, name) for name in groups}
    assert groups["not_opened"] == truth.counts["got, not opened"]


def test_lists_and_groups_add_up_to_the_tiles(case: tuple[Delivery, Truth]) -> None:
    made, truth = case
    found = {row.profile_id: str(row.status) for row in logs.export_sending(made, logs.Filter())}
    assert found == truth.status
    for status in Status.values:
        listed = {row.profile_id for row in logs.export_sending(made, logs.Filter(status=status))}
        assert listed == {one for one, seen in truth.status.items() if seen == status}, status
    for profile_id in people()[::4]:
        (entry,) = history.entries(profile_id)
        record = recipients.find(made, profile_id)
        assert record is not None
        assert str(entry.status) == str(record.status) == truth.status[profile_id]
    told = failures.failures(made)
    assert sum(one.n for one in told) == truth.counts["failed"]
    assert sum(one.share for one in told) == pytest.approx(1)
    domains = [failures.failures(made, domain=f"{name}.test") for name in ("one", "two", "three")]
    by_domain = [sum(one.n for one in found) for found in domains]
    assert sum(by_domain) == truth.counts["failed"]


def test_the_chart_ends_at_the_tiles_whenever_the_last_thing_happened(case: tuple[Delivery, Truth]) -> None:
    made, truth = case
    found = charts.points(made, until=charts.end(made))
    last = found[-1]
    answers = (truth.n_handed, truth.counts["sent"], truth.counts["failed"])
    assert (last.sent, last.failed) == (answers[0], answers[2])
    assert last.delivered == truth.counts["sent"]
    assert (last.opened, last.clicked) == (truth.counts["own opened"], truth.counts["own clicked"])
    times = [point.at for point in found]
    assert times == sorted(set(times))


def test_days_and_alerts_say_what_the_log_says(case: tuple[Delivery, Truth]) -> None:
    made, truth = case
    domain_days.rebuild(made.pk)
    names = ("n_sent", "n_delivered", "n_hard", "n_soft", "n_complained", "n_unsubscribed")
    rows = DomainDay.objects.filter(delivery=made).values_list("domain").annotate(**{name: Sum(name) for name in names})
    found = {(domain, name): n for domain, *sums in rows for name, n in zip(names, sums, strict=True)}
    assert found == dict.fromkeys(found, 0) | dict(truth.domains)
    sums = {name: sum(n for (_domain, one), n in found.items() if one == name) for name in names}
    facts = alerting._facts([made], timezone.now())[made.pk]
    assert {name: getattr(facts, name) for name in names[:5]} == {name: sums[name] for name in names[:5]}
    total = deliverability.report(7).total
    shown = (
        total.n_sent,
        total.delivered.part,
        total.hard.part,
        total.soft.part,
        total.complaints.part,
        total.unsubscribed.part,
    )
    assert shown == tuple(sums.values())
    panel = kpi.panel(made)
    assert (panel.sent, panel.delivered, panel.complained) == (shown[0], shown[1], shown[4])


@pytest.mark.parametrize("mode", Feedback.values)
def test_half_way_everybody_is_in_exactly_one_figure(mode: str) -> None:
    """Answers older than the hand-over figures, people waiting and people retrying."""
    made = written(random.Random(5), mode=mode, is_final=False)
    rollups.rebuild(made.pk)
    Delivery.objects.filter(pk=made.pk).update(state=DeliveryState.SENDING, n_to_send=2 * N + 7, n_targeted=2 * N + 7)
    shard_of(made, N + 7, Counter(sent=N - 9, failed=2), state=ShardState.LEASED)
    records.shard(made, [1, 2, 3], attempt=2, state=ShardState.WAITING, n_authorised=0)
    made = Delivery.objects.get(pk=made.pk)
    panel = kpi.panel(made)
    assert panel.retrying == 3
    assert panel.delivered + panel.pending + panel.failed == panel.sent
    parts = (panel.waiting, panel.retrying, panel.sent, panel.not_sent, panel.cancelled, panel.unknown)
    assert sum(parts) == panel.to_send == 2 * N + 7
    assert min(parts) >= 0 and panel.sent == Truth(made, is_final=False).n_handed + N - 7


def test_a_period_is_the_sum_of_its_sends() -> None:
    made = [written(random.Random(seed), mode=mode, is_final=True) for seed, mode in enumerate(Feedback.values)]
    for one in made:
        rollups.rebuild(one.pk)
    summaries = kpi.summaries([one.pk for one in made])
    total = totals.total(summaries.values())
    truths = [Truth(one, is_final=True) for one in made]
    assert (total.to_send, total.sent) == (2 * N, sum(one.n_handed for one in truths))
    delivered = sum(one.counts["sent"] for one in truths)
    assert (total.delivered, total.delivered_rate) == (delivered, delivered / total.sent)
    assert total.failed == sum(one.counts["failed"] for one in truths)
    assert total.opened_rate == sum(one.counts["own opened"] for one in truths) / delivered


def test_months_of_what_calls_bring_are_the_sum_of_its_deliveries() -> None:
    origin = {"origin_kind": "campaign", "origin_id": "c"}
    made = [written(random.Random(seed), mode=mode, is_final=True) for seed, mode in enumerate(Feedback.values * 3)]
    for number, one in enumerate(made):
        if number % 3:
            rollups.rebuild(one.pk)
        Delivery.objects.filter(pk=one.pk).update(**origin, part=f"p{number}", is_standing=number % 2 == 0)
    Delivery.objects.filter(pk=made[0].pk).update(state=DeliveryState.SENDING, n_to_send=None)
    Delivery.objects.filter(pk=made[1].pk).update(opened_at=dt.datetime(2026, 1, 31, 23, 30, tzinfo=dt.UTC))
    Delivery.objects.filter(pk=made[2].pk).update(state=DeliveryState.CANCELLED)
    Delivery.objects.filter(pk=made[3].pk).update(n_to_send=2 * N, n_targeted=2 * N)
    made[4].shards.all().delete()
    records.shard(made[5], [1, 2, 3], attempt=2, state=ShardState.WAITING, n_authorised=0)
    own = written(random.Random(9), mode=Feedback.values[0], is_final=True)
    Delivery.objects.filter(pk=own.pk).update(**origin)
    with timezone.override("Europe/Paris"):
        newest, oldest = sums.by_month(("campaign", "c"))
        assert sums.by_month(("campaign", "c"), only=dt.date(2026, 2, 1)) == [oldest]
    assert (oldest.first, oldest.n, oldest.newest) == (dt.date(2026, 2, 1), 1, made[1].pk)
    assert (newest.n, newest.newest, newest.has_started) == (len(made) - 1, made[-1].pk, True)
    for month, some in ((oldest, made[1:2]), (newest, [made[0], *made[3:]])):
        assert month.figures == totals.total(kpi.summaries([one.pk for one in some]).values())
    truths = [Truth(one, is_final=True) for one in (made[0], *made[3:])]
    assert newest.figures.sent == sum(one.n_handed for one in truths)


def test_a_bounce_counts_however_often_a_message_was_opened_before() -> None:
    made = records.delivery(people=1)
    (person, *_others) = people()
    records.log(made, person)
    now = timezone.now()
    for n in range(recipients._MOST + 1):
        records.event(made, person, "opened", at=now - dt.timedelta(seconds=2 * recipients._MOST - n))
    records.event(made, person, "bounced", detail="550 5.1.1 No such user", at=now)
    record = recipients.find(made, person)
    (row,) = logs.sending(made, logs.Filter()).rows
    assert record is not None and record.status == row.status == Status.FAILED
