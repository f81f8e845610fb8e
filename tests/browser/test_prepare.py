"""Prepare adds up, in a real browser: six reasons, their sum, their lists, and the way out of too many topics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts import installation
from audiences import profiles, subscriptions
from campaigns import sends
from delivery import options, preparation
from delivery.models import Delivery
from messaging import links
from tests import factories
from tests.browser.test_delivery import address, axe, sign_in
from tests.delivery.test_left_out import got

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def number(text: str) -> int:
    return int(text.replace(",", "").replace("\u202f", ""))


def test_prepare_adds_up_with_six_reasons(
    page: Page, live_server: Any, screenshot: Callable[[Page, str], Path]
) -> None:
    operator = factories.user("Operator")
    installation.save({options.CAP_MESSAGES: 2, options.CAP_HOURS: 24}, by=factories.user("Admin"))
    group = factories.group(name="Weekly news")
    kept, _twice, gone, left, held, capped = factories.people("kept", "twice", "gone", "left", "held", "capped")
    factories.profile(email="nobody at home")
    factories.profile(email="TWICE@example.test")
    profiles.unsubscribe(gone.pk, source="one_click")
    subscriptions.set_state(group, [left.pk], "unsubscribed", source="one_click")
    profiles.quarantine(held.email_key, "bounced", "550 5.1.1")
    for hours in (1, 2):
        got(capped, hours_ago=hours)
    campaign = factories.published(operator, audience__subscription_group=str(group.public_id))
    delivery = sends.open_send(campaign.pk, by=operator)
    sign_in(page, operator, live_server.url)
    page.goto(live_server.url + address(campaign, delivery))
    expect(page.get_by_role("heading", name="Preparing")).to_be_visible()
    expect(page.get_by_role("button", name="Stop preparing")).to_be_visible()

    preparation.run(delivery.pk)
    expect(page.get_by_role("heading", name="Ready to send")).to_be_visible(timeout=10_000)
    targeted, excluded, to_send = (number(text) for text in page.locator(".equation strong").all_inner_texts())
    rows = page.get_by_role("table", name="Excluded, by reason").get_by_role("row")
    listed = {
        row.get_by_role("rowheader").inner_text(): row.get_by_role("cell").all_inner_texts() for row in rows.all()
    }
    assert list(listed) == [
        "Invalid email address", "Unsubscribed", "Unsubscribed from Weekly news", "In quarantine",
        "Above the sending limit", "Same address as another profile",
    ]  # fmt: skip
    assert targeted - excluded == to_send == 2
    assert sum(number(cells[0]) for cells in listed.values()) == excluded == 6
    assert all(cells[1] == "12.5%" for cells in listed.values())
    assert axe(page) == []
    screenshot(page, "prepare-six-reasons")

    page.get_by_role("link", name="View Above the sending limit").click()
    expect(page.get_by_role("row", name="capped@example.test")).to_contain_text("Had 2 messages in 24 h (limit 2)")
    assert page.get_by_role("row").filter(has_text="@example.test").count() == 1

    # Whom it reaches leaves the topic alone, with one question and one click.
    made = Delivery.objects.get(pk=delivery.pk)
    page.goto(f"{live_server.url}/u/{links.page_token(made.pk, kept.pk)}/")
    assert axe(page) == []
    page.get_by_role("button", name="Unsubscribe from “Weekly news” only").click()
    expect(page.get_by_role("heading", name="You're unsubscribed")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Weekly news")).not_to_be_checked()
    page.get_by_role("checkbox", name="Weekly news").check()
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_role("heading", name="Your choices are saved")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Weekly news")).to_be_checked()
    assert axe(page) == []
