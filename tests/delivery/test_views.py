"""Pages, fragments and buttons of a delivery: who may press what, what each state offers, what live updates answer."""

import datetime as dt
import json
import re
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from delivery import forms, pages, rollups, tasks
from delivery.models import Delivery, DeliveryStat, ShardState
from lib.errors import DomainError
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
ROLES = ["Viewer", "Marketer", "Operator", "Admin"]


@pytest.fixture(autouse=True)
def _clean() -> None:
    cache.clear()


def signed_in(role: str, **fields: object) -> tuple[Client, User]:
    user = factories.user(role, **fields)
    client = Client()
    client.force_login(user)
    return client, user


def url(name: str, of: Delivery, *args: object) -> str:
    return reverse(f"delivery:{name}", args=[of.public_id, *args])


def context(of: Delivery, user: User, **fields: object) -> dict[str, object]:
    return pages.context(of, user, confirm_url="/confirm/", cancel_url="/cancel/", back_url="/", **fields)  # type: ignore[arg-type]


# What is pressed, the state it needs, the state after it, and who may.
BUTTONS = [
    ("prepare", "new", "preparing", {"Marketer", "Operator", "Admin"}),
    ("abort", "preparing", "new", {"Marketer", "Operator", "Admin"}),
    ("pause", "sending", "paused", {"Operator", "Admin"}),
    ("resume", "paused", "sending", {"Operator", "Admin"}),
    ("stop", "sending", "stopped", {"Operator", "Admin"}),
    ("start-now", "confirmed", "sending", {"Operator", "Admin"}),
]


@pytest.mark.parametrize(("button", "before", "after", "allowed"), BUTTONS)
@pytest.mark.parametrize("role", [*ROLES, ""])
def test_each_button_works_for_its_roles_and_changes_nothing_for_others(
    button: str, before: str, after: str, allowed: set[str], role: str
) -> None:
    made = records.delivery(state=before, people=2, by=factories.user("Operator"))
    client, _user = signed_in(role)
    with patch.object(tasks.prepare, "apply_async"), patch.object(tasks.drain, "apply_async"):
        answer = client.post(url(button, made))
    state = Delivery.objects.get(pk=made.pk).state
    assert (answer.status_code, state) == ((302, after) if role in allowed else (403, before))


@pytest.mark.parametrize(("button", "before", "_after", "_allowed"), BUTTONS)
def test_a_button_is_a_post_and_needs_a_person(button: str, before: str, _after: str, _allowed: set[str]) -> None:
    made = records.delivery(state=before, people=2)
    operator, _user = signed_in("Operator")
    assert operator.get(url(button, made)).status_code == 405
    assert Client().post(url(button, made)).status_code == 302
    assert Client(enforce_csrf_checks=True).post(url(button, made)).status_code in {302, 403}
    assert Delivery.objects.get(pk=made.pk).state == before


def test_a_marketer_may_pause_their_own_send_only() -> None:
    client, marketer = signed_in("Marketer")
    own, other = records.delivery(people=1, by=marketer), records.delivery(people=1)
    assert client.post(url("pause", own)).status_code == 302
    assert client.post(url("pause", other)).status_code == 403
    assert client.post(url("stop", own)).status_code == 403
    assert {Delivery.objects.get(pk=d.pk).state for d in (own, other)} == {"paused", "sending"}


PAGES = ["panel", "chart", *[f"log {tab}" for tab in pages.TABS]]


@pytest.mark.parametrize("page", PAGES)
def test_every_role_reads_and_a_stranger_does_not(page: str) -> None:
    made = records.delivery(people=2)
    address = url(*page.split(" ")[:1], made, *page.split(" ")[1:])
    for role in ROLES:
        assert signed_in(role)[0].get(address).status_code == 200
    assert signed_in("")[0].get(address).status_code == 403
    assert Client().get(address).status_code == 302
    assert Client().get(address, headers={"hx-request": "true"}).status_code == 401


