"""The Deployment panel in a real browser: it moves by itself, politely, tells the truth, and disturbs nobody."""

import datetime as dt
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Request, expect
from pytest_django import Settings

from audiences.models import SegmentMember
from campaigns import sends
from delivery import clock, kpi, lifecycle, preparation, rollups, sending
from delivery.models import Delivery, DeliveryStat, SendLog
from tests import factories, smtp_server
from tests.browser.test_delivery import address, axe, campaign_of
from tests.delivery import records
from tests.flows.test_pipeline_crashes import start_drain, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Browse = Callable[..., Page]
# What comes with a poll; a slow server is asked less often.
POLLS_MS = 20_000


@pytest.fixture
def sink(settings: Settings) -> Iterator[smtp_server.Server]:
    cache.clear()
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.stop()


def started(by: Any, people: int, **fields: Any) -> tuple[Delivery, str]:
    """A send to `people` that has begun, with nobody at work on it yet; and its page."""
    for _ in range(people):
        factories.profile()
    campaign = factories.published(by)
    delivery = sends.open_send(campaign.pk, by=by)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    Delivery.objects.filter(pk=delivery.pk).update(**fields)
    sends.confirm(campaign.pk, delivery.pk, by=by, seal=delivery.seal, n_to_send=delivery.n_to_send or 0)
    lifecycle.start_now(delivery.pk, by=by)
    return Delivery.objects.get(pk=delivery.pk), address(campaign, delivery)


def work(delivery: Delivery) -> threading.Thread:
    def run() -> None:
        try:
            sending.drain(delivery.pk, slice_s=20)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def running(by: Any, people: int = 20, n_sent: int = 5, *, first: int = 1) -> tuple[Delivery, str]:
    """A written send at which nobody works: its numbers move when a test moves them."""
    made = records.delivery(people=people, by=by)
    records.shard(made, list(range(first, first + people)), n_sent=n_sent, n_authorised=n_sent, state="waiting")
    for profile_id in range(first, first + n_sent):
        records.log(made, profile_id)
    rollups.rebuild(made.pk)
    return made, address(campaign_of(made, by), made)


def number(page: Page, tile: str) -> int:
    text = page.locator(f"#tile-{tile} .tile__value").inner_text()
    return int(re.sub(r"\D", "", text) or 0)


# How full the bar is, in per cent.
BAR = """() => [...document.querySelectorAll("#delivery-live .bar rect")]
    .reduce((sum, part) => sum + parseFloat(part.getAttribute("width")), 0)"""


@pytest.mark.parametrize("feedback", ["bounces_only", "real_time"])
def test_tiles_move_by_themselves_and_match_the_sink(browse: Browse, sink: smtp_server.Server, feedback: str) -> None:
    """And the bar never runs ahead of what the mail server took."""
    operator = factories.user("Operator")
    factories.profile(email="rcpt550-nobody@x.test")
    delivery, url = started(operator, 29, rate_per_minute=300, feedback=feedback)
    page = browse(operator)
    page.goto(url)
    worker = work(delivery)
    seen = []
    while worker.is_alive():
        shown, bar, taken = number(page, "sent"), page.evaluate(BAR), len(sink.recipients)
        # One is refused at hand-over, which is an answer too.
        assert shown <= taken + 1 and bar <= 100 * (taken + 1) / 30 + 2, "progress counts hand-overs"
        seen.append(shown)
        page.wait_for_timeout(300)
    expect(page.locator("#tile-sent .tile__value")).to_have_text("30", timeout=POLLS_MS)
    assert len(set(seen)) > 1, "it moved while it was sent"
    assert number(page, "sent") == len(set(sink.recipients)) + SendLog.objects.filter(outcome="failed").count() == 30
    legend = page.locator("#delivery-live .legend li").all_inner_texts()
    assert sum(int(text.split()[-1]) for text in legend) == 30, legend


