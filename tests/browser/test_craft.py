"""Craft, on every page of campaigns: accessible, usable by keyboard, still while it loads, and whole in French.

Pages, themes, languages and widths; an error in the console, such as a broken content policy, fails any of them.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from accounts.models import User
from campaigns.models import Campaign
from tests import factories
from tests.browser import looks
from tests.browser.craft_pages import addresses, for_admins, url
from tests.browser.settling import settle, visit, watch
from tests.config import test_french

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TRIGGERED = "{{ api_trigger_properties.order.number }}"
# Themes and languages in pairs, each pair at both widths: every value of one meets every value of another.
LOOKS = [("light", "fr", 360), ("dark", "en", 360), ("dark", "fr", 1280), ("light", "en", 1280)]
# After which the preview and the plain text are asked for anew.
PAUSE_MS = 600
# Collects what moves without a person having done anything, from before the first paint.
WATCH_SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  if (!entry.hadRecentInput) window.shifted += entry.value;
})).observe({ type: "layout-shift", buffered: true });"""
# How far things moved until half a second after the page had loaded, which is waited for.
SHIFTED = """async () => {
  const since = performance.now() - performance.getEntriesByType("navigation")[0].loadEventEnd;
  await new Promise((done) => setTimeout(done, 500 - since));
  return window.shifted;
}"""
# Every text 40 % longer, as long languages are; what a person typed is left alone.
LENGTHEN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const words = text.data.trim();
    if (!words || text.parentElement.closest("script, style, template, textarea, code, select, [hidden]")) continue;
    text.data = text.data.trimEnd() + " " + "mot ".repeat(Math.ceil(words.length * 0.4 / 4)).trim();
  }
}"""
# What a person can read, texts and names alike, one a line.
READ = """() => {
  const read = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("script, style, template, code, iframe, [data-field]")) continue;
    for (const name of ["aria-label", "title", "placeholder", "alt"]) read.push(element.getAttribute(name) ?? "");
    for (const node of element.childNodes) if (node.nodeType === 3) read.push(node.data);
  }
  return read.map((text) => text.trim().replace(/\\s+/g, " ")).filter(Boolean);
}"""


@pytest.fixture
def marketer(transactional_db: None) -> User:
    call_command("setup_roles", verbosity=0)
    return factories.user("Marketer", name="Milo M")


@pytest.fixture
def live(marketer: User) -> Campaign:
    """Two versions, a draft beside them, and somebody to write to."""
    made = factories.published(marketer, name="Zénith")
    factories.publish_again(made, compose__subject="Yyy")
    factories.draft_of(made, compose__subject="Zzz")
    return made


@pytest.fixture
def browse(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(user: User, *, width: int = 1280, theme: str = "light", language: str = "en") -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            reduced_motion="reduce",
            locale=language,
        )
        contexts.append(context)
        User.objects.filter(pk=user.pk).update(language=language)
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
        context.add_init_script(WATCH_SHIFTS)
        page = context.new_page()
        page.set_default_timeout(10_000)
        watch(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if is_wrong(message) else None)
        return page

    def is_wrong(message: ConsoleMessage) -> bool:
        # Pictures of messages have the public address, where nobody listens here; the watching script is kept out of
        # sandboxed frames, as all scripts are.
        is_picture = message.location["url"].startswith(settings.PUBLIC_URL)
        return message.type == "error" and not is_picture and "frame is sandboxed" not in message.text

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def misfits(page: Page, english: set[str]) -> list[str]:
    """Whether the page is too wide, and which of the texts of `english` stand on it."""
    is_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found = [f"in English: {text}" for text in page.evaluate(READ) if text in english] if english else []
    return ["scrolls sideways", *found] if is_wide else found


def untranslated() -> set[str]:
    """English texts that must not stand on a French page: those that are no French of anything."""
    entries = test_french._read(test_french.CATALOGUE)
    french = {text for entry in entries for text in entry.texts}
    return {entry.source for entry in entries if entry.source not in french and "%" not in entry.source}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("theme", "language", "width"), LOOKS)
def test_every_page_is_accessible_still_and_in_one_language(
    browse: Callable[..., Page],
    marketer: User,
    live: Campaign,
    screenshot: Callable[[Page, str], Path],
    theme: str,
    language: str,
    width: int,
) -> None:
    page = browse(marketer, width=width, theme=theme, language=language)
    english = untranslated() if language == "fr" else set()
    wrong: list[str] = []
    for name, address in addresses(live).items():
        visit(page, address)
        screenshot(page, f"craft-{name}-{width}-{theme}-{language}".replace(" ", "-"))
        wrong += [f"{name}: {one}" for one in [*looks.violations(page), *misfits(page, english)]]
        shifted = page.evaluate(SHIFTED)
        if shifted > 0.02:
            wrong.append(f"{name}: moved by {shifted:.3f}")
        if page.evaluate("document.documentElement.lang") != language:
            wrong.append(f"{name}: says another language")
        if (theme, language, width) == LOOKS[-1]:
            wrong += too_wide(page, name)
    assert wrong == []


def too_wide(page: Page, name: str) -> list[str]:
    """At which widths the page scrolls sideways, as it is and with longer words, which stay in it."""
    found = []
    size = page.viewport_size
    assert size is not None
    for is_long in (False, True):
        if is_long:
            page.evaluate(LENGTHEN)
        for width in (1280, 768, 360, 320):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{name}: scrolls sideways at {width}{' with longer words' if is_long else ''}")
    page.set_viewport_size(size)
    return found


def test_what_operators_and_admins_do_is_accessible(
    browse: Callable[..., Page], live: Campaign, screenshot: Callable[[Page, str], Path]
) -> None:
    pages = for_admins(live)
    page = browse(factories.user("Admin"))
    wrong: list[str] = []
    for name, address in pages.items():
        visit(page, address)
        seen = [(1280, "light"), (360, "dark")]
        wrong += looks.wrong(page, f"craft-operator-{name}".replace(" ", "-"), looks=seen, screenshot=screenshot)
    assert wrong == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("theme", "language", "width"), LOOKS)
def test_every_layer_of_the_editor_is_accessible(
    browse: Callable[..., Page],
    marketer: User,
    live: Campaign,
    screenshot: Callable[[Page, str], Path],
    theme: str,
    language: str,
    width: int,
) -> None:
    """What opens over the editor: panel, message editor in its parts, popovers and the questions."""
    page = browse(marketer, width=width, theme=theme, language=language)
    english: set[str] = untranslated() if language == "fr" else set()
    wrong: list[str] = []

    def look(name: str, *, after_ms: int = 0) -> None:
        page.wait_for_timeout(after_ms)
        settle(page)
        screenshot(page, f"craft-layer-{name}-{width}-{theme}-{language}")
        # What a layer or the sticky head half covers is no small target; sizes are judged on the pages without layers.
        found = [one for one in looks.violations(page) if not one.startswith("target-size")]
        wrong.extend(f"{name}: {one}" for one in [*found, *misfits(page, english)])

    def opened(selector: str, name: str, *, step: str = "compose") -> None:
        page.goto(url("edit", live, step=step))
        page.wait_for_selector("html[data-editor='ready']")
        page.locator(selector).first.click()
        look(name)

    opened("[data-panel-toggle]", "panel")
    page.locator("[data-panel-toggle]").click()
    opened("[popovertarget='test-popover']:visible", "test")
    opened("[popovertarget='save-detail']", "saves")
    opened("[data-picker]", "picker")
    opened("[hx-get$='/publish/']", "publish")
    opened("[popovertarget='draft-menu']", "menu")
    page.goto(url("edit", factories.campaign(live.owner, compose__subject=TRIGGERED), step="compose"))
    page.locator("#preview [data-trigger] summary").click()
    look("trigger", after_ms=PAUSE_MS)
    page.locator("#preview label:has([data-preview-view][value='dark'])").click()
    page.locator("#preview [data-preview-dark]").select_option("gmail")
    look("gmail", after_ms=PAUSE_MS)
    page.locator("#preview [data-preview-images]").check()
    page.locator("#preview label:has([data-preview-view][value='text'])").click()
    look("preview-text", after_ms=PAUSE_MS)
    opened("[data-message-edit]", "code")
    page.locator("[name='part'][value='text']").check(force=True)
    look("text", after_ms=PAUSE_MS)
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("[name='part'][value='code']").check(force=True)
    page.locator("[name='compose.body_kind'][value='blocks']").check(force=True)
    page.locator("[data-block-list] > li").first.wait_for()
    for kind in ("text", "button", "image", "columns", "product", "social", "quote", "group"):
        page.locator("#message-editor [data-block-add]").first.select_option(kind)
        look(f"block-{kind}")
    assert wrong == []


def test_nothing_moves_while_the_editor_saves(browse: Callable[..., Page], marketer: User, live: Campaign) -> None:
    page = browse(marketer)
    for step, label in (("compose", "Subject"), ("delivery", "Speed limit"), ("audience", "Limit to")):
        page.goto(url("edit", live, step=step))
        page.wait_for_selector("html[data-editor='ready']")
        page.wait_for_timeout(1_500)
        field = page.get_by_label(re.compile(f"^{label}")).first
        field.focus()
        page.evaluate("window.shifted = 0")
        before = field.bounding_box()
        page.keyboard.type("7")
        expect(page.locator("[data-save]")).to_contain_text(re.compile(r"Saved \d\d:\d\d"), timeout=5_000)
        page.wait_for_timeout(600)
        assert field.bounding_box() == before, step
        assert page.evaluate("window.shifted") <= 0.02, step


def test_numbers_and_times_are_french_in_french(browse: Callable[..., Page], marketer: User) -> None:
    factories.people(*(f"p{n}" for n in range(1234)))
    made = factories.published(marketer)
    page = browse(marketer, language="fr")
    page.goto(url("edit", factories.draft_of(made).campaign, step="audience"))
    with translation.override("fr"):
        expect(page.locator("[data-estimate]")).to_contain_text(re.compile("1[\u202f\xa0]234"))
    assert page.evaluate("document.documentElement.lang") == "fr"


# A visible ring at what has the focus: an outline or a shadow of the focus colour, on it or around its control.
RING = """() => {
  const shows = (element) => {
    const style = getComputedStyle(element);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
  };
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  if (!element || element === document.body) return true;
  for (let n = 0; element && n < 3; n += 1, element = element.parentElement) if (shows(element)) return true;
  return document.activeElement.outerHTML.slice(0, 120);
}"""


def tab_to(page: Page, wanted: Callable[[], Locator], *, most: int = 80) -> None:
    """Press Tab until `wanted` has the focus; a stop without a visible ring fails."""
    for _press in range(most):
        page.keyboard.press("Tab")
        ring = page.evaluate(RING)
        assert ring is True, f"no focus ring: {ring}"
        found = wanted()
        if found.count() and found.first.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab never reached it")


def test_a_campaign_is_written_and_published_by_keyboard_alone(browse: Callable[..., Page], marketer: User) -> None:
    factories.sender(is_default=True)
    factories.segment(members=[factories.profile()], name="Newsletter list")
    page = browse(marketer)
    page.goto(reverse("campaigns:list"))
    page.keyboard.press("c")
    page.wait_for_url("**/campaigns/new/")
    tab_to(page, lambda: page.get_by_role("button", name=re.compile("^Blank")))
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-editor='ready']")
    expect(page.get_by_label("Subject", exact=True)).to_be_focused()
    page.keyboard.type("Written by keyboard")
    tab_to(page, lambda: page.get_by_label("Preheader", exact=True))
    page.keyboard.type("Without a mouse")
    page.keyboard.press("Alt+3")
    page.wait_for_url("**/edit/audience/")
    page.wait_for_selector("html[data-editor='ready']")
    tab_to(page, lambda: page.get_by_role("combobox", name="Send to"))
    page.keyboard.type("News")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/edit/review/")
    page.wait_for_selector("html[data-editor='ready']")
    publish = page.get_by_role("link", name="Publish and prepare…")
    tab_to(page, lambda: publish)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(publish).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    if dialog.get_by_role("checkbox").count():
        tab_to(page, lambda: dialog.get_by_role("checkbox"))
        page.keyboard.press("Space")
    tab_to(page, lambda: dialog.get_by_role("button", name="Publish and prepare"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/deliveries/"))
    made = Campaign.objects.select_related("live_version").get()
    assert made.live_version is not None
    assert made.live_version.document["compose"]["subject"] == "Written by keyboard"
