"""Keys and documentation in a real browser: a key from the dialog to its only showing, and nothing axe would mind."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts import roles
from api import keys
from api.models import ApiKey
from tests import factories
from tests.browser.looks import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_key_is_made_in_a_dialog_and_shown_once(browse: Callable[..., Page]) -> None:
    roles.sync()
    page = browse(factories.user("Admin"))
    page.goto(reverse("api:keys"))
    page.get_by_role("link", name="Create key").first.click()
    dialog = page.get_by_role("dialog", name="Create API key")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    assert violations(page) == []
    dialog.get_by_label("Name", exact=True).fill("shop-prod")
    dialog.get_by_label("Trigger a campaign now").check()
    dialog.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="Copy this key now")).to_be_visible()
    token = page.locator("[data-copy-value]").inner_text()
    found = keys.find(token)
    assert found is not None and found.scopes == ["campaigns.trigger.send"]
    assert violations(page) == []
    page.get_by_role("link", name="I have saved it").click()
    page.get_by_role("link", name="Revoke… shop-prod").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("Calls with it are refused from now on").first).to_be_visible()
    assert token not in page.content() and ApiKey.objects.get().revoked_at is not None
    assert violations(page) == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_the_documentation_fits_and_is_accessible(browse: Callable[..., Page], width: int, theme: str) -> None:
    roles.sync()
    page = browse(factories.user("Viewer"), width=width, theme=theme)
    page.goto(f"{reverse('api:developers')}#campaigns_list")
    expect(page.get_by_role("heading", name="/campaigns/list")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []
    example = page.locator("section[aria-labelledby=campaigns_list]").get_by_text("Python")
    example.click()
    expect(page.get_by_text("import requests").locator("visible=true")).to_have_count(1)
