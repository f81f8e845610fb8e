"""Confirm, watch and stop a send in a real browser, with the real engine and a mail server on loopback."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from campaigns import sends
from campaigns.models import Campaign, CampaignSend
from delivery import preparation, rollups, sending
from delivery.models import Delivery
from messaging import links
from tests import factories, smtp_server
from tests.browser import looks
from tests.delivery import records

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PEOPLE = 12
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[smtp_server.Server]:
    cache.clear()
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    settings.CONFIRM_TYPED_FROM = 10
    yield server
    server.stop()


def sign_in(page: Page, user: User, base: str) -> None:
    client = Client()
    client.force_login(user)
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": cookie, "url": base}])


def prepared(by: User) -> tuple[Campaign, Delivery]:
    """A published campaign whose list of PEOPLE is ready, with an unsubscribed person left out."""
    for _ in range(PEOPLE):
        factories.profile()
    factories.profile(email_consent="unsubscribed")
    campaign = factories.published(by)
    delivery = sends.open_send(campaign.pk, by=by)
    preparation.run(delivery.pk)
    return campaign, delivery


def campaign_of(delivery: Delivery, by: User) -> Campaign:
    """A campaign that `delivery` is a send of."""
    campaign = factories.published(by)
    CampaignSend.objects.create(
        campaign=campaign, version=campaign.live_version, delivery=delivery, occurrence_at=timezone.now()
    )
    return campaign


def address(campaign: Campaign, delivery: Delivery) -> str:
    return reverse("campaigns:send", args=[campaign.public_id, delivery.public_id])


def drain(delivery: Delivery) -> threading.Thread:
    """What a worker does, in a thread with a database connection of its own."""

    def run() -> None:
        try:
            sending.drain(delivery.pk, slice_s=20)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def axe(page: Page) -> list[str]:
    return looks.violations(page, rules=None)


def test_an_operator_confirms_and_watches_it_arrive(
    page: Page, live_server: Any, mail_server: smtp_server.Server, screenshot: Callable[[Page, str], Path]
) -> None:
    operator = factories.user("Operator")
    campaign, delivery = prepared(operator)
    sign_in(page, operator, live_server.url)
    page.goto(address(campaign, delivery))
    expect(page.locator(".equation")).to_contain_text("13")
    assert axe(page) == []

    page.get_by_role("link", name="Confirm send…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Send 12 emails now?")
    field, send = dialog.get_by_label("Type 12 to confirm"), dialog.get_by_role("button", name="Send 12 emails")
    expect(field).to_be_focused()
    field.fill("11")
    field.press("Enter")
    send.click(force=True)
    assert Delivery.objects.get(pk=delivery.pk).state == "prepared", "a wrong number sends nothing"
    field.fill("12")
    screenshot(page, "delivery-confirm")
    send.click()
    expect(page.get_by_text("Starting in")).to_be_visible()
    page.get_by_role("button", name="Start now").click()
    stop = page.get_by_role("button", name="Stop…")
    stop.focus()

    worker = drain(delivery)
    # A slow server is asked less often.
    expect(page.locator("#tile-sent .tile__value")).to_have_text("12", timeout=20_000)
    worker.join()
    expect(page.locator("#delivery-headline")).to_contain_text("12 processed", timeout=20_000)
    assert axe(page) == []
    assert len({to for to, _data in mail_server.accepted}) == PEOPLE

    somebody = factories.Profile.objects.filter(email_consent="subscribed").order_by("pk").first()
    assert somebody is not None
    # Counted a moment ago, so that nothing but Compute stats counts again.
    rollups.rebuild(delivery.pk)
    outside = Client(headers={"user-agent": BROWSER})
    outside.get(f"/o/{links.token(delivery.pk, somebody.pk)}.gif")
    # An empty chart looks again with one of the next polls.
    expect(page.locator("#chart canvas")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Compute stats").click()
    expect(page.locator("#tile-opened .tile__value")).to_have_text("8.3%")
    expect(page.locator(".toast")).to_contain_text("Opened 0 → 1.")
    screenshot(page, "delivery-sent")


def test_numbers_move_under_a_focused_button_and_it_keeps_the_focus(page: Page, live_server: Any) -> None:
    operator = factories.user("Operator")
    made = records.delivery(people=4, by=operator)
    part = records.shard(made, [1, 2, 3, 4], n_sent=1, state="leased")
    sign_in(page, operator, live_server.url)
    campaign = campaign_of(made, operator)
    page.goto(address(campaign, made))
    page.get_by_role("button", name="Pause").focus()
    part.n_sent = 3
    part.save(update_fields=["n_sent"])
    expect(page.locator("#tile-sent .tile__value")).to_have_text("3")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()


def test_stop_asks_with_both_numbers_and_pause_is_one_click(page: Page, live_server: Any) -> None:
    operator = factories.user("Operator")
    made = records.delivery(people=4, by=operator)
    records.shard(made, [1, 2, 3, 4], n_sent=1, n_authorised=1, state="waiting")
    campaign = campaign_of(made, operator)
    sign_in(page, operator, live_server.url)
    page.goto(address(campaign, made))
    page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 email is already sent and can't be recalled. 3 won't be sent.")
    expect(dialog.get_by_role("button", name="Keep sending")).to_be_focused()
    dialog.get_by_role("button", name="Pause instead").click()
    expect(page.get_by_role("button", name="Resume: 3 people who haven't had it")).to_be_visible()
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop sending").click()
    expect(page.locator("#delivery-headline")).to_contain_text("1 sent, 3 not sent.")
    expect(page.get_by_role("button", name="Stop…")).to_have_count(0)


def test_a_row_of_the_log_opens_as_a_drawer_and_as_a_page(page: Page, live_server: Any) -> None:
    viewer = factories.user("Viewer")
    made = records.delivery(people=1)
    person = factories.profile()
    records.log(made, person.pk, address=person.email)
    sign_in(page, viewer, live_server.url)
    page.goto(reverse("delivery:log", args=[made.public_id, "sending"]))
    page.get_by_role("link", name=person.email).click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Handed to the mail server")
    expect(drawer.frame_locator("iframe").get_by_text(f"Hello {person.first_name}")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=person.email)).to_be_focused()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways(page: Page, live_server: Any, width: int) -> None:
    viewer = factories.user("Viewer")
    made = records.delivery(people=1)
    person = factories.profile(email=f"{'a' * 60}@{'b' * 60}.example.test")
    records.log(made, person.pk, "failed", address=person.email, detail="5" * 300, code="550 5.1.1")
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, viewer, live_server.url)
    for tab in ("sending", "failures", "links", "activity"):
        page.goto(reverse("delivery:log", args=[made.public_id, tab]))
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, tab
