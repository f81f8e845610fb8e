"""The campaign editor in a real browser: nothing typed is lost, nothing is in the way, and first save wins."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from accounts.models import User
from campaigns.models import Campaign, Draft
from tests import factories
from tests.browser import looks, settling

STEPS = ("compose", "delivery", "audience", "tracking", "review")
SAVED = re.compile(r"Saved \d\d:\d\d")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team(transactional_db: None) -> dict[str, User]:
    call_command("setup_roles", verbosity=0)
    return {
        "marketer": factories.user("Marketer", name="Milo Marketer"),
        "operator": factories.user("Operator", name="Ona Operator"),
    }


@pytest.fixture
def campaign(team: dict[str, User]) -> Campaign:
    """A campaign of the marketer with a draft that could be published."""
    return factories.campaign(by=team["marketer"], name="Autumn sale", compose__subject="Autumn is here")


@pytest.fixture
def signed_in(browser: Browser, live_server: Any) -> Iterator[Callable[..., BrowserContext]]:
    """Contexts signed in as somebody; a script error or a broken content policy fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def watch(page: Page) -> None:
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)

    def make(user: User, *, width: int = 1280, theme: str = "light") -> BrowserContext:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        context.on("page", watch)
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def desk(signed_in: Callable[..., BrowserContext], team: dict[str, User], campaign: Campaign) -> Page:
    """Compose, open as the marketer."""
    page = signed_in(team["marketer"]).new_page()
    return _open(page, campaign)


def test_typing_is_saved_without_any_action(desk: Page, campaign: Campaign) -> None:
    desk.get_by_label("Subject", exact=True).fill("Winter is here")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=2_500)
    desk.reload()
    expect(desk.get_by_label("Subject", exact=True)).to_have_value("Winter is here")
    assert _draft(campaign).revision == 2


def test_saves_continue_while_typing_without_a_pause(desk: Page) -> None:
    saves = _count_saves(desk)
    desk.get_by_label("Subject", exact=True).focus()
    started = time.monotonic()
    while not saves.bodies and time.monotonic() - started < 12:
        desk.keyboard.type("x")
        desk.wait_for_timeout(300)
    assert saves.bodies, "no save before the last key"


def test_changing_step_saves_with_one_request(desk: Page) -> None:
    saves = _count_saves(desk)
    desk.get_by_label("Subject", exact=True).fill("Before the step")
    desk.get_by_role("link", name="Audience").first.click()
    desk.wait_for_url("**/edit/audience/")
    _ready(desk)
    desk.get_by_role("link", name="Compose").first.click()
    desk.wait_for_url("**/edit/compose/")
    expect(desk.get_by_label("Subject", exact=True)).to_have_value("Before the step")
    assert len(saves.bodies) == 1


def test_never_two_saves_in_flight(desk: Page, campaign: Campaign) -> None:
    running, most = 0, 0

    def slow(route: Route) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        response = route.fetch()
        desk.wait_for_timeout(1_500)
        route.fulfill(response=response)
        running -= 1

    desk.route("**/draft/save/", slow)
    subject = desk.get_by_label("Subject", exact=True)
    for n in range(4):
        subject.fill(f"Burst {n}")
        desk.wait_for_timeout(1_100)
    expect(_indicator(desk)).to_have_text(SAVED, timeout=15_000)
    assert most == 1
    assert _draft(campaign).document["compose"]["subject"] == "Burst 3"


def test_a_lost_answer_does_not_conflict_with_itself(desk: Page, campaign: Campaign) -> None:
    lost = threading.Event()

    def lose_the_first(route: Route) -> None:
        if lost.is_set():
            route.continue_()
            return
        lost.set()
        route.fetch()
        route.abort("connectionreset")

    desk.route("**/draft/save/", lose_the_first)
    desk.get_by_label("Subject", exact=True).fill("Once only")
    expect(_indicator(desk)).to_have_text(re.compile("Not saved. Retrying in"), timeout=4_000)
    expect(_indicator(desk)).to_have_text(SAVED, timeout=6_000)
    expect(desk.locator("#shout .banner")).to_have_count(0)
    assert _draft(campaign).revision == 2


