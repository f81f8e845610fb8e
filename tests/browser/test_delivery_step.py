"""The Delivery and Tracking steps, and a campaign that sends on its own, in a real browser."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from campaigns import document as documents
from campaigns import lifecycle, recurring
from campaigns.models import Campaign, CampaignSend, CampaignState, Draft
from delivery import preparation
from tests import factories
from tests.browser import looks

KINDS = {
    "once": "Once confirmed",
    "at": "At a date and time",
    "repeat": "Repeatedly",
    "api": "When my system asks (API)",
}

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team(transactional_db: None) -> dict[str, User]:
    call_command("setup_roles", verbosity=0)
    factories.profile()
    zone = {"time_zone": "America/New_York"}
    return {
        "marketer": factories.user("Marketer", name="Milo Marketer", **zone),
        "operator": factories.user("Operator", name="Ona Operator", **zone),
    }


def _open(page: Page, campaign: Campaign, step: str = "delivery") -> Page:
    page.goto(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": step}))
    page.wait_for_selector("html[data-editor=ready]")
    return page


def _section(campaign: Campaign, step: str = "delivery") -> dict[str, Any]:
    return documents.normalise(Draft.objects.get(campaign=campaign).document)[step]


def test_each_kind_is_kept_and_shows_its_own_fields(team: dict[str, User], browse: Callable[..., Page]) -> None:
    campaign = factories.campaign(team["marketer"], delivery__zone="Europe/Paris")
    page = _open(browse(team["marketer"]), campaign)
    for kind in ("at", "repeat", "api", "once"):
        page.get_by_role("radio", name=KINDS[kind]).check()
        page.keyboard.press("Control+s")
        expect(page.locator("#say")).to_have_text("Draft saved")
        page.reload()
        page.wait_for_selector("html[data-editor=ready]")
        expect(page.get_by_role("radio", name=KINDS[kind])).to_be_checked()
        assert _section(campaign)["kind"] == kind
        expect(page.get_by_label("Time", exact=True)).to_be_visible(visible=kind in {"at", "repeat"})
        expect(page.get_by_label("Date", exact=True)).to_be_visible(visible=kind == "at")
        expect(page.locator("#delivery-next")).to_be_visible(visible=kind == "repeat")
        # One card is marked, whatever is ticked inside the others.
        looks = page.locator(".choice-card").evaluate_all("cards => cards.map((c) => getComputedStyle(c).borderColor)")
        assert sorted(looks.count(look) for look in set(looks)) == [1, 3]


def test_the_next_sends_appear_after_a_choice_and_follow_it(
    team: dict[str, User], browse: Callable[..., Page], screenshot: Callable[[Page, str], Path]
) -> None:
    campaign = factories.campaign(team["marketer"], delivery__zone="Europe/Paris")
    page = _open(browse(team["marketer"]), campaign)
    page.get_by_role("radio", name=KINDS["repeat"]).check()
    upcoming = page.locator("#delivery-next")
    expect(upcoming).to_contain_text("09:00 (03:00 your time) ·")
    expect(page.locator("#delivery-sentence")).to_contain_text("at 09:00 Paris time, after an operator confirms")
    page.get_by_label("From", exact=True).fill("2199-11-04")
    page.get_by_text("Mon", exact=True).click()
    page.get_by_text("Fri", exact=True).click()
    expect(upcoming).to_contain_text("Fri 8 Nov 09:00 (03:00 your time) · Mon 11 Nov 09:00")
    page.get_by_label("Days, weeks or months").select_option("month")
    page.get_by_label("On day of the month").fill("31")
    expect(upcoming).to_contain_text("Sat 30 Nov 09:00 (03:00 your time) · Tue 31 Dec 09:00")
    expect(page.locator("#delivery-sentence")).to_contain_text("on day 31, or the last day of shorter months")
    # How sends are counted is no unit of repeating.
    page.get_by_label("Count sends together").select_option("week")
    expect(page.get_by_role("group", name="On", exact=True)).to_be_hidden()
    expect(page.get_by_label("On day of the month")).to_be_visible()
    page.get_by_role("radio", name="After", exact=True).first.check()
    page.get_by_label("Number of sends").fill("1")
    expect(upcoming).to_have_text("Next: Sat 30 Nov 09:00 (03:00 your time)")
    page.reload()
    page.wait_for_selector("html[data-editor=ready]")
    expect(upcoming).to_have_text("Next: Sat 30 Nov 09:00 (03:00 your time)")
    expect(page.get_by_label("Days, weeks or months")).to_have_value("month")
    assert _section(campaign)["repeat_weekdays"] == ["mon", "fri"]
    screenshot(page, "delivery-repeat")


def test_turning_confirmation_off_needs_the_right(team: dict[str, User], browse: Callable[..., Page]) -> None:
    campaign = factories.campaign(team["marketer"], delivery__kind="repeat", delivery__zone="UTC")
    page = _open(browse(team["marketer"]), campaign)
    asks = page.get_by_label("Ask for confirmation before each send")
    asks.focus()
    page.keyboard.press("Space")
    expect(asks).to_be_checked()
    expect(page.locator("#say")).to_contain_text(
        "Only operators can let it send without confirmation. Ask Ona Operator."
    )
    page.get_by_text("send anyway").click(force=True)
    expect(page.get_by_role("radio", name="skip that send")).to_be_checked()
    page.get_by_role("radio", name="skip that send").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="skip that send")).to_be_checked()
    page = _open(browse(team["operator"]), campaign)
    page.get_by_label("Ask for confirmation before each send").uncheck()
    page.keyboard.press("Control+s")
    expect(page.locator("#say")).to_have_text("Draft saved")
    assert _section(campaign)["asks_confirmation"] is False
    expect(page.get_by_label("If nobody confirms within")).to_be_hidden()


def test_utm_tags_can_be_read_while_written(team: dict[str, User], browse: Callable[..., Page]) -> None:
    page = _open(browse(team["marketer"]), factories.campaign(team["marketer"]), "tracking")
    page.get_by_label("Tag links with UTM").check()
    for name in ("Source", "Medium", "Campaign"):
        box = page.get_by_label(name, exact=True).bounding_box()
        assert box is not None and box["width"] > 120 and box["height"] >= 30


def test_a_conversion_is_kept_and_checked(team: dict[str, User], browse: Callable[..., Page]) -> None:
    campaign = factories.campaign(team["marketer"])
    page = _open(browse(team["marketer"]), campaign, "tracking")
    page.get_by_label("Event", exact=True).fill("placed order")
    wrong = page.locator("[data-alerts-for='tracking.conversion_event']")
    expect(wrong).to_contain_text("Use letters, digits, _ . and - only")
    page.get_by_label("Event", exact=True).fill("placed_order")
    page.get_by_text("Add a second").click()
    page.get_by_label("Second event").fill("signed_up")
    expect(wrong).to_be_empty()
    page.keyboard.press("Control+s")
    expect(page.locator("#say")).to_have_text("Draft saved")
    page.reload()
    expect(page.get_by_label("Second event")).to_have_value("signed_up")
    section = _section(campaign, "tracking")
    assert (section["conversion_event"], section["conversion2_event"]) == ("placed_order", "signed_up")


def test_an_operator_starts_a_repeating_campaign(team: dict[str, User], browse: Callable[..., Page]) -> None:
    campaign = _repeating(team["marketer"])
    page = browse(team["operator"])
    page.goto(reverse("campaigns:detail", kwargs={"public_id": campaign.public_id}))
    page.get_by_role("link", name="Start…").click()
    dialog = page.get_by_role("dialog", name="Start Autumn sale?")
    expect(dialog).to_contain_text("Before each send; after 4 hours it is skipped")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".toast__text", has_text="Autumn sale is live.")).to_be_visible()
    assert Campaign.objects.get().state == CampaignState.ACTIVE


def test_the_pages_are_accessible_in_every_look(team: dict[str, User], browse: Callable[..., Page]) -> None:
    fields = {"tracking__conversion_event": "placed order", "tracking__conversion2_event": "signed_up"}
    link = f'<a href="https://shop.test/{"parcels-" * 20}{{{{ profile.city }}}}">Where is it</a>'
    fields |= {"delivery__kind": "repeat", "delivery__repeat_every": "often", "compose__body": link}
    draft = factories.campaign(team["marketer"], **fields)
    marketer = browse(team["marketer"])
    for step in ("delivery", "tracking"):
        assert looks.wrong(_open(marketer, draft, step), step) == []
    waiting = _repeating(team["marketer"])
    ready = factories.published(team["marketer"], name="Order shipped", delivery__kind="api")
    for user in (team["marketer"], team["operator"]):
        page = browse(user)
        for campaign in (waiting, ready):
            page.goto(reverse("campaigns:detail", kwargs={"public_id": campaign.public_id}))
            assert looks.wrong(page, campaign.name) == []
    page.goto(reverse("campaigns:start", kwargs={"public_id": waiting.public_id}))
    assert looks.wrong(page, "start") == []
    lifecycle.start(waiting.pk, by=team["operator"])
    ago = Campaign.objects.get(pk=waiting.pk).created_at - dt.timedelta(hours=1)
    Campaign.objects.filter(pk=waiting.pk).update(activated_at=ago, opened_until=ago)
    recurring.run()
    preparation.run(CampaignSend.objects.get(campaign=waiting).delivery_id)
    page.goto(reverse("campaigns:detail", kwargs={"public_id": waiting.public_id}))
    expect(page.get_by_text("is ready: 1 email.")).to_be_visible()
    assert looks.wrong(page, "ready") == []


def _repeating(by: User) -> Campaign:
    """A published campaign that repeats every day, next in about an hour."""
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    return factories.published(
        by,
        delivery__kind="repeat",
        delivery__repeat_unit="day",
        delivery__repeat_from=f"{soon:%Y-%m-%d}",
        delivery__time=f"{soon:%H:%M}",
        delivery__zone="UTC",
    )
