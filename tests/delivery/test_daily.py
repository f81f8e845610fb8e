"""Figures by day: what counts on which day, once or each time, and that their sums are the panel's."""

import datetime as dt
from typing import Any

import pytest

from delivery import daily, domain_days, kpi, rollups
from delivery.models import EventKind, Outcome
from tests.delivery import records

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def test_each_day_has_what_happened_on_it_and_the_sums_are_the_panels(django_assert_num_queries: Any) -> None:
    of = records.delivery(people=5)
    at = records.START
    for person, when in ((1, at), (2, at), (3, at + DAY), (4, at + DAY)):
        records.log(of, person, at=when)
    records.log(of, 5, Outcome.NOT_SENT, at=at)
    records.event(of, 4, EventKind.BOUNCED, at=at + 2 * DAY, detail="550 5.1.1 No such user")
    records.event(of, 2, EventKind.UNSUBSCRIBED, at=at + DAY)
    for when in (at, at, at + DAY):
        records.event(of, 1, EventKind.OPENED, at=when)
    records.event(of, 2, EventKind.OPENED, at=at, is_automatic=True)
    records.event(of, 3, EventKind.CLICKED, at=at + 2 * DAY)
    rollups.rebuild(of.pk)
    domain_days.rebuild(of.pk)
    with django_assert_num_queries(7):
        # Two of them set the memory of a statement, two are the savepoint around it.
        found = daily.series([of], last=at.date() + 2 * DAY, n_days=4)
    assert [day.day for day in found.days] == [at.date() + number * DAY for number in (-1, 0, 1, 2)]
    assert [(day.sent, day.delivered, day.bounced, day.people) for day in found.days] == [
        (0, 0, 0, 0), (2, 2, 0, 2), (2, 1, 1, 2), (0, 0, 0, 0),
    ]  # fmt: skip
    assert [(day.opened, day.unique_opened) for day in found.days] == [(0, 0), (2, 1), (1, 0), (0, 0)]
    assert [(day.clicked, day.unique_clicked, day.unsubscribed) for day in found.days] == [
        (0, 0, 0), (0, 0, 1), (0, 0, 0), (1, 1, 0),
    ]  # fmt: skip
    panel = kpi.panel(of)
    sums = {name: sum(getattr(day, name) for day in found.days) for name in ("sent", "delivered", "bounced")}
    assert sums == {"sent": 4, "delivered": 3, "bounced": 1}
    assert (panel.delivered, panel.failed, panel.unsubscribed) == (3, 1, 1)
    assert (panel.opened, panel.clicked) == (1, 1)
    assert found.counted_at is not None


def test_only_the_asked_deliveries_and_days_count() -> None:
    of, other = records.delivery(people=1), records.delivery(people=1)
    for one in (of, other):
        records.log(one, 1, at=records.START)
        records.event(one, 1, at=records.START)
        domain_days.rebuild(one.pk)
    (day,) = daily.series([of], last=records.START.date(), n_days=1).days
    assert (day.sent, day.opened, day.people) == (1, 1, 1)
    (day,) = daily.series([of, other], last=records.START.date(), n_days=1).days
    assert (day.sent, day.opened, day.people) == (2, 2, 1)
    later = daily.series([of], last=records.START.date() + 3 * DAY, n_days=3)
    assert all(day == daily.Day(day.day) for day in later.days) and later.counted_at is None
    assert daily.series([], last=records.START.date(), n_days=1).days == (daily.Day(records.START.date()),)