def test_stop_is_honest_and_a_list_of_those_who_got_it_is_the_sinks(
    browse: Browse, sink: smtp_server.Server, screenshot: Callable[[Page, str], Any]
) -> None:
    operator = factories.user("Operator")
    delivery, url = started(operator, 60, rate_per_minute=240)
    page = browse(operator)
    page.goto(url)
    worker = work(delivery)
    expect(page.locator("#tile-sent .tile__value")).not_to_have_text("0", timeout=POLLS_MS)
    page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Keep sending")).to_be_focused()
    first = dialog.locator("#stop-numbers strong").first.inner_text()
    expect(dialog.locator("#stop-numbers strong").first).not_to_have_text(first, timeout=POLLS_MS)
    sent, rest = (int(text) for text in dialog.locator("#stop-numbers strong").all_inner_texts())
    assert sent + rest == 60 and abs(sent - len(sink.recipients)) <= 12
    screenshot(page, "panel-stop")
    dialog.get_by_role("button", name="Stop sending").click()
    worker.join()
    expect(page.locator("#delivery-headline")).to_contain_text("Stopped by")

    page.get_by_role("button", name="Create segment").click()
    page.get_by_role("menuitem", name="who got it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name of the segment")).to_be_focused()
    assert axe(page) == []
    screenshot(page, "panel-list")
    dialog.get_by_role("button", name="Create segment").click()
    expect(page.locator(".toast")).to_contain_text("created with")
    addresses = set(SegmentMember.objects.values_list("profile__email", flat=True))
    assert addresses == set(sink.recipients) and 0 < len(addresses) < 60
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_text("The schedule was not copied")).to_be_visible()


def test_pause_is_two_clicks_from_any_page(browse: Browse, sink: smtp_server.Server) -> None:
    operator = factories.user("Admin")
    delivery, url = started(operator, 60, rate_per_minute=300)
    page = browse(operator)
    worker = work(delivery)
    page.goto(reverse("accounts:installation", args=["general"]))
    page.locator("#pill-button").click()
    page.locator("#pill-menu").get_by_role("button", name="Pause").click()
    time.sleep(2)
    taken = len(sink.recipients)
    expect(page.locator("#pill-button")).to_contain_text("Paused")
    page.goto(url)
    expect(page.locator("#delivery-headline")).to_contain_text(f"Paused by {operator}")
    page.wait_for_timeout(1000)
    assert len(sink.recipients) == taken < 60, "nothing reaches anybody two seconds later"
    worker.join(timeout=5)
    assert not worker.is_alive()
    expect(page.get_by_role("button", name=f"Resume: {60 - taken} people who haven't had it")).to_be_visible()


def test_resume_sends_each_once_though_the_worker_was_killed(
    browse: Browse, sink: smtp_server.Server, settings: Settings, tmp_path: Path
) -> None:
    settings.CHAPPE_HOME = tmp_path
    operator = factories.user("Operator")
    delivery, url = started(operator, 30, rate_per_minute=300)
    page = browse(operator)
    page.goto(url)
    worker = start_drain(delivery)
    wait_for(lambda: len(sink.recipients) >= 9)
    page.get_by_role("button", name="Pause").click()
    worker.kill()
    worker.wait()
    assert 9 <= len(sink.recipients) < 30
    clock.tick()
    expect(page.locator("#delivery-headline")).to_contain_text("Paused by")
    # What was on the wire when the worker died is known to nobody, and not sent again.
    unknown = SendLog.objects.filter(delivery=delivery, outcome="unknown")
    n_settled = len(sink.recipients) + sum(one.address not in sink.recipients for one in unknown)
    rest = page.get_by_role("button", name=re.compile(r"Resume: \d+ people"))
    expect(rest).to_have_text(f"Resume: {30 - n_settled} people who haven't had it")
    rest.click()
    expect(page.locator("#delivery-headline strong")).to_have_text("Sending")
    # At full speed, for the sake of this test.
    Delivery.objects.filter(pk=delivery.pk).update(rate_per_minute=None)
    work(delivery).join()
    expect(page.locator("#delivery-headline")).to_contain_text("Sent. 30 processed", timeout=POLLS_MS)
    lost = [one.address for one in unknown.all() if one.address not in sink.recipients]
    assert len(lost) <= 1
    assert sorted([*sink.recipients, *lost]) == sorted(factories.Profile.objects.values_list("email", flat=True))


