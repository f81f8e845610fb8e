"""The small parts of the engine on their own: journal, log rows, retries, limits, fuse, audience rules."""

import datetime as dt
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone, translation
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from audiences import rules
from audiences.models import Profile
from delivery import audience_rules, fuses, journal, limits, logrows, partitions, reasons, recovery, retries
from delivery.models import Event, EventKind, SendLog
from messaging.handover import Handover, Result
from tests import factories


@pytest.fixture(autouse=True)
def _own_home(settings: Settings, tmp_path: Path) -> None:
    settings.CHAPPE_HOME = tmp_path


def test_a_journal_is_believed_only_when_its_owner_is_dead() -> None:
    notes = journal.create()
    notes.resize(3)
    notes.marks[1] = journal.ACCEPTED
    assert journal.adopt(notes.path.name) is None
    notes.abandon()
    found = journal.adopt(notes.path.name)
    assert found is not None and bytes(found.marks[:]) == b"\0\2\0"
    found.remove()
    with pytest.raises(journal.Unknown):
        journal.adopt(notes.path.name)


def test_a_journal_survives_kill_9(settings: Settings) -> None:
    code = (
        "import django, os, signal; django.setup()\n"
        "from delivery import journal\n"
        "notes = journal.create(); notes.resize(2); notes.marks[0] = journal.ON_WIRE\n"
        "print(notes.path.name, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"CHAPPE_HOME": str(settings.CHAPPE_HOME)},
        check=False,
    )
    found = journal.adopt(done.stdout.strip())
    assert found is not None and bytes(found.marks[:]) == b"\1\0"
    found.remove()


@pytest.mark.django_db
def test_forgotten_journals_are_removed_and_others_left() -> None:
    used, forgotten = journal.create(), journal.create()
    forgotten.abandon()
    assert recovery.remove_orphans(older_than=dt.timedelta(days=1)) == 0
    assert recovery.remove_orphans(older_than=dt.timedelta(seconds=-5)) == 1
    assert used.path.exists() and not forgotten.path.exists()
    used.remove()


_TEXTS = st.text(max_size=400)


@pytest.mark.django_db
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=_TEXTS, code=_TEXTS, detail=_TEXTS, at=st.floats(0, 4e9))
def test_log_rows_come_back_as_they_were_written(address: str, code: str, detail: str, at: float) -> None:
    month = partitions.month_of(timezone.now())
    partitions.ensure(month)
    writer = logrows.Writer(month=month, delivery_id=2**40, request_no=3)
    row = writer.row(2**41, "sent", at, address, 2, code, detail)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM delivery_sendlog WHERE delivery_id = %s", [2**40])
        with cursor.cursor.copy(logrows.COPY) as copy:
            copy.write(logrows.HEADER + row + logrows.TRAILER)
    found = SendLog.objects.get(delivery_id=2**40, profile_id=2**41)
    clean = [text.encode("utf-8", "replace").decode().replace("\0", "") for text in (address[:320], code[:40], detail)]
    assert [found.address, found.code, found.detail] == clean
    assert (found.opened_month, found.request_no, found.outcome, found.n_attempts) == (month, 3, "sent", 2)
    assert abs(found.at.timestamp() - at) < 1e-4


@given(
    address=_TEXTS, detail=_TEXTS, at=st.floats(0, 4e9), profile_id=st.integers(0, 2**62), n_attempts=st.integers(1, 9)
)
def test_the_row_of_a_sent_message_is_a_log_row(
    address: str, detail: str, at: float, profile_id: int, n_attempts: int
) -> None:
    writer = logrows.Writer(month=dt.date(2026, 11, 1), delivery_id=7, request_no=0)
    expected = writer.row(profile_id, "sent", at, address, n_attempts, "", detail)
    assert writer.sent(profile_id, at, address, n_attempts, detail) == expected


def test_retries_wait_longer_each_time_until_validity_ends() -> None:
    now = timezone.now()
    far = now + dt.timedelta(days=3)
    waits = [retries.next_due(attempt, now=now, valid_until=far) for attempt in range(1, 7)]
    minutes = [(due - now).total_seconds() / 60 for due in waits if due]
    assert all(wanted <= got <= wanted + 0.5 for wanted, got in zip((1, 5, 15, 60, 60, 60), minutes, strict=True))
    assert retries.next_due(1, now=now, valid_until=now + dt.timedelta(seconds=30)) is None


def test_limits_are_shared_and_the_lowest_counts() -> None:
    key = int(timezone.now().timestamp() * 1000)
    one = limits.Limiter(delivery=(key, 6000), transport=(key, 600))
    other = limits.Limiter(delivery=(key + 1, None), transport=(key, 600))
    assert one.is_limited() and not limits.Limiter(delivery=(key, None), transport=(key, None)).is_limited()
    # 600 a minute with a burst of two seconds.
    assert one.grant(1000) == 20
    assert other.grant(5) in (0, 1)
    assert limits.Limiter(delivery=(key, None), transport=(key, None)).grant(77) == 77


