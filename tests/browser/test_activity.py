"""The activity log and one request in a browser: no violations, no sideways scroll, light and dark, wide and narrow."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from audiences import identities
from campaigns import lifecycle, triggering
from delivery import refused_calls, requests
from delivery.models import RefusedCall
from delivery.requests import Call, Recipient
from messaging.attachments import File
from tests import factories
from tests.browser.test_delivery import axe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_the_log_and_a_request(browse: Callable[..., Page], width: int, theme: str) -> None:
    operator = factories.user("Operator")
    for n in range(3):
        factories.profile(external_id=f"u{n}", email=f"somebody.with.a.long.address.{n}@customers.shop.test")
    made = factories.published(operator, delivery__kind="api", name="Order shipped")
    people: list[Any] = [Recipient(identities.Name("external_user_id", f"u{n}"), trigger={"n": n}) for n in range(4)]
    call = Call(recipients=tuple(people), trigger={"order": {"number": "A-1042"}}, key_label="shop-prod")
    request = triggering.trigger(str(made.public_id), call).request
    triggering.trigger(str(made.public_id), call)
    added = factories.message(headers={"X-Long": "x" * 300}, extras={"order": "17"}, bcc="archive@shop.test")
    own = factories.delivery(message=added)
    files = (File(f"Invoice-{'x' * 100}.pdf", "application/pdf", b"x"),)
    brought = requests.record(requests.Origin("api", "x", "Your order"), Call(files=files), delivery=own)
    page = browse(operator, width=width, theme=theme)
    pages = {
        "request": reverse("delivery:activity-request", args=[request.public_id]),
        "added": reverse("delivery:activity-request", args=[brought.public_id]),
        "campaign": reverse("campaigns:detail", args=[made.public_id]),
    }
    for name, address in pages.items():
        page.goto(address)
        assert axe(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    lifecycle.stop(made.pk, by=operator)
    page.goto(pages["request"])
    assert page.get_by_text("Cancelled").count() == 3


def refuse() -> RefusedCall:
    asked = {"campaign_id": "x", "recipients": [{"external_user_id": "…"}]}
    return refused_calls.keep(
        refused_calls.Refusal("POST", "/campaigns/trigger/send", 400, "bad_request", "No.", asked=asked)
    )


def test_new_lines_come_by_themselves_and_wait_while_somebody_reads(browse: Callable[..., Page]) -> None:
    refuse()
    page = browse(factories.user("Viewer"))
    page.goto(reverse("delivery:activity"))
    lines, held = page.locator("tr[data-key]"), page.locator("[data-tail-held]")
    page.get_by_role("switch", name="Live tail").check()
    refuse()
    expect(lines).to_have_count(2)
    lines.first.hover()
    refuse()
    expect(held).to_contain_text("1 new.")
    expect(lines).to_have_count(2)
    held.get_by_role("button", name="Show").click()
    expect(lines).to_have_count(3)
    expect(held).to_be_hidden()
    page.get_by_role("switch", name="Live tail").uncheck()
    lines.first.get_by_role("link").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Nothing of this call was done.")
    assert axe(page) == []
