"""Composing in a real browser: conditional blocks, the preview, the picker, plain text, checks and sign-out."""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from campaigns.models import Campaign, Draft
from tests import factories
from tests.browser import looks

SAVED = re.compile(r"Saved \d\d:\d\d")
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marketer(transactional_db: None) -> User:
    call_command("setup_roles", verbosity=0)
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def campaign(marketer: User) -> Campaign:
    factories.profile()
    return factories.campaign(by=marketer, name="Autumn sale", compose__subject="Autumn is here")


@pytest.fixture
def open_as(browse: Callable[..., Page], marketer: User) -> Callable[..., Page]:
    """Pages of the marketer."""
    return functools.partial(browse, marketer)


@pytest.fixture
def desk(open_as: Callable[..., Page], campaign: Campaign) -> Page:
    return _open(open_as(), campaign)


def _open(page: Page, campaign: Campaign, step: str = "compose", *, place: str = "") -> Page:
    page.goto(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": step}) + place)
    page.wait_for_selector("html[data-editor='ready']")
    return page


def _store(campaign: Campaign, **fields: object) -> None:
    draft = Draft.objects.get(campaign=campaign)
    draft.document["compose"] |= fields
    draft.save(update_fields=["document"])


def _compose(campaign: Campaign) -> dict[str, Any]:
    found: dict[str, Any] = Draft.objects.get(campaign=campaign).document["compose"]
    return found


def _indicator(page: Page) -> Any:
    return page.locator("#save [data-save-text]")


def test_a_group_with_a_product_is_written_shown_and_saved(desk: Page, campaign: Campaign) -> None:
    _store(campaign, body_kind="blocks", body='[{"type": "footer", "html": ""}]')
    lyon = factories.profile(email="lyon@example.test", first_name="Lea", city="Lyon")
    factories.profile(email="paris@example.test", first_name="Pia", city="Paris")
    _open(desk, campaign)
    desk.get_by_role("button", name="Edit message").click()
    desk.locator("[data-blocks] > label > [data-block-add]").select_option("group")
    desk.get_by_label("Field", exact=True).fill("profile.city")
    desk.get_by_label("Value", exact=True).fill("Lyon")
    inner = desk.locator("[data-inner]")
    assert inner.locator("[data-block-add] option[value='footer']").count() == 0
    inner.get_by_label("Add a block").select_option("product")
    inner.get_by_label("Name", exact=True).fill("Lamp")
    inner.get_by_label("Price", exact=True).press_sequentially("49 {{")
    desk.get_by_role("combobox", name="Search fields").fill("currency")
    desk.keyboard.press("Enter")
    expect(inner.get_by_label("Price", exact=True)).to_have_value("49 {{ api_trigger_properties.currency }}")
    expect(desk.locator("[data-block-list] > li").first).to_contain_text("profile.city is Lyon")
    pane = desk.locator("#editor-preview")
    pane.locator("[data-preview-as]").select_option(str(lyon.public_id))
    frame = desk.frame_locator("#editor-preview iframe:not(.is-coming)")
    expect(frame.get_by_text("Lamp").first).to_be_visible()
    pane.get_by_text("Trigger properties").click()
    pane.get_by_label("currency").fill("CHF")
    expect(frame.get_by_text("49 CHF")).to_be_visible()
    pane.get_by_role("button", name="Find a person").click()
    desk.get_by_role("combobox", name="Address or name").fill("pia")
    desk.locator("#people-list").get_by_text("Pia (paris@example.test)").click()
    expect(frame.get_by_text("Unsubscribe")).to_be_visible()
    expect(frame.get_by_text("Lamp")).to_have_count(0)
    assert looks.violations(desk) == []
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    group, footer = json.loads(_compose(campaign)["body"])
    assert (group["field"], group["operator"], group["value"]) == ("profile.city", "is", "Lyon")
    assert [block["type"] for block in group["blocks"]] == ["product"] and footer["type"] == "footer"
    assert "CHF" not in json.dumps(Draft.objects.get(campaign=campaign).document)


def test_social_links_are_rows_and_braces_open_the_picker_in_rich_text(desk: Page, campaign: Campaign) -> None:
    factories.attribute("shoe size")
    _store(campaign, body_kind="blocks", body='[{"type": "text", "html": "<p>Hello</p>"}]')
    _open(desk, campaign)
    desk.get_by_role("button", name="Edit message").click()
    desk.locator("[data-block-toggle]").click()
    desk.locator("[data-rich-field]").click()
    desk.keyboard.press("End")
    desk.keyboard.type(" {{")
    desk.get_by_role("combobox", name="Search fields").fill("first_name")
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-rich-field]")).to_have_text("Hello {{ profile.first_name }}")
    desk.keyboard.type(" {{")
    desk.get_by_role("combobox", name="Search fields").fill("shoe")
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-rich-field]")).to_have_text("Hello {{ profile.first_name }} {{ profile['shoe size'] }}")
    desk.locator("[data-blocks] > label > [data-block-add]").select_option("social")
    desk.get_by_label("Network").fill("Instagram")
    desk.get_by_role("textbox", name="Address").fill("https://social.test/shop")
    desk.get_by_role("button", name="Add a link").click()
    expect(desk.get_by_label("Network")).to_have_count(2)
    desk.get_by_role("button", name="Remove this link").nth(1).click()
    expect(desk.get_by_label("Network")).to_be_focused()
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    text, social = json.loads(_compose(campaign)["body"])
    assert text["html"] == "<p>Hello {{ profile.first_name }} {{ profile['shoe size'] }}</p>"
    assert social["links"] == [{"network": "Instagram", "url": "https://social.test/shop"}]


