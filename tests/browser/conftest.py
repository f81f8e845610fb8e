"""Pages of people who are signed in, each in a browser profile of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import User


@pytest.fixture
def browse(browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """A page of somebody; a script error or a broken content policy in any of them fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def watch(page: Page) -> None:
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)

    def open_page(
        user: User, *, width: int = 1280, theme: Any = "light", has_script: bool = True, zone: str | None = None
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            reduced_motion="reduce",
            timezone_id=zone,
            java_script_enabled=has_script,
        )
        context.on("page", watch)
        contexts.append(context)
        sign_in(context, user, live_server.url)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def sign_in(context: BrowserContext, user: User, url: str) -> None:
    """Give the context a session of `user`, without the form."""
    client = Client()
    client.force_login(user)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}])
