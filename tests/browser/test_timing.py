"""When people get it, in a real browser: local times and waves, quiet hours, cancel and reschedule."""

import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from campaigns import document as documents
from campaigns import drafts, sends
from campaigns.models import Campaign, CampaignState, Draft
from delivery import clock, preparation
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState
from tests import factories, smtp_server
from tests.browser import looks
from tests.browser.test_delivery_step import _open, _section

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
ZONES = [
    "Asia/Tokyo",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Africa/Lagos",
    "UTC",
    "",
]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[smtp_server.Server]:
    cache.clear()
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    yield server
    server.stop()


@pytest.fixture
def team(transactional_db: None) -> dict[str, User]:
    call_command("setup_roles", verbosity=0)
    for number in range(24):
        factories.profile(time_zone=ZONES[number % len(ZONES)])
    zone = {"time_zone": "America/New_York"}
    return {
        "marketer": factories.user("Marketer", name="Milo Marketer", **zone),
        "operator": factories.user("Operator", name="Ona Operator", **zone),
    }


def at(hours: float) -> dict[str, str]:
    """The fields of a time so many hours from now, in Paris."""
    there = (timezone.now() + dt.timedelta(hours=hours)).astimezone(PARIS)
    return {
        "delivery__kind": "at", "delivery__date": f"{there:%Y-%m-%d}", "delivery__time": f"{there:%H:%M}",
        "delivery__zone": "Europe/Paris",
    }  # fmt: skip


def send_of(campaign: Campaign, by: User, *, is_confirmed: bool = True) -> Delivery:
    """A prepared send of `campaign`, confirmed unless said otherwise."""
    made = sends.open_send(campaign.pk, by=by)
    preparation.run(made.pk)
    made = Delivery.objects.get(pk=made.pk)
    if is_confirmed:
        sends.confirm(campaign.pk, made.pk, by=by, seal=made.seal, n_to_send=made.n_to_send or 0)
    return made


def page_of(campaign: Campaign, delivery: Delivery) -> str:
    return reverse("campaigns:send", args=[campaign.public_id, delivery.public_id])


def test_who_gets_it_when_is_kept_and_said_in_the_sentence(
    team: dict[str, User], browse: Callable[..., Page], screenshot: Callable[[Page, str], Path]
) -> None:
    campaign = factories.campaign(team["marketer"], **at(48))
    page = _open(browse(team["marketer"]), campaign)
    page.get_by_role("radio", name="In waves of").check()
    page.get_by_label("Size of a wave", exact=True).fill("30")
    page.get_by_label("every", exact=True).fill("25")
    alert = "The last of 4 waves would start after 75 hours, but it is sent for 3 days only."
    expect(page.locator("[data-alerts-for='delivery.wave_every']")).to_contain_text(alert)
    page.get_by_label("every", exact=True).fill("2")
    expect(page.locator("#delivery-sentence")).to_contain_text("in waves of 30 %, 2 hours apart")
    page.get_by_role("radio", name="Each person at the chosen time").check()
    expect(page.locator("#delivery-sentence")).to_contain_text("in each person's time zone")
    page.get_by_label("Send also in quiet hours").check()
    page.keyboard.press("Control+s")
    expect(page.locator("#say")).to_have_text("Draft saved")
    page.reload()
    page.wait_for_selector("html[data-editor=ready]")
    expect(page.get_by_role("radio", name="Each person at the chosen time")).to_be_checked()
    expect(page.get_by_label("Send also in quiet hours")).to_be_checked()
    section = _section(campaign)
    assert (section["spread"], section["wave_size"], section["wave_every"]) == ("local", 30, 2)
    screenshot(page, "delivery-step-local")
    page.get_by_role("radio", name="When my system asks (API)").check()
    expect(page.get_by_text("Who gets it when?")).to_be_hidden()


def test_both_zones_are_shown_and_a_time_that_is_skipped_is_said(
    team: dict[str, User], browse: Callable[..., Page]
) -> None:
    year = timezone.now().year + 1
    last = max(day for day in range(25, 32) if dt.date(year, 3, day).weekday() == 6)
    fields = at(48) | {"delivery__date": f"{year}-03-{last}", "delivery__time": "02:30"}
    campaign = factories.campaign(team["marketer"], **fields)
    page = _open(browse(team["marketer"]), campaign)
    skipped = f"02:30 doesn't exist on {last} March. It will send at 03:00."
    expect(page.locator("[data-alerts-for='delivery.time']")).to_contain_text(skipped)
    expect(page.locator("#delivery-sentence")).to_contain_text("03:00 Paris")
    expect(page.locator("#delivery-sentence")).to_contain_text("21:00 your time")


def test_who_chose_no_zone_sees_the_browsers(browse: Callable[..., Page]) -> None:
    """Item 26."""
    factories.profile()
    marketer = factories.user("Marketer")
    campaign = factories.published(marketer, **at(3))
    delivery = send_of(campaign, factories.user("Operator"))
    page = browse(marketer, zone="America/New_York")
    page.goto(reverse("campaigns:home"))
    page.goto(page_of(campaign, delivery))
    assert delivery.scheduled_at is not None
    here = delivery.scheduled_at.astimezone(zoneinfo.ZoneInfo("America/New_York"))
    there = delivery.scheduled_at.astimezone(PARIS)
    expect(page.locator(".countdown__text")).to_contain_text(f"{there:%H:%M} Paris")
    expect(page.locator(".countdown__text")).to_contain_text(f"{here:%H:%M} your time")


