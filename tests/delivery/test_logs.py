"""The log pages: keyset pages, search, filters that agree with the pure function, exports, one recipient, history."""

import csv
import datetime as dt
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import audit
from audiences.models import Profile
from delivery import activities, breakdowns, charts, failures, history, logs, recipients, rollups, status
from delivery.models import Delivery, Event, SendLog
from messaging.models import Feedback
from tests import factories
from tests.delivery import records, test_rollups

pytestmark = pytest.mark.django_db


def client(role: str = "Viewer") -> Client:
    made = Client()
    made.force_login(factories.user(role))
    return made


def read(of: Delivery, tab: str, role: str = "Viewer", **query: object) -> str:
    address = reverse("delivery:log", args=[of.public_id, tab])
    answer = client(role).get(address, {name: str(value) for name, value in query.items()})
    assert answer.status_code == 200
    return answer.content.decode()


def exported(of: Delivery, tab: str, **query: object) -> list[list[str]]:
    address = reverse("delivery:log-export", args=[of.public_id, tab])
    answer = client("Operator").get(address, {name: str(value) for name, value in query.items()})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


def sent_to(people: int) -> tuple[Delivery, list[Profile]]:
    made = records.delivery(people=people)
    profiles = [factories.profile() for _ in range(people)]
    for profile in profiles:
        records.log(made, profile.pk, address=profile.email)
    return made, profiles


def test_pages_cover_every_row_once_forwards_and_backwards() -> None:
    made = records.delivery(people=125)
    for profile_id in range(1, 126):
        records.log(made, profile_id)
    forward, after = [], None
    while True:
        page = logs.sending(made, logs.Filter(after=after))
        forward.append([row.profile_id for row in page.rows])
        if page.next is None:
            break
        after = page.next
    assert [len(part) for part in forward] == [50, 50, 25]
    assert [row for part in forward for row in part] == list(range(1, 126))
    back = logs.sending(made, logs.Filter(after=forward[2][0], is_back=True))
    assert [row.profile_id for row in back.rows] == forward[1] and back.next == forward[1][-1]
    first = logs.sending(made, logs.Filter(after=back.previous, is_back=True))
    assert [row.profile_id for row in first.rows] == forward[0] and first.previous is None


def test_events_are_newest_first_and_page_both_ways() -> None:
    made = records.delivery(people=1)
    for _ in range(60):
        records.event(made, 1)
    page = logs.tracking(made, logs.Filter())
    assert len(page.rows) == 50 and page.previous is None and page.next is not None
    rest = logs.tracking(made, logs.Filter(after=page.next))
    assert len(rest.rows) == 10 and rest.next is None
    back = logs.tracking(made, logs.Filter(after=rest.previous, is_back=True))
    assert [row.at for row in back.rows] == [row.at for row in page.rows] and back.previous is None


@pytest.mark.parametrize("mode", list(Feedback))
@pytest.mark.parametrize("is_final", [False, True])
def test_each_status_filter_gives_exactly_the_rows_of_that_status(mode: str, is_final: bool) -> None:
    made = test_rollups.random_log(11, mode=mode, is_final=is_final, people=45)
    everybody = logs.sending(made, logs.Filter()).rows
    assert len(everybody) == 45
    for wanted in status.Status:
        expected = {row.profile_id for row in everybody if row.status == wanted}
        found = logs.sending(made, logs.Filter(status=wanted)).rows
        assert {row.profile_id for row in found} == expected, wanted


def test_a_page_of_the_log_is_a_constant_number_of_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    made, _people = sent_to(40)
    with django_assert_max_num_queries(3):
        logs.sending(made, logs.Filter())


def test_a_search_finds_one_person_in_each_tab() -> None:
    made, people = sent_to(3)
    for profile in people:
        records.event(made, profile.pk, "clicked", link_no=0)
        records.exclude(made, factories.profile(email=f"x{profile.pk}@example.test"))
    found = read(made, "sending", q=people[1].email)
    assert people[1].email in found and people[0].email not in found
    assert people[2].email in read(made, "tracking", q=people[2].email)
    assert "Nothing matches." in read(made, "sending", q="nobody@example.test")
    excluded = read(made, "exclusions", q=f"x{people[0].pk}@example.test")
    assert f"x{people[1].pk}@" not in excluded


@pytest.mark.parametrize("tab", ["sending", "exclusions", "tracking", "links", "failures", "activity"])
@pytest.mark.parametrize(
    "query",
    [{"after": "x"}, {"before": "9" * 40}, {"status": "'; DROP"}, {"event": "\x00", "reason": "\x00", "q": "\x00"}],
)
def test_nonsense_in_the_address_is_ignored(tab: str, query: dict[str, str]) -> None:
    read(records.delivery(people=1), tab, **query)


