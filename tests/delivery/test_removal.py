"""Months of the log: made ahead of time, kept as long as Settings say, and removed without anything else moving."""

import datetime as dt
import io
import threading
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import installation
from accounts.models import AuditEntry
from audiences.models import Profile
from delivery import (
    audience_rules,
    domain_days,
    inbound,
    kpi,
    lifecycle,
    logrows,
    partitions,
    removal,
    retention,
    rollups,
    served,
)
from delivery import sending as workers
from delivery.models import Delivery, DeliveryStat, Event, EventKind, Exclusion, PastRecipients, SendLog
from tests import factories
from tests.delivery import records

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
OLD = dt.datetime(2021, 3, 30, 12, 0, tzinfo=dt.UTC)
_MONTH = dt.date(2021, 3, 1)


@pytest.mark.parametrize(
    ("moment", "month", "following"),
    [
        ("2026-12-31T23:59:59+00:00", "2026-12-01", "2027-01-01"),
        # Months are those of UTC: on the way into the new year, it is still December there, or already January.
        ("2027-01-01T00:30:00+01:00", "2026-12-01", "2027-01-01"),
        ("2026-12-31T20:00:00-05:00", "2027-01-01", "2027-02-01"),
        ("2028-02-29T12:00:00+00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_month_begins_and_ends_by_utc(moment: str, month: str, following: str) -> None:
    found = partitions.month_of(dt.datetime.fromisoformat(moment))
    assert (found.isoformat(), partitions.after(found).isoformat()) == (month, following)
    assert partitions.after(partitions.after(found, 14), -14) == found


@pytest.mark.parametrize(
    ("now", "months", "expected"),
    [("2026-11-25", 2, "2026-09-25"), ("2026-01-31", 2, "2025-11-30"), ("2028-03-31", 25, "2026-02-28")],
)
def test_so_many_months_before(now: str, months: int, expected: str) -> None:
    assert retention.before(dt.datetime.fromisoformat(now), months) == dt.datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("log", "events", "kept"),
    [(None, None, None), (25, None, 25), (None, 6, 6), (25, 6, 6), (6, 25, 6)],
)
def test_nothing_is_kept_longer_than_the_log(log: int | None, events: int | None, kept: int | None) -> None:
    assert retention.limited({retention.LOG: log, retention.EVENTS: events}) == {
        retention.LOG: log,
        retention.EVENTS: kept,
    }


@pytest.mark.django_db
def test_coming_months_are_there_before_anybody_needs_them() -> None:
    # A clock that is a month ahead, at the end of a year, and the right one after it.
    for now in (dt.datetime(2039, 12, 31, 23, 59, tzinfo=dt.UTC), dt.datetime(2039, 11, 30, tzinfo=dt.UTC)):
        partitions.make_ahead(now)
    made = [one for one in partitions.found() if one.month >= dt.date(2039, 1, 1)]
    assert sorted({f"{one.month:%Y%m}" for one in made}) == ["203911", "203912", "204001", "204002", "204003"]
    assert len(made) == 5 * 3 and {one.state for one in made} == {"attached"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " WHERE c.relname LIKE 'delivery_%%_204001' OR c.relname = ANY(%s) GROUP BY 1",
            [list(partitions.TABLES)],
        )
        counts = dict(cursor.fetchall())
    assert all(counts[table] == counts[f"{table}_204001"] for table in partitions.TABLES)
    # No default partition: a row of a month that is not there is refused.
    with pytest.raises(IntegrityError, match="no partition"), transaction.atomic():
        records.log(Delivery(pk=1, opened_month=dt.date(2051, 1, 1)), 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_clean_months")
def test_two_who_need_a_new_month_at_once_both_get_it() -> None:
    barrier, errors = threading.Barrier(2), list[DatabaseError]()

    def make() -> None:
        try:
            barrier.wait(10)
            with transaction.atomic():
                partitions.ensure(_MONTH)
        except DatabaseError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(months_left()) == 3


def ended(at: dt.datetime = OLD, *, people: int = 3, **fields: Any) -> Delivery:
    """A send that ended at `at`, with a log."""
    made = records.delivery(state="finished", people=people, started_at=at)
    changes = {"started_at": at, "ended_at": at, "valid_until": at + dt.timedelta(days=3)} | fields
    Delivery.objects.filter(pk=made.pk).update(**changes)
    for number in range(people):
        records.log(made, factories.profile(email=f"r{made.pk}-{number}@example.test").pk, at=at)
    return Delivery.objects.get(pk=made.pk)


def keep(**months: int) -> None:
    entered = {getattr(retention, f"{name.upper()}_MONTHS"): value for name, value in months.items()}
    installation.save(entered, by=factories.user("Admin"))


def months_left() -> set[str]:
    return {f"{one.table}:{one.month:%Y%m}" for one in partitions.found() if one.month == _MONTH}


@pytest.fixture
def _clean_months(transactional_db: None) -> Any:
    """Partitions are no rows: those of this file go with it."""
    yield
    for one in partitions.found():
        if one.month == _MONTH:
            assert partitions.detach(one)
            partitions.drop(one)


real = pytest.mark.usefixtures("_clean_months")


@real
@pytest.mark.django_db(transaction=True)
def test_an_old_month_goes_and_what_must_outlive_it_stays(client: Client) -> None:
    made = ended()
    people = list(SendLog.objects.filter(delivery=made).order_by("profile_id").values_list("profile_id", flat=True))
    records.event(made, people[0], EventKind.OPENED, at=OLD)
    records.exclude(made, factories.profile(email="out@example.test"))
    records.log(made, factories.profile(email="bad@example.test").pk, "failed", at=OLD)
    recent = ended(NOW - dt.timedelta(days=3))
    assert removal.run(NOW) == [] and removal.due(NOW) == []
    keep(log=2)

    said = io.StringIO()
    call_command("purge_logs", "--dry-run", stdout=said)
    assert said.getvalue().count("would be removed") == 4 and len(months_left()) == 3
    assert not AuditEntry.objects.filter(action="log.removed").exists()

    assert [line.why_kept for line in removal.run(NOW)] == [""] * 4
    assert months_left() == set() and SendLog.objects.filter(delivery=recent).count() == 3
    assert AuditEntry.objects.filter(action="log.removed").count() == 3
    assert not Exclusion.objects.filter(delivery=made).exists()
    assert list(PastRecipients.objects.values_list("delivery", "ids")) == [(made.pk, people)]
    assert removal.run(NOW) == []

    made = Delivery.objects.get(pk=made.pk)
    panel = kpi.panel(made)
    assert (panel.sent, panel.opened, panel.failed) == (4, 1, 1) and made.is_frozen
    for count in (rollups.rebuild, domain_days.rebuild):
        with pytest.raises(retention.LogRemoved, match="was removed on"):
            count(made.pk)
    rollups.freshen(made)
    rollups.refresh()
    domain_days.refresh()
    assert DeliveryStat.objects.get(pk=made.pk).n_opened == 1

    client.force_login(factories.user("Operator"))
    for tab in ("sending", "exclusions", "tracking", "links", "failures", "activity"):
        page = client.get(reverse("delivery:log", args=[made.public_id, tab]))
        assert page.status_code == 200 and (b"(kept 2 months)" in page.content) == (tab != "activity")
    assert client.get(reverse("delivery:log-export", args=[made.public_id, "sending"])).status_code == 410
    assert client.post(reverse("delivery:compute", args=[made.public_id])).status_code == 410
    assert b"was removed on" in client.get(reverse("delivery:panel", args=[made.public_id])).content
    assert b"was removed on" in client.get(reverse("delivery:chart", args=[made.public_id])).content


@real
@pytest.mark.django_db(transaction=True)
def test_who_had_it_still_counts_for_rules_after_the_log_is_gone() -> None:
    made = ended()
    again = records.delivery(state="prepared", origin_id=made.origin_id, re_eligible_after_s=None)
    had: Any = {"field": "delivery.got", "op": "is", "value": [f"test:{made.origin_id}"]}

    def found() -> tuple[set[int], int]:
        with transaction.atomic(), connection.cursor() as cursor:
            served.forget(cursor)
            served.note_earlier(again, cursor)
            cursor.execute("SELECT id FROM earlier")
            ids = {row[0] for row in cursor.fetchall()}
            fragment = audience_rules.compile_rule(had)
            cursor.execute(f"SELECT count(*) FROM audiences_profile p WHERE {fragment.sql}", fragment.params)
            return ids, cursor.fetchone()[0]

    before = found()
    keep(log=2)
    removal.run(NOW)
    assert months_left() == set() and found() == before == (set(Profile.objects.values_list("pk", flat=True)), 3)


@real
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "fields",
    [
        {"state": "sending", "ended_at": None},
        {"state": "confirmed", "started_at": None, "ended_at": None, "valid_until": None},
        {"ended_at": NOW - dt.timedelta(days=40)},
        {"valid_until": NOW + dt.timedelta(days=1)},
    ],
)
def test_a_month_stays_whole_while_one_of_its_sends_needs_it(fields: dict[str, Any]) -> None:
    ended()
    ended(**fields)
    keep(log=2)
    assert all(line.why_kept for line in removal.run(NOW)) and len(months_left()) == 3
    assert not Delivery.objects.exclude(removed={}).exists()


@real
@pytest.mark.django_db(transaction=True)
def test_events_may_go_before_the_log_and_later_ones_change_nothing() -> None:
    made = ended()
    keep(log=1200, event=2)
    removal.run(NOW)
    assert months_left() == {"delivery_sendlog:202103", "delivery_attempt:202103"}
    made = Delivery.objects.get(pk=made.pk)
    assert list(made.removed) == ["events"] and SendLog.objects.filter(delivery=made).count() == 3
    late = inbound.Feedback(made.pk, 1, 0, EventKind.BOUNCED, NOW, "mail:1")
    assert inbound.record([late]).n_lost == 1 and not Event.objects.filter(delivery=made).exists()


@real
@pytest.mark.django_db(transaction=True)
def test_sending_goes_on_while_a_month_goes_and_a_reader_delays_it() -> None:
    made, by = ended(), factories.user("Operator")
    keep(log=2)
    waiting = Delivery.objects.get(pk=records.delivery(state="prepared", started_at=OLD, people=1).pk)
    now_month = partitions.month_of(timezone.now())
    partitions.ensure(now_month)
    row = logrows.Writer(month=now_month, delivery_id=2**40, request_no=0)
    stop, written, errors = threading.Event(), [0], []

    def write() -> None:
        try:
            with workers.connect() as database:
                while not stop.is_set():
                    written[0] += 1
                    one = row.row(written[0], "sent", 0.0, "", 1, "", "")
                    with database.cursor().copy(logrows.COPY) as copy:
                        copy.write(logrows.HEADER + one + logrows.TRAILER)
        except psycopg.Error as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with workers.connect() as reader, reader.transaction():
            reader.execute("SELECT count(*) FROM delivery_sendlog")
            kept = removal.run(NOW)
            n = written[0]
        assert any("in use" in line.why_kept for line in kept)
        # Detached by half: nobody may send into it, the next run ends it.
        assert partitions.DETACHING in {one.state for one in partitions.found() if one.month == _MONTH}
        with pytest.raises(partitions.LogBusy):
            partitions.ensure(_MONTH)
        removal.run(NOW)
    finally:
        stop.set()
        writer.join()
    assert not errors and n > 20 and months_left() == set()
    assert SendLog.objects.filter(delivery_id=2**40).count() == written[0]
    # A send that waited all that time gets its month back.
    lifecycle.confirm(waiting.pk, by=by, seal=waiting.seal, n_to_send=1)
    assert len(months_left()) == 3
    assert all(line.why_kept for line in removal.run(NOW)) and made.pk


@pytest.mark.django_db
def test_settings_of_data_have_bounds() -> None:
    with pytest.raises(installation.SettingsInvalid):
        installation.save({retention.LOG_MONTHS: 1}, by=factories.user("Admin"))
    assert installation.save({retention.LOG_MONTHS: 25}, by=factories.user("Admin", email="b@example.test"))
    assert retention.kept_months() == dict.fromkeys(("log", "events", "attempts", "exclusions"), 25)