def test_a_scheduled_send_is_cancelled_seconds_before_its_time(
    team: dict[str, User], browse: Callable[..., Page], mail_server: smtp_server.Server
) -> None:
    campaign = factories.published(team["marketer"], **at(2))
    delivery = send_of(campaign, team["operator"])
    Delivery.objects.filter(pk=delivery.pk).update(
        start_at=timezone.now() + dt.timedelta(seconds=8), scheduled_at=timezone.now() + dt.timedelta(seconds=8)
    )
    page = browse(team["operator"])
    page.goto(page_of(campaign, delivery))
    page.get_by_role("button", name="Cancel send…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel send").click()
    expect(page.locator(".toast__text", has_text="The send was cancelled. Nothing was sent.")).to_be_visible()
    Delivery.objects.filter(pk=delivery.pk).update(scheduled_at=timezone.now())
    clock.tick()
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PREPARED
    assert mail_server.recipients == []
    # It can be changed at once: the same campaign, published as before.
    campaign.refresh_from_db(fields=["archived_at"])
    assert Campaign.objects.get().state == CampaignState.PUBLISHED
    drafts.modify(campaign.pk, by=team["marketer"])
    assert Draft.objects.get().campaign_id == campaign.pk


def test_a_send_is_rescheduled_on_its_page_and_refused_in_the_dialog(
    team: dict[str, User], browse: Callable[..., Page], screenshot: Callable[[Page, str], Path]
) -> None:
    campaign = factories.published(team["marketer"], **at(3), delivery__spread="waves")
    delivery = send_of(campaign, team["operator"], is_confirmed=False)
    page = browse(team["operator"])
    page.goto(page_of(campaign, delivery))
    page.get_by_role("link", name="Confirm send…").click()
    expect(page.get_by_role("dialog")).to_contain_text("4 waves, 1 hour apart")
    page.get_by_label("Type 24 to confirm").fill("24")
    page.get_by_role("dialog").get_by_role("button", name="Schedule 24 emails").click()
    page.get_by_role("link", name="Reschedule…").click()
    dialog = page.get_by_role("dialog")
    late, soon = (dt.datetime.now(PARIS) + dt.timedelta(hours=hours) for hours in (30, 6))
    dialog.get_by_label("Date").fill(f"{late:%Y-%m-%d}")
    dialog.get_by_role("button", name="Reschedule").click()
    expect(dialog.get_by_text("This needs a new preparation.")).to_be_visible()
    screenshot(page, "reschedule-refused")
    dialog.get_by_label("Date").fill(f"{soon:%Y-%m-%d}")
    dialog.get_by_label("Time", exact=True).fill(f"{soon:%H:%M}")
    dialog.get_by_role("button", name="Reschedule").click()
    expect(page.locator(".toast__text", has_text="The send has its new time.")).to_be_visible()
    expect(page.locator(".countdown__text")).to_contain_text(f"{soon:%H:%M} Paris")
    expect(page.locator(".timing__note", has_text="Rescheduled on")).to_be_visible()
    moved = Delivery.objects.get(pk=delivery.pk)
    assert moved.state == DeliveryState.CONFIRMED and moved.start_at == soon.replace(second=0, microsecond=0)
    page.get_by_label("Prepare again just before sending").check()
    page.get_by_label("and stop if it grows by more than").fill("25")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".toast__text", has_text="prepared again just before sending")).to_be_visible()
    assert Delivery.objects.get(pk=delivery.pk).refresh_guard_percent == 25
    version = Campaign.objects.get().live_version
    assert version is not None and documents.normalise(version.document)["delivery"]["date"] == at(3)["delivery__date"]


def test_the_pages_are_accessible_in_every_look(
    team: dict[str, User], browse: Callable[..., Page], screenshot: Callable[[Page, str], Path]
) -> None:
    look = functools.partial(looks.wrong, looks=[(1280, "dark"), (360, "light")], screenshot=screenshot)
    factories.configure(delivery__quiet_on=True, delivery__domain_limits="gmail.com, googlemail.com 600")
    draft = factories.campaign(
        team["marketer"], name="Draft", **at(1), delivery__spread="waves", delivery__wave_size="many"
    )
    page = _open(browse(team["marketer"]), draft)
    assert look(page, "timing-step") == []
    local = factories.published(team["marketer"], name="Good morning", **at(5), delivery__spread="local")
    waves = factories.published(team["marketer"], name="In waves", **at(5), delivery__spread="waves")
    page = browse(team["operator"])
    for campaign, is_confirmed in ((local, False), (waves, True)):
        delivery = send_of(campaign, team["operator"], is_confirmed=is_confirmed)
        page.goto(page_of(campaign, delivery))
        expect(page.get_by_text("Quiet hours are from 21:00 to 08:00")).to_be_visible()
        assert look(page, f"timing-{campaign.name[:4]}") == []
        page.get_by_role("link", name="Reschedule…").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert look(page, f"timing-{campaign.name[:4]}-dialog") == []
        page.goto(reverse("campaigns:reschedule", args=[campaign.public_id, delivery.public_id]))
        assert look(page, f"timing-{campaign.name[:4]}-reschedule") == []
    delivery_lifecycle.start_now(delivery.pk, by=team["operator"])
    page.goto(page_of(waves, delivery))
    assert look(page, "timing-sending") == []
    page = browse(factories.user("Admin"))
    page.goto(reverse("accounts:installation", args=["limits"]))
    assert look(page, "timing-settings") == []