def asked(page: Page) -> tuple[list[str], list[str]]:
    """Every request the page makes for news of the send, as it happens; and every request."""
    news: list[str] = []
    all_: list[str] = []

    def note(request: Request) -> None:
        all_.append(request.url)
        if "/panel/" in request.url or "/chart/" in request.url:
            news.append(request.url)

    page.on("request", note)
    return news, all_


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_polling_is_polite(browse: Browse) -> None:
    operator = factories.user("Operator")
    _made, url = running(operator)
    page = browse(operator)
    page.clock.install()
    requests, all_requests = asked(page)
    page.goto(url)
    expect(page.locator("#chart canvas")).to_be_visible()
    requests.clear()
    for n_panels in (1, 2, 3):
        with page.expect_response(lambda answer: "/panel/" in answer.url):
            page.clock.run_for(2100)
        page.wait_for_timeout(200)
        assert len(requests) == n_panels, "one loop for the page, every two seconds"
    page.evaluate(HIDE, True)
    all_requests.clear()
    page.clock.run_for(15_000)
    page.wait_for_timeout(300)
    assert all_requests == [], "a hidden tab asks nothing"
    with page.expect_request(lambda request: "/panel/" in request.url, timeout=1500):
        page.evaluate(HIDE, False)

    long_ago = timezone.now() - dt.timedelta(days=9)
    ended = records.delivery(state="finished", people=1, ended_at=long_ago, valid_until=long_ago)
    page.goto(address(campaign_of(ended, operator), ended))
    expect(page.get_by_text("The chart starts with the first message.")).to_be_visible()
    requests.clear()
    page.clock.run_for(600_000)
    page.wait_for_timeout(300)
    assert requests == [], "what is over asks nothing"


def test_stale_looks_stale_and_news_mend_it(browse: Browse) -> None:
    operator = factories.user("Operator")
    made, url = running(operator)
    page = browse(operator)
    page.clock.install()
    page.goto(url)
    page.route("**/panel/**", lambda route: route.abort())
    page.clock.run_for(3000)
    note = page.locator("[data-live-note]")
    expect(note).to_contain_text(re.compile(r"Live updates paused\. Last update \d\d:\d\d:\d\d"))
    expect(note.get_by_role("link", name="Reload")).to_be_visible()
    tiles = page.locator("#delivery-live .tiles")
    assert tiles.evaluate("element => getComputedStyle(element).opacity") == "1"
    page.clock.run_for(31_000)
    expect(page.locator("#delivery-live")).to_have_class(re.compile("is-stale"))
    assert tiles.evaluate("element => getComputedStyle(element).opacity") == "0.7"
    page.unroute("**/panel/**")
    page.clock.run_for(6000)
    expect(note).to_have_count(0)
    expect(page.locator("#delivery-live")).not_to_have_class(re.compile("is-stale"))
    assert made.state == "sending"


def test_focus_and_an_open_tooltip_survive_updates(browse: Browse) -> None:
    operator = factories.user("Operator")
    made, url = running(operator)
    page = browse(operator)
    page.goto(url)
    page.get_by_role("button", name="What Delivered means").click()
    tip = page.locator("#tile-delivered-help")
    expect(tip).to_contain_text("Delivered ÷ sent.")
    page.get_by_role("button", name="What Delivered means").focus()
    part = made.shards.get()
    for n_sent in (6, 7, 8, 9, 10):
        part.n_sent = n_sent
        part.save(update_fields=["n_sent"])
        page.evaluate("document.dispatchEvent(new Event('live:refresh'))")
        expect(page.locator("#tile-sent .tile__value")).to_have_text(str(n_sent))
    expect(tip).to_be_visible()
    expect(page.get_by_role("button", name="What Delivered means")).to_be_focused()
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()

    pause = page.get_by_role("button", name="Pause")
    pause.focus()
    for n_sent in (11, 12, 13, 14, 15):
        part.n_sent = n_sent
        part.save(update_fields=["n_sent"])
        page.evaluate("document.dispatchEvent(new Event('live:refresh'))")
        expect(page.locator("#tile-sent .tile__value")).to_have_text(str(n_sent))
    expect(pause).to_be_focused()


