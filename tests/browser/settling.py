"""Waiting until a page is what it will be, for tests that look at whole pages, where no one thing tells it is there."""

import time
from weakref import WeakKeyDictionary

from playwright.sync_api import Page, Request

# How long no request may run before a page counts as settled, and the longest wait for it.
QUIET_S = 0.1
MOST_S = 10.0
# Fonts are there, what moves has arrived, and both were painted. What moves for ever is not waited for.
_STILL = """async () => {
  await document.fonts.ready;
  const moving = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime < 10_000);
  await Promise.all(moving.map((one) => one.finished.catch(() => {})));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
_running: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()


def watch(page: Page) -> set[Request]:
    """The requests of `page` that run, from now on."""
    if page not in _running:
        running = _running[page] = set()
        page.on("request", lambda request: running.add(request))
        page.on("requestfinished", lambda request: running.discard(request))
        page.on("requestfailed", lambda request: running.discard(request))
    return _running[page]


def settle(page: Page) -> None:
    """Return when the page, which is watched, asks for nothing any more and stands still."""
    running = watch(page)
    deadline = time.monotonic() + MOST_S
    quiet_since = time.monotonic()
    while (now := time.monotonic()) < min(deadline, quiet_since + QUIET_S):
        page.wait_for_timeout(20)
        if running:
            quiet_since = time.monotonic()
    assert now < deadline, f"{page.url} does not settle: {[request.url for request in running]}"
    stand(page)


def stand(page: Page) -> None:
    """Return when nothing that moves is still on its way, and all of it was painted."""
    page.evaluate(_STILL)


def visit(page: Page, address: str) -> None:
    """Go there and let it settle."""
    watch(page).clear()
    page.goto(address)
    settle(page)