def test_blocks_become_code_without_a_question_and_come_back_as_they_were(desk: Page, campaign: Campaign) -> None:
    body = '[{"type":"text","html":"<p>Hello</p>"},{"type":"footer","html":""}]'
    _store(campaign, body_kind="blocks", body=body)
    _open(desk, campaign)
    asked: list[str] = []
    desk.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    desk.get_by_role("button", name="Edit message").click()
    desk.get_by_role("radio", name="HTML", exact=True).check(force=True)
    expect(desk.locator(".cm-content")).to_be_visible()
    desk.get_by_role("radio", name="Blocks").check(force=True)
    expect(desk.locator("[data-block-list] > li")).to_have_count(2)
    assert asked == []
    assert desk.locator("textarea[name='compose.body']").input_value() == body
    desk.get_by_role("radio", name="HTML", exact=True).check(force=True)
    desk.locator(".cm-content").click()
    desk.keyboard.type("x")
    desk.get_by_role("radio", name="Blocks").click(force=True)
    expect(desk.get_by_role("radio", name="HTML", exact=True)).to_be_checked()
    assert asked == ["Switch to blocks? Your code becomes one Raw HTML block. Nothing is lost."]


def test_a_broken_line_is_marked_and_gone_to_from_everywhere(desk: Page, campaign: Campaign) -> None:
    _store(campaign, body="<p>Good</p>\n" + FOOTER)
    _open(desk, campaign)
    frame = desk.frame_locator("#preview iframe:not(.is-coming)")
    expect(frame.get_by_text("Good")).to_be_visible()
    desk.get_by_role("button", name="Edit message").click()
    desk.locator(".cm-content").click()
    desk.keyboard.press("Control+End")
    desk.keyboard.type("\n\n{% if x ")
    head = desk.locator("#editor-preview [data-preview-head]")
    expect(head).to_contain_text("Line 4: `{% if %}` is not closed.")
    expect(desk.locator(".cm-lint-marker-error")).to_have_count(1)
    expect(desk.locator("#editor-preview [data-preview-stage]")).to_have_class(re.compile("is-stale"))
    desk.keyboard.press("Control+Home")
    head.get_by_role("button", name="Go to line 4").click()
    expect(desk.locator(".cm-activeLine")).to_contain_text("{% if x")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    _open(desk, campaign, "review")
    desk.locator("#alerts").get_by_role("link", name="Go to Compose").first.click()
    desk.wait_for_url("**/edit/compose/#message-line-4")
    expect(desk.locator(".cm-activeLine")).to_contain_text("{% if x")
    desk.keyboard.press("Escape")
    desk.locator("[data-panel-toggle]").click()
    desk.locator("#checks a[href$='#message-line-4']").click()
    expect(desk.locator(".cm-activeLine")).to_contain_text("{% if x")


def test_the_keys_of_the_preview(desk: Page) -> None:
    pane = desk.locator("#preview")
    stage = pane.locator("[data-preview-stage]")
    for view in ("mobile", "dark", "desktop"):
        desk.keyboard.press("Control+Shift+D")
        expect(stage).to_have_attribute("data-view", view)
    desk.keyboard.press("Control+Shift+P")
    expect(pane).to_be_hidden()
    expect(desk.get_by_role("button", name="Show preview")).to_have_attribute("aria-expanded", "false")
    desk.reload()
    desk.wait_for_selector("html[data-editor='ready']")
    expect(pane).to_be_hidden()
    desk.keyboard.press("Control+Shift+P")
    expect(pane).to_be_visible()
    expect(pane).to_contain_text("KB of 102 KB")


