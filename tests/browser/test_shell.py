"""The shell and every component in a real browser: accessibility, sideways scroll, content policy, keyboard."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, Route, expect

from accounts.models import User
from tests import factories
from tests.browser import looks

WIDTHS = (360, 768, 1280)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def person(transactional_db: None) -> User:
    from django.core.management import call_command  # noqa: PLC0415  # roles are truncated with each live-server test

    call_command("setup_roles", verbosity=0)
    return factories.user("Admin")


@pytest.fixture
def browse(browser: Browser, live_server: Any, person: User) -> Iterator[Callable[..., Page]]:
    """Pages of `person`, signed in through the session; a script or policy error fails the test."""
    contexts = []
    errors: list[str] = []

    def open_page(*, width: int = 1280, theme: str = "light", signed_in: bool = True) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        if signed_in:
            client = Client()
            client.force_login(person)
            context.add_cookies(
                [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
            )
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def desk(browse: Callable[..., Page]) -> Page:
    page = browse()
    page.goto("/dev/components/")
    return page


def test_components_have_no_accessibility_violation(browse: Callable[..., Page]) -> None:
    page = browse()
    page.goto("/dev/components/")
    assert looks.wrong(page, "components") == []
    page.get_by_role("button", name="Open a dialog").click()
    assert looks.wrong(page, "dialog") == []


def test_sign_in_has_no_accessibility_violation(browse: Callable[..., Page]) -> None:
    page = browse(signed_in=False)
    page.goto("/accounts/sign-in/")
    assert looks.wrong(page, "sign-in") == []
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways(browse: Callable[..., Page], width: int) -> None:
    page = browse(width=width)
    page.goto("/dev/components/")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_palette_leads_to_a_page_by_keyboard(desk: Page) -> None:
    desk.keyboard.press("Control+k")
    expect(desk.get_by_role("combobox", name="Search or jump to")).to_be_focused()
    desk.keyboard.type("prof")
    expect(desk.locator("#palette").get_by_role("option", selected=True)).to_have_text("Profiles")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/profiles/")


def test_first_tab_stop_skips_to_the_content(desk: Page) -> None:
    desk.goto("/no/such/page/")
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("link", name="Skip to content")).to_be_focused()
    desk.keyboard.press("Enter")
    expect(desk.locator("#main")).to_be_focused()


def test_dialog_takes_and_returns_the_focus(desk: Page) -> None:
    opener = desk.get_by_role("button", name="Open a dialog")
    opener.click()
    expect(desk.get_by_role("button", name="Go back")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_menu_moves_by_arrows_and_returns_the_focus(desk: Page) -> None:
    button = desk.get_by_role("button", name="More actions for Autumn sale")
    button.press("ArrowDown")
    expect(desk.get_by_role("menuitem", name="Open")).to_be_focused()
    desk.keyboard.press("ArrowDown")
    expect(desk.get_by_role("menuitem", name="Duplicate")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_theme_is_switched_at_once_and_kept(desk: Page, person: User) -> None:
    desk.locator(".topbar__user").click()
    with desk.expect_response("**/me/theme/"):
        desk.locator("#user-menu").get_by_role("button", name="Dark").click()
    expect(desk.locator("html")).to_have_attribute("data-theme", "dark")
    desk.reload()
    expect(desk.locator("html")).to_have_attribute("data-theme", "dark")


def test_single_keys_do_nothing_while_typing(desk: Page) -> None:
    search = desk.get_by_role("searchbox", name="Search campaigns")
    search.click()
    desk.keyboard.type("?gc")
    expect(search).to_have_value("?gc")
    assert desk.url.endswith("/dev/components/")
    desk.evaluate("document.activeElement.blur()")
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_navigation_is_a_drawer_on_a_phone(browse: Callable[..., Page]) -> None:
    page = browse(width=360)
    page.goto("/dev/components/")
    button = page.get_by_role("button", name="Navigation")
    expect(page.get_by_role("link", name="Campaigns", exact=True)).to_be_hidden()
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("link", name="Campaigns", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_losing_the_network_is_said_and_taken_back(desk: Page) -> None:
    desk.context.set_offline(True)
    expect(desk.get_by_text("You're offline. Changes are kept on this device.").first).to_be_visible()
    desk.context.set_offline(False)
    expect(desk.locator("#net")).to_be_empty()


def test_code_editor_runs_under_the_strict_policy(desk: Page) -> None:
    desk.evaluate(
        """async () => {
            const { mount } = await import("/static/vendor/codemirror-6.0.2.min.js");
            const host = document.createElement("div");
            document.getElementById("main").append(host);
            window.editor = mount(host, { doc: "<p>Hello</p>", label: "Body" });
        }"""
    )
    desk.get_by_role("textbox", name="Body").press("End")
    desk.keyboard.type("!")
    assert desk.evaluate("editor.value") == "<p>Hello</p>!"
    assert desk.evaluate("getComputedStyle(editor.view.scrollDOM).fontFamily").startswith("ui-monospace")


def test_focus_goes_to_the_heading_when_a_swap_took_it_away(desk: Page) -> None:
    desk.route("**/swap-sample/", lambda route: route.fulfill(body="<h2>After</h2><p>New.</p>"))
    desk.evaluate(
        """() => {
            const html = '<div id="box"><button>Before</button></div>';
            document.getElementById("main").insertAdjacentHTML("afterbegin", html);
            document.querySelector("#box button").focus();
            htmx.ajax("GET", "/swap-sample/", { target: "#box", source: "#box" });
        }"""
    )
    expect(desk.get_by_role("heading", name="After")).to_be_focused()


# Adds a region as htmx would, with the focus on its button.
ADD_REGION = """html => {
    document.getElementById("main").insertAdjacentHTML("afterbegin", html);
    const region = document.getElementById("live");
    region.dataset.liveInterval = "100";
    region.querySelector("button").focus();
    region.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: region } }));
}"""


def _live_region(page: Page) -> list[str]:
    """Put a polling region into the page; returns the list that its requests are noted in. The third answer ends it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.headers.get("hx-request", ""))
        body = f'<div id="live" data-live-url="/live-sample/"><b>{len(asked)}</b><button>Pause</button></div>'
        route.fulfill(status=286 if len(asked) == 3 else 200, body=body, headers={"X-Next-Poll": "100"})

    page.route("**/live-sample/", answer)
    page.evaluate(ADD_REGION, '<div id="live" data-live-url="/live-sample/"><b>0</b><button>Pause</button></div>')
    return asked


def test_live_region_updates_keeps_the_focus_and_ends_when_told(desk: Page) -> None:
    asked = _live_region(desk)
    expect(desk.locator("#live b")).to_have_text("3")
    expect(desk.locator("#live button")).to_be_focused()
    desk.wait_for_timeout(400)
    assert asked == ["true"] * 3


def test_live_region_that_gets_no_answer_says_so_and_recovers(desk: Page) -> None:
    desk.route("**/live-sample/", lambda route: route.abort())
    desk.evaluate(ADD_REGION, '<div id="live" data-live-url="/live-sample/"><b>0</b><button>Pause</button></div>')
    expect(desk.locator("#live")).to_contain_text("Live updates paused. Last update ")
    expect(desk.locator("#live")).to_contain_text("Reload")
    desk.unroute("**/live-sample/")
    desk.route("**/live-sample/", lambda route: route.fulfill(status=286, body='<div id="live"><b>1</b></div>'))
    desk.evaluate("document.dispatchEvent(new Event('live:refresh'))")
    expect(desk.locator("#live")).to_have_text("1")
