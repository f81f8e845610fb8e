"""Asking for a confirmation, giving it, and refusing it in a real browser: what people see, reach and press."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts import roles
from accounts.models import AuditEntry, User
from campaigns import approvals, asking, sends
from campaigns.models import Campaign
from delivery import lifecycle, preparation, sending
from delivery.models import Delivery, SendLog
from tests import factories, smtp_server
from tests.browser import looks, settling
from tests.browser.settling import visit
from tests.browser.test_delivery import axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PEOPLE = 12
Browse = Callable[..., Page]
Shot = Callable[[Page, str], Path]


@pytest.fixture(autouse=True)
def mail_server(settings: Settings) -> Iterator[smtp_server.Server]:
    cache.clear()
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    settings.CONFIRM_TYPED_FROM = 10
    yield server
    server.stop()


@pytest.fixture
def marketer(transactional_db: None) -> User:
    roles.sync()
    return factories.user("Marketer", name="Milo M")


def prepared(by: User) -> tuple[Campaign, Delivery]:
    factories.people(*(f"p{n}" for n in range(PEOPLE)))
    campaign = factories.published(by)
    delivery = sends.open_send(campaign.pk, by=by)
    preparation.run(delivery.pk)
    return campaign, Delivery.objects.get(pk=delivery.pk)


def address(campaign: Campaign, delivery: Delivery) -> str:
    return reverse("campaigns:send", args=[campaign.public_id, delivery.public_id])


def drain(delivery: Delivery) -> None:
    """What a worker does, in a thread with a database connection of its own."""

    def run() -> None:
        try:
            sending.drain(delivery.pk, slice_s=20)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def look_again(page: Page) -> None:
    """The page asks for news now, as it does by itself every few seconds."""
    page.evaluate("document.dispatchEvent(new CustomEvent('live:refresh'))")


def test_an_approval_goes_there_and_back(
    browse: Browse, marketer: User, mail_server: smtp_server.Server, screenshot: Shot
) -> None:
    """Items 20 and 21: no role, no send, a clear reason; the other's count rises, he confirms, the page follows."""
    operator = factories.user("Operator", name="Ona O")
    campaign, delivery = prepared(marketer)
    desk, other = browse(marketer), browse(operator)
    other.clock.install()
    other.goto(reverse("campaigns:home"))
    count = other.locator("#nav-count-approvals")
    expect(count).to_be_hidden()

    desk.goto(address(campaign, delivery))
    off = desk.get_by_role("button", name="Confirm send")
    expect(off).to_have_attribute("aria-disabled", "true")
    off.focus()
    expect(off).to_be_focused()
    expect(off).to_have_accessible_description("Confirming needs the Operator role. Ona O can confirm.")
    desk.keyboard.press("Enter")
    expect(desk.locator("#say")).to_contain_text("Ona O can confirm.")
    status = desk.evaluate(
        """(url) => fetch(url, { method: "POST", headers: JSON.parse(document.body.getAttribute("hx-headers")) })
          .then((answer) => answer.status)""",
        reverse("campaigns:confirm", args=[campaign.public_id, delivery.public_id]),
    )
    assert status == 403
    assert axe(desk) == []
    screenshot(desk, "approvals-without-role")

    desk.get_by_role("link", name="Request confirmation").click()
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text("Autumn sale, version 1: 12 emails, once confirmed.")
    assert axe(desk) == []
    screenshot(desk, "approvals-ask")
    dialog.get_by_label("Note").fill("Prices updated")
    dialog.get_by_role("button", name="Request confirmation").click()
    expect(desk.locator("#request-banner")).to_contain_text("Waiting for Ona O. Requested")
    screenshot(desk, "approvals-waiting")

    # Where nothing is being sent the top bar asks every 20 seconds.
    other.clock.run_for(21_000)
    expect(count).to_contain_text("1")
    other.get_by_role("link", name="Approvals").click()
    assert axe(other) == []
    screenshot(other, "approvals-inbox")
    other.get_by_role("link", name="Review Autumn sale").click()
    assert axe(other) == []
    screenshot(other, "approvals-request")
    other.get_by_role("link", name="Confirm send…").click()
    confirm = other.get_by_role("dialog")
    confirm.get_by_label("Type 12 to confirm").fill("12")
    confirm.get_by_role("button", name="Send 12 emails").click()
    other.get_by_role("button", name="Start now").click()
    expect(other.locator("#nav-count-approvals")).to_be_hidden()
    expect(other.get_by_role("button", name="Stop…")).to_be_visible()

    look_again(desk)
    expect(desk.locator(".page-head .badge")).to_have_text("Sending")
    drain(delivery)
    assert len(mail_server.accepted) == PEOPLE


