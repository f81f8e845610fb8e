"""The web server dies in the middle of a save: the repeated request stores it once, and nothing else was stored."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import roles
from campaigns import sessions
from campaigns.models import Campaign, Draft, DraftSnapshot
from config.local import ports
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def database() -> str:
    """The address of the database of this test."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The web server as production runs it, on the database of this test."""
    port = ports.free()
    command = [sys.executable, "-W", "ignore", "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--log-level", "error", "config.wsgi:application"]
    process = subprocess.Popen(
        command, env=os.environ | {"DATABASE_URL": database()}, cwd=settings.BASE_DIR, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(300):
            try:
                urllib.request.urlopen(f"{address}/livez", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process, address
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for the server and its worker."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def post(address: str, campaign: Campaign, client: Client, body: dict[str, object]) -> dict[str, object]:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = {
        "Cookie": cookies,
        "X-CSRFToken": client.cookies["csrftoken"].value,
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    path = reverse("campaigns:draft-save", kwargs={"public_id": campaign.public_id})
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


def wait_for_lock() -> None:
    """Until a save stands at the row that this test has locked."""
    with psycopg.connect(database(), autocommit=True) as other:
        for _attempt in range(200):
            row = other.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
            if row and row[0]:
                return
            time.sleep(0.05)
    raise AssertionError("no save came")


def test_a_server_killed_in_the_middle_of_a_save_has_stored_nothing_and_the_repeated_save_is_stored_once() -> None:
    roles.sync()
    marketer = factories.user("Marketer")
    campaign = factories.campaign(marketer)
    draft = Draft.objects.get(campaign=campaign)
    tab = sessions.open_session(draft.pk, by=marketer)
    client = Client()
    client.force_login(marketer)
    client.get(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "compose"}))
    body: dict[str, object] = {
        "session": str(tab.public_id),
        "base_revision": 1,
        "save_id": str(uuid.uuid4()),
        "step": "compose",
        "fields": {"compose.subject": "Typed before the crash", "name": "Renamed"},
    }
    with ThreadPoolExecutor(1) as pool, server() as (process, address), psycopg.connect(database()) as other:
        # Another writer holds the draft, so that the save is killed between its first and its last statement.
        other.execute("SELECT 1 FROM campaigns_draft WHERE id = %s FOR UPDATE", [draft.pk])
        lost: Future[dict[str, object]] = pool.submit(post, address, campaign, client, body)
        wait_for_lock()
        kill(process)
        other.rollback()
        with pytest.raises((OSError, urllib.error.URLError)):
            lost.result(30)
    draft.refresh_from_db()
    assert (draft.revision, DraftSnapshot.objects.filter(campaign=campaign).count()) == (1, 0)
    assert Campaign.objects.get(pk=campaign.pk).name == "Autumn sale"
    with server() as (_process, address):
        answers = [post(address, campaign, client, body) for _time in range(2)]
    assert [answer["revision"] for answer in answers] == [2, 2]
    draft.refresh_from_db()
    assert (draft.revision, draft.document["compose"]["subject"]) == (2, "Typed before the crash")
    assert DraftSnapshot.objects.filter(campaign=campaign).count() == 1
    assert Campaign.objects.get(pk=campaign.pk).name == "Renamed"
