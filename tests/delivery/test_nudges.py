"""Retry now, what slows a send, and figures that somebody made wrong."""

import datetime as dt
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import installation
from accounts.models import User
from delivery import kpi, nudges, options, rollups, slowdowns, tasks
from delivery.models import DeliveryStat, ShardState
from lib.errors import DomainError, NotAllowed
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db


def test_retry_now_wakes_a_drain_and_brings_nobodys_time_forward() -> None:
    operator = factories.user("Operator")
    later = timezone.now() + dt.timedelta(hours=1)
    made = records.delivery(people=4, by=operator)
    first = records.shard(made, [1, 2], state=ShardState.WAITING, due_at=later, n_authorised=0)
    again = records.shard(made, [3, 4], state=ShardState.WAITING, due_at=later, n_authorised=0, attempt=2)
    client = Client()
    client.force_login(operator)
    with patch.object(tasks.drain, "delay_on_commit") as drain:
        assert client.post(reverse("delivery:retry", args=[made.public_id])).status_code == 302
    assert drain.call_count >= 1
    first.refresh_from_db()
    again.refresh_from_db()
    assert first.due_at == again.due_at == later, "they are in a later wave, another zone, or deferred"


def test_only_operators_and_the_owner_retry_and_only_what_is_sending() -> None:
    owner, stranger = factories.user("Marketer"), factories.user("Marketer")
    made = records.delivery(people=1, by=owner)
    assert nudges.retry_now(made.pk, by=owner).state == "sending"
    with pytest.raises(NotAllowed):
        nudges.retry_now(made.pk, by=stranger)
    paused = records.delivery(state="paused", people=1, by=owner)
    with pytest.raises(DomainError, match="isn't sending"):
        nudges.retry_now(paused.pk, by=owner)


def test_the_slowest_fresh_domain_slows_a_send() -> None:
    made = records.delivery(people=9)
    assert slowdowns.current(made) is None
    slowdowns.note(made.pk, "gmail.test", 120)
    slowdowns.note(made.pk, "web.test", 600)
    assert slowdowns.current(made) == ("gmail.test", 120)
    with patch.object(slowdowns.time, "time", return_value=timezone.now().timestamp() + slowdowns.FRESH_S + 2):
        assert slowdowns.current(made) is None
    paused = records.delivery(state="paused", people=9)
    slowdowns.note(paused.pk, "gmail.test", 120)
    assert slowdowns.current(paused) is None


def see(client: Client, made_url: str) -> str:
    return client.get(made_url, {"state": "finished"}).content.decode()


def test_compute_stats_mends_what_sql_made_wrong_and_all_places_say_the_same() -> None:
    cache.clear()
    people = [factories.profile() for _ in range(4)]
    made = records.delivery(state="finished", people=4)
    part = records.shard(made, [person.pk for person in people], n_sent=4)
    for person in people:
        records.log(made, person.pk, address=person.email)
    records.event(made, people[0].pk, "opened")
    rollups.rebuild(made.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE delivery_deliverystat SET n_opened = 3, n_clicked = 2 WHERE delivery_id = %s", [made.pk])
        cursor.execute("UPDATE delivery_shard SET n_sent = 1 WHERE id = %s", [part.pk])
    client = Client()
    client.force_login(factories.user("Viewer"))
    panel_url = reverse("delivery:panel", args=[made.public_id])
    assert "75.0%" in see(client, panel_url)
    before = DeliveryStat.objects.get(pk=made.pk).computed_at
    client.post(reverse("delivery:compute", args=[made.public_id]))
    assert DeliveryStat.objects.get(pk=made.pk).computed_at > before
    html = see(client, panel_url)
    assert "25.0%" in html and "75.0%" not in html and "Updated. Opened 3 → 1. Clicked 2 → 0." in html
    listed, api = (
        kpi.summaries([made.pk])[made.pk],
        client.get(panel_url, headers={"accept": "application/json"}).json(),
    )
    for name, value in (("sent", 4), ("delivered", 4), ("opened", 1), ("clicked", 0), ("opened_rate", 0.25)):
        assert getattr(listed, name) == api[name] == getattr(kpi.panel(made), name) == value


def test_the_limits_are_those_of_settings() -> None:
    made = records.delivery(people=100)
    records.shard(made, list(range(1, 101)), n_sent=97, n_failed=3)
    client = Client()
    client.force_login(factories.user("Viewer"))
    url = reverse("delivery:panel", args=[made.public_id])
    assert 'tile__note tone-warn"' in client.get(url).content.decode()
    by: User = factories.user("Admin")
    installation.save({options.FAILED_WARN: 0.5, options.FAILED_ERR: 3.0}, by=by)
    assert 'tile__note tone-err"' in client.get(url).content.decode()
    installation.save({options.FAILED_WARN: 4.0, options.FAILED_ERR: 8.0}, by=by)
    assert "tile__note" not in client.get(url).content.decode()