def test_pressing_pause_returns_to_the_page_it_was_pressed_on_but_nowhere_else() -> None:
    client, _user = signed_in("Operator")
    made = records.delivery(people=1)
    answer = client.post(url("pause", made), headers={"referer": "http://testserver/campaigns/?tab=live"})
    assert answer["Location"] == "http://testserver/campaigns/?tab=live"
    answer = client.post(url("resume", made), headers={"referer": "https://evil.test/"})
    assert "evil" not in answer["Location"]


@pytest.mark.parametrize(
    ("state", "poll_ms"),
    [("preparing", 1000), ("prepared", 15000), ("confirmed", 1000), ("sending", 2000), ("paused", 4000)],
)
def test_the_panel_says_when_to_ask_again(state: str, poll_ms: int) -> None:
    made = records.delivery(state=state, people=3)
    answer = signed_in("Viewer")[0].get(url("panel", made), {"state": state})
    assert answer.status_code == 200 and answer["X-Next-Poll"] == str(poll_ms)
    assert 'id="delivery-live"' in answer.content.decode() and "no-store" in answer["Cache-Control"]


def test_the_panel_stops_when_nothing_changes_any_more_and_reloads_when_the_state_is_another() -> None:
    long_ago = timezone.now() - dt.timedelta(days=9)
    made = records.delivery(state="finished", people=1, ended_at=long_ago, valid_until=long_ago)
    client, _user = signed_in("Viewer")
    assert client.get(url("panel", made), {"state": "finished"}).status_code == 286
    answer = client.get(url("panel", made), {"state": "sending"})
    assert answer["X-Reload"] == "1" and not answer.content


def test_the_panel_swaps_no_button_but_what_explains_a_figure() -> None:
    made = records.delivery(people=3)
    html = signed_in("Operator")[0].get(url("panel", made), {"state": "sending"}).content.decode()
    assert html.count("<button") == html.count('class="tile__help"') == 6 and "<form" not in html


def test_the_panel_shows_six_tiles_that_add_up() -> None:
    made = records.delivery(people=4, n_targeted=6, n_excluded=2)
    records.shard(made, [1, 2, 3, 4], n_sent=2, n_failed=1, n_unknown=1, state=ShardState.DONE)
    for profile_id, outcome in enumerate(["sent", "sent", "failed", "unknown"], start=1):
        records.log(made, profile_id, outcome)
    records.event(made, 1, "opened")
    html = signed_in("Viewer")[0].get(url("panel", made), {"state": "sending"}).content.decode()
    values = re.findall(r'class="tile__value[^"]*">([^<]+)<', html)
    assert values == ["4", "3", "66.7%", "33.3%", "50.0%", "0.0%"]
    assert "of 6 targeted" in html and "1 of sent" in html and "High" in html
    assert "<strong>1</strong> unknown" in html


def test_somebody_who_looks_sees_an_open_at_once_on_a_small_send() -> None:
    made = records.delivery(people=1)
    records.shard(made, [1], n_sent=1)
    records.log(made, 1)
    records.event(made, 1, "opened")
    signed_in("Viewer")[0].get(url("panel", made), {"state": "sending"})
    assert DeliveryStat.objects.get(pk=made.pk).n_opened == 1


def test_reading_the_panel_is_a_handful_of_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    made = records.delivery(people=1)
    records.shard(made, [1], n_sent=1)
    rollups.rebuild(made.pk)
    client, _user = signed_in("Viewer")
    with django_assert_max_num_queries(10):
        client.get(url("panel", made), {"state": "sending"})


def test_compute_stats_says_what_changed() -> None:
    made = records.delivery(people=1)
    records.shard(made, [1], n_sent=1)
    records.log(made, 1)
    rollups.rebuild(made.pk)
    records.event(made, 1, "opened")
    client, _user = signed_in("Viewer")
    answer = client.post(url("compute", made), follow=True)
    assert "Updated. Opened 0 → 1." in answer.content.decode()
    answer = client.post(url("compute", made), follow=True)
    assert answer.status_code == 429 and "less than 30 s ago" in answer.content.decode()
    cache.clear()
    answer = client.post(url("compute", made), headers={"hx-request": "true"})
    said = json.loads(answer["HX-Trigger"])
    assert answer.status_code == 204 and "Nothing changed." in said["toast"]["text"] and "live:refresh" in said


