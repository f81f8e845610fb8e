"""The inbox in a real browser: looking at a message and clicking in it do what they do in a mail app, and no more."""

from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import Page

from messaging import content, inbox
from messaging.channels import email
from messaging.models import CaughtMessage
from tests import factories
from tests.browser import looks

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BODY = (
    "<html><head></head><body><h1>Hello {{ profile.first_name }}</h1><script>document.title = 'broken out'</script>"
    '<a href="https://shop.test/sale">See the sale</a> <form action="/x"><button>Send</button></form></body></html>'
)


def sign_in(page: Page, role: str) -> None:
    person = factories.user(role)
    page.goto("/accounts/sign-in/")
    page.fill("#id_username", person.email)
    page.fill("#id_password", factories.PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)


def catch(live_server: Any) -> CaughtMessage:
    with override_settings(PUBLIC_URL=live_server.url):
        message = content.draft_message(factories.content_spec(body=BODY, subject="In the browser"))
        program = email.compile(message, delivery_id=1, delivery_ref="ref", campaign={})
        data = program.render(factories.person(first_name="Lea")).data
    inbox.store([inbox.Caught("shop@shop.test", "lea@example.test", data[:-3].replace(b"\r\n..", b"\r\n."))])
    return CaughtMessage.objects.get()


def test_opening_a_message_loads_its_pixel_and_clicking_follows_its_link(page: Page, live_server: Any) -> None:
    row = catch(live_server)
    sign_in(page, "Viewer")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto("/inbox/")
    page.click("text=In the browser")
    frame = page.frame_locator("iframe")
    assert frame.locator("h1").inner_text() == "Hello Lea"
    page.wait_for_load_state("networkidle")
    assert any(f"{live_server.url}/o/" in url for url in asked)
    with page.context.expect_page() as opened:
        frame.locator("text=See the sale").click()
    opened.value.wait_for_load_state()
    assert any(f"{live_server.url}/c/" in url for url in asked)
    assert page.title() == "In the browser – Chappe"
    assert frame.locator("body").evaluate("() => document.title") != "broken out"
    page.goto(f"/inbox/{row.public_id}/html/")
    assert page.title() != "broken out"


def test_the_frame_sends_no_forms(page: Page, live_server: Any) -> None:
    row = catch(live_server)
    sign_in(page, "Viewer")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto(f"/inbox/{row.public_id}/")
    page.frame_locator("iframe").locator("button").click()
    page.wait_for_timeout(300)
    assert not any(url.startswith(f"{live_server.url}/x") for url in asked)


def test_inbox_and_settings_are_accessible_and_fit(page: Page, live_server: Any) -> None:
    row, sender = catch(live_server), factories.sender()
    sign_in(page, "Admin")
    message = f"/inbox/{row.public_id}/"
    pages = ["/inbox/", "/inbox/?q=nobody", "/settings/senders/", "/settings/senders/new/", "/settings/sending/"]
    pages += ["/settings/webhooks/", "/settings/webhooks/events/"]
    pages += [message, *(f"{message}?tab={tab}" for tab in ("text", "headers", "source"))]
    pages.append(f"/settings/senders/{sender.public_id}/")
    for url in pages:
        page.goto(url)
        assert looks.wrong(page, url, rules=None) == []
