"""The rule builder, its live count and an import, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import Page, expect

from audiences import import_runs, tasks
from audiences.models import Profile, ProfileImport, Segment
from tests import factories
from tests.browser import looks
from tests.browser.settling import visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _roles(transactional_db: None) -> None:
    """Roles are truncated with each live-server test."""
    call_command("setup_roles", verbosity=0)


@pytest.fixture
def marketer(page: Page, live_server: Any) -> Page:
    client = Client()
    client.force_login(factories.user("Marketer"))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.problems = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.problems.append(str(error)))  # type: ignore[attr-defined]
    page.on("console", lambda line: page.problems.append(line.text) if line.type == "error" else None)  # type: ignore[attr-defined]
    return page


RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]


def accessible(page: Page) -> list[str]:
    return looks.violations(page, rules=RULES)


def rule(page: Page) -> Any:
    return json.loads(page.locator("[name=rule]").input_value())


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth === document.documentElement.clientWidth"))


def test_a_rule_is_built_counted_and_saved(marketer: Page) -> None:
    page = marketer
    factories.attribute("spend", "number")
    for country, spend in (("FR", 10), ("FR", 300), ("BE", 300), ("DE", 300)):
        factories.profile(country=country, attributes={"spend": spend})
    page.goto("/segments/new/")
    page.get_by_label("Name", exact=True).fill("Good customers")
    page.get_by_role("button", name="Condition", exact=True).click()
    expect(page.get_by_label("What to ask about")).to_be_focused()
    page.get_by_label("What to ask about").select_option("profile.country")
    page.get_by_label("Values, separated by commas").fill('FR, "BE", ')
    expect(page.locator(".estimate__total")).to_have_text("About 3 people")
    page.get_by_role("button", name="Condition", exact=True).click()
    second = page.locator(".rules__rule").nth(1)
    second.get_by_label("What to ask about").select_option("attributes.spend")
    second.get_by_label("How to compare").select_option("gt")
    second.get_by_label("Number").fill("99,5")
    expect(page.locator(".estimate__total")).to_have_text("About 2 people")
    expect(page.locator("#segment-words")).to_have_text(
        "people whose country is FR or BE and whose spend is more than 99.5"
    )
    country = {"field": "profile.country", "op": "is", "value": ["FR", "BE"]}
    spend_rule = {"field": "attributes.spend", "op": "gt", "value": 99.5}
    assert rule(page) == {"match": "all", "rules": [country, spend_rule]}
    page.get_by_label("How the conditions are joined").select_option("any")
    expect(page.locator("[data-word-slot]").nth(1)).to_have_text("or")
    second.get_by_role("button", name="Move condition up").click()
    assert rule(page) == {"match": "any", "rules": [spend_rule, country]}
    expect(page.locator(".estimate__total")).to_have_text("About 4 people")
    assert accessible(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Good customers")
    saved = Segment.objects.get()
    assert saved.rule == {"match": "any", "rules": [spend_rule, country]}
    assert saved.n_people == 4
    assert rule(page) == saved.rule
    assert page.problems == []  # type: ignore[attr-defined]


def test_a_rule_is_built_with_the_keyboard_alone(marketer: Page) -> None:
    page = marketer
    page.goto("/segments/new/")
    page.get_by_role("button", name="Condition", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("country")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("FR")
    assert rule(page)["rules"] == [{"field": "profile.country", "op": "is", "value": ["FR"]}]
    page.get_by_role("button", name="Group", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("What to ask about").nth(1)).to_be_focused()
    assert rule(page)["rules"][1] == {"match": "any", "rules": [{"field": "", "op": ""}]}
    page.get_by_role("button", name="Remove group").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("What to ask about")).to_be_focused()
    page.get_by_role("button", name="Remove condition").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Condition", exact=True)).to_be_focused()
    assert rule(page) is None


def test_segments_are_chosen_as_values_and_a_gone_field_stays_visible(marketer: Page) -> None:
    page = marketer
    inner = factories.segment(members=[factories.profile()], name="Spring fair")
    group = {
        "match": "all",
        "rules": [
            {"field": "segment.in", "op": "is", "value": [str(inner.public_id)]},
            {"field": "attributes.gone", "op": "is", "value": ["x"]},
            {"field": "consent.email", "op": "is_not", "value": ["unsubscribed"]},
        ],
    }
    outer = factories.segment(group, name="Outer")
    page.goto(f"/segments/{outer.public_id}/")
    expect(page.locator(".rules__value .chips").first).to_contain_text("Spring fair")
    expect(page.get_by_label("What to ask about").nth(1).locator("option:checked")).to_have_text(
        "gone (doesn't exist any more)"
    )
    expect(page.locator(".estimate")).to_contain_text("“gone” doesn't exist any more.")
    page.get_by_role("button", name="Remove condition").nth(1).click()
    expect(page.locator(".estimate__total")).to_have_text("About 1 person")
    assert [one["field"] for one in rule(page)["rules"]] == ["segment.in", "consent.email"]
    assert rule(page)["rules"][0]["value"] == [str(inner.public_id)]
    page.get_by_role("textbox", name="Email address").or_(page.get_by_role("searchbox", name="Email address")).fill(
        "nobody@example.test"
    )
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#membership-answer")).to_contain_text("Nobody here has the address nobody@example.test.")
    page.get_by_role("button", name="View sample").click()
    expect(page.locator("#sample")).to_contain_text("@example.test")


def test_a_file_is_imported_and_watched(marketer: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = marketer
    monkeypatch.setattr(tasks.run_import, "delay", lambda import_id: None)
    path = tmp_path / "people.csv"
    path.write_text(
        "email,first_name,plan\n" + "".join(f"p{i}@example.test,P{i},pro\n" for i in range(50)) + "bad,B,pro\n"
    )
    page.goto("/profiles/import/")
    page.get_by_label("CSV file").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="Dry run")).to_be_visible()
    assert accessible(page) == []
    expect(page.get_by_label("Name of the new list")).to_be_hidden()
    page.get_by_label("Add them to a list").select_option("new")
    page.get_by_label("Name of the new list").fill("Spring fair")
    expect(page.get_by_label("Name of the attribute for first_name")).to_be_hidden()
    page.get_by_role("button", name="Start import").click()
    expect(page.get_by_text("You can leave this page; the import goes on.")).to_be_visible()
    import_runs.run(ProfileImport.objects.get().pk)
    expect(page.get_by_role("link", name="Download refused rows")).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("50")
    assert Profile.objects.count() == 50
    assert accessible(page) == []
    assert page.problems == []  # type: ignore[attr-defined]


def test_a_count_that_fails_offers_another_try(marketer: Page) -> None:
    page = marketer
    segment = factories.segment({"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]})
    page.route("**/audience/estimate/", lambda route: route.abort())
    page.goto(f"/segments/{segment.public_id}/")
    expect(page.get_by_text("Couldn't count.")).to_be_visible()
    page.unroute("**/audience/estimate/")
    factories.profile()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".estimate__total")).to_have_text("About 1 person")
    expect(page.get_by_text("Couldn't count.")).to_be_hidden()


def test_pages_fit_and_are_accessible(marketer: Page) -> None:
    page = marketer
    person = factories.profile(email="a" * 60 + "@" + "b" * 60 + ".example.test", attributes={"note": "x" * 300})
    inner = {"match": "any", "rules": [{"field": "profile.country", "op": "is", "value": ["FR"]}]}
    deep = factories.segment(
        {"match": "all", "rules": [{"match": "all", "rules": [inner]}, *inner["rules"]]}, name="N" * 100
    )
    for url in (
        "/profiles/",
        "/profiles/?q=zz",
        f"/profiles/{person.public_id}/",
        "/profiles/import/",
        "/segments/",
        f"/segments/{deep.public_id}/",
    ):
        visit(page, url)
        assert looks.wrong(page, url, looks=[(1280, "dark"), (360, "light")], rules=RULES) == []
    assert page.problems == []  # type: ignore[attr-defined]
