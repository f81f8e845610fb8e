"""The figures of a delivery, finished: the one source of the panel, the lists, the profile history and the API.

To send = waiting + retrying + sent + not sent + cancelled + unknown, always; "sent" are Pending + Sent + Failed,
refusals at hand-over included. What was handed over comes live from the shards' counters, which move with the log rows
they count, until the log holds everybody: then both come from DeliveryStat, which is counted from the log. What came
back always does, with its time. Nothing is computed twice: see `rollups` and `pace`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, IntegerField, Sum, Value, When
from django.utils import timezone

from delivery import pace, rollups
from delivery.models import Delivery, DeliveryStat, Shard
from messaging.models import Feedback

_LEFT = F("n_ids") - F("n_sent") - F("n_failed") - F("n_not_sent") - F("n_unknown") - F("n_cancelled") - F("n_retried")


@dataclass(frozen=True)
class Counts:
    """How far hand-over is. Everybody to send is in exactly one of the six."""

    to_send: int = 0
    sent: int = 0
    # Of those sent: refused at hand-over.
    refused: int = 0
    not_sent: int = 0
    cancelled: int = 0
    unknown: int = 0
    retrying: int = 0

    @property
    def processed(self) -> int:
        return self.sent + self.not_sent + self.cancelled + self.unknown

    @property
    def waiting(self) -> int:
        return max(0, self.to_send - self.processed - self.retrying)


@dataclass(frozen=True)
class Summary:
    """One delivery in a list. Rates are shares of 1, None while their base is 0."""

    to_send: int | None
    sent: int
    delivered: int
    failed: int
    opened: int
    clicked: int
    delivered_rate: float | None
    failed_rate: float | None
    opened_rate: float | None
    clicked_rate: float | None
    processed: int
    processed_rate: float | None
    rate_per_minute: int | None
    eta_s: int | None


@dataclass(frozen=True)
class Panel(Summary):
    """Everything the Deployment panel shows in numbers."""

    targeted: int | None
    excluded: int | None
    waiting: int
    retrying: int
    not_sent: int
    cancelled: int
    unknown: int
    # Handed over and not answered yet; only with feedback in real time.
    pending: int
    sent_rate: float | None
    # Of those delivered or pending.
    not_opened: int
    opened_automatic: int
    clicked_automatic: int
    unsubscribed: int
    complained: int
    is_final: bool
    is_small: bool
    computed_at: dt.datetime | None
    next_at: dt.datetime | None


@dataclass(frozen=True)
class _Answers:
    """What came back, of the people in `Counts.sent`: delivered + pending + failed = sent."""

    delivered: int
    pending: int
    failed: int


def panel(delivery: Delivery) -> Panel:
    """The figures of one delivery, in three queries. Not refreshed here: `rollups.freshen` does that."""
    # The older figures are read first, so that nobody has an answer who was not sent to.
    stat = DeliveryStat.objects.filter(pk=delivery.pk).first()
    counts = _counts([delivery], {delivery.pk: stat} if stat else {})[delivery.pk]
    answers = _answers(delivery, counts, stat)
    is_small = rollups.size(delivery, stat) < rollups.SMALL
    return Panel(
        **vars(_summary(delivery, counts, answers, stat)),
        targeted=delivery.n_targeted,
        excluded=delivery.n_excluded,
        waiting=counts.waiting,
        retrying=counts.retrying,
        not_sent=counts.not_sent,
        cancelled=counts.cancelled,
        unknown=counts.unknown,
        pending=answers.pending,
        sent_rate=share(counts.sent, counts.to_send),
        not_opened=_not_opened(answers, stat),
        opened_automatic=stat.n_opened_automatic if stat else 0,
        clicked_automatic=stat.n_clicked_automatic if stat else 0,
        unsubscribed=stat.n_unsubscribed if stat else 0,
        complained=stat.n_complained if stat else 0,
        is_final=rollups.is_final(delivery, timezone.now()),
        is_small=is_small,
        computed_at=stat.computed_at if stat else None,
        next_at=stat.computed_at + dt.timedelta(seconds=rollups.HOURLY_S)
        if stat and not is_small and not delivery.is_frozen
        else None,
    )


def summaries(delivery_ids: Iterable[int]) -> dict[int, Summary]:
    """The figures of many deliveries in three queries, by delivery id."""
    deliveries = list(Delivery.objects.filter(pk__in=list(delivery_ids)))
    stats = DeliveryStat.objects.in_bulk([d.pk for d in deliveries])
    counts = _counts(deliveries, stats)
    return {
        d.pk: _summary(d, counts[d.pk], _answers(d, counts[d.pk], stats.get(d.pk)), stats.get(d.pk)) for d in deliveries
    }


def share(part: int, whole: int | None) -> float | None:
    """`part` as a share of 1; None when there is nothing to be a share of."""
    return part / whole if whole else None


def _counts(deliveries: list[Delivery], stats: dict[int, DeliveryStat]) -> dict[int, Counts]:
    """Live from the shards; from the stat once it has everybody, and where a delivery has no shards any more."""
    retrying = Case(When(attempt__gt=1, then=_LEFT), default=Value(0), output_field=IntegerField())
    sums = {
        row["delivery_id"]: row
        for row in Shard.objects.filter(delivery__in=[d.pk for d in deliveries])
        .values("delivery_id")
        .order_by()
        .annotate(
            sent=Sum("n_sent"),
            failed=Sum("n_failed"),
            not_sent=Sum("n_not_sent"),
            cancelled=Sum("n_cancelled"),
            unknown=Sum("n_unknown"),
            people=Sum(F("n_ids") - F("n_retried")),
            retrying=Sum(retrying),
        )
    }
    return {
        d.pk: _from_stat(d, stats.get(d.pk))
        if d.pk not in sums or _has_everybody(d, stats.get(d.pk))
        else _from_shards(d, sums[d.pk])
        for d in deliveries
    }


def _has_everybody(delivery: Delivery, stat: DeliveryStat | None) -> bool:
    """Whether every person had a row in the log when `stat` was counted, so that hand-over can't change any more."""
    if stat is None:
        return False
    n_rows = stat.n_sent + stat.n_failed_at_handover + stat.n_not_sent + stat.n_cancelled + stat.n_unknown
    return n_rows == delivery.n_to_send


