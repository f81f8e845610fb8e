"""Templates in a real browser: accessible pages, the editor with its preview, conflicts, and the ways to a campaign."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from campaigns import starting
from campaigns.models import Campaign, Draft
from messaging.models import Template
from tests import factories
from tests.browser import looks
from tests.browser.settling import visit
from tests.browser.test_campaign_pages import team

__all__ = ["team"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
GRID = reverse("campaigns:templates")
BLOCKS = (
    '[{"type": "header", "text": "Shop"}, {"type": "text", "html": "<p>Hello</p>"}, {"type": "footer", "html": ""}]'
)


@pytest.fixture
def template(team: dict[str, User]) -> Template:
    factories.sender(is_default=True)
    return factories.template(team["Marketer"], name="Monthly news", body_kind="blocks", body=BLOCKS)


def url(template: Template) -> str:
    return reverse("campaigns:template", args=[template.public_id])


def test_pages_are_accessible_and_never_scroll_sideways(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    campaign = starting.create(template, by=team["Marketer"])
    pages = {
        "grid": GRID,
        "no match": f"{GRID}?q=nothing",
        "archived": f"{GRID}?archived=1",
        "template": url(template),
        "new": reverse("campaigns:template-new"),
        "new campaign": reverse("campaigns:new"),
        "save as": reverse("campaigns:save-as-template", args=[campaign.public_id]),
    }
    page = browse(team["Marketer"])
    wrong = []
    for name, address in pages.items():
        visit(page, address)
        wrong += looks.wrong(page, name)
    assert wrong == []


def test_a_template_is_written_in_blocks_previewed_and_saved_by_the_button_only(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(team["Marketer"])
    page.goto(url(template))
    page.get_by_label("Subject", exact=True).fill("News of May")
    expect(page.locator("[data-preview-subject]")).to_have_text("News of May")
    page.get_by_role("button", name="Text Hello").click()
    page.locator("[data-rich-field]").fill("Good morning")
    expect(page.frame_locator("#preview iframe:not(.is-coming)").get_by_text("Good morning")).to_be_visible()
    assert Template.objects.get().revision == 1
    page.keyboard.press("Control+s")
    expect(page.locator(".toast__text")).to_have_text("Template “Monthly news” saved.")
    stored = Template.objects.get()
    assert (stored.subject, stored.revision) == ("News of May", 2)
    assert "Good morning" in stored.body


def test_code_keeps_every_character_and_a_broken_line_is_named_while_typing(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    Template.objects.update(body_kind="html", body="<p>one</p>\n")
    page = browse(team["Marketer"])
    page.goto(url(template))
    page.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("{% if %}")
    expect(page.locator("[data-preview-problem]")).to_contain_text("Line 2:")
    page.get_by_role("button", name="Save template").click()
    expect(page.locator(".toast__text")).to_be_visible()
    expect(page.locator(".template-body .field__error")).to_contain_text("Line 2:")
    assert Template.objects.get().body == "<p>one</p>\n{% if %}"


def test_leaving_with_unsaved_text_asks_also_after_a_conflict(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    mine, theirs = browse(team["Marketer"]), browse(team["Operator"])
    asked: list[str] = []
    mine.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    for page, text in ((theirs, "From Ona"), (mine, "From Milo")):
        page.goto(url(template))
        page.get_by_label("Subject", exact=True).fill(text)
    theirs.get_by_role("button", name="Save template").click()
    expect(theirs.locator(".toast__text")).to_be_visible()
    mine.get_by_role("button", name="Save template").click()
    expect(mine.get_by_text("Ona Operator saved this template at")).to_be_visible()
    expect(mine.get_by_label("Subject", exact=True)).to_have_value("From Milo")
    mine.get_by_role("link", name="Cancel").click()
    assert asked == ["beforeunload"]
    assert Template.objects.get().subject == "From Ona"
    mine.get_by_role("button", name="Save mine as a new template").click()
    expect(mine.locator(".toast__text")).to_be_visible()
    assert set(Template.objects.values_list("subject", flat=True)) == {"From Ona", "From Milo"}


def test_who_was_signed_out_loses_nothing_and_saves_after_signing_in(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(team["Marketer"])
    page.goto(url(template))
    session = page.context.cookies()
    page.get_by_label("Subject", exact=True).fill("Typed for an hour")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Save template").click()
    expect(page.get_by_role("alert").get_by_text("You've been signed out")).to_be_visible()
    expect(page.get_by_label("Subject", exact=True)).to_have_value("Typed for an hour")
    assert Template.objects.get().subject == "News of the month"
    page.context.add_cookies(
        [cookie | ({"value": "b" * 32} if cookie["name"] == "csrftoken" else {}) for cookie in session]  # type: ignore[list-item]
    )
    page.get_by_role("button", name="Save template").click()
    expect(page.locator(".toast__text")).to_have_text("Template “Monthly news” saved.")
    assert Template.objects.get().subject == "Typed for an hour"


def test_without_script_a_template_is_written_and_saved(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    Template.objects.update(body_kind="html", body="<p>one</p>")
    page = browse(team["Marketer"], has_script=False)
    page.goto(url(template))
    page.get_by_label("Code of the message").fill("<p>two</p>")
    page.get_by_role("button", name="Save template").click()
    assert Template.objects.get().body == "<p>two</p>"


def test_archiving_is_undone_from_the_toast(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(team["Marketer"])
    page.goto(GRID)
    page.get_by_role("button", name="Actions for Monthly news").click()
    page.get_by_role("menuitem", name="Archive").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Monthly news")).to_be_visible()
    assert Template.objects.get().archived_at is None


def test_a_search_swaps_the_grid_and_says_how_many(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    factories.template(team["Marketer"], name="Winter sale")
    page = browse(team["Marketer"])
    page.goto(GRID)
    page.get_by_label("Search templates").fill("winter")
    expect(page.get_by_role("link", name="Monthly news")).to_have_count(0)
    expect(page.get_by_role("link", name="Winter sale")).to_be_visible()
    expect(page.locator("#say")).to_have_text("1 template")
    assert page.url.endswith("?q=winter")


def test_the_editor_saves_what_is_typed_before_a_template_is_made_of_it(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(team["Marketer"])
    page.goto(GRID)
    page.get_by_role("button", name="Actions for Monthly news").click()
    page.get_by_role("menuitem", name="Use in a new campaign").click()
    expect(page.locator("[data-preview-subject]")).to_be_visible()  # the editor is at work
    page.get_by_label("Subject", exact=True).fill("Typed just now")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Save as template…").click()
    name = page.get_by_label("Name of the template")
    expect(name).to_be_focused()
    assert Draft.objects.get().document["compose"]["subject"] == "Typed just now"
    name.fill("Kept")
    page.get_by_role("button", name="Save template").click()
    page.get_by_role("link", name="Open template").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Kept")
    assert Template.objects.get(name="Kept").subject == "Typed just now"
    assert Campaign.objects.get().started_from == template


def test_the_palette_and_a_shortcut_lead_to_templates(
    template: Template, team: dict[str, User], browse: Callable[..., Page]
) -> None:
    page = browse(team["Marketer"])
    page.goto(reverse("campaigns:list"))
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url(f"**{GRID}")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search or jump to").fill("monthly")
    page.get_by_role("option", name="Search templates for “monthly”").click()
    page.wait_for_url(f"**{GRID}?q=monthly")
    expect(page.get_by_role("link", name="Monthly news")).to_be_visible()
