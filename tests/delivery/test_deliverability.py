"""The deliverability page: shares against thresholds, domains, days, alerts; its cost and who may do what."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery import deliverability, gauges
from delivery.deliverability import Day
from delivery.models import DomainDay, SentAlert
from delivery.shares import Rate, Threshold, percent
from tests import factories
from tests.delivery import records
from tests.messaging.conftest import Zone, zone  # noqa: F401

pytestmark = pytest.mark.django_db
URL = "/deliverability/"
COMPLAINTS = (Threshold(0.001, "warn"), Threshold(0.003, "err"))


@pytest.mark.parametrize(
    ("part", "whole", "tone"),
    [(0, 0, ""), (0, 1000, ""), (9, 10_000, ""), (10, 10_000, "warn"), (29, 10_000, "warn"), (30, 10_000, "err")],
)
def test_a_share_has_the_tone_of_the_threshold_it_reaches(part: int, whole: int, tone: str) -> None:
    rate = Rate(part, whole, COMPLAINTS)
    assert rate.tone == tone and (rate.share is None) is (whole == 0)
    drawn = gauges.gauge(rate)
    assert drawn.tone == (tone or "ok") and 0 <= float(drawn.width) <= 100
    assert [float(line.place) < 100 for line in drawn.lines] == [True, True]


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0%"), (0.0008, "0.08%"), (0.001, "0.1%"), (0.02, "2%"), (0.1049, "10.5%"), (1, "100%")]
)
def test_a_threshold_is_written_as_short_as_it_can_be(share: float, words: str) -> None:
    assert percent(share) == words


def test_bars_stay_inside_the_drawing() -> None:
    shares = [(0, 0), (1, 1000), (1, 2), (0, 5)]
    days = [Day(dt.date(2026, 11, i + 1), n, Rate(part, n, COMPLAINTS)) for i, (part, n) in enumerate(shares)]
    chart = gauges.complaints(days, COMPLAINTS)
    assert [float(bar.height) > 0 for bar in chart.bars] == [False, True, True, False]
    assert all(float(bar.y) >= 0 and float(bar.x) + float(bar.width) <= gauges.WIDTH for bar in chart.bars)
    assert gauges.complaints([], ()).bars == [] and gauges.gauge(Rate(0, 0)).lines == []


def day(domain: str, days_ago: int = 0, **figures: int) -> None:
    today = timezone.now().astimezone(dt.UTC).date()
    DomainDay.objects.create(
        delivery=records.delivery(people=1),
        day=today - dt.timedelta(days=days_ago),
        domain=domain,
        computed_at=timezone.now(),
        **figures,
    )


def test_the_largest_domains_come_first_and_the_rest_together() -> None:
    for i in range(25):
        day(f"d{i:02}.test", n_sent=100 - i, n_delivered=90 - i)
    day("", n_sent=1000, n_delivered=900, n_hard=30)
    day("d00.test", days_ago=29, n_sent=7)
    day("d00.test", days_ago=30, n_sent=5000)
    report = deliverability.report(30)
    assert [row.name for row in report.domains] == [*(f"d{i:02}.test" for i in range(20)), ""]
    assert report.domains[0].n_sent == 107 and report.domains[-1].n_sent == 1000 + sum(100 - i for i in range(20, 25))
    assert report.total.n_sent == sum(row.n_sent for row in report.domains)
    assert len(report.days) == 30 and report.days[0].n_sent == 7 and report.total.hard.part == 30
    assert deliverability.report(7).total.n_sent == report.total.n_sent - 7
    assert deliverability.report(90).total.n_sent == report.total.n_sent + 5000


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_page_shows_everything_in_a_fixed_number_of_queries(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    empty = text(client.get(URL))
    assert "Nothing was sent in this time." in empty and "No alert was sent in the last 30 days." in empty
    for i in range(30):
        day(f"d{i}.test", days_ago=i % 7, n_sent=1000, n_delivered=990, n_hard=5, n_complained=2, n_unsubscribed=3)
    for criterion in ("stalled", "hard"):
        figures = {"minutes": 20} if criterion == "stalled" else {"n": 3, "of": 60, "limit": 0.02}
        SentAlert.objects.create(delivery=records.delivery(people=1), criterion=criterion, figures=figures, n_people=2)
    with CaptureQueriesContext(connection) as queries:
        page = text(client.get(f"{URL}?days=7"))
    assert len(queries) < 22
    assert "99.0%" in page and "0.20%" in page and "0.1% or more" in page and "Other domains" in page
    assert "Many hard bounces" in page and "5% hard bounces: 3 of 60 sent." in page and "2 people were told." in page
    assert "Check now" not in page and client.get(f"{URL}?days=8").status_code == 200


def test_an_admin_checks_a_domain_and_reads_what_to_do(client: Client, zone: Zone) -> None:  # noqa: F811
    factories.sender(address="news@shop.test")
    zone["shop.test"] = ["v=spf1 +all"]
    client.force_login(factories.user("Admin"))
    assert "Not checked yet" in text(client.get(URL)) and "Check now" in text(client.get(URL))
    page = text(client.post(f"{URL}check-dns/", {"domain": "shop.test"}, follow=True))
    assert "Checked shop.test." in page and "End the record with ~all or -all." in page
    assert "_dmarc.shop.test" in page and "No DKIM key here" in page
    assert client.post(f"{URL}check-dns/", {"domain": "other.test"}).status_code == 404