def _from_shards(delivery: Delivery, row: Mapping[str, Any]) -> Counts:
    return Counts(
        # Of a standing delivery everybody whom requests named so far.
        to_send=row["people"] if delivery.is_standing else delivery.n_to_send or 0,
        sent=row["sent"] + row["failed"],
        refused=row["failed"],
        not_sent=row["not_sent"],
        cancelled=row["cancelled"],
        unknown=row["unknown"],
        retrying=row["retrying"],
    )


def _from_stat(delivery: Delivery, stat: DeliveryStat | None) -> Counts:
    if stat is None:
        return Counts(to_send=delivery.n_to_send or 0)
    return Counts(
        to_send=delivery.n_to_send or 0,
        sent=stat.n_sent + stat.n_failed_at_handover,
        refused=stat.n_failed_at_handover,
        not_sent=stat.n_not_sent,
        cancelled=stat.n_cancelled,
        unknown=stat.n_unknown,
    )


def _answers(delivery: Delivery, counts: Counts, stat: DeliveryStat | None) -> _Answers:
    """Split what was sent by the feedback mode: seed tables of `status`, with the bounces known so far."""
    bounced = stat.n_failed - stat.n_failed_at_handover if stat else 0
    failed = min(counts.refused + bounced, counts.sent)
    if delivery.feedback != Feedback.REAL_TIME:
        return _Answers(delivered=counts.sent - failed, pending=0, failed=failed)
    delivered = min(stat.n_delivered if stat else 0, counts.sent - failed)
    return _Answers(delivered=delivered, pending=counts.sent - failed - delivered, failed=failed)


def _not_opened(answers: _Answers, stat: DeliveryStat | None) -> int:
    got = answers.delivered + answers.pending
    if stat is None:
        return got
    return max(0, got - stat.n_opened) if stat.n_not_opened is None else min(stat.n_not_opened, got)


def _summary(delivery: Delivery, counts: Counts, answers: _Answers, stat: DeliveryStat | None) -> Summary:
    opened, clicked = (stat.n_opened, stat.n_clicked) if stat else (0, 0)
    going = pace.measure(delivery, n_processed=counts.processed, n_left=counts.waiting + counts.retrying)
    return Summary(
        to_send=counts.to_send if delivery.is_standing else delivery.n_to_send,
        sent=counts.sent,
        delivered=answers.delivered,
        failed=answers.failed,
        opened=opened,
        clicked=clicked,
        delivered_rate=share(answers.delivered, counts.sent),
        failed_rate=share(answers.failed, counts.sent),
        opened_rate=share(opened, answers.delivered),
        clicked_rate=share(clicked, answers.delivered),
        processed=counts.processed,
        processed_rate=share(counts.processed, counts.to_send),
        rate_per_minute=going.rate_per_minute,
        eta_s=going.eta_s,
    )
