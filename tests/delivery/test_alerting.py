"""Alerts by mail: what trouble is, whom they go to, and that nobody is told twice."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone, translation

from accounts import audit, installation
from delivery import alert_settings, alerting, lifecycle, origins
from delivery.alert_settings import Limits
from delivery.alerting import Facts
from delivery.models import Delivery, SentAlert, ShardState
from messaging.models import Notice
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
EVERYTHING = frozenset({"stalled", "paused", "failed", "missed", "hard", "soft", "complaints"})
LIMITS = Limits("start", "", EVERYTHING, 50, 15, {"hard": 0.02, "soft": 0.1, "complaints": 0.003}, 0.001)
FINISHED = {"state": "finished", "n_sent": 1000, "n_delivered": 1000}


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({"state": "sending"}, ""),
        ({"state": "sending", "silent_s": 15 * 60}, "stalled"),
        ({"state": "sending", "silent_s": 15 * 60 - 1}, ""),
        ({"state": "paused", "pause_cause": "person", "silent_s": 9999}, ""),
        ({"state": "paused", "pause_cause": "transport", "silent_s": 9999}, "stalled"),
        ({"state": "paused", "pause_cause": "errors", "silent_s": 9999}, "paused"),
        ({"state": "failed"}, "failed"),
        ({"state": "missed"}, "missed"),
        (FINISHED, ""),
        (FINISHED | {"n_hard": 19}, ""),
        (FINISHED | {"n_hard": 20}, "hard"),
        (FINISHED | {"n_soft": 99}, ""),
        (FINISHED | {"n_soft": 100}, "soft"),
        (FINISHED | {"n_complained": 2}, ""),
        (FINISHED | {"n_complained": 3}, "complaints"),
        (FINISHED | {"n_complained": 3, "n_hard": 20, "n_soft": 100}, "hard soft complaints"),
        (FINISHED | {"n_sent": 49, "n_delivered": 49, "n_hard": 49}, ""),
        (FINISHED | {"n_sent": 50, "n_delivered": 0, "n_hard": 50, "n_complained": 1}, "hard"),
        ({"state": "finished", "n_sent": 0}, ""),
    ],
)
def test_what_trouble_is(facts: dict[str, Any], names: str) -> None:
    found = alerting.found(Facts(**facts), LIMITS)
    assert " ".join(finding.criterion.value for finding in found) == names
    off = Limits(**{**vars(LIMITS), "on": frozenset()})
    assert alerting.found(Facts(**facts), off) == []


def test_no_threshold_is_reached_by_nothing() -> None:
    zero = Limits(**{**vars(LIMITS), "least": 0, "shares": dict.fromkeys(LIMITS.shares, 0.0)})
    assert alerting.found(Facts(state="finished"), zero) == []
    assert alerting.found(Facts(**FINISHED), zero) == []


def stalled(**fields: Any) -> Delivery:
    """A send of ten with somebody due for half an hour and nothing handed over since."""
    long_ago = timezone.now() - dt.timedelta(minutes=30)
    made = records.delivery(people=10, **{"progressed_at": long_ago, "trouble": "421 busy", **fields})
    Delivery.objects.filter(pk=made.pk).update(started_at=long_ago)
    records.shard(made, list(range(10)), state=ShardState.WAITING, n_authorised=0, due_at=long_ago)
    return made


def bouncing(n: int = 60, hard: int = 6) -> Delivery:
    made = records.delivery(people=n, state="finished")
    for i in range(n):
        records.log(made, i)
    for i in range(hard):
        records.event(made, i, "bounced", detail="5.1.1 unknown user")
    return made


def test_people_who_may_start_are_told_once_in_their_language(settings: Any) -> None:
    operator = factories.user("Operator", name="Olga", language="fr")
    admin = factories.user("Admin", name="Ada", language="en")
    factories.user("Marketer")
    factories.user("Operator", is_active=False)
    made = stalled()
    assert alerting.watch() == 1 and alerting.watch() == 0
    (row,) = SentAlert.objects.all()
    assert (row.delivery, row.criterion, row.n_people) == (made, "stalled", 2)
    notices = {notice.to: notice for notice in Notice.objects.select_related("to")}
    assert set(notices) == {operator, admin}
    mail = notices[admin]
    assert mail.subject == "Sending stalled: Autumn sale, version 4"
    assert "No message was handed over for 30 min. Last error: 421 busy." in mail.body
    assert "To send: 10" in mail.body and "Waiting: 10" in mail.body and str(made.public_id) in mail.url
    assert translation.get_language() == settings.LANGUAGE_CODE


@pytest.mark.parametrize(
    "changes",
    [
        {"progressed_at": timezone.now()},
        {"state": "paused", "pause_cause": "person"},
        {"state": "finished"},
    ],
)
def test_progress_a_pause_or_an_end_is_no_silence(changes: dict[str, Any]) -> None:
    stalled(**changes)
    assert alerting.watch() == 0 and not Notice.objects.exists()


def test_a_resumed_send_and_a_retry_that_waits_are_not_stalled() -> None:
    resumed = stalled()
    audit.record("delivery.resumed", subject=("delivery", str(resumed.public_id)), label="scheduler")
    waiting = stalled()
    waiting.shards.update(due_at=timezone.now() + dt.timedelta(minutes=5))
    assert alerting.watch() == 0


def test_shares_are_counted_from_the_log() -> None:
    factories.user("Operator")
    made = bouncing()
    bouncing(n=49, hard=20)
    bouncing(n=60, hard=1)
    assert alerting.watch() == 1
    row = SentAlert.objects.get()
    assert row.delivery == made and row.figures == {"n": 6, "of": 60, "limit": 0.02}
    assert "10% hard bounces: 6 of 60 sent. The threshold is 2%." in Notice.objects.get().body


def test_one_send_that_cant_be_told_about_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_delivery: Delivery) -> str:
        raise LookupError

    factories.user("Operator")
    monkeypatch.setitem(origins._pages, "broken", refuse)
    stalled(origin_kind="broken")
    whole = stalled()
    assert alerting.watch() == 1
    assert SentAlert.objects.get().delivery == whole and Notice.objects.count() == 1


def test_failed_and_missed_are_told_when_they_are_new() -> None:
    factories.user("Operator")
    now = timezone.now()
    failed = records.delivery(state="failed", ended_at=now, failure="No sender.")
    records.delivery(state="failed", ended_at=now - dt.timedelta(days=2))
    due = records.delivery(state="confirmed", people=1, start_at=now - dt.timedelta(hours=3))
    lifecycle.miss(due.pk)
    records.delivery(state="missed", people=1)
    assert alerting.watch() == 2
    assert set(SentAlert.objects.values_list("delivery", "criterion")) == {(failed.pk, "failed"), (due.pk, "missed")}
    assert Notice.objects.filter(body__contains="Last error: No sender.").count() == 1


def test_settings_say_who_is_told_and_about_what() -> None:
    admin = factories.user("Admin", email="ada@chappe.test")
    named = factories.user("Viewer", email="vera@chappe.test")
    factories.user("Operator")
    page = {setting.name: setting.usual for setting in installation.on("alerts")}
    page |= {"alerts.to": "named", "alerts.people": "VERA@chappe.test; nobody@x.test, ", "alerts.hard": False}
    installation.save(page, by=admin)
    bouncing()
    assert alerting.watch() == 0
    stalled()
    assert alerting.watch() == 1 and [notice.to for notice in Notice.objects.all()] == [named]
    installation.save({"alerts.hard": True, "alerts.hard_percent": 10.5}, by=admin)
    assert alerting.watch() == 0
    installation.save({"alerts.hard_percent": 10, "alerts.to": "admins", "alerts.people": "ada@chappe.test"}, by=admin)
    assert alerting.watch() == 1 and Notice.objects.latest("pk").to == admin and Notice.objects.count() == 2
    assert alert_settings.limits().shares["hard"] == pytest.approx(0.1)


@pytest.mark.django_db(transaction=True)
def test_any_number_of_schedulers_tell_once() -> None:
    factories.user("Operator")
    stalled()
    gate = threading.Barrier(3)
    told: list[int] = []

    def run() -> None:
        try:
            gate.wait()
            told.append(alerting.watch())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told) == 1 and SentAlert.objects.count() == 1 and Notice.objects.count() == 1
