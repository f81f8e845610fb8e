"""The pages around the editor in a real browser: accessible, no sideways scroll, and their dialogs and toasts work."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from campaigns.models import Campaign, CampaignState, Draft
from delivery.models import Delivery, DeliveryState
from tests import factories
from tests.browser import looks
from tests.browser.settling import visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team(transactional_db: None) -> dict[str, User]:
    call_command("setup_roles", verbosity=0)
    people = (("Marketer", "Milo Marketer"), ("Operator", "Ona Operator"), ("Viewer", "Vera Viewer"))
    return {role: factories.user(role, name=name) for role, name in people}


@pytest.fixture
def live(team: dict[str, User]) -> Campaign:
    """Published, with a prepared send and a draft beside it."""
    campaign = factories.published(team["Marketer"], name="Order shipped")
    factories.campaign_send(
        campaign, n_targeted=12, n_excluded=3, n_to_send=9, excluded_by_reason={"unsubscribed": 3}, seal="a" * 64,
        prepared_at=timezone.now(), prepared_by=team["Marketer"],
    )  # fmt: skip
    factories.draft_of(campaign, compose__subject="Changed in the draft")
    return campaign


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def test_pages_are_accessible_and_never_scroll_sideways(
    browse: Callable[..., Page],
    team: dict[str, User],
    live: Campaign,
    screenshot: Callable[[Page, str], Path],
) -> None:
    page = browse(team["Operator"])
    delivery = Delivery.objects.get()
    pages = {
        "home": reverse("campaigns:home"),
        "list": reverse("campaigns:list"),
        "new": reverse("campaigns:new"),
        "detail": url("detail", live),
        "live": url("live", live, step="compose"),
        "sends": url("sends", live),
        "send": url("send", live, delivery_id=delivery.public_id),
        "confirm": url("confirm", live, delivery_id=delivery.public_id),
        "history": url("history", live),
        "publish": url("publish", live),
    }
    for name, address in pages.items():
        visit(page, address)
        assert looks.wrong(page, f"campaign-{name}", screenshot=screenshot) == []


def test_a_campaign_is_made_published_and_prepared_with_few_clicks(
    browse: Callable[..., Page], team: dict[str, User]
) -> None:
    factories.sender(is_default=True)
    factories.segment(members=[factories.profile()], name="Newsletter list")
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_role("button", name=re.compile("^Blank")).click()
    subject = page.get_by_label("Subject", exact=True)
    expect(subject).to_be_focused()
    subject.fill("Autumn is here")
    page.get_by_label("No preheader").check()
    page.get_by_role("navigation", name="Steps").get_by_role("link", name="Audience").click()
    page.get_by_role("combobox", name="Send to").click()
    page.get_by_role("option", name="Newsletter list").click()
    page.get_by_role("navigation", name="Steps").get_by_role("link", name="Review").click()
    page.get_by_role("link", name="Publish and prepare…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    if dialog.get_by_role("checkbox").count():
        dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Publish and prepare").click()
    page.wait_for_url(re.compile("/deliveries/"))
    expect(page.get_by_role("heading", name="Preparing")).to_be_visible()
    assert Delivery.objects.get().state == DeliveryState.PREPARING


def test_modify_and_cancel_creates_no_draft(browse: Callable[..., Page], team: dict[str, User]) -> None:
    campaign = factories.published(team["Marketer"])
    page = browse(team["Marketer"])
    page.goto(url("detail", campaign))
    opener = page.get_by_role("link", name="Modify")
    opener.click()
    dialog = page.get_by_role("dialog", name="Create a draft of version 1?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    assert not Draft.objects.filter(campaign=campaign).exists()
    opener.click()
    page.get_by_role("button", name="Create draft").click()
    page.wait_for_url("**/edit/compose/")
    expect(page.get_by_text("Version 1 stays live until you publish.")).to_be_visible()


def test_a_discarded_draft_comes_back_with_undo(
    browse: Callable[..., Page], team: dict[str, User], live: Campaign
) -> None:
    page = browse(team["Marketer"])
    page.goto(url("edit", live, step="compose"))
    page.get_by_role("button", name="More actions").last.click()
    page.get_by_role("menuitem", name="Discard draft…").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard draft").click()
    expect(page.locator("#toasts")).to_contain_text("Draft discarded.")
    assert not Draft.objects.filter(campaign=live).exists()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/edit/compose/")
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Changed in the draft")


def test_several_campaigns_are_archived_and_brought_back(browse: Callable[..., Page], team: dict[str, User]) -> None:
    for n in range(3):
        factories.campaign(team["Marketer"], name=f"Campaign {n}")
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    page.get_by_role("checkbox", name="Select Campaign 1").check()
    page.get_by_role("checkbox", name="Select Campaign 2").check()
    expect(page.locator("#bulk")).to_contain_text("2 selected")
    page.locator("#bulk").get_by_role("button", name="Archive").click()
    expect(page.locator("#toasts")).to_contain_text("2 campaigns archived.")
    expect(page.get_by_role("link", name="Campaign 1", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Campaign 1", exact=True)).to_be_visible()


def test_keys_undo_an_archive_and_a_toast_waits_while_it_is_looked_at(
    browse: Callable[..., Page], team: dict[str, User]
) -> None:
    campaign = factories.campaign(team["Marketer"], name="Autumn sale")
    page = browse(team["Marketer"])
    page.clock.install()
    page.goto(reverse("campaigns:list"))
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Autumn sale", exact=True)).to_be_focused()
    page.keyboard.press("x")
    page.locator("#bulk").get_by_role("button", name="Archive").click()
    toast = page.locator("[data-toast]")
    expect(toast).to_contain_text("1 campaign archived.")
    toast.hover()
    page.clock.run_for(20_000)
    expect(toast).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.locator("#toasts")).to_contain_text("1 campaign restored.")
    assert Campaign.objects.get(pk=campaign.pk).archived_at is None
    page.mouse.move(0, 0)
    page.clock.run_for(9_000)
    expect(toast).to_have_count(0)


def test_everything_that_matches_is_archived_after_one_question(
    browse: Callable[..., Page], team: dict[str, User], screenshot: Callable[[Page, str], Path]
) -> None:
    for n in range(27):
        factories.campaign(team["Marketer"], name=f"Autumn {n}")
    factories.campaign(team["Operator"], name="Autumn of Ona")
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    expect(page.get_by_role("button", name="Select all 28 that match")).to_be_hidden()
    page.get_by_role("checkbox", name="Select all on this page").check()
    bar = page.locator("#bulk")
    expect(bar).to_contain_text("25 selected")
    expect(page.get_by_role("search")).to_be_hidden()
    bar.get_by_role("button", name="Select all 28 that match").click()
    expect(bar).to_contain_text("All 28 that match are selected")
    screenshot(page, "campaign-list-selected")
    bar.get_by_role("button", name="Archive").click()
    dialog = page.get_by_role("dialog", name="Archive 27 of 28 campaigns?")
    expect(dialog).to_contain_text("Autumn of Ona is a campaign of Ona Operator.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    screenshot(page, "campaign-list-archive-dialog")
    dialog.get_by_role("button", name="Archive 27 campaigns").click()
    expect(page.locator("#toasts")).to_contain_text("27 campaigns archived.")
    assert Campaign.objects.filter(archived_at__isnull=True).count() == 1


def test_a_tag_is_given_to_several_and_taken_from_one(
    browse: Callable[..., Page], team: dict[str, User], screenshot: Callable[[Page, str], Path]
) -> None:
    made = [factories.campaign(team["Marketer"], name=f"Campaign {n}") for n in range(2)]
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.locator("#bulk").get_by_role("button", name="Add tag").first.click()
    field = page.get_by_role("textbox", name="Tag", exact=True).or_(
        page.get_by_role("combobox", name="Tag", exact=True)
    )
    expect(field).to_be_focused()
    screenshot(page, "campaign-list-tag")
    field.fill("Black Friday")
    field.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Tag “Black Friday” added to 2 campaigns.")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_role("menuitem", name="Black Friday").click()
    expect(page.locator(".list-chips")).to_contain_text("Tag: Black Friday")
    page.goto(url("edit", made[0], step="compose"))
    page.get_by_role("button", name="More actions").last.click()
    page.get_by_role("menuitem", name="Tags…").click()
    dialog = page.get_by_role("dialog", name="Tags of Campaign 0")
    screenshot(page, "campaign-tags")
    dialog.get_by_role("button", name="Remove tag: Black Friday").click()
    expect(dialog).to_contain_text("No tags yet.")
    dialog.get_by_label("New tag").fill("news")
    dialog.get_by_role("button", name="Add tag").click()
    expect(dialog.get_by_role("button", name="Remove tag: news")).to_be_visible()
    assert [Campaign.objects.get(pk=one.pk).tags for one in made] == [["news"], ["Black Friday"]]


def test_a_list_that_fails_says_so_in_place_of_the_table_and_can_be_tried_again(
    browse: Callable[..., Page], team: dict[str, User], screenshot: Callable[[Page, str], Path]
) -> None:
    factories.campaign(team["Marketer"], name="Autumn sale")
    page = browse(team["Viewer"])
    page.goto(reverse("campaigns:list"))
    page.route("**/campaigns/?*", lambda route: route.fulfill(status=500, body="broken"))
    search = page.get_by_role("searchbox", name="Search campaigns")
    search.fill("autumn")
    banner = page.locator("#campaigns .banner")
    expect(banner).to_contain_text("The list couldn't load.")
    expect(page.locator("#campaigns table")).to_have_count(0)
    expect(page.locator("#shout")).to_be_empty()
    expect(search).to_be_focused()
    screenshot(page, "campaign-list-error")
    page.unroute("**/campaigns/?*")
    banner.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Autumn sale", exact=True)).to_be_visible()
    expect(banner).to_have_count(0)


def test_a_running_search_dims_its_rows_and_says_what_it_found(
    browse: Callable[..., Page], team: dict[str, User]
) -> None:
    factories.campaign(team["Marketer"], name="Autumn sale")
    page = browse(team["Viewer"])
    page.goto(reverse("campaigns:list"))
    page.evaluate(
        "new MutationObserver(() => { window.seen = getComputedStyle(document.querySelector('.campaigns')).opacity; })"
        ".observe(document.querySelector('#campaigns'), { attributes: true, attributeFilter: ['aria-busy'] })"
    )
    page.get_by_role("searchbox", name="Search campaigns").fill("nothing here")
    expect(page.get_by_role("heading", name="No campaign matches “nothing here”.")).to_be_visible()
    expect(page.locator("#say")).to_have_text("0 campaigns")
    assert page.evaluate("window.seen") == "0.6"
    page.get_by_role("link", name="Clear search").click()
    expect(page.get_by_role("link", name="Autumn sale", exact=True)).to_be_visible()


def test_the_id_of_a_campaign_is_copied_from_its_row(browse: Callable[..., Page], team: dict[str, User]) -> None:
    campaign = factories.campaign(team["Marketer"], name="Autumn sale")
    page = browse(team["Viewer"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(reverse("campaigns:list"))
    page.get_by_role("button", name="Actions for Autumn sale").click()
    page.get_by_role("menuitem", name="Copy id").click()
    expect(page.locator("#toasts")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(campaign.public_id)


def test_rows_that_send_follow_and_counts_are_new_on_coming_back(
    browse: Callable[..., Page], team: dict[str, User]
) -> None:
    campaign = factories.published(team["Marketer"], name="Autumn sale")
    delivery = factories.campaign_send(campaign, "preparing", n_estimated=100, n_prepared=40)
    page = browse(team["Viewer"])
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/rows/" in request.url else None)
    page.goto(reverse("campaigns:list"))
    expect(page.get_by_text("Preparing 40%")).to_be_visible()
    Delivery.objects.filter(pk=delivery.pk).update(n_prepared=90)
    page.clock.run_for(5_000)
    expect(page.get_by_text("Preparing 90%")).to_be_visible()
    assert len(asked) == 1
    factories.campaign(team["Marketer"], name="Another")
    page.clock.run_for(11_000)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.get_by_role("link", name="Drafts 1")).to_be_visible()


def test_the_search_narrows_the_list_and_can_be_shared(browse: Callable[..., Page], team: dict[str, User]) -> None:
    for name in ("Autumn sale", "Autumn recap", "Welcome"):
        factories.campaign(team["Marketer"], name=name, compose__subject=name)
    page = browse(team["Viewer"])
    page.goto(reverse("campaigns:list"))
    search = page.get_by_role("searchbox", name="Search campaigns")
    search.fill("autumn")
    expect(page.get_by_role("link", name="Welcome", exact=True)).to_have_count(0)
    expect(search).to_be_focused()
    expect(page.locator("#say")).to_have_text("2 campaigns")
    assert "q=autumn" in page.url
    page.reload()
    expect(page.get_by_role("link", name="Autumn sale", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Welcome", exact=True)).to_have_count(0)


def test_an_operator_confirms_and_takes_it_back(
    browse: Callable[..., Page], team: dict[str, User], live: Campaign
) -> None:
    page = browse(team["Operator"])
    page.goto(url("send", live, delivery_id=Delivery.objects.get().public_id))
    page.get_by_role("button", name="Confirm send…").or_(page.get_by_role("link", name="Confirm send…")).click()
    dialog = page.get_by_role("dialog", name="Send 9 emails now?")
    dialog.get_by_label("Type 9 to confirm").fill("9")
    dialog.get_by_role("button", name="Send 9 emails").click()
    expect(page.get_by_text("Starting in")).to_be_visible()
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.ACTIVE
    page.get_by_role("button", name=re.compile("^Cancel")).first.click()
    again = page.get_by_role("dialog").get_by_role("button", name="Cancel this send")
    if again.count():
        again.click()
    expect(page.locator("#toasts")).to_contain_text("The send was cancelled. Nothing was sent.")
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.PUBLISHED


def test_the_editor_saves_without_script(browse: Callable[..., Page], team: dict[str, User]) -> None:
    campaign = factories.campaign(team["Marketer"])
    page = browse(team["Marketer"], has_script=False)
    page.goto(url("edit", campaign, step="compose"))
    page.get_by_label("Subject", exact=True).fill("Typed without script")
    page.get_by_label("Code of the message").fill("<p>Also without script</p>")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Typed without script")
    compose = Draft.objects.get(campaign=campaign).document["compose"]
    assert (compose["subject"], compose["body"]) == ("Typed without script", "<p>Also without script</p>")


def test_the_list_changes_under_an_open_menu_without_breaking_the_policy(
    browse: Callable[..., Page], team: dict[str, User]
) -> None:
    """What a script placed beside its button has a style, which must not be copied as an attribute in a swap."""
    for name in ("Zebra", "Winter"):
        factories.campaign(team["Marketer"], name=name)
    Campaign.objects.update(tags=["news"])
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.get_by_role("menuitem", name="news")).to_be_visible()
    search = page.locator("#campaign-search")
    search.evaluate("field => { field.value = 'Zeb'; field.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(page.get_by_role("link", name="Winter")).to_have_count(0)
    expect(page.get_by_role("link", name="Zebra")).to_be_visible()