def test_the_log_of_a_message_that_a_call_brought_leads_to_its_requests() -> None:
    """It has no other page: back goes to the activity log, and not to itself."""
    made = records.delivery(people=1)
    Delivery.objects.filter(pk=made.pk).update(origin_kind="api", origin_id="x")
    html = read(made, "sending")
    assert f'href="{reverse("delivery:activity")}"' in html and "type=api&amp;days=90&amp;origin=x" in html
    assert "came with a call" in html and "Back to the send" not in html


def test_an_unknown_tab_does_not_exist() -> None:
    made = records.delivery()
    assert client().get(reverse("delivery:log", args=[made.public_id, "secrets"])).status_code == 404


def test_automatic_events_are_hidden_until_asked_for() -> None:
    made, people = sent_to(1)
    records.event(made, people[0].pk, "opened", is_automatic=True, detail="GoogleImageProxy")
    assert "GoogleImageProxy" not in read(made, "tracking")
    assert "GoogleImageProxy" in read(made, "tracking", automatic=1)


def test_exclusions_show_their_reason_and_filter_by_it() -> None:
    made = records.delivery(people=1)
    one, two = factories.profile(), factories.profile()
    records.exclude(made, one, "unsubscribed")
    records.exclude(made, two, "quarantined")
    everything = read(made, "exclusions")
    assert "Unsubscribed" in everything and "In quarantine" in everything
    only = read(made, "exclusions", reason="quarantined")
    assert two.email in only and one.email not in only


def test_links_are_ranked_by_people_and_the_unclicked_are_there() -> None:
    body = "".join(f'<a href="https://shop.test/{n}">{n}</a>' for n in "abc")
    made = records.delivery(people=2, message=factories.message(body=factories.HTML_BODY.replace("</body>", body)))
    number = {url.rsplit("/", 1)[1]: n for n, url in enumerate(made.message.links)}
    for profile_id, link in ((1, "b"), (2, "b"), (2, "b"), (2, "c")):
        records.event(made, profile_id, "clicked", link_no=number[link])
    records.event(made, 1, "clicked", link_no=number["a"], is_automatic=True)
    rows = {link.url.rsplit("/", 1)[1]: (link.n_people, link.n_clicks, link.share) for link in breakdowns.links(made)}
    assert rows["b"] == (2, 3, 0.75) and rows["c"] == (1, 1, 0.25) and rows["a"] == (0, 0, 0.0)
    assert breakdowns.links(made)[0].url.endswith("/b")


def test_failures_are_grouped_by_reason_with_what_to_do() -> None:
    made = records.delivery(people=9, valid_until=timezone.now() - dt.timedelta(days=1))
    for profile_id in (1, 2):
        records.log(
            made, profile_id, "failed", code="550 5.1.1", detail=f"550 5.1.1 <p{profile_id}@x.test> User unknown"
        )
    for profile_id in range(3, 8):
        records.log(made, profile_id)
    full = {"code": "4.2.2", "verdict": "soft", "reason": "mailbox_full", "detail": "452 4.2.2 Over quota"}
    gone = {"code": "550 5.1.1", "verdict": "hard", "reason": "user_unknown", "detail": "550 5.1.1 No such user"}
    records.event(made, 3, "bounced", **full)
    # Soft, then hard: one failure, for the graver reason.
    records.event(made, 4, "bounced", **full)
    records.event(made, 4, "bounced", **gone)
    # A retry worked; an automatic reply; nothing came back.
    records.event(made, 5, "bounced", **full)
    records.event(made, 5, "delivered")
    records.event(made, 6, "bounced", verdict="ignored", reason="auto_reply")
    # Retried until the end: what the server last said.
    records.log(made, 8, "failed", code="expired", detail="The validity period ended first.")
    records.attempt(made, 8, number=1, code="421 4.4.5", reply="421 4.4.5 Busy")
    records.attempt(made, 8, number=2, code="452 4.2.2", reply="452 4.2.2 Mailbox full")
    records.log(made, 9, "failed", code="expired", detail="The validity period ended first.")

    found = {one.reason: (one.kind, one.n) for one in failures.failures(made)}

    assert found == {"Unknown user": ("Hard", 3), "Mailbox full": ("Soft", 2), "Not delivered in time": ("Soft", 1)}
    assert sum(one.share for one in failures.failures(made)) == pytest.approx(1)
    assert rollups.rebuild(made.pk).n_failed == 6
    assert "User unknown" in read(made, "failures")


