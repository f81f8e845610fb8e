"""The quarantine: found, counted, exported, and released one by one or many at once, never others than were shown."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, User
from audiences import profiles, quarantine_list, quarantine_release, quarantine_words
from audiences.models import QuarantineEntry
from audiences.quarantine_list import Filter
from audiences.quarantine_release import Criteria, PreviewStale, ReleaseInvalid
from lib.errors import NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
NOW = timezone.now()
URL = "/deliverability/quarantine/"


def entry(
    address: str, reason: str = "user_unknown", evidence: str = "550 5.1.1 gone", **fields: Any
) -> QuarantineEntry:
    made = profiles.quarantine(address, reason, evidence)
    if fields:
        QuarantineEntry.objects.filter(pk=made.pk).update(**fields)
        made.refresh_from_db()
    return made


@pytest.fixture
def operator() -> User:
    return factories.user("Operator", name="Olga O")


@pytest.fixture
def web(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()


def outage() -> None:
    """Three addresses of an outage yesterday, and one of each kind that is not of it."""
    for name in ("ann", "bea", "cyd"):
        entry(f"{name}@mail.test", evidence="550 5.1.1 Backend down", since=NOW - dt.timedelta(hours=20))
    entry("old@mail.test", evidence="550 5.1.1 Backend down", since=NOW - dt.timedelta(days=3))
    entry("dan@other.test", evidence="550 5.1.1 backend DOWN", since=NOW - dt.timedelta(hours=20))
    entry("eve@mail.test", evidence="550 5.1.1 No such user", since=NOW - dt.timedelta(hours=20))
    for name, reason in (("f", "complaint"), ("g", "unsubscribed"), ("h", "by_hand"), ("i", "unsubscribed in a file")):
        entry(f"{name}@mail.test", reason, "550 5.1.1 Backend down", since=NOW - dt.timedelta(hours=20))


def criteria(**fields: Any) -> Criteria:
    values = {"since_from": NOW - dt.timedelta(days=1), "domain": "mail.test", "evidence": "backend down"}
    return Criteria(**{**values, **fields})


def left() -> set[str]:
    return set(quarantine_list.active().values_list("address_key", flat=True))


# --- the list -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(), "a@x.test ab@y.test b@x.test c@sub.x.test"),
        (Filter(search="a@x.test"), "a@x.test"),
        (Filter(search="A"), "a@x.test ab@y.test"),
        (Filter(search="@x.test"), "a@x.test b@x.test"),
        (Filter(search="%"), ""),
        (Filter(search="_"), ""),
        (Filter(domain="X.test"), "a@x.test b@x.test"),
        (Filter(domain="test"), ""),
        (Filter(reason="complaint"), "b@x.test"),
        (Filter(reason="complaint", search="a"), ""),
        (Filter(days=7), "a@x.test b@x.test c@sub.x.test"),
    ],
)
def test_addresses_are_found_and_counted(wanted: Filter, names: str) -> None:
    entry("a@x.test")
    entry("ab@y.test", since=NOW - dt.timedelta(days=8))
    entry("b@x.test", "complaint")
    entry("c@sub.x.test")
    entry("gone@x.test", released_at=NOW)
    page = quarantine_list.page(wanted)
    assert " ".join(sorted(row.address_key for row in page.rows)) == names
    assert page.n == len(names.split()) == len(list(quarantine_list.everything(wanted)))


def test_pages_hold_everybody_once_in_both_directions_also_with_equal_times(web: Client) -> None:
    for i in range(120):
        entry(f"p{i:03}@x.test", since=NOW - dt.timedelta(minutes=i // 60))
    forth = [quarantine_list.page(Filter())]
    while forth[-1].next:
        forth.append(quarantine_list.page(Filter(after=forth[-1].next)))
    seen = [[row.address_key for row in page.rows] for page in forth]
    assert [len(keys) for keys in seen] == [50, 50, 20] and len({key for keys in seen for key in keys}) == 120
    assert {page.n for page in forth} == {120}
    back = quarantine_list.page(Filter(after=forth[-1].previous, is_back=True))
    assert [row.address_key for row in back.rows] == seen[1]
    with CaptureQueriesContext(connection) as queries:
        page = text(web.get(URL))
    assert len(queries) < 14 and "120 addresses" in page and 'rel="next"' in page


def test_the_page_shows_words_and_what_a_role_may(web: Client) -> None:
    assert "No address is in quarantine." in text(web.get(URL)) and "Export CSV" not in text(web.get(URL))
    entry("lea@x.test", "mailbox_full", "552 5.2.2 <b>full</b>")
    page = text(web.get(URL))
    assert "Mailbox full" in page and "&lt;b&gt;full" in page and "Release many…" in page
    assert "No address matches." in text(web.get(f"{URL}?q=nobody"))
    for nonsense in (
        "after=x",
        "after=2026-01-01~1",
        "before=~",
        "days=999",
        "q=%00",
        "after=9999-99-99T00:00:00~1",
        "after=0001-01-01T00:00:00%2B23:59~1",
        "before=9999-12-31T23:59:59-23:59~1",
    ):
        assert web.get(f"{URL}?{nonsense}").status_code == 200
    web.force_login(factories.user("Viewer"))
    seen = text(web.get(URL))
    assert (
        "lea@x.test" in seen
        and "Releasing needs the Operator role." in seen
        and 'href="/deliverability/quarantine/add/"' not in seen
    )


def test_the_export_holds_the_filtered_rows_and_no_formula(web: Client) -> None:
    entry("a@x.test", evidence="=1+1")
    entry("b@y.test")
    rows = text(web.get(f"{URL}export.csv?q=@x.test")).splitlines()
    assert len(rows) == 2 and rows[1].startswith("a@x.test,Unknown user,") and rows[1].endswith(",'=1+1")
    web.force_login(factories.user("Marketer"))
    assert web.get(f"{URL}export.csv").status_code == 403


def test_an_address_shows_who_added_and_released_it(web: Client) -> None:
    person = factories.profile(email="lea@x.test")
    assert "Enter an email address." in text(web.post(f"{URL}add/", {"address": "nonsense", "note": "x"}))
    assert web.post(f"{URL}add/", {"address": "LEA@x.test", "note": "asked by phone"}).status_code == 302
    assert "in quarantine already" in text(web.post(f"{URL}add/", {"address": "lea@x.test", "note": "x"}))
    page = text(web.get(f"{URL}address/", {"address": "Lea@X.test"}))
    assert "Added by hand" in page and "asked by phone" in page and "Olga O" in page and str(person.public_id) in page
    refused = web.post(f"{URL}address/release/", {"address": "lea@x.test", "note": " "})
    assert refused.status_code == 422 and "Say why the address can be released." in text(refused)
    assert web.post(f"{URL}address/release/", {"address": "lea@x.test", "note": "asked again"}).status_code == 302
    entry("lea@x.test")
    page = text(web.get(f"{URL}address/", {"address": "lea@x.test"}))
    assert "asked again" in page and "Unknown user" in page
    assert web.get(f"{URL}address/", {"address": "never@x.test"}).status_code == 404


def test_reasons_of_rooms_above_have_words() -> None:
    assert quarantine_words.label("user_unknown") == "Unknown user"
    assert quarantine_words.label("words of a person") == "words of a person"


# --- many at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, "ann bea cyd"),
        ({"since_from": None}, "ann bea cyd old"),
        ({"since_to": NOW - dt.timedelta(days=2), "since_from": None}, "old"),
        ({"domain": ""}, "ann bea cyd dan"),
        ({"domain": "@MAIL.test"}, "ann bea cyd"),
        ({"evidence": ""}, "ann bea cyd eve"),
        ({"evidence": "%"}, ""),
        ({"reason": "mailbox_full"}, ""),
        ({"reason": "complaint"}, ""),
        ({"reason": "user_unknown"}, "ann bea cyd"),
    ],
)
def test_a_preview_counts_what_the_criteria_say_and_never_a_decision(changes: dict[str, Any], names: str) -> None:
    outage()
    found = quarantine_release.preview(criteria(**changes))
    assert [one.address_key.split("@")[0] for one in found.first] == names.split() and found.n == len(names.split())


def test_exactly_what_was_shown_is_released_with_one_audit_row(operator: User) -> None:
    outage()
    before = left()
    shown = quarantine_release.preview(criteria())
    entry("late@mail.test", evidence="Backend down")
    assert quarantine_release.release_many(criteria(), seal=shown.seal, note="outage ended", by=operator) == 3
    assert before - left() == {"ann@mail.test", "bea@mail.test", "cyd@mail.test"} and "late@mail.test" in left()
    released = QuarantineEntry.objects.exclude(released_at=None)
    assert set(released.values_list("release_note", "released_by")) == {("outage ended", operator.pk)}
    (row,) = AuditEntry.objects.filter(action="quarantine.released_many")
    assert row.actor == operator and row.detail["n"] == 3 and row.detail["domain"] == "mail.test"
    assert row.detail["evidence"] == "backend down" and row.detail["note"] == "outage ended" and "to" not in row.detail


def test_a_changed_quarantine_refuses_and_releases_nothing(operator: User) -> None:
    outage()
    shown = quarantine_release.preview(criteria())
    profiles.release(QuarantineEntry.objects.get(address_key="bea@mail.test"), operator, "one by one")
    before = left()
    with pytest.raises(PreviewStale, match=r"there were 3\. Now they are 2 addresses\. Nothing was released\."):
        quarantine_release.release_many(criteria(), seal=shown.seal, note="x", by=operator)
    for seal in ("", "3", "3-9-x", "x-y-z", "-1-2-3", f"3-{'9' * 30}-1", "0-0-0"):
        with pytest.raises(PreviewStale):
            quarantine_release.release_many(criteria(), seal=seal, note="x", by=operator)
    assert left() == before and not AuditEntry.objects.filter(action="quarantine.released_many").exists()


def test_a_release_needs_the_right_a_reason_and_criteria(operator: User) -> None:
    outage()
    seal, before = quarantine_release.preview(criteria()).seal, left()
    with pytest.raises(NotAllowed):
        quarantine_release.release_many(criteria(), seal=seal, note="x", by=factories.user("Marketer"))
    with pytest.raises(ReleaseInvalid, match="Say why"):
        quarantine_release.release_many(criteria(), seal=seal, note=" ", by=operator)
    with pytest.raises(ReleaseInvalid, match=r"At most 250,000 addresses"):
        quarantine_release.release_many(criteria(), seal="250001-9-9", note="x", by=operator)
    with pytest.raises(ReleaseInvalid, match="in common"):
        quarantine_release.release_many(Criteria(), seal=seal, note="x", by=operator)
    assert left() == before


@pytest.mark.django_db(transaction=True)
def test_two_releases_at_once_release_each_address_once() -> None:
    operator = factories.user("Operator")
    for i in range(200):
        entry(f"p{i}@mail.test", evidence="Backend down")
    wanted = criteria(since_from=None)
    seal = quarantine_release.preview(wanted).seal
    results: list[object] = []
    gate = threading.Barrier(2)

    def run() -> None:
        try:
            gate.wait()
            results.append(quarantine_release.release_many(wanted, seal=seal, note="outage", by=operator))
        except PreviewStale as problem:
            results.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["200", "preview_stale"]
    assert AuditEntry.objects.filter(action="quarantine.released_many").count() == 1 and left() == set()


def test_many_are_released_in_the_browser_after_a_look(web: Client) -> None:
    outage()
    url = f"{URL}release/"
    assert "addresses" in text(web.get(url)) and "Release 3" not in text(web.get(url))
    refused = web.get(url, {"domain": ""})
    assert refused.status_code == 422 and "in common" in text(refused)
    assert web.get(url, {"since_from": "2026-02-02T10:00", "since_to": "2026-02-01T10:00"}).status_code == 422
    asked = {"domain": "mail.test", "evidence": "Backend down"}
    page = text(web.get(url, asked))
    assert "Release 4 addresses" in page and "ann@mail.test" in page and "f@mail.test" not in page
    seal = quarantine_release.preview(Criteria(**asked)).seal
    again = web.post(url, asked | {"seal": seal, "note": ""})
    assert again.status_code == 422 and "Say why these addresses can be released." in text(again)
    profiles.release(QuarantineEntry.objects.get(address_key="ann@mail.test"), factories.user("Admin"), "x")
    stale = web.post(url, asked | {"seal": seal, "note": "outage"})
    assert stale.status_code == 409 and "there were 4" in text(stale) and "Release 3 addresses" in text(stale)
    seal = quarantine_release.preview(Criteria(**asked)).seal
    done = web.post(url, asked | {"seal": seal, "note": "outage"}, follow=True)
    assert "3 addresses were released." in text(done) and "bea@mail.test" not in left()
    gone = web.post(url, {"reason": "mailbox_full", "seal": seal, "note": "outage"})
    assert gone.status_code == 409 and "Now they are 0 addresses." in text(gone)