def test_first_save_wins_and_nothing_is_lost(
    desk: Page, signed_in: Callable[..., BrowserContext], team: dict[str, User], campaign: Campaign
) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    other = _open(signed_in(team["operator"]).new_page(), campaign)
    desk.route("**/draft/save/", lambda route: route.abort("connectionreset"))
    desk.get_by_label("Subject", exact=True).fill("Mine, typed with care")
    other.get_by_label("Subject", exact=True).fill("Theirs")
    expect(_indicator(other)).to_have_text(SAVED, timeout=4_000)
    desk.unroute("**/draft/save/")

    banner = desk.locator("#shout")
    expect(banner).to_contain_text(re.compile(r"Ona Operator saved changes at \d\d:\d\d"), timeout=12_000)
    subject = desk.get_by_label("Subject", exact=True)
    expect(subject).to_have_value("Mine, typed with care")
    expect(subject).to_have_attribute("readonly", "")
    banner.get_by_role("button", name="Copy my changes").click()
    expect(banner.get_by_role("button", name="Copied")).to_be_visible()
    assert "Mine, typed with care" in desk.evaluate("navigator.clipboard.readText()")

    banner.get_by_role("button", name="Refresh").click()
    expect(desk.get_by_label("Subject", exact=True)).to_have_value("Theirs")
    desk.get_by_role("button", name="Use mine").click()
    expect(desk.get_by_label("Subject", exact=True)).to_have_value("Mine, typed with care")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    assert _draft(campaign).document["compose"]["subject"] == "Mine, typed with care"


def test_the_same_person_in_two_tabs_is_told_so(desk: Page, campaign: Campaign) -> None:
    second = _open(desk.context.new_page(), campaign)
    desk.get_by_label("Subject", exact=True).fill("First tab")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    second.get_by_label("Preheader", exact=True).fill("Second tab")
    expect(second.locator("#shout")).to_contain_text("You saved changes in another tab at", timeout=6_000)


def test_a_tab_that_goes_on_saving_forgets_nothing_of_the_other(desk: Page, campaign: Campaign) -> None:
    second = _open(desk.context.new_page(), campaign)
    second.route("**/draft/save/", lambda route: route.abort("connectionreset"))
    second.get_by_label("Preheader", exact=True).fill("Second tab, typed with care")
    desk.get_by_label("Subject", exact=True).fill("First tab")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    second.unroute("**/draft/save/")
    banner = second.locator("#shout")
    expect(banner).to_contain_text("You saved changes in another tab at", timeout=12_000)
    saves = _count_saves(desk)
    desk.get_by_label("Subject", exact=True).fill("First tab goes on")
    desk.keyboard.press("Control+s")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    assert len(saves.bodies) == 1

    banner.get_by_role("button", name="Refresh").click()
    expect(second.locator("#mine")).to_contain_text("Second tab, typed with care")
    second.get_by_role("button", name="Use mine").click()
    expect(_indicator(second)).to_have_text(SAVED, timeout=4_000)
    compose = _draft(campaign).document["compose"]
    assert (compose["subject"], compose["preheader"]) == ("First tab goes on", "Second tab, typed with care")


def test_a_clean_tab_follows_silently(
    desk: Page, signed_in: Callable[..., BrowserContext], team: dict[str, User], campaign: Campaign
) -> None:
    desk.evaluate("document.activeElement.blur()")
    other = _open(signed_in(team["operator"]).new_page(), campaign)
    other.get_by_label("Subject", exact=True).fill("Followed")
    expect(desk.get_by_label("Subject", exact=True)).to_have_value("Followed", timeout=14_000)
    expect(desk.locator("#shout .banner")).to_have_count(0)
    expect(desk.locator("#toasts")).to_contain_text("Updated with Ona Operator's changes.")
    desk.get_by_label("Preheader", exact=True).fill("Goes on from there")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)


