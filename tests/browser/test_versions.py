"""Versions, history, comparison and publishing in a real browser: accessible, by keyboard and without script."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from campaigns import drafts, sources
from campaigns.models import Campaign, CampaignVersion, Draft, DraftSnapshot
from tests import factories
from tests.browser import looks
from tests.browser.settling import visit
from tests.browser.test_campaign_pages import team, url  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BLOCKS = (
    '[{"type": "header", "text": "Shop"}, {"type": "text", "html": "<p>%s</p>"}, '
    '{"type": "button", "text": "Buy", "href": "https://shop.test/"}, {"type": "footer"}]'
)


@pytest.fixture
def shipped(team: dict[str, User]) -> Campaign:  # noqa: F811
    """Two versions and a send of the first, a discarded draft, and a draft with several saves."""
    marketer = team["Marketer"]
    made = factories.published(
        marketer, name="Order shipped", compose__body_kind="blocks", compose__body=BLOCKS % "Your order has shipped"
    )
    factories.campaign_send(made, "finished", n_to_send=9892, confirmed_by=team["Operator"])
    factories.publish_again(made, compose__subject="Your order")
    drafts.discard(factories.draft_of(made, compose__subject="An odd idea").pk, by=marketer)
    factories.draft_of(made, compose__body=BLOCKS % "Your order is on its way")
    factories.draft_of(made, delivery__validity_hours=48)
    return Campaign.objects.get(pk=made.pk)


def test_history_versions_and_comparisons_are_accessible_and_never_scroll_sideways(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
    screenshot: Callable[[Page, str], Path],
) -> None:
    page = browse(team["Marketer"])
    kept = sources.token(DraftSnapshot.objects.get(cause="discarded").pk)
    first = CampaignVersion.objects.get(number=1)
    pages = {
        "history": url("history", shipped),
        "saves": url("history", shipped) + "?kind=saves",
        "version": url("version", shipped, number=1),
        "snapshot": url("snapshot", shipped, token=kept),
        "changes": url("changes", shipped),
        "compare": url("compare", shipped, a=kept, b="2"),
        "restore": url("restore-version", shipped, version_id=first.public_id),
        "discard": url("draft-discard", shipped),
        "review": url("edit", shipped, step="review"),
        "overview": url("detail", shipped) + "?published=2",
    }
    for name, address in pages.items():
        visit(page, address)
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        assert looks.wrong(page, f"versions-{name}", screenshot=screenshot) == []


def test_looking_creates_no_draft(browse: Callable[..., Page], team: dict[str, User]) -> None:  # noqa: F811
    campaign = factories.published(team["Marketer"])
    page = browse(team["Marketer"])
    page.goto(url("detail", campaign))
    page.get_by_role("link", name="Modify").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.goto(url("edit", campaign, step="compose"))
    expect(page).to_have_url(re.compile(url("detail", campaign) + "$"))
    page.get_by_role("link", name="Content", exact=True).click()
    page.get_by_role("link", name="History").click()
    page.get_by_role("link", name="View Version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    assert not Draft.objects.filter(campaign=campaign).exists()
    assert not DraftSnapshot.objects.filter(campaign=campaign, cause="saved").exists()


def test_publish_with_errors_leads_to_them(browse: Callable[..., Page], team: dict[str, User]) -> None:  # noqa: F811
    factories.profile()
    campaign = factories.campaign(team["Marketer"], compose__subject="", compose__body="", audience__conditions=None)
    page = browse(team["Marketer"])
    page.goto(url("edit", campaign, step="review"))
    page.get_by_role("link", name="Publish…", exact=True).click()
    page.wait_for_url("**/edit/review/?blocked")
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator("#alerts-title")).to_be_focused()
    lines = page.locator("#alerts .alertlist.err > li").all()
    found = {line.locator("a").get_attribute("href") or "": line.locator("span").inner_text() for line in lines}
    assert len(found) >= 3
    for address, sentence in found.items():
        page.goto(url("edit", campaign, step="review") + "?blocked")
        page.locator(f'#alerts a[href="{address}"]').click()
        page.wait_for_url("**" + address)
        page.wait_for_function(
            "id => document.getElementById(id).closest('.field').contains(document.activeElement)",
            arg=address.rpartition("#")[2],
        )
        expect(page.get_by_text(sentence.partition(": ")[2]).first).to_be_visible()


def test_the_diff_shows_exactly_what_changed(browse: Callable[..., Page], team: dict[str, User]) -> None:  # noqa: F811
    campaign = factories.published(team["Marketer"], compose__subject="Your order has shipped")
    rules = [{"field": "profile.email", "op": "is_set"}, {"field": "profile.country", "op": "is", "value": ["BE"]}]
    factories.draft_of(
        campaign,
        compose__subject="Your parcel has shipped",
        audience__conditions={"match": "all", "rules": rules},
    )
    page = browse(team["Viewer"])
    page.goto(url("changes", campaign))
    expect(page.locator(".diff dt")).to_have_text(["Subject", "Conditions"])
    expect(page.locator(".diff del")).to_have_text(["−removed Your order has shipped"])
    expect(page.locator(".diff ins")).to_have_text(
        ["+added Your parcel has shipped", re.compile(r"^\+added and country is (BE|Belgium)$")]
    )
    expect(page.locator(".diff del b")).to_have_text(["order"])
    expect(page.locator(".diff ins b")).to_have_text(["parcel"])
    for step in ("Delivery", "Tracking"):
        expect(page.get_by_text(f"No changes in {step}.")).to_be_visible()


def test_the_body_is_shown_side_by_side_or_as_what_changed(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
) -> None:
    page = browse(team["Viewer"], has_script=False)
    page.goto(url("changes", shipped))
    frames = page.locator(".diff__frames iframe")
    expect(frames).to_have_count(2)
    for nth, words in enumerate(("Your order has shipped", "Your order is on its way")):
        frames.nth(nth).scroll_into_view_if_needed()
        expect(frames.nth(nth).content_frame.get_by_text(words)).to_be_visible()
    expect(page.get_by_text("Block 2, Text")).to_be_hidden()
    page.get_by_text("Blocks", exact=True).click()
    expect(page.get_by_text("Block 2, Text")).to_be_visible()
    expect(frames.first).to_be_hidden()


@pytest.mark.parametrize("has_script", [True, False])
def test_restoring_over_a_draft_asks_and_keeps_what_it_replaces(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
    has_script: bool,
) -> None:
    page = browse(team["Marketer"], has_script=has_script)
    page.goto(url("history", shipped) + "?kind=versions")
    opener = page.get_by_role("link", name="Restore as draft… Version 1")
    opener.click()
    question = "This replaces the current draft (2 changes). The current draft stays in History."
    expect(page.get_by_text(question)).to_be_visible()
    if has_script:
        dialog = page.get_by_role("dialog", name="Restore “Version 1” as draft?")
        expect(dialog.get_by_role("button", name="Keep current draft")).to_be_focused()
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        opener.click()
    page.get_by_role("button", name="Restore as draft").click()
    page.wait_for_url("**/edit/compose/")
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Autumn sale")
    page.goto(url("history", shipped) + "?kind=drafts")
    expect(page.locator(".history__entry.is-discarded")).to_have_count(2)
    assert Campaign.objects.get(pk=shipped.pk).live_version.number == 2  # type: ignore[union-attr]


def test_publishing_says_so_with_the_focus_on_the_name(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
) -> None:
    page = browse(team["Marketer"])
    page.goto(url("changes", shipped))
    page.get_by_role("link", name="Publish…").click()
    dialog = page.get_by_role("dialog", name="Publish version 3 of Order shipped?")
    expect(dialog.get_by_text("2 changes against version 2.")).to_be_visible()
    expect(dialog.get_by_text("after preparation and confirmation")).to_be_visible()
    dialog.get_by_label("Note").fill("Friendlier words")
    if dialog.get_by_role("checkbox").count():
        dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Publish and prepare").click()
    page.wait_for_url("**/deliveries/**")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Version 3 is live.")).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("“Friendlier words”")).to_be_visible()


def test_a_version_is_seen_as_somebody_and_its_texts_are_copied(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
) -> None:
    page = browse(team["Viewer"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(url("version", shipped, number=1))
    stage = page.locator("[data-preview-stage] iframe").last
    expect(stage.content_frame.get_by_text("Your order has shipped")).to_be_visible()
    expect(page.locator("[data-preview-subject]")).to_have_text("Autumn sale")
    expect(page.get_by_role("link", name=re.compile("9,892 emails"))).to_be_visible()
    page.get_by_role("button", name="Copy Subject").click()
    expect(page.get_by_text("Copied").first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Autumn sale"
    assert page.get_by_role("button", name=re.compile("Restore")).count() == 0


def test_two_versions_are_chosen_from_lists(
    browse: Callable[..., Page],
    team: dict[str, User],  # noqa: F811
    shipped: Campaign,
) -> None:
    page = browse(team["Viewer"], has_script=False)
    page.goto(url("history", shipped))
    page.get_by_label("Compare", exact=True).select_option("1")
    page.get_by_label("with", exact=True).select_option("2")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page).to_have_url(re.compile(r"/history/1\.\.\.2/$"))
    expect(page.get_by_role("heading", name="Version 1 and Version 2")).to_be_visible()
    expect(page.get_by_label("Compare", exact=True)).to_have_value("1")