def test_the_sending_log_says_why_a_message_bounced() -> None:
    made = records.delivery(people=1)
    records.log(made, 1, detail="250 ok")
    records.event(made, 1, "bounced", code="5.1.1", verdict="hard", reason="user_unknown", detail="No such user")
    (row,) = logs.sending(made, logs.Filter()).rows
    assert (row.status, row.answer) == ("failed", "Unknown user: No such user")


def test_activity_names_who_did_what() -> None:
    operator = factories.user("Operator", name="Olga Ochs")
    made = records.delivery(people=1)
    caller = Client()
    caller.force_login(operator)
    caller.post(reverse("delivery:pause", args=[made.public_id]))
    html = read(made, "activity")
    assert "Paused" in html and "Olga Ochs" in html


def test_an_export_has_all_rows_and_runs_no_formula() -> None:
    made = records.delivery(people=3)
    bad = factories.profile(email="", external_id="x")
    records.log(made, bad.pk, address="=cmd|' /C calc'!A0", detail="+1", at=records.START)
    for _ in range(2):
        records.log(made, factories.profile().pk)
    rows = exported(made, "sending")
    assert rows[0][:3] == ["Profile", "Address", "Status"] and len(rows) == 4
    assert rows[1][1] == "'=cmd|' /C calc'!A0" and rows[1][5] == "'+1"
    assert len(exported(made, "sending", status="failed")) == 1


@pytest.mark.parametrize("tab", ["sending", "exclusions", "tracking", "links", "failures", "activity"])
def test_every_tab_can_be_exported_and_has_a_heading(tab: str) -> None:
    made = records.delivery(people=1)
    records.log(made, 1, "failed", code="550 5.1.1", detail="550 5.1.1 User unknown")
    rows = exported(made, tab)
    assert len(rows[0]) >= 4 and all(len(row) == len(rows[0]) for row in rows)


def test_a_domain_is_its_addresses_and_no_pattern() -> None:
    made = records.delivery(people=4)
    for profile_id, address in ((1, "a@Shop.test"), (2, "b@myshop.test"), (3, "c@shop.test"), (4, "d@shopxtest")):
        records.log(made, profile_id, "failed", address=address, code="550 5.1.1", detail="550 5.1.1 User unknown")
    assert [row[1] for row in exported(made, "sending", domain="@shop.test")[1:]] == ["a@Shop.test", "c@shop.test"]
    assert [row[1] for row in exported(made, "sending", domain="%")[1:]] == []
    assert [one.n for one in failures.failures(made, domain="SHOP.test")] == [2]
    assert failures.failures(made, domain="shop_test") == []
    assert "Nothing matches." in read(made, "failures", domain="else.test")


def test_activity_is_filtered_by_severity_and_by_who_did_it() -> None:
    operator = factories.user("Operator", name="Olga Ochs")
    made = records.delivery(people=1)
    caller = Client()
    caller.force_login(operator)
    caller.post(reverse("delivery:pause", args=[made.public_id]))
    caller.post(reverse("delivery:resume", args=[made.public_id]))
    assert [row[2] for row in exported(made, "activity")[1:]] == ["Paused", "Resumed"]
    assert [row[2] for row in exported(made, "activity", severity="warn")[1:]] == ["Paused"]
    assert [row[2] for row in exported(made, "activity", severity="info", q="ochs")[1:]] == ["Resumed"]
    assert "Nothing matches." in read(made, "activity", severity="err")


def test_activity_pages_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PAGE", 2)
    made = records.delivery(people=1)
    for number in range(5):
        audit.record(f"delivery.step{number}", subject=("delivery", str(made.public_id)), label="worker")
    first = activities.page(made, logs.Filter())
    second = activities.page(made, logs.Filter(after=first.next))
    last = activities.page(made, logs.Filter(after=second.next))
    seen = [row.what for page in (first, second, last) for row in page.rows]
    assert seen == [f"delivery.step{number}" for number in (4, 3, 2, 1, 0)] and last.next is None


def test_links_and_failures_can_be_searched() -> None:
    made = records.delivery(people=1)
    records.log(made, 1, "failed", code="550 5.1.1", detail="550 5.1.1 User unknown")
    assert [one.url for one in breakdowns.links(made, search="SALE")] == ["https://shop.test/sale"]
    assert breakdowns.links(made, search="nowhere") == [] and failures.failures(made, search="full") == []
    assert "Nothing matches." in read(made, "links", q="nowhere")


def test_a_record_says_when_the_person_changed_after_the_send() -> None:
    made, people = sent_to(1)
    address = reverse("delivery:recipient", args=[made.public_id, people[0].public_id])
    Profile.objects.filter(pk=people[0].pk).update(updated_at=records.START - dt.timedelta(days=1))
    assert "data changed after the send" not in client().get(address).content.decode()
    people[0].save()
    assert "data changed after the send" in client().get(address).content.decode()