def test_the_dialog_tells_the_number_twice_and_opens_the_gate_once(
    browse: Browse, marketer: User, mail_server: smtp_server.Server, screenshot: Shot
) -> None:
    """Items 19 and 22, and the second operator who hears who was first."""
    ona, otto = factories.user("Operator", name="Ona O"), factories.user("Operator", name="Otto P")
    campaign, delivery = prepared(marketer)
    first, second = browse(ona), browse(otto)
    for page in (first, second):
        page.goto(address(campaign, delivery))
        page.get_by_role("link", name="Confirm send…").click()
    dialog = first.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Send 12 emails now?")
    field, send = dialog.get_by_label("Type 12 to confirm"), dialog.get_by_role("button", name="Send 12 emails")
    expect(field).to_be_focused()
    for typed in ("", "1", "13"):
        field.fill(typed)
        field.press("Enter")
        field.press("Control+Enter")
        expect(send).to_have_attribute("aria-disabled", "true")
    field.fill("1\u202f2")
    expect(send).not_to_have_attribute("aria-disabled", "true")
    field.press("Control+Enter")
    assert Delivery.objects.get(pk=delivery.pk).state == "prepared", "none of these sends"
    assert axe(first) == []
    screenshot(first, "approvals-confirm-dialog")
    with first.expect_response(lambda answer: answer.url.endswith("/confirm/")):
        send.dblclick()
    expect(first.get_by_text("Starting in")).to_be_visible()

    late = second.get_by_role("dialog")
    late.get_by_label("Type 12 to confirm").fill("12")
    late.get_by_role("button", name="Send 12 emails").click()
    refusal = late.locator("[data-dialog-alert]")
    expect(refusal).to_contain_text(re.compile(r"Ona O already confirmed this send at \d\d:\d\d"))
    expect(refusal).to_be_focused()
    screenshot(second, "approvals-second-operator")
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1

    # Item 24: the grace period can be cancelled, and nothing was sent.
    first.get_by_role("button", name="Cancel", exact=True).click()
    expect(first.locator(".page-head .badge")).to_have_text("Awaiting confirmation")
    assert Campaign.objects.get(pk=campaign.pk).state == "published" and mail_server.accepted == []
    first.get_by_role("link", name="Confirm send…").click()
    first.get_by_label("Type 12 to confirm").fill("12")
    first.get_by_role("dialog").get_by_role("button", name="Send 12 emails").click()
    first.get_by_role("button", name="Start now").click()
    expect(first.get_by_role("button", name="Stop…")).to_be_visible()
    drain(delivery)
    assert sorted({to for to, _data in mail_server.accepted}) == sorted(to for to, _data in mail_server.accepted)
    assert SendLog.objects.filter(delivery=delivery).count() == len(mail_server.accepted) == PEOPLE


