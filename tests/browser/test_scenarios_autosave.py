"""Autosave as acceptance scenarios, in a real browser; 1 to 5 are in tests/flows/test_scenarios_drafts.py."""

import re
from collections.abc import Callable

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from accounts.models import User
from campaigns import lifecycle
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft
from delivery.models import Delivery
from tests import factories

# One period of autosave: the longest a person who types without a pause waits, and a second.
PERIOD_MS = 11_000
SAVED = re.compile(r"Saved \d\d:\d\d")
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team(transactional_db: None) -> dict[str, User]:
    call_command("setup_roles", verbosity=0)
    return {role: factories.user(role, name=f"{role} One") for role in ("Marketer", "Operator")}


def open_step(page: Page, campaign: Campaign, step: str = "compose") -> Page:
    page.goto(f"/campaigns/{campaign.public_id}/edit/{step}/")
    expect(page.locator("html")).to_have_attribute("data-editor", "ready")
    return page


def subject_of(campaign: Campaign) -> str:
    return str(Draft.objects.get(campaign=campaign).document["compose"]["subject"])


def test_scenario_12_changing_the_step_of_a_draft_saves_without_save(
    browse: Callable[[User], Page], team: dict[str, User]
) -> None:
    campaign = factories.campaign(team["Marketer"])
    page = open_step(browse(team["Marketer"]), campaign)
    page.get_by_label("Subject", exact=True).fill("Winter sale")
    page.get_by_role("link", name="Delivery").first.click()
    page.wait_for_url("**/edit/delivery/")
    assert subject_of(campaign) == "Winter sale"


def test_scenario_13_one_period_after_an_edit_of_an_active_campaign_the_draft_has_it_and_live_has_not(
    browse: Callable[[User], Page], team: dict[str, User]
) -> None:
    campaign = factories.published(team["Marketer"])
    lifecycle.activate(campaign.pk, by=team["Operator"])
    before = CampaignVersion.objects.get(campaign=campaign).sha256
    page = browse(team["Marketer"])
    page.goto(f"/campaigns/{campaign.public_id}/")
    page.get_by_role("button", name="Modify").or_(page.get_by_role("link", name="Modify")).first.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("draft", re.IGNORECASE)).click()
    page.wait_for_url("**/edit/compose/")
    expect(page.locator("html")).to_have_attribute("data-editor", "ready")
    page.get_by_label("Subject", exact=True).press_sequentially(" and more")
    expect(page.locator("[data-save]")).to_contain_text(SAVED, timeout=PERIOD_MS)
    assert "and more" in subject_of(campaign)
    version = CampaignVersion.objects.get(campaign=campaign)
    assert (version.sha256, version.document["compose"]["subject"]) == (before, "Autumn sale")
    assert Campaign.objects.get(pk=campaign.pk).live_version_id == version.pk


def test_scenario_14_edits_of_a_stopped_campaign_are_stored_and_it_stays_stopped(
    browse: Callable[[User], Page], team: dict[str, User]
) -> None:
    campaign = factories.published(team["Marketer"])
    factories.draft_of(campaign)
    lifecycle.stop(campaign.pk, by=team["Operator"])
    page = open_step(browse(team["Marketer"]), campaign)
    expect(page.get_by_text("Changes are saved. The campaign stays stopped.")).to_be_visible()
    page.get_by_label("Subject", exact=True).fill("Winter sale")
    expect(page.locator("[data-save]")).to_contain_text(SAVED, timeout=PERIOD_MS)
    assert subject_of(campaign) == "Winter sale"
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.STOPPED
    assert not Delivery.objects.exists()


def test_scenario_15_of_two_browsers_the_first_save_is_kept_and_the_second_is_asked_to_refresh(
    browse: Callable[[User], Page], team: dict[str, User]
) -> None:
    campaign = factories.campaign(team["Marketer"])
    first, second = (open_step(browse(user), campaign) for user in (team["Marketer"], team["Operator"]))
    first.get_by_label("Subject", exact=True).fill("From the first")
    with first.expect_response("**/draft/save/") as saved:
        first.keyboard.press("Control+s")
    assert saved.value.status == 200
    second.get_by_label("Subject", exact=True).fill("From the second")
    # Saving at once, before presence has told this tab anything.
    with second.expect_response(lambda response: "/draft/save/" in response.url) as refused:
        second.keyboard.press("Control+s")
    assert refused.value.status == 409
    banner = second.get_by_role("alert")
    expect(banner).to_contain_text("Marketer One saved changes at")
    expect(banner.get_by_role("button", name="Refresh")).to_be_visible()
    expect(second.get_by_label("Subject", exact=True)).to_have_value("From the second")
    assert subject_of(campaign) == "From the first"


def test_scenario_16_the_full_screen_editor_stores_nothing_until_done(
    browse: Callable[[User], Page], team: dict[str, User]
) -> None:
    campaign = factories.campaign(team["Marketer"])
    page = open_step(browse(team["Marketer"]), campaign)
    page.get_by_role("button", name="Edit message").click()
    page.locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("<h1>Half written</h1>")
    page.wait_for_timeout(PERIOD_MS)
    draft = Draft.objects.get(campaign=campaign)
    assert draft.revision == 1 and "Half written" not in draft.document["compose"]["body"]
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#message-editor")).to_be_hidden()
    expect(page.locator("[data-save]")).to_contain_text(SAVED, timeout=PERIOD_MS)
    assert "Half written" in Draft.objects.get(campaign=campaign).document["compose"]["body"]