def test_a_message_keeps_its_width_in_a_narrow_pane(desk: Page) -> None:
    frame = desk.locator("#preview iframe:not(.is-coming)")
    expect(frame).to_be_visible()
    # As wide as a message inside, as wide as the pane on the screen.
    desk.wait_for_function("""() => {
      const frame = document.querySelector("#preview iframe:not(.is-coming)");
      const room = document.querySelector("#preview [data-preview-stage]").clientWidth;
      const shown = frame.getBoundingClientRect().width;
      return frame.clientWidth === 640 && Math.abs(shown - Math.min(640, room)) < 2;
    }""")
    desk.locator("#preview [data-preview-view][value='mobile']").check(force=True)
    # The frame may be replaced by its next rendering at any moment.
    width = "document.querySelector('#preview iframe:not(.is-coming)')?.offsetWidth"
    desk.wait_for_function(f"() => {width} >= 370 && {width} <= 377")


def test_the_plain_text_follows_and_ones_own_is_kept(desk: Page, campaign: Campaign) -> None:
    _store(campaign, body="<p>First</p>" + FOOTER)
    _open(desk, campaign)
    desk.get_by_role("button", name="Edit message").click()
    desk.get_by_role("radio", name="Plain text").check(force=True)
    generated = desk.get_by_label("Generated plain text")
    expect(generated).to_have_value(re.compile("^First"))
    assert generated.evaluate("area => area.readOnly")
    desk.get_by_label("Write your own").check()
    own = desk.get_by_label("Plain text", exact=True).last
    expect(own).to_have_value(re.compile("^First"))
    own.fill("My words")
    desk.get_by_role("radio", name="Message", exact=True).check(force=True)
    desk.locator(".cm-content").click()
    desk.keyboard.press("Control+Home")
    desk.keyboard.type("<p>Newer</p>")
    desk.get_by_role("radio", name="Plain text").check(force=True)
    stale = desk.locator("[data-text-stale]")
    expect(stale).to_contain_text("The message changed after this text.")
    stale.get_by_role("button", name="Compare").click()
    expect(generated).to_have_value(re.compile("^Newer"))
    expect(own).to_have_value("My words")
    stale.get_by_role("button", name="Regenerate").click()
    expect(own).to_have_value(re.compile("^Newer"))
    expect(stale).to_be_hidden()
    own.fill("My words again")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.locator("[data-buffer-state]")).to_have_text("Saved to the draft")
    desk.get_by_label("Generate from the message").check()
    expect(desk.locator("[data-text-kept]")).to_be_visible()
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    assert (_compose(campaign)["text_mode"], _compose(campaign)["text"]) == ("generated", "My words again")


def test_checks_follow_each_save_and_take_no_focus(desk: Page, campaign: Campaign) -> None:
    button = desk.locator("[data-panel-toggle]")
    button.click()
    checks = desk.locator("#checks")
    subject = desk.get_by_label("Subject", exact=True)
    subject.fill("")
    expect(checks).to_contain_text("The subject is empty. Enter a subject.")
    expect(button).to_contain_text("1")
    expect(subject).to_be_focused()
    desk.reload()
    desk.wait_for_selector("html[data-editor='ready']")
    expect(desk.locator("#panel")).to_be_visible()
    expect(desk.locator("#panel")).to_contain_text(str(campaign.public_id))
    checks.get_by_role("link", name="Go to Compose").first.click()
    expect(desk.get_by_label("Subject", exact=True)).to_be_focused()
    desk.get_by_role("button", name="Close the panel").focus()
    desk.keyboard.press("Escape")
    expect(desk.locator("#panel")).to_be_hidden()
    expect(button).to_be_focused()


def test_a_test_from_the_message_editor_saves_first(desk: Page, campaign: Campaign) -> None:
    desk.get_by_role("button", name="Edit message").click()
    desk.locator(".cm-content").click()
    desk.keyboard.press("Control+Home")
    desk.keyboard.type("<p>Tested words</p>")
    desk.locator("[data-buffer-test]").click()
    expect(desk.get_by_role("heading", name="Send a test")).to_be_visible()
    assert "Tested words" in _compose(campaign)["body"]
    desk.keyboard.press("Escape")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    desk.locator("#test").click()
    expect(desk.get_by_role("heading", name="Send a test")).to_be_visible()


def test_the_end_of_a_session_is_announced_and_put_off(desk: Page, campaign: Campaign) -> None:
    Session.objects.update(expire_date=timezone.now() + timezone.timedelta(seconds=124))
    _open(desk, campaign)
    banner = desk.locator("[data-leaving]")
    expect(banner).to_contain_text("You'll be signed out in 2 minutes.")
    banner.get_by_role("button", name="Stay signed in").click()
    expect(banner).to_have_count(0)
    assert Session.objects.get().expire_date > timezone.now() + timezone.timedelta(days=1)


