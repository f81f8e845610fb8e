"""What every test gets: a database with roles, loopback-only sockets, and a browser on request."""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from django.utils import timezone, translation
from playwright.sync_api import Browser, Page, sync_playwright

from accounts import roles
from lib import memory
from tests import chromium, flushing

BROWSER_TESTS = Path(__file__).parent / "browser"
_LOOPBACK = ("127.", "::1", "localhost")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests are marked by their folder and come last, those of craft first of them, which take longest.

    Playwright leaves its event loop running in this thread, and no other can be started beside it. The long ones are
    not the very last, so that no process works alone at the end.
    """
    for item in items:
        if BROWSER_TESTS in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: (BROWSER_TESTS in item.path.parents, item.path.stem != "test_craft"))


def pytest_collection_finish() -> None:
    """What was imported stays; the collector needs not walk over it hundreds of times."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One loud line at the end when browser tests did not run."""
    skipped = terminalreporter.stats.get("skipped", [])
    if any(chromium.MISSING in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"!!! {chromium.MISSING}", red=True, bold=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Roles and their permissions exist in every test, as they do in every installation."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        roles.sync()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: flushing.flush())
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_on_demand() -> None:
    """Every test client builds the middleware anew; a scan of all static files each time took half of the suite."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _own_roles(request: pytest.FixtureRequest) -> None:
    """Tests with real transactions empty the tables after themselves, except those of roles, which one may change."""
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and marker.kwargs.get("transaction"):
        request.getfixturevalue("transactional_db")
        roles.sync()


@pytest.fixture(autouse=True)
def _own_memory() -> None:
    """What a process remembers for a second may be of another test's database."""
    memory.forget()


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request leaves its person's language and time zone active in the thread; the next test starts without them."""
    translation.activate(settings.LANGUAGE_CODE)
    timezone.deactivate()
    yield
    translation.activate(settings.LANGUAGE_CODE)
    timezone.deactivate()


@pytest.fixture(autouse=True)
def _quiet_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test in a browser no page is open and no request is under way when its database is emptied.

    Pages poll; a request that holds a lock while another waits for a table that is emptied would be a deadlock.
    """
    if "live_server" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("live_server")
    opened = request.getfixturevalue("browser") if "browser" in request.fixturenames else None
    yield
    for context in opened.contexts if opened else ():
        context.close()
    end = time.monotonic() + 10
    while time.monotonic() < end and any("process_request_thread" in thread.name for thread in threading.enumerate()):
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine fails at the line that tries."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise RuntimeError(f"A test tried to connect to {address[0]}. Tests stay on this machine.")

    def guarded(self: socket.socket, address: Any) -> None:
        check(address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        check(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, one per run; the test is skipped where there is none."""
    program = chromium.find()
    if program is None:
        if chromium.is_required():
            pytest.fail("No Chromium was found and REQUIRE_BROWSER=1 asks for one.")
        pytest.skip(chromium.MISSING)
    # Playwright runs an event loop in this thread, where Django would refuse to touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(program), args=chromium.ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, live_server: Any) -> Iterator[Page]:
    """A fresh page of a fresh session against the live server."""
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(10_000)
    yield page
    context.close()


@pytest.fixture
def screenshot() -> Callable[[Page, str], Path]:
    """With SCREENSHOTS=1, store a picture of the page under tests/browser/screenshots/ for people to look at."""
    folder = BROWSER_TESTS / "screenshots"

    def take(page: Page, name: str) -> Path:
        path = folder / f"{name}.png"
        if os.environ.get("SCREENSHOTS") == "1":
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(path), full_page=True)
        return path

    return take