def test_a_limited_domain_has_a_bucket_of_its_own_over_all_deliveries() -> None:
    key = time.time_ns() % 1_000_000_000
    domains = {"a.test": ("a.test", 60), "alias.test": ("a.test", 60), "b.test": ("b.test", 60)}
    one = limits.Limiter(delivery=(key, None), transport=(key, None), domains=domains)
    other = limits.Limiter(delivery=(key + 1, None), transport=(key, None), domains=domains)
    assert one.grant(50, "a.test") == 2 and other.grant(50, "alias.test") == 0
    assert other.is_refusing("alias.test") and not other.is_refusing("b.test")
    assert one.grant(50, "b.test") == 2 and one.grant(50) == 50 and one.grant(50, "c.test") == 50
    assert one.is_limited("a.test") and not one.is_limited("c.test") and one.per_minute("b.test") == 60
    assert limits.Limiter(delivery=(key, None), transport=(key + 1, None), domains=domains).grant(50, "a.test") == 2


def test_a_limit_fails_closed_without_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    limits._script.cache_clear()
    try:
        assert limits.Limiter(delivery=(1, 600), transport=(1, None)).grant(10) == 0
    finally:
        limits._script.cache_clear()


def test_the_fuse_blows_for_one_refusal_many_times_in_a_row() -> None:
    fuse = fuses.Fuse()
    refused, other = Handover(Result.REFUSED, "550 5.7.1", "blocked"), Handover(Result.REFUSED, "550 5.1.1", "unknown")
    for _n in range(fuses.N_IN_A_ROW - 1):
        fuse.note(refused)
    for interruption in (Handover(Result.ACCEPTED, "", "250"), other):
        fuse.note(interruption)
        for _n in range(fuses.N_IN_A_ROW - 1):
            fuse.note(refused)
        assert not fuse.is_blown
    fuse.note(refused)
    assert fuse.is_blown and "blocked" in fuse.sentence


def test_every_reason_has_words() -> None:
    assert all(str(words) and str(words) != code for code, words in (reasons.EXCLUSIONS | reasons.NOT_SENT).items())
    assert reasons.exclusion_sentence("unsubscribed") == "Unsubscribed"
    assert reasons.not_sent_sentence("550 5.1.1") == "550 5.1.1"


@pytest.mark.parametrize("code", [*reasons.EXCLUSIONS, *reasons.NOT_SENT, *reasons.REQUESTS])
def test_a_stored_sentence_is_told_in_the_language_of_its_reader(code: str) -> None:
    """Whoever stored it spoke English or French; what a server said stays as it was said."""
    words = (reasons.REQUESTS | reasons.EXCLUSIONS | reasons.NOT_SENT)[code]
    told = {}
    for language in ("en", "fr"):
        with translation.override(language):
            told[language] = str(words)
    for stored in told.values():
        with translation.override("fr"):
            assert reasons.told(code, stored) == told["fr"]
        with translation.override("en"):
            assert reasons.told(code, stored) == told["en"]
    assert reasons.told(code, "550 5.1.1 No such user") == "550 5.1.1 No such user"
    assert (reasons.told(code, ""), reasons.told("", "")) == ("", "")


def matching(field: str, op: str, value: object) -> set[str]:
    fragment = rules.compile_group({"match": "all", "rules": [{"field": field, "op": op, "value": value}]})
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT p.first_name FROM audiences_profile p WHERE {fragment.sql}", fragment.params)  # type: ignore[arg-type]
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.django_db
def test_segments_can_ask_about_earlier_sends() -> None:
    got, opened, old, nothing = factories.people("got", "opened", "old", "nothing")
    delivery = factories.sending()
    campaign = f"{delivery.origin_kind}:{delivery.origin_id}"
    now = timezone.now()
    for profile, days in ((got, 1), (opened, 1), (old, 40)):
        SendLog.objects.create(
            opened_month=delivery.opened_month, delivery_id=delivery.pk, profile_id=profile.pk, outcome="sent",
            at=now - dt.timedelta(days=days), address="", n_attempts=1, code="", detail="",
        )  # fmt: skip
    insert_event(delivery.pk, delivery.opened_month, opened, EventKind.OPENED, is_automatic=False)
    insert_event(delivery.pk, delivery.opened_month, got, EventKind.OPENED, is_automatic=True)
    assert matching("delivery.got", "is", [campaign]) == {"got", "opened", "old"}
    assert matching("delivery.got", "is_not", campaign) == {"nothing"}
    assert matching("delivery.got", "in_last_days", 30) == {"got", "opened"}
    assert matching("delivery.got", "not_in_last_days", 30) == {"old", "nothing"}
    assert matching("delivery.opened", "is", campaign) == {"opened"}
    assert matching("delivery.clicked", "is", campaign) == set()
    assert Profile.objects.count() == 4 and nothing.pk
    field = next(info for info in rules.fields() if info.name == "delivery.got")
    assert field.choices == ((campaign, "Autumn sale"),)
    with pytest.raises(rules.RuleProblem):
        matching("delivery.got", "is", "campaign:somebody-else")
    words = audience_rules.describe({"field": "delivery.got", "op": "is", "value": [campaign]})
    assert words == "got Autumn sale"


def insert_event(delivery_id: int, month: dt.date, profile: Profile, kind: str, *, is_automatic: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_event (opened_month, delivery_id, profile_id, kind, at, is_automatic)"
            " VALUES (%s, %s, %s, %s, now(), %s)",
            [month, delivery_id, profile.pk, kind, is_automatic],
        )
    assert Event.objects.filter(delivery_id=delivery_id, profile_id=profile.pk).exists()