def test_exports_keep_the_filter_and_need_the_permission() -> None:
    made = records.delivery(people=1)
    records.exclude(made, factories.profile(), "unsubscribed")
    records.exclude(made, factories.profile(), "quarantined")
    assert [row[2] for row in exported(made, "exclusions", reason="quarantined")[1:]] == ["In quarantine"]
    address = reverse("delivery:log-export", args=[made.public_id, "exclusions"])
    assert {role: client(role).get(address).status_code for role in ("Viewer", "Marketer", "Operator")} == {
        "Viewer": 403,
        "Marketer": 403,
        "Operator": 200,
    }


def test_an_export_walks_past_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_BATCH", 3)
    made = records.delivery(people=8)
    for profile_id in range(1, 9):
        records.log(made, profile_id)
        records.event(made, profile_id)
    assert [row.profile_id for row in logs.export_sending(made, logs.Filter())] == list(range(1, 9))
    assert len(list(logs.export_tracking(made, logs.Filter()))) == 8


def test_one_recipient_shows_every_attempt_event_and_the_message() -> None:
    made, people = sent_to(1)
    person = people[0]
    records.attempt(made, person.pk)
    records.event(made, person.pk, "opened")
    records.event(made, person.pk, "clicked", link_no=0)
    found = recipients.find(made, person.pk)
    assert found is not None
    assert [step.title for step in found.steps] == [
        "Attempt 1 deferred", "Handed to the mail server", "Opened", "Clicked",
    ]  # fmt: skip
    assert found.steps[3].detail == "https://shop.test/sale"
    reader = client()
    address = reverse("delivery:recipient", args=[made.public_id, person.public_id])
    page, drawer = reader.get(address), reader.get(address, headers={"hx-request": "true"})
    assert b"<html" in page.content and b"<html" not in drawer.content and b"<dialog" in drawer.content
    frame = reader.get(reverse("delivery:recipient-message", args=[made.public_id, person.public_id]))
    assert f"Hello {person.first_name}" in frame.content.decode() and "sandbox" in frame["Content-Security-Policy"]
    assert "/u/" not in frame.content.decode(), "a colleague must not unsubscribe somebody by a click"
    stranger = factories.profile()
    assert reader.get(reverse("delivery:recipient", args=[made.public_id, stranger.public_id])).status_code == 404


def test_a_profiles_history_has_what_was_sent_and_what_was_not_and_why() -> None:
    person = factories.profile()
    made: list[Any] = [records.delivery(people=1, label=f"Send {n}") for n in range(4)]
    records.log(made[0], person.pk)
    records.event(made[0], person.pk, "opened", is_automatic=True)
    records.event(made[0], person.pk, "clicked")
    records.log(made[1], person.pk, "not_sent", code="unsubscribed")
    records.log(made[2], person.pk)
    records.event(made[2], person.pk, "bounced", detail="5.1.1 unknown user")
    records.exclude(made[3], person, "quarantined")
    records.exclude(records.delivery(state="prepared", people=1), person, "quarantined")
    entries = {entry.delivery.label: entry for entry in history.entries(person.pk)}
    assert set(entries) == {"Send 0", "Send 1", "Send 2", "Send 3"}
    assert {label: str(entry.status) for label, entry in entries.items()} == {
        "Send 0": "sent", "Send 1": "not_sent", "Send 2": "failed", "Send 3": "not_sent",
    }  # fmt: skip
    assert entries["Send 0"].opened_at is None and entries["Send 0"].clicked_at is not None
    assert entries["Send 1"].reason == "Unsubscribed after preparation."
    assert (
        entries["Send 2"].reason == "Unknown user: 5.1.1 unknown user" and entries["Send 3"].reason == "In quarantine"
    )


def test_the_chart_ends_at_the_logs_own_totals() -> None:
    made, people = sent_to(6)
    records.log(made, 999_001, "failed")
    records.log(made, 999_002, "not_sent")
    for profile in people[:3]:
        for _twice in range(2):
            records.event(made, profile.pk, "opened")
    records.event(made, people[4].pk, "opened", is_automatic=True)
    points = charts.count(made, records.timezone.now(), 60)
    last = points[-1]
    assert (last.sent, last.failed, last.opened, last.clicked) == (7, 1, 3, 0)
    assert SendLog.objects.filter(outcome__in=["sent", "failed"]).count() == last.sent
    assert Event.objects.filter(kind="opened", is_automatic=False).values("profile_id").distinct().count() == 3
    assert [p.sent for p in points] == sorted(p.sent for p in points)
