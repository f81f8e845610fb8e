"""The API tab of a campaign in a browser: copying a call, trying it, nothing axe would mind, wide and narrow."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from delivery.models import TriggerRequest
from tests import factories
from tests.browser.test_delivery import axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SUBJECT = "Order {{ api_trigger_properties.order.number }}, {{ api_trigger_properties.eta }}"


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_a_call_is_copied_and_tried_in_two_clicks_from_the_campaign(
    browse: Callable[..., Page], width: int, theme: str
) -> None:
    operator = factories.user("Operator")
    tester = factories.profile(is_test=True, email="tester@example.test")
    made = factories.published(operator, delivery__kind="api", compose__subject=SUBJECT, name="Order shipped")
    page = browse(operator, width=width, theme=theme)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(reverse("campaigns:detail", args=[made.public_id]))
    page.get_by_role("navigation", name="Campaign").get_by_role("link", name="API").click()
    expect(page.get_by_text("Ready to be triggered.")).to_be_visible()
    page.get_by_role("button", name="Copy cURL").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl '") and str(made.public_id) in copied and '"number": "example number"' in copied
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("order.number").fill("A-1042")
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text(f"The message to {tester.email} goes out now.")).to_be_visible()
    request = TriggerRequest.objects.get()
    assert request.trigger == {"order": {"number": "A-1042"}, "eta": "example eta"}
    expect(page.get_by_text(request.public_id.hex)).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="This request in the activity log").click()
    expect(page.get_by_role("heading", name="Request to Order shipped")).to_be_visible()