def test_signing_in_in_another_tab_saves_at_once(
    desk: Page, marketer: User, campaign: Campaign, live_server: Any
) -> None:
    desk.evaluate("setInterval = () => 0")
    desk.context.clear_cookies(name="sessionid")
    desk.get_by_label("Subject", exact=True).fill("Kept")
    dialog = desk.get_by_role("heading", name="You've been signed out")
    expect(dialog).to_be_visible()
    with desk.context.expect_page() as opened:
        desk.get_by_role("link", name="Sign in").click()
    other = opened.value
    other.get_by_label("Email").fill(marketer.email)
    other.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    other.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(_indicator(desk)).to_have_text(SAVED)
    assert _compose(campaign)["subject"] == "Kept"


def test_every_state_of_the_indicator_keeps_the_page_in_place(desk: Page) -> None:
    place = (
        "() => [...document.querySelectorAll('.editor-head__actions, .steps')].map(e => e.getBoundingClientRect().top)"
    )
    before = desk.evaluate(place)
    subject = desk.get_by_label("Subject", exact=True)
    broken = True

    def answer(route: Route) -> None:
        route.fulfill(status=503, body="") if broken else route.continue_()

    desk.route("**/draft/save/", answer)
    subject.fill("One")
    expect(_indicator(desk)).to_have_text("Unsaved changes")
    assert desk.evaluate(place) == before
    waits = []
    for seconds in (2, 4):
        expect(_indicator(desk)).to_have_text(f"Not saved. Retrying in {seconds} s")
        waits.append(seconds)
        assert desk.evaluate(place) == before
        expect(_indicator(desk)).not_to_have_text(f"Not saved. Retrying in {seconds} s", timeout=seconds * 1000 + 3000)
    broken = False
    desk.get_by_role("button", name="Retry now").click()
    expect(_indicator(desk)).to_have_text(SAVED)
    assert desk.evaluate(place) == before
    assert waits == [2, 4]
    desk.locator(".saving__button").click()
    expect(desk.locator("[data-save-list] li").first).to_contain_text("Saved to the draft by you")


def test_a_huge_paste_is_kept_and_said_to_be_too_long(desk: Page, campaign: Campaign) -> None:
    desk.get_by_role("button", name="Edit message").click()
    desk.locator(".cm-content").click()
    desk.keyboard.press("Control+A")
    desk.evaluate("navigator.clipboard ?? 0")
    desk.evaluate(
        "() => { const data = new DataTransfer(); data.setData('text/plain', '<p>' + 'word '.repeat(440000) + '</p>');"
        " document.querySelector('.code-host').shadowRoot.querySelector('.cm-content')"
        ".dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }"
    )
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden(timeout=30_000)
    expect(desk.locator("[data-alerts-for='compose.body']")).to_contain_text("Use at most 2 MB.")
    assert len(_compose(campaign)["body"]) > 2_000_000


def test_without_script_the_message_is_saved_by_the_form(open_as: Callable[..., Page], campaign: Campaign) -> None:
    page = open_as(has_script=False)
    page.goto(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "compose"}))
    page.get_by_label("Subject", exact=True).fill("No script")
    page.get_by_label("Code of the message").fill("<p>Typed by hand</p>")
    page.get_by_label("Write your own").check()
    page.locator("[name='compose.text']").fill("Words by hand")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    stored = _compose(campaign)
    assert (stored["subject"], stored["body"]) == ("No script", "<p>Typed by hand</p>")
    assert (stored["text_mode"], stored["text"]) == ("own", "Words by hand")


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
def test_open_layers_are_accessible_and_never_scroll_sideways(
    open_as: Callable[..., Page], campaign: Campaign, width: int, theme: str
) -> None:
    page = _open(open_as(width=width, theme=theme), campaign)
    page.locator("[data-panel-toggle]").click()
    assert looks.violations(page) == []
    page.get_by_role("button", name="Close the panel").click()
    page.get_by_role("button", name="Edit message").click()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.getElementById('message-editor').scrollWidth <= innerWidth")
    page.locator("[data-code-picker]").click()
    assert looks.violations(page) == []


def test_a_conflict_and_what_was_typed_are_in_sight_on_a_scrolled_page(
    open_as: Callable[..., Page], campaign: Campaign
) -> None:
    desk, other = (_open(open_as(), campaign) for _ in range(2))
    desk.set_viewport_size({"width": 1280, "height": 420})
    other.get_by_label("Subject", exact=True).fill("Theirs")
    expect(_indicator(other)).to_have_text(SAVED)
    desk.evaluate("scrollTo(0, 200)")
    desk.get_by_label("Preheader", exact=True).fill("Mine")
    refresh = desk.get_by_role("button", name="Refresh")
    expect(refresh).to_be_in_viewport(ratio=1)
    assert desk.evaluate("scrollY") > 0
    refresh.click()
    expect(desk.get_by_role("heading", name="Your unsaved changes")).to_be_in_viewport(ratio=1)
    assert desk.evaluate("scrollY") == 0