def test_offline_and_back(desk: Page) -> None:
    desk.context.set_offline(True)
    desk.get_by_label("Subject", exact=True).fill("Without a network")
    expect(_indicator(desk)).to_have_text("Offline. Kept on this device", timeout=4_000)
    desk.context.set_offline(False)
    expect(_indicator(desk)).to_have_text(SAVED, timeout=3_000)


def test_a_crash_is_recovered_from_and_offered_once(desk: Page, campaign: Campaign) -> None:
    desk.context.set_offline(True)
    desk.get_by_label("Subject", exact=True).fill("Typed before the crash")
    expect(_indicator(desk)).to_have_text("Offline. Kept on this device", timeout=4_000)
    desk.close()
    context = desk.context
    context.set_offline(False)
    page = _open(context.new_page(), campaign)
    line = page.locator("#banners")
    expect(line).to_contain_text(re.compile(r"We found changes from \d\d:\d\d on this device that weren't saved\."))
    line.get_by_role("button", name="Review").click()
    expect(page.locator("#mine")).to_contain_text("Typed before the crash")
    expect(page.locator("#mine")).to_contain_text("Autumn is here")
    page.get_by_role("button", name="Dismiss all").click()
    page.reload()
    _ready(page)
    expect(page.locator("#banners .banner")).to_have_count(0)


def test_leaving_asks_only_when_something_could_be_lost(desk: Page) -> None:
    asked: list[str] = []
    desk.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    desk.get_by_label("Subject", exact=True).fill("All is well")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    desk.reload()
    _ready(desk)
    assert asked == []
    desk.route("**/draft/save/", lambda route: route.abort("connectionreset"))
    desk.get_by_label("Subject", exact=True).press_sequentially("!")
    expect(_indicator(desk)).to_have_text(re.compile("Not saved"), timeout=4_000)
    desk.reload()
    assert asked == ["beforeunload"]


def test_autosave_disturbs_nothing(desk: Page) -> None:
    subject = desk.get_by_label("Subject", exact=True)
    subject.fill("0123456789")
    desk.set_viewport_size({"width": 1280, "height": 400})
    desk.evaluate("scrollTo(0, 300)")
    subject.evaluate("field => { field.focus({preventScroll: true}); field.setSelectionRange(5, 5); }")
    before = desk.evaluate("scrollY")
    desk.keyboard.type("x")
    desk.evaluate("document.getElementById('draft-menu').showPopover()")
    subject.evaluate("field => field.focus({preventScroll: true})")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    assert subject.evaluate("field => [field.selectionStart, document.activeElement === field]") == [6, True]
    assert desk.evaluate("scrollY") == before
    assert desk.evaluate("document.getElementById('draft-menu').matches(':popover-open')")


def test_a_lost_session_keeps_the_work(desk: Page, team: dict[str, User], campaign: Campaign, live_server: Any) -> None:
    desk.context.clear_cookies(name="sessionid")
    desk.get_by_label("Subject", exact=True).fill("Still here")
    expect(desk.get_by_role("heading", name="You've been signed out")).to_be_visible(timeout=4_000)
    client = Client()
    client.force_login(team["marketer"])
    value = client.cookies["sessionid"].value
    desk.context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
    expect(_indicator(desk)).to_have_text(SAVED, timeout=8_000)
    expect(desk.get_by_role("heading", name="You've been signed out")).to_be_hidden()
    assert _draft(campaign).document["compose"]["subject"] == "Still here"


def test_the_message_editor_sends_at_done_and_not_before(desk: Page, campaign: Campaign) -> None:
    saves = _count_saves(desk)
    desk.get_by_role("button", name="Edit message").click()
    editor = desk.locator(".cm-content")
    editor.click()
    desk.keyboard.press("Control+Home")
    desk.keyboard.type("<h1>Typed in the editor</h1>")
    expect(desk.locator("[data-buffer-state]")).to_have_text("Not in the draft yet")
    frame = desk.frame_locator("#editor-preview iframe:not(.is-coming)")
    expect(frame.get_by_text("Typed in the editor")).to_be_visible(timeout=5_000)
    desk.wait_for_timeout(1_500)
    assert saves.bodies == []
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    assert "Typed in the editor" in _draft(campaign).document["compose"]["body"]
    assert len(saves.bodies) == 1


