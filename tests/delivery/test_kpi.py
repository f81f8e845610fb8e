"""The figures of the panel: the sums that always hold, the rates, and one source for panel and lists."""

import datetime as dt

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from delivery import kpi, pace, rollups
from delivery.models import Delivery, ShardState
from messaging.models import Feedback
from tests.delivery import records

pytestmark = pytest.mark.django_db


def running(**fields: object) -> Delivery:
    """Ten people: 3 sent, 1 refused, 1 not sent, 1 unknown, 2 being retried, 2 waiting."""
    made = records.delivery(people=10, **fields)
    records.shard(
        made, list(range(1, 9)), n_sent=3, n_failed=1, n_not_sent=1, n_unknown=1, n_retried=2, state=ShardState.LEASED
    )
    records.shard(made, [7, 8], attempt=2, n_authorised=0, state=ShardState.WAITING)
    records.shard(made, [9, 10], n_authorised=0, state=ShardState.WAITING)
    for profile_id, outcome in enumerate(["sent", "sent", "sent", "failed", "not_sent", "unknown"], start=1):
        records.log(made, profile_id, outcome)
    return made


def total(panel: kpi.Panel) -> int:
    return panel.waiting + panel.retrying + panel.sent + panel.not_sent + panel.cancelled + panel.unknown


def test_to_send_is_the_sum_of_its_six_parts_while_sending() -> None:
    panel = kpi.panel(running())
    assert (panel.to_send, panel.waiting, panel.retrying, panel.sent) == (10, 2, 2, 4)
    assert (panel.not_sent, panel.cancelled, panel.unknown) == (1, 0, 1)
    assert total(panel) == panel.to_send
    assert panel.processed == 6 and panel.processed_rate == 0.6 and panel.sent_rate == 0.4


def test_bounces_only_delivered_and_failed_are_all_that_was_sent() -> None:
    made = running()
    before = kpi.panel(made)
    assert (before.delivered, before.failed, before.pending) == (3, 1, 0)
    records.event(made, 1, "bounced", detail="5.1.1 unknown")
    records.event(made, 2, "bounced", detail="4.2.2 full")
    records.event(made, 3, "opened")
    rollups.rebuild(made.pk)
    after = kpi.panel(made)
    assert (after.delivered, after.failed, after.pending) == (2, 2, 0)
    assert after.delivered + after.failed == after.sent == before.sent
    assert after.delivered_rate == 0.5 and after.opened_rate == 0.5 and after.clicked_rate == 0


def test_real_time_starts_at_zero_and_pending_fills_up() -> None:
    made = running(feedback=Feedback.REAL_TIME)
    before = kpi.panel(made)
    assert (before.delivered, before.failed, before.pending) == (0, 1, 3)
    assert before.delivered_rate == 0 and before.opened_rate is None
    records.event(made, 1, "delivered")
    records.event(made, 2, "bounced", detail="4.2.2 full")
    rollups.rebuild(made.pk)
    after = kpi.panel(made)
    assert (after.delivered, after.failed, after.pending) == (1, 2, 1)
    records.event(made, 2, "delivered")
    rollups.rebuild(made.pk)
    assert (kpi.panel(made).delivered, kpi.panel(made).failed) == (2, 1)


def test_rates_of_nothing_are_not_known() -> None:
    panel = kpi.panel(records.delivery(people=3))
    assert (panel.sent, panel.waiting, panel.sent_rate) == (0, 3, 0)
    assert panel.delivered_rate is panel.failed_rate is panel.opened_rate is panel.clicked_rate is None


def test_what_is_sent_after_the_figures_were_computed_counts_as_delivered_at_once() -> None:
    made = records.delivery(people=2)
    part = records.shard(made, [1, 2], n_sent=1, state=ShardState.LEASED)
    records.log(made, 1)
    rollups.rebuild(made.pk)
    part.n_sent = 2
    part.save(update_fields=["n_sent"])
    panel = kpi.panel(made)
    assert (panel.sent, panel.delivered, panel.waiting) == (2, 2, 0)


def test_a_send_without_shards_is_read_from_its_figures() -> None:
    made = records.delivery(state="finished", people=2)
    records.log(made, 1)
    records.log(made, 2, "failed")
    rollups.rebuild(made.pk)
    panel = kpi.panel(made)
    assert (panel.sent, panel.delivered, panel.failed, panel.waiting) == (2, 1, 1, 0)


def test_final_once_the_validity_period_is_over() -> None:
    made = running()
    assert not kpi.panel(made).is_final
    made.valid_until = timezone.now()
    assert kpi.panel(made).is_final


def test_lists_show_the_panels_figures_in_a_constant_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    made = [running(), running(feedback=Feedback.REAL_TIME), records.delivery(state="prepared", people=4)]
    for one in made[:2]:
        records.event(one, 1, "clicked")
        rollups.rebuild(one.pk)
    with django_assert_num_queries(3):
        summaries = kpi.summaries([one.pk for one in made])
    for one in made:
        panel = kpi.panel(one)
        listed = vars(summaries[one.pk])
        assert listed.pop("eta_s") == pytest.approx(panel.eta_s, abs=2)
        assert listed == {name: getattr(panel, name) for name in listed}


def test_pace_is_the_last_minute_once_ten_seconds_were_seen(settings: object) -> None:
    made = records.delivery(people=1000)
    start = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC).timestamp()
    assert pace._recent(pace._note(made.pk, start, 0)) is None
    assert pace._recent(pace._note(made.pk, start + 5, 50)) is None
    assert pace._recent(pace._note(made.pk, start + 20, 400)) == 20
    assert pace._recent(pace._note(made.pk, start + 75, 950)) == 10, "samples older than a minute are gone"


def test_only_a_sending_delivery_has_a_pace() -> None:
    made = records.delivery(people=100)
    going = pace.measure(made, n_processed=50, n_left=50)
    assert going.rate_per_minute == 10 and going.eta_s == pytest.approx(300, abs=3)
    assert pace.measure(records.delivery(state="paused", people=100), n_processed=50, n_left=50) == pace.Pace()
