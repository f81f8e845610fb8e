"""The API tab of a campaign in a browser: copying a call, trying it, nothing axe would mind, wide and narrow."""

from collections.abc import Callable
from email import message_from_bytes, policy

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from campaigns.models import Campaign
from delivery.models import Delivery, TriggerRequest
from tests import factories, smtp_server
from tests.api.callers import Caller
from tests.browser.test_approvals import drain, mail_server  # noqa: F401  # a fixture
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
    expect(page.get_by_text(f"The message to {tester.email} is queued.")).to_be_visible()
    request = TriggerRequest.objects.get()
    assert request.trigger == {"order": {"number": "A-1042"}, "eta": "example eta"}
    expect(page.get_by_text(request.public_id.hex)).to_be_visible()
    expect(page.get_by_role("table", name="Last requests")).to_contain_text("1 of 1 person queued")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="This request in the activity log").click()
    expect(page.get_by_role("heading", name="Request to Order shipped")).to_be_visible()


def test_live_is_not_touched_by_drafts(browse: Callable[..., Page], mail_server: smtp_server.Server) -> None:  # noqa: F811
    """Editing a live campaign in the browser changes no triggered mail; publishing changes the next one."""
    operator = factories.user("Operator")
    factories.profile(external_id="u1", email="u1@example.test")
    made = factories.published(
        operator, delivery__kind="api", delivery__reeligibility="always", compose__subject="The old subject"
    )
    factories.draft_of(made)
    page = browse(operator)
    page.goto(reverse("campaigns:edit", args=[made.public_id, "compose"]))
    with page.expect_response(lambda answer: answer.url.endswith("/draft/save/") and answer.ok):
        page.get_by_label("Subject", exact=True).fill("The new subject")
    caller = Caller()
    assert subjects_after(caller, made, mail_server) == ["The old subject"]
    page.get_by_role("link", name="Publish…").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 2 is live. It is ready to be triggered.").first).to_be_visible()
    assert subjects_after(caller, made, mail_server) == ["The old subject", "The new subject"]


def subjects_after(caller: Caller, made: Campaign, server: smtp_server.Server) -> list[str]:
    """Call once and send what waits; the subjects of everything that arrived so far, in order."""
    body = {"campaign_id": str(made.public_id), "recipients": [{"external_user_id": "u1"}]}
    assert caller.post("/campaigns/trigger/send", body).status_code == 201
    for delivery in Delivery.objects.filter(state="sending"):
        drain(delivery)
    return [str(message_from_bytes(data, policy=policy.default)["Subject"]) for _to, data in server.accepted]