def test_what_was_typed_in_the_message_editor_survives_a_reload(desk: Page, campaign: Campaign) -> None:
    desk.get_by_role("button", name="Edit message").click()
    desk.locator(".cm-content").click()
    desk.keyboard.press("Control+Home")
    desk.keyboard.type("Not lost ")
    expect(desk.locator("[data-buffer-state]")).to_have_text("Not in the draft yet")
    desk.reload()
    _ready(desk)
    line = desk.locator("#banners")
    expect(line).to_contain_text("We found changes to the message from")
    line.get_by_role("button", name="Review").click()
    expect(desk.locator(".cm-content")).to_contain_text("Not lost")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    assert "Not lost" in _draft(campaign).document["compose"]["body"]


def test_a_message_found_on_the_device_is_offered_until_somebody_decides(desk: Page, campaign: Campaign) -> None:
    def write(text: str) -> None:
        desk.get_by_role("button", name="Edit message").click()
        desk.locator(".cm-content").click()
        desk.keyboard.press("Control+Home")
        desk.keyboard.type(text)
        expect(desk.locator("[data-buffer-state]")).to_have_text("Not in the draft yet")

    write("Found later ")
    desk.reload()
    _ready(desk)
    expect(desk.locator("#banners")).to_contain_text("We found changes to the message from")
    write("Something else ")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    desk.reload()
    _ready(desk)
    desk.locator("#banners").get_by_role("button", name="Review").click()
    expect(desk.locator(".cm-content")).to_contain_text("Found later")
    assert "Something else" in _draft(campaign).document["compose"]["body"]


def test_a_personal_field_is_inserted_with_its_fallback(desk: Page) -> None:
    subject = desk.get_by_label("Subject", exact=True)
    subject.fill("Hello ")
    subject.press_sequentially("{{")
    desk.get_by_role("combobox", name="Search fields").fill("first")
    desk.get_by_label("If it is missing, write").fill("friend")
    desk.keyboard.press("Enter")
    expect(subject).to_have_value('Hello {{ profile.first_name | default: "friend" }}')
    expect(subject).to_be_focused()
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)


def test_publishing_with_errors_leads_to_them(
    signed_in: Callable[..., BrowserContext], team: dict[str, User], campaign: Campaign
) -> None:
    page = _open(signed_in(team["marketer"]).new_page(), campaign)
    page.get_by_label("Subject", exact=True).fill("")
    page.get_by_role("link", name="Publish…").click()
    page.wait_for_url("**/edit/review/?blocked")
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.locator("#alerts-title")).to_be_focused()
    sentence = "The subject is empty. Enter a subject."
    expect(page.locator("#alerts")).to_contain_text(sentence)
    page.get_by_role("link", name="Go to Compose").first.click()
    page.wait_for_url("**/edit/compose/#f-compose-subject")
    expect(page.locator("[data-alerts-for='compose.subject']")).to_have_text(sentence)


def test_the_name_is_edited_where_it_stands(desk: Page, campaign: Campaign) -> None:
    desk.get_by_role("button", name="Rename").click()
    desk.get_by_label("Name of the campaign").fill("Winter sale")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Winter sale")
    expect(_indicator(desk)).to_have_text(SAVED, timeout=4_000)
    assert Campaign.objects.get(pk=campaign.pk).name == "Winter sale"


def test_every_step_is_accessible_and_never_scrolls_sideways(
    signed_in: Callable[..., BrowserContext],
    team: dict[str, User],
    campaign: Campaign,
    screenshot: Callable[[Page, str], Path],
) -> None:
    page = signed_in(team["marketer"]).new_page()
    for step in STEPS:
        settling.watch(page)
        _open(page, campaign, step)
        settling.settle(page)
        assert looks.wrong(page, f"editor-{step}", screenshot=screenshot) == []


