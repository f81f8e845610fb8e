"""Pages of one send touch one month of the log, however many there are."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from audiences.models import Profile
from delivery import domain_days, inbound, partitions, refused, rollups, tracking
from delivery.models import Delivery, EventKind
from delivery.tracking import Hit
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
_NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
_LOGS = re.compile(r"delivery_(?:sendlog|attempt|event)\b")
_MONTH = re.compile(r" on (delivery_(?:sendlog|attempt|event)_\d{6})")


@pytest.fixture
def sent() -> Delivery:
    for n in range(-3, 3):
        partitions.ensure(partitions.after(dt.date(2026, 11, 1), n))
    made = records.delivery(people=4, valid_until=_NOW)
    for number in range(4):
        person = factories.profile()
        records.log(made, person.pk, "failed" if number == 3 else "sent")
        records.event(made, person.pk, EventKind.CLICKED, link_no=0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE delivery_sendlog, delivery_event, delivery_attempt")
    return made


class Planner:
    """Runs each statement about the log once more before it runs, undone at once, and looks which months it touched."""

    def __init__(self) -> None:
        self.n_seen = 0
        self.strays: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if _LOGS.search(sql) and not sql.startswith("EXPLAIN"):
            self.n_seen += 1
            with transaction.atomic(), connection.cursor() as cursor:
                # Executed, because some months are only known then.
                cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}", params)
                lines = [row[0] for row in cursor.fetchall()]
                transaction.set_rollback(True)
            months = {m[1] for line in lines if "never executed" not in line and (m := _MONTH.search(line))}
            if len({name[-6:] for name in months}) > 1:
                self.strays.append(f"{sql}\n" + "\n".join(lines))
        return execute(sql, params, many, context)


def test_pages_of_a_send_touch_one_month(client: Client, sent: Delivery) -> None:
    client.force_login(factories.user("Operator"))
    person = Profile.objects.earliest("pk")
    addresses = [reverse("delivery:panel", args=[sent.public_id]), reverse("delivery:chart", args=[sent.public_id])]
    addresses += [
        reverse("delivery:log", args=[sent.public_id, tab]) + query
        for tab, query in (
            ("sending", ""), ("sending", "?status=failed&after=1"), ("sending", "?q=person"),
            ("tracking", "?automatic=1"), ("links", ""), ("failures", ""), ("failures", "?domain=example.test"),
        )
    ]  # fmt: skip
    addresses.append(reverse("delivery:recipient", args=[sent.public_id, person.public_id]))
    planner = Planner()
    with connection.execute_wrapper(planner):
        for address in addresses:
            assert client.get(address).status_code == 200, address
    assert not planner.strays and planner.n_seen > 10


def test_what_comes_in_touches_one_month(sent: Delivery) -> None:
    person = Profile.objects.latest("pk")
    hit = Hit(sent.pk, person.pk, 0, EventKind.CLICKED, _NOW, link_no=1)
    report = inbound.Feedback(sent.pk, person.pk, 0, EventKind.DELIVERED, _NOW, "mail:1")
    planner = Planner()
    with connection.execute_wrapper(planner):
        tracking.record(hit)
        inbound.record([report])
        rollups.rebuild(sent.pk)
        domain_days.rebuild(sent.pk)
        refused.hold_against_addresses()
    assert not planner.strays and planner.n_seen > 5


def test_the_check_sees_a_statement_without_its_month(sent: Delivery) -> None:
    planner = Planner()
    with connection.execute_wrapper(planner), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM delivery_sendlog WHERE delivery_id = %s", [sent.pk])
    assert len(planner.strays) == 1
