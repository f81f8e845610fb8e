"""Repeating sends that are counted together: their periods, their sums, and that they never ask."""

import datetime as dt

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from campaigns import checks, lifecycle, periods, recurring, schedules, sends
from campaigns import document as documents
from campaigns.models import Campaign
from delivery import preparation
from delivery.models import Delivery, DeliveryState
from tests import factories

pytestmark = pytest.mark.django_db

# A Monday.
EVE = dt.datetime(2026, 3, 30, 20, 0, tzinfo=dt.UTC)
TWICE_A_DAY: dict[str, object] = {
    "delivery__kind": "repeat",
    "delivery__repeat_unit": "day",
    "delivery__repeat_from": "2026-03-01",
    "delivery__time": "00:30",
    "delivery__zone": "Europe/Paris",
    "delivery__reeligibility": "always",
    "delivery__aggregate": "month",
}


@pytest.mark.parametrize(
    ("unit", "day", "first"),
    [
        ("day", "2026-03-31", "2026-03-31"), ("week", "2026-03-31", "2026-03-30"), ("week", "2026-01-01", "2025-12-29"),
        ("month", "2026-03-31", "2026-03-01"), ("year", "2026-03-31", "2026-01-01"),
    ],
)  # fmt: skip
def test_a_period_begins_on_its_first_day_and_has_one_address(unit: str, day: str, first: str) -> None:
    assert periods._first(unit, dt.date.fromisoformat(day)) == dt.date.fromisoformat(first)
    assert periods.parse(unit, first) == periods.Period(unit, dt.date.fromisoformat(first))
    if day != first:
        assert periods.parse(unit, day) is None
    assert periods.parse("decade", first) is None and periods.parse(unit, "soon") is None


def test_sends_that_are_counted_together_never_ask_and_need_the_role_to_be_published() -> None:
    section = factories.draft_document(**TWICE_A_DAY)["delivery"]
    assert section["asks_confirmation"] and not schedules.asks(section) and schedules.sends_unasked(section)
    document = factories.draft_document(**TWICE_A_DAY)
    found = {alert.id: alert.field for alert in checks.delivery(document["delivery"], by=factories.user("Marketer"))}
    assert found["needs_start"] == "delivery.aggregate"
    assert "needs_start" not in {
        alert.id for alert in checks.delivery(document["delivery"], by=factories.user("Operator"))
    }
    once = documents.blank()["delivery"] | {"kind": "once", "aggregate": "month"}
    assert schedules.aggregate(once) == "" and schedules.asks(once)


def test_an_unknown_period_is_an_alert_beside_its_field() -> None:
    document = factories.draft_document(**TWICE_A_DAY | {"delivery__aggregate": "decade"})
    found = {alert.id: alert.field for alert in checks.delivery(document["delivery"], by=factories.user("Operator"))}
    assert found["aggregate_unknown"] == "delivery.aggregate"


def run_days(operator: User, n: int, **fields: object) -> Campaign:
    """A campaign that was looked after at its time for `n` days; each send prepared and confirmed by the engine."""
    with time_machine.travel(EVE, tick=False) as traveller:
        made = factories.published(operator, **TWICE_A_DAY | fields)
        lifecycle.start(made.pk, by=operator)
        for minute in (day * 24 * 60 + 150 + look for day in range(n) for look in range(3)):
            traveller.move_to(EVE + dt.timedelta(minutes=minute))
            recurring.run()
            for delivery in Delivery.objects.filter(state=DeliveryState.PREPARING):
                preparation.run(delivery.pk)
    return made


def test_sends_of_a_period_are_one_row_and_their_figures_add_up(client: Client) -> None:
    operator = factories.user("Operator")
    factories.people("ann", "bob", "cat")
    made = run_days(operator, 3)
    found = sends.history(made)
    # 00:30 in Paris of 31 March, 1 April and 2 April; in UTC the first two are still in March.
    assert [f"{one.occurrence_at:%d %H:%M}" for one in found] == ["01 22:30", "31 22:30", "30 22:30"]
    assert all(one.delivery.confirmed_at for one in found)
    groups = periods.group(found)
    assert [(one.period and str(one.period.first), len(one.sends)) for one in groups] == [
        ("2026-04-01", 2), ("2026-03-01", 1)
    ]  # fmt: skip
    client.force_login(operator)
    page = client.get(f"/campaigns/{made.public_id}/deliveries/").content.decode()
    assert "April 2026" in page and "2 sends" in page and "March 2026" in page
    april = client.get(f"/campaigns/{made.public_id}/deliveries/by/month/2026-04-01/").content.decode()
    assert ">6<" in april and "2 sends, counted together" in april and "No sends in this period" not in april
    assert client.get(f"/campaigns/{made.public_id}/deliveries/by/month/2026-04-02/").status_code == 404
    # One that was called off has no figures, and its people are in neither sum.
    Delivery.objects.filter(pk=found[0].delivery_id).update(state=DeliveryState.CANCELLED)
    row = client.get(f"/campaigns/{made.public_id}/deliveries/").context["rows"][0]
    total = client.get(f"/campaigns/{made.public_id}/deliveries/by/month/2026-04-01/").context["total"]
    assert row["to_send"] == total.to_send == 3


def test_without_a_period_each_send_stands_alone() -> None:
    operator = factories.user("Operator")
    factories.people("ann")
    made = run_days(operator, 2, delivery__aggregate="", delivery__asks_confirmation=False)
    assert [(one.period, len(one.sends)) for one in periods.group(sends.history(made))] == [(None, 1), (None, 1)]


def test_the_list_of_sends_takes_as_many_queries_for_many_as_for_few(
    client: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    operator = factories.user("Operator")
    factories.people("ann")
    made = run_days(operator, 5)
    client.force_login(operator)
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        assert client.get(f"/campaigns/{made.public_id}/deliveries/").status_code == 200
