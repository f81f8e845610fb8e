"""What is wrong with a page in one look only is found without loading it there."""

import pytest
from playwright.sync_api import Page

from tests.browser import looks

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BROKEN = """<!doctype html><html lang="en"><title>Broken</title><style>
  @media (prefers-color-scheme: dark) { p { color: #777; background: #666; transition: color 0.1s; } }
  @media (max-width: 400px) { h1 { width: 900px; } }
</style><main><h1>Broken</h1><p>In the dark</p></main></html>"""


def test_what_is_wrong_in_one_look_only_is_found(page: Page) -> None:
    page.set_content(BROKEN)
    found = looks.wrong(page, "broken")
    assert [one.partition(": <")[0] for one in found] == [
        "broken-1280-dark: color-contrast",
        "broken-360-dark: scrolls sideways",
        "broken-360-dark: color-contrast",
        "broken-360-light: scrolls sideways",
    ]
    assert looks.violations(page, of="main") == []
    page.set_content(BROKEN.replace("<h1>Broken</h1>", '<h1>Broken</h1><img src="data:,">'))
    assert [one.partition(":")[0] for one in looks.violations(page)] == ["image-alt"]