def test_compute_stats_of_a_large_send_is_a_job_and_not_run_twice_at_once(
    django_capture_on_commit_callbacks: object,
) -> None:
    made = records.delivery(people=rollups.SMALL)
    client, _user = signed_in("Viewer")
    with patch.object(tasks.compute_stats, "apply_async") as job:
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            assert client.post(url("compute", made)).status_code == 302
            assert client.post(url("compute", made)).status_code == 302
        assert job.call_count == 1
    running = client.get(url("panel", made), {"state": "sending"})
    assert "Computing…" in running.content.decode() and running["X-Next-Poll"] == "1000"
    records.event(made, 1, "opened")
    records.log(made, 1)
    tasks.compute_stats(made.pk)
    told = "Updated. Sent 0 → 1. Delivered 0 → 1. Opened 0 → 1."
    assert told in client.get(url("panel", made), {"state": "sending"}).content.decode()
    assert client.post(url("compute", made)).status_code == 429


def test_without_the_role_confirm_says_who_can() -> None:
    operator, marketer = factories.user("Operator", name="Olga Ochs"), factories.user("Marketer")
    made = records.delivery(state="prepared", people=3)
    mine, theirs = context(made, operator), context(made, marketer)
    assert mine["may"].start and not theirs["may"].start  # type: ignore[attr-defined]
    assert theirs["deputies"] == ["Olga Ochs"] and theirs["start_role"] == "Operator"


def test_confirm_shows_a_personal_subject_as_somebody_reads_it() -> None:
    user = factories.user("Operator")
    samples = [{"email": "a@x.test", "subject": "", "problem": "no name"}, {"email": "b@x.test", "subject": "Hi Bob"}]
    plain = records.delivery(state="prepared", people=2, samples=samples)
    personal = records.delivery(
        state="prepared",
        people=2,
        samples=samples,
        message=factories.message(subject="Hi {{ profile.first_name }}"),
    )
    told = [context(made, user)["confirm"] for made in (plain, personal)]
    assert [(facts["subject"], facts["subject_for"]) for facts in told] == [  # type: ignore[index]
        (plain.message.subject, ""),
        ("Hi Bob", "b@x.test"),
    ]
    personal.samples = []
    assert context(personal, user)["confirm"]["subject"] == "Hi {{ profile.first_name }}"  # type: ignore[index]


def test_what_is_older_than_a_day_is_stale() -> None:
    made = records.delivery(state="prepared", people=3)
    user = factories.user("Operator")
    assert context(made, user)["stale"] == []
    made.prepared_at = timezone.now() - dt.timedelta(hours=25)
    assert context(made, user, stale=["The schedule changed."])["stale"] == [
        "The schedule changed.",
        "Prepared more than 24 h ago.",
    ]


def test_a_scheduled_send_shows_both_zones() -> None:
    at = dt.datetime(2031, 11, 25, 8, 0, tzinfo=dt.UTC)
    made = records.delivery(state="confirmed", people=3, scheduled_at=at, scheduled_zone="Europe/Paris", start_at=at)
    start = context(made, factories.user("Viewer"))["start"]
    assert start["when"] == "Tue 25 Nov, 09:00 Paris (08:00 your time)"  # type: ignore[index]


@pytest.mark.parametrize(
    ("n", "typed", "is_valid"),
    [
        (9892, "9892", True), (9892, "9,892", True), (9892, "9 892", True), (9892, "9.892", True),
        (9892, "9\u00a0892", True), (9892, "9\u202f892", True), (9892, " 9892 ", True), (9892, "9’892", True),
        (9892, "989", False), (9892, "", False), (9892, "98920", False), (9892, "-9892", False), (1000, "", False),
    ],
)  # fmt: skip
def test_the_number_is_typed_from_a_thousand_on(n: int, typed: str, is_valid: bool) -> None:
    made = records.delivery(state="prepared", people=n)
    form = forms.ConfirmForm({"seal": made.seal, "n_to_send": n, "key": uuid4(), "typed": typed}, delivery=made)
    assert form.is_valid() is is_valid
    if not is_valid:
        problem = form.problem()
        assert isinstance(problem, DomainError) and problem.status == 422 and "typed" in problem.fields


