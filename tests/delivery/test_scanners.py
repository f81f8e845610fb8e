"""Link scanners that look like browsers: told from people by how fast they go through the links of a message."""

import datetime as dt
import random
import threading

import pytest
from django.db import DatabaseError, connection, connections, transaction

from delivery import scanners, tracking
from delivery.models import Delivery, Event, EventKind
from tests.delivery import records

pytestmark = pytest.mark.django_db

START = dt.datetime(2026, 3, 3, 9, 0, tzinfo=dt.UTC)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


def click(of: Delivery, person: int, link: int, second: float, *, request_no: int = 0) -> None:
    at = START + dt.timedelta(seconds=second)
    seen = tracking.Hit(of.pk, person, request_no, EventKind.CLICKED.value, at, link, False, AGENT)
    assert tracking.record(seen)


def labels(of: Delivery, person: int = 1) -> list[bool]:
    return list(
        Event.objects.filter(delivery=of, profile_id=person).order_by("at").values_list("is_automatic", flat=True)
    )


@pytest.mark.parametrize(
    ("clicks", "expected"),
    [
        pytest.param([(0, 0.0), (1, 1.0), (2, 2.0)], [True] * 3, id="three links in two seconds"),
        pytest.param([(0, 0.0), (1, 2.4), (2, 5.0)], [True] * 3, id="just within"),
        pytest.param([(0, 0.0), (1, 2.4), (2, 5.1)], [False] * 3, id="just beyond"),
        pytest.param([(0, 0.0), (0, 0.1), (0, 0.2), (0, 0.3)], [False] * 4, id="one link many times"),
        pytest.param([(0, 0.0), (1, 0.1), (0, 0.2), (1, 0.3)], [False] * 4, id="two links"),
        pytest.param([(0, 0.0), (1, 1.0), (2, 2.0), (3, 60.0)], [True] * 3 + [False], id="a person afterwards"),
        pytest.param([(0, 0.0), (0, 30.0), (1, 31.0), (2, 32.0)], [False] + [True] * 3, id="a person before"),
        pytest.param([(n, 2.0 * n) for n in range(6)], [True] * 6, id="a slow scanner"),
    ],
)
@pytest.mark.parametrize("order", ["as it happened", "backwards", "mixed"])
def test_a_burst_over_several_links_is_a_program(
    clicks: list[tuple[int, float]], expected: list[bool], order: str
) -> None:
    made = records.delivery(people=1)
    arriving = {"as it happened": clicks, "backwards": clicks[::-1], "mixed": clicks[1::2] + clicks[::2]}[order]
    for link, second in arriving:
        click(made, 1, link, second)
    assert labels(made) == expected


def test_bursts_of_others_do_not_count() -> None:
    made, other = records.delivery(people=3), records.delivery(people=3)
    click(made, 1, 0, 0.0)
    click(made, 2, 1, 0.1)
    click(other, 1, 2, 0.2)
    click(made, 1, 3, 0.3, request_no=7)
    assert labels(made) == [False, False] and labels(made, 2) == [False] and labels(other) == [False]


def test_what_happened_can_not_be_changed_and_a_label_not_taken_back() -> None:
    made = records.delivery(people=1)
    click(made, 1, 0, 0.0)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_event SET is_automatic = true")
        for change in ("is_automatic = false", "link_no = 5", "detail = 'x'", "profile_id = 2", "kind = 'opened'"):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(f"UPDATE delivery_event SET {change}")


def test_most_scanners_are_told_from_people() -> None:
    """200 scanners (every link at once, in turn, or with delays) and 2,000 people who read between clicks."""
    made = records.delivery(people=1)
    chance = random.Random(7)
    rows: list[tuple[int, int, float]] = []
    for scanner in range(1, 201):
        n_links, kind = chance.randint(3, 12), chance.random()
        gap = 0.05 if kind < 0.6 else chance.uniform(0.3, 2.0) if kind < 0.95 else chance.uniform(4, 10)
        rows += [(scanner, link, link * gap) for link in range(n_links)]
    for person in range(1001, 3001):
        at = 0.0
        for _click in range(chance.choice([1, 1, 1, 2, 2, 3, 5])):
            rows.append((person, chance.randrange(6), at))
            at += chance.lognormvariate(2.8, 1.0)
    with connection.cursor() as cursor:
        for person, link, second in rows:
            at = START + dt.timedelta(seconds=second)
            records.event(made, person, "clicked", link_no=link, at=at)
            scanners.label(cursor, month=made.opened_month, delivery_id=made.pk, profile_id=person, request_no=0, at=at)
    counted = set(Event.objects.filter(delivery=made, is_automatic=False).values_list("profile_id", flat=True))
    caught = sum(scanner not in counted for scanner in range(1, 201))
    wronged = sum(person not in counted for person in range(1001, 3001))
    assert caught >= 180 and wronged <= 20


@pytest.mark.django_db(transaction=True)
def test_links_asked_for_at_the_same_moment_are_one_burst() -> None:
    made = records.delivery(people=1)
    ready = threading.Barrier(6)

    def follow(link: int) -> None:
        ready.wait()
        click(made, 1, link, 0.01 * link)
        connections.close_all()

    threads = [threading.Thread(target=follow, args=[link]) for link in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert labels(made) == [True] * 6