def test_the_chart_works_by_keyboard_and_says_the_same_as_a_table(browse: Browse) -> None:
    operator = factories.user("Operator")
    _made, url = running(operator)
    page = browse(operator)
    page.goto(url)
    expect(page.locator("#chart canvas")).to_be_visible()
    key = page.get_by_role("button", name="Delivered", exact=True)
    key.focus()
    page.keyboard.press("Space")
    expect(key).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Table").press("Enter")
    expect(page.get_by_role("group", name="Over time, as a table")).to_contain_text("Bounces + errors")
    page.get_by_role("link", name="24 h").press("Enter")
    expect(page.get_by_role("link", name="24 h")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("button", name="Delivered", exact=True)).to_have_attribute("aria-pressed", "false")
    page.locator("#chart .u-over").hover()
    expect(page.locator(".chart__tip")).to_contain_text("Sent")
    assert axe(page) == []
    page.get_by_role("link", name="What the figures mean").click()
    expect(page.get_by_role("heading", name="Two kinds of feedback")).to_be_visible()
    assert axe(page) == []


def test_compute_stats_mends_a_wrong_figure_everywhere(browse: Browse) -> None:
    marketer = factories.user("Marketer")
    cache.clear()
    person = factories.profile()
    made, url = running(marketer, first=person.pk)
    records.event(made, person.pk, "opened")
    # A wrong figure, counted a moment ago, so that nothing but Compute stats would count again.
    DeliveryStat.objects.filter(pk=made.pk).update(n_opened=4, computed_at=timezone.now())
    page = browse(marketer)
    page.goto(url)
    opened, at = page.locator("#tile-opened .tile__value"), page.locator("#delivery-computed")
    expect(opened).to_have_text("80.0%")
    before = at.inner_text()
    page.wait_for_timeout(1000)
    button = page.get_by_role("button", name="Compute stats")
    button.click()
    expect(page.locator(".toast")).to_contain_text("Updated. Opened 4 → 1.")
    expect(opened).to_have_text("20.0%")
    expect(at).to_contain_text("Stats computed")
    expect(at).not_to_have_text(before)
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("Possible again after 30 s.")).to_be_visible()
    page.goto(reverse("campaigns:list"))
    expect(page.get_by_role("row", name=re.compile("Autumn sale"))).to_contain_text("20.0%")
    page.goto(reverse("delivery:profile-messages", args=[person.public_id]))
    expect(page.get_by_role("row", name=re.compile("Autumn sale"))).to_contain_text("opened")
    assert kpi.summaries([made.pk])[made.pk].opened == 1


@pytest.mark.parametrize("width", [320, 1280])
def test_a_running_send_shifts_nothing_and_never_scrolls_sideways(browse: Browse, width: int) -> None:
    operator = factories.user("Operator")
    made, url = running(operator, people=20_000)
    page = browse(operator, width=width)
    page.goto(url)
    expect(page.locator("#chart canvas")).to_be_visible()
    page.evaluate("""() => {
        window.shift = 0;
        new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shift += one.value; })
            .observe({ type: "layout-shift" });
    }""")
    part = made.shards.get()
    for n_sent in (6, 900, 9_000, 19_000):
        part.n_sent = n_sent
        part.save(update_fields=["n_sent"])
        page.evaluate("document.dispatchEvent(new Event('live:refresh'))")
        expect(page.locator("#tile-sent .tile__value")).to_have_text(f"{n_sent:,}")
    assert page.evaluate("window.shift") <= 0.02
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
