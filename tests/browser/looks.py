"""A page as people look at it: what axe finds on it and whether it fits, on a desk and a phone, in each theme."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser import settling

AXE = (Path(__file__).parent / "vendor/axe-4.14.1.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Widths and themes. A phone comes last, so that what a test does next is done, and what it opens next is loaded, there.
LOOKS: list[tuple[int, Any]] = [(1280, "light"), (1280, "dark"), (360, "dark"), (360, "light")]
# What passes is not described, which takes a third of the time. Frames, which no script of ours can reach, would be
# waited for half a second each; the message in them is the author's.
_OPTIONS = {"resultTypes": ["violations"], "iframes": False}
_RUN = """async ([of, options]) => (await axe.run(of ?? document, options)).violations
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 160)}`))"""


def violations(page: Page, *, of: str | None = None, rules: Sequence[str] | None = RULES) -> list[str]:
    """What axe finds on the page, or in `of`, a line for each place; None for all rules."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options = _OPTIONS if rules is None else {**_OPTIONS, "runOnly": list(rules)}
    found: list[str] = page.evaluate(_RUN, [of, options])
    return found


def each(page: Page, looks: Sequence[tuple[int, Any]] = LOOKS) -> Iterator[tuple[int, str]]:
    """The page, loaded once, in one look after the other, as when its window or the theme of the system changes."""
    for width, theme in looks:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=theme)
        settling.stand(page)
        yield width, theme


def wrong(
    page: Page,
    name: str,
    *,
    looks: Sequence[tuple[int, Any]] = LOOKS,
    screenshot: Callable[[Page, str], Path] | None = None,
    of: str | None = None,
    rules: Sequence[str] | None = RULES,
) -> list[str]:
    """What is wrong with the page in any of the looks; the last one stays."""
    found = []
    for width, theme in each(page, looks):
        look = f"{name}-{width}-{theme}"
        if screenshot is not None:
            screenshot(page, look)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{look}: scrolls sideways")
        found += [f"{look}: {one}" for one in violations(page, of=of, rules=rules)]
    return found