def test_two_tabs_that_confirm_at_once_start_one_send(
    browse: Browse, marketer: User, mail_server: smtp_server.Server
) -> None:
    """Item 22."""
    campaign, delivery = prepared(marketer)
    first = browse(factories.user("Operator", name="Ona O"))
    tabs, answers = [first, first.context.new_page()], []
    first.context.on("response", lambda one: answers.append(one) if one.request.method == "POST" else None)
    for tab in tabs:
        settling.watch(tab)
        tab.goto(address(campaign, delivery))
        tab.get_by_role("link", name="Confirm send…").click()
        tab.get_by_label("Type 12 to confirm").fill("12")
    for tab in tabs:
        tab.evaluate("""() => { const send = document.querySelector("[data-confirm-button]");
            setTimeout(() => { send.click(); send.click(); }, 50); }""")
    deadline = time.monotonic() + 15
    while len(answers) < len(tabs) and time.monotonic() < deadline:
        first.wait_for_timeout(50)
    for tab in tabs:
        settling.settle(tab)
        tab.goto(address(campaign, delivery))
        expect(tab.get_by_text("Starting in")).to_be_visible()
    assert sorted(one.status for one in answers) == [204, 409], "one yes each, of which one counts"
    assert AuditEntry.objects.filter(action="delivery.confirmed").count() == 1
    tabs[1].get_by_role("button", name="Start now").click()
    expect(tabs[1].get_by_role("button", name="Stop…")).to_be_visible()
    drain(delivery)
    assert len(mail_server.recipients) == len(set(mail_server.recipients)) == PEOPLE


def test_a_stale_list_says_so_before_anybody_presses(browse: Browse, marketer: User, screenshot: Shot) -> None:
    """Item 23."""
    operator = factories.user("Operator", name="Ona O")
    campaign, delivery = prepared(marketer)
    page = browse(operator)
    page.goto(address(campaign, delivery))
    factories.publish_again(campaign)
    page.get_by_role("link", name="Confirm send…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type 12 to confirm").fill("12")
    with page.expect_response(lambda answer: answer.status == 409):
        dialog.get_by_role("button", name="Send 12 emails").click()
    expect(dialog.locator("[data-dialog-alert]")).to_contain_text("The campaign was published again (version 2).")
    page.reload()
    off = page.get_by_role("button", name="Confirm send")
    expect(off).to_have_accessible_description("The campaign was published again (version 2).")
    expect(page.get_by_role("button", name="Prepare again")).to_be_visible()
    assert axe(page) == []
    screenshot(page, "approvals-stale")


def test_an_answer_reaches_who_asked_without_a_reload(browse: Browse, marketer: User, screenshot: Shot) -> None:
    operator = factories.user("Operator", name="Ona O")
    campaign, delivery = prepared(marketer)
    asked = approvals.ask(campaign.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=marketer)
    desk, other = browse(marketer), browse(operator)
    desk.goto(address(campaign, delivery))
    other.goto(asking.page(asked))
    other.get_by_role("link", name="Request changes…").click()
    other.get_by_label("What must change").fill("The price is wrong")
    screenshot(other, "approvals-changes")
    other.get_by_role("dialog").get_by_role("button", name="Request changes").click()
    expect(other.locator(".toast")).to_contain_text("Milo M was told what to change.")
    look_again(desk)
    expect(desk.locator("#request-banner")).to_contain_text("Ona O asked for changes. “The price is wrong”")
    screenshot(desk, "approvals-answered")
    assert lifecycle.discard(delivery.pk, by=operator).state == "cancelled"


def test_pages_of_approvals_fit(browse: Browse, marketer: User, screenshot: Shot) -> None:
    operator = factories.user("Operator", name="Ona Operator-Ochsenknecht")
    campaign, delivery = prepared(marketer)
    asked = approvals.Asked(note="Prices updated, and the second picture is the one with the blue coat.")
    asked = approvals.ask(campaign.pk, delivery.pk, seal=delivery.seal, asked=asked, by=marketer)
    for page, pages in (
        (browse(operator), {"inbox": "", "done": "?tab=done", "request": asking.page(asked)}),
        (browse(marketer), {"mine": "", "send": address(campaign, delivery)}),
    ):
        for name, at in pages.items():
            visit(page, at if at.startswith("/") else reverse("campaigns:approvals") + at)
            assert looks.wrong(page, f"approvals-{name}", screenshot=screenshot, rules=None) == []