def _open(page: Page, campaign: Campaign, step: str = "compose") -> Page:
    page.goto(reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": step}))
    return _ready(page)


def _ready(page: Page) -> Page:
    page.wait_for_selector("html[data-editor='ready']")
    return page


def _indicator(page: Page) -> Any:
    return page.locator("#save [data-save-text]")


def _draft(campaign: Campaign) -> Draft:
    return Draft.objects.get(campaign=campaign)


class _Saves:
    """The saves a page has asked for."""

    def __init__(self) -> None:
        self.bodies: list[str] = []


def _count_saves(page: Page) -> _Saves:
    saves = _Saves()
    page.on(
        "request",
        lambda request: saves.bodies.append(request.post_data or "") if "/draft/save/" in request.url else None,
    )
    return saves


def test_blocks_are_added_moved_and_written_by_buttons(desk: Page, campaign: Campaign) -> None:
    desk.get_by_role("button", name="Edit message").click()
    desk.once("dialog", lambda dialog: dialog.accept())
    desk.get_by_role("radio", name="Blocks").check(force=True)
    blocks = desk.locator("[data-block-list] > li")
    expect(blocks).to_have_count(1)
    expect(blocks.first).to_contain_text("Raw HTML")
    desk.get_by_label("Add a block").select_option("button")
    desk.get_by_label("Label", exact=True).fill("See the sale")
    desk.get_by_label("Link", exact=True).fill("https://shop.test/sale")
    blocks.nth(1).get_by_role("button", name="Move up").click()
    expect(blocks.first).to_contain_text("See the sale")
    expect(blocks.first.get_by_role("button", name="Move up")).to_be_focused()
    frame = desk.frame_locator("#editor-preview iframe:not(.is-coming)")
    expect(frame.get_by_role("link", name="See the sale")).to_be_visible(timeout=5_000)
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    compose = _draft(campaign).document["compose"]
    assert compose["body_kind"] == "blocks"
    assert [block["type"] for block in json.loads(compose["body"])] == ["button", "html"]


def test_rich_text_never_brings_a_script_along(desk: Page, campaign: Campaign) -> None:
    body = json.dumps(
        [{"type": "text", "html": "<p style='color:red'>Hi<img src=x onerror=alert(1)><script>x</script></p>"}]
    )
    draft = _draft(campaign)
    draft.document["compose"] |= {"body_kind": "blocks", "body": body}
    draft.save(update_fields=["document"])
    _open(desk, campaign)
    desk.get_by_role("button", name="Edit message").click()
    desk.locator("[data-block-toggle]").click()
    field = desk.locator("[data-rich-field]")
    field.click()
    desk.keyboard.press("End")
    desk.keyboard.type(" there")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    stored = json.loads(_draft(campaign).document["compose"]["body"])
    assert stored == [{"type": "text", "html": "<p>Hi there</p>"}]


def test_words_like_those_of_a_tag_stay_in_a_rich_text(desk: Page, campaign: Campaign) -> None:
    body = json.dumps([{"type": "text", "html": "<p style='color:red' onclick=no()>Hi</p>"}])
    draft = _draft(campaign)
    draft.document["compose"] |= {"body_kind": "blocks", "body": body}
    draft.save(update_fields=["document"])
    _open(desk, campaign)
    desk.get_by_role("button", name="Edit message").click()
    desk.locator("[data-block-toggle]").click()
    desk.locator("[data-rich-field]").click()
    desk.keyboard.press("End")
    desk.keyboard.type(", price online = 5, style = new")
    desk.get_by_role("button", name="Done").click()
    expect(desk.locator("#message-editor")).to_be_hidden()
    stored = json.loads(_draft(campaign).document["compose"]["body"])
    assert stored == [{"type": "text", "html": "<p>Hi, price online = 5, style = new</p>"}]