def test_the_pill_shows_what_runs_and_is_empty_otherwise() -> None:
    client, operator = signed_in("Operator")
    records.delivery(state="prepared", people=1)
    records.delivery(state="finished", people=1)
    assert "Sending" not in client.get(reverse("delivery:pill")).content.decode()
    assert not signed_in("Viewer")[0].get(reverse("delivery:pill")).content.strip()
    running = records.delivery(people=4, label="Winter sale", by=operator)
    records.shard(running, [1, 2, 3, 4], n_sent=1, n_failed=1, state=ShardState.LEASED)
    html = client.get(reverse("delivery:pill")).content.decode()
    assert "Sending: Winter sale" in html and "50%" in html and url("pause", running) in html
    assert url("pause", running) not in signed_in("Viewer")[0].get(reverse("delivery:pill")).content.decode()


def test_what_paused_itself_comes_first_in_the_pill() -> None:
    client, _user = signed_in("Viewer")
    records.delivery(state="paused", people=4, label="In trouble", pause_cause="transport")
    records.delivery(people=4, label="Going well", started_at=timezone.now())
    assert "Paused: In trouble" in client.get(reverse("delivery:pill")).content.decode()


def test_samples_are_shown_one_by_one_in_a_sandbox() -> None:
    people = [factories.profile(first_name=name) for name in ("Ada", "Bob")]
    samples = [{"profile_id": p.pk, "email": p.email, "subject": f"For {p.first_name}", "problem": ""} for p in people]
    made = records.delivery(state="prepared", people=2, samples=samples)
    client, _user = signed_in("Viewer")
    html = client.get(url("samples", made), {"n": "2"}).content.decode()
    assert "For Bob" in html and "2 of 2" in html and 'sandbox=""' in html
    frame = client.get(url("sample-frame", made, 2))
    assert "Hello Bob" in frame.content.decode() and "sandbox" in frame["Content-Security-Policy"]
    assert client.get(url("sample-frame", made, 3)).status_code == 404
    assert client.get(url("samples", records.delivery(state="new"))).status_code == 404


@pytest.mark.parametrize("n", ["0", "99", "x", "-1", "²", "9" * 5000])
def test_a_wrong_sample_number_shows_a_sample(n: str) -> None:
    person = factories.profile()
    made = records.delivery(state="prepared", samples=[{"profile_id": person.pk, "email": "", "subject": ""}])
    assert signed_in("Viewer")[0].get(url("samples", made), {"n": n}).status_code == 200


def test_admin_finds_deliveries_and_offers_no_change() -> None:
    client, _user = signed_in("Admin")
    made = records.delivery(people=3)
    records.shard(made, [1, 2, 3])
    rollups.rebuild(made.pk)
    for model in ("delivery", "deliverystat", "shard"):
        listing = client.get(f"/admin/delivery/{model}/", {"q": str(made.public_id)})
        assert listing.status_code == 200 and "1 result" in listing.content.decode()
        assert client.get(f"/admin/delivery/{model}/add/").status_code == 403
        pk = made.shards.get().pk if model == "shard" else made.pk
        page = client.get(f"/admin/delivery/{model}/{pk}/change/")
        html = page.content.decode()
        assert page.status_code == 200 and 'name="_save"' not in html and "deletelink" not in html
        assert client.post(f"/admin/delivery/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
    assert "View in Chappe" in client.get(f"/admin/delivery/delivery/{made.pk}/change/").content.decode()
    assert client.post("/admin/delivery/delivery/", {"action": "delete_selected", "_selected_action": made.pk})
    assert Delivery.objects.filter(pk=made.pk).exists()
    assert signed_in("Operator")[0].get("/admin/delivery/delivery/").status_code == 302
