"""The pages of templates over HTTP: the grid, the editor, conflicts, starting a campaign, saving one as a template."""

import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from campaigns import starting
from campaigns.models import Campaign, Draft
from messaging import templates
from messaging.models import Template
from tests import factories

pytestmark = pytest.mark.django_db
GRID = reverse("campaigns:templates")
NEW_CAMPAIGN = reverse("campaigns:new")


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def desk(marketer: User) -> Client:
    return client_of(marketer)


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def url(name: str, template: Template) -> str:
    return reverse(f"campaigns:{name}", args=[template.public_id])


def form(template: Template | None = None, **fields: str) -> dict[str, str]:
    """The form of a template as the page posts it; `compose__body` for "compose.body"."""
    values = {
        "revision": str(template.revision) if template else "0",
        "name": template.name if template else "Monthly news",
        "description": template.description if template else "",
        "compose.subject": template.subject if template else "News",
        "compose.preheader": template.preheader if template else "",
        "compose.body_kind": "html",
        "compose.body": factories.HTML_BODY,
        "compose.text_mode": "generated",
        "compose.text": "",
    }
    return values | {name.replace("__", "."): value for name, value in fields.items()}


# --- the grid -----------------------------------------------------------------------------------------------


def test_the_grid_has_its_states_in_words(desk: Client, marketer: User) -> None:
    empty = desk.get(GRID).content.decode()
    assert "No templates yet" in empty
    assert "Start a campaign from it" in empty
    template = factories.template(marketer, name="Monthly news")
    starting.create(template, by=marketer)
    full = desk.get(GRID).content.decode()
    assert "Used by 1 campaign" in full
    assert "Edited by Milo Marketer" in full
    nothing = desk.get(GRID, {"q": "sumer"}).content.decode()
    assert "No template matches “sumer”." in nothing
    assert "Monthly news" not in nothing


@pytest.mark.parametrize("page", [GRID, NEW_CAMPAIGN])
def test_pages_need_the_same_queries_for_any_number_of_templates(desk: Client, marketer: User, page: str) -> None:
    counted = []
    for n in range(12):
        starting.create(factories.template(name=f"Template {n}"), by=marketer)
        if n in (0, 1, 11):  # the first fills caches
            with CaptureQueriesContext(connection) as queries:
                assert f"Template {n}" in desk.get(page).content.decode()
            counted.append(len(queries))
    assert counted[1] == counted[2]


def test_a_viewer_looks_and_is_offered_no_changes(marketer: User) -> None:
    template = factories.template(marketer, name="Monthly news")
    viewer = client_of(factories.user("Viewer"))
    grid = viewer.get(GRID).content.decode()
    assert "Monthly news" in grid
    page = viewer.get(url("template", template)).content.decode()
    assert template.subject in page
    for offered in ("New template", "Start a campaign", "Save template", "Duplicate", "Archive"):
        assert offered not in grid + page
    assert viewer.post(url("template", template), form(template, name="Mine")).status_code == 403
    assert Template.objects.get().name == "Monthly news"


def test_archiving_offers_to_undo(desk: Client, marketer: User) -> None:
    template = factories.template(marketer, name="Monthly news")
    grid = desk.post(url("template-archive", template), follow=True).content.decode()
    assert "Template “Monthly news” archived." in grid
    assert f'action="{url("template-restore", template)}"' in grid
    assert "No templates yet" in grid
    assert "Monthly news" in desk.get(GRID, {"archived": "1"}).content.decode()
    page = desk.get(url("template", template)).content.decode()
    assert "This template is archived" in page
    assert "Save template" not in page
    assert desk.post(NEW_CAMPAIGN, {"template": str(template.public_id)}).status_code == 409
    desk.post(url("template-restore", template))
    assert Template.objects.get().archived_at is None


# --- one template -------------------------------------------------------------------------------------------


def test_a_new_template_is_stored_by_save_only(desk: Client, marketer: User) -> None:
    page = desk.get(reverse("campaigns:template-new"), {"starter": "newsletter"}).content.decode()
    assert "A lead story and two more, side by side." in page
    assert not Template.objects.exists()
    answer = desk.post(reverse("campaigns:template-new"), form(compose__text_mode="own", compose__text="Own"))
    template = Template.objects.get()
    assert answer.url == url("template", template)
    assert (template.name, template.text, template.created_by) == ("Monthly news", "Own", marketer)
    assert "Template “Monthly news” saved." in desk.get(answer.url).content.decode()


def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(desk: Client, marketer: User) -> None:
    template = factories.template(marketer)
    typed = {"name": "", "compose__subject": "Typed subject", "compose__text": "Typed text"}
    answer = desk.post(url("template", template), form(template, **typed))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.count("The name is empty. Enter a name.") == 2
    assert "<title>Error: " in page
    assert "Typed subject" in page and "Typed text" in page
    assert 'data-warn-unsaved="now"' in page
    assert Template.objects.get().revision == 1


def test_broken_syntax_is_stored_and_told_with_its_line(desk: Client, marketer: User) -> None:
    template = factories.template(marketer)
    broken = "<p>one</p>\r\n<p>{% if %}</p>"
    page = desk.post(url("template", template), form(template, compose__body=broken), follow=True).content.decode()
    assert Template.objects.get().body == "<p>one</p>\n<p>{% if %}</p>"
    assert "Line 2:" in page
    assert "Line 2:" in desk.get(url("template-thumbnail", template)).content.decode()


def test_who_saves_second_is_told_and_chooses(desk: Client, marketer: User) -> None:
    template = factories.template(marketer, name="Monthly news")
    other = client_of(factories.user("Marketer", name="Mia Marketer"))
    other.post(url("template", template), form(template, compose__subject="From Mia"))
    answer = desk.post(url("template", template), form(template, compose__subject="From Milo"))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Mia Marketer saved this template at" in page
    assert 'value="From Milo"' in page
    assert 'name="revision" value="1"' in page, "pressing Save again must not replace by accident"
    assert Template.objects.get().subject == "From Mia"
    again = desk.post(url("template", template), form(template, compose__subject="From Milo"))
    assert again.status_code == 409
    desk.post(url("template", template), form(template, compose__subject="From Milo", name="Milo's", as_new="1"))
    assert set(Template.objects.values_list("name", "subject")) == {
        ("Monthly news", "From Mia"),
        ("Milo's", "From Milo"),
    }
    desk.post(url("template", template), form(template, compose__subject="From Milo", over="2"))
    assert Template.objects.get(pk=template.pk).subject == "From Milo"


def test_a_template_that_was_saved_a_thousand_times_is_saved_again(desk: Client, marketer: User) -> None:
    template = factories.template(marketer)
    Template.objects.filter(pk=template.pk).update(revision=1234)
    page = desk.get(url("template", template)).content.decode()
    (shown,) = re.findall(r'name="revision" value="([^"]*)"', page)
    answer = desk.post(url("template", template), form(template, name="Changed") | {"revision": shown})
    assert answer.status_code == 302
    assert (Template.objects.get().name, Template.objects.get().revision) == ("Changed", 1235)


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 30])
def test_an_odd_revision_is_an_old_one(desk: Client, marketer: User, revision: str) -> None:
    template = factories.template(marketer, name="Monthly news")
    answer = desk.post(url("template", template), form(template, name="Changed") | {"revision": revision})
    assert answer.status_code == 409
    assert Template.objects.get().name == "Monthly news"


@pytest.mark.parametrize("field", ["name", "description", "subject", "preheader", "body", "text"])
def test_what_people_type_is_never_markup_of_a_page(desk: Client, marketer: User, field: str) -> None:
    typed = '"></textarea></script><script>alert(1)</script>'
    template = factories.template(marketer, **{field: typed})
    for page in (url("template", template), GRID, NEW_CAMPAIGN):
        assert "<script>alert(1)" not in desk.get(page).content.decode()


def test_the_preview_shows_what_is_typed_and_stores_nothing(desk: Client, marketer: User) -> None:
    template, lea = factories.template(marketer), factories.profile(first_name="Lea")
    typed = {"compose.subject": "For {{ profile.first_name }}", "compose.body": "<p>Dear {{ profile.first_name }}</p>"}
    posted = {"as": str(lea.public_id), "fields": json.dumps(typed)}
    stored = f"?template={template.public_id}"
    for query in ("", stored):
        frame = desk.post(reverse("campaigns:template-preview", args=["html"]) + query, posted)
        assert "Dear Lea" in frame.content.decode()
        assert "sandbox" in frame["Content-Security-Policy"]
        head = desk.post(reverse("campaigns:template-preview-head") + query, posted).content.decode()
        assert ">For Lea<" in head
    assert "See the sale" in desk.get(reverse("campaigns:template-preview", args=["text"]) + stored).content.decode()
    assert desk.get(reverse("campaigns:template-preview", args=["png"])).status_code == 404
    assert Template.objects.get().revision == 1


@pytest.mark.parametrize(
    "fields",
    ["", "[]", "{", "[" * 100_000, '{"compose.colour": 1}', '{"compose.body": {"a": []}}', '{"delivery.kind": "x"}'],
)
def test_a_preview_of_nonsense_is_no_error(desk: Client, fields: str) -> None:
    assert desk.post(reverse("campaigns:template-preview-head"), {"fields": fields}).status_code == 200


def test_code_becomes_blocks_without_a_stored_template(desk: Client) -> None:
    to = reverse("campaigns:convert")
    made = desk.post(to, {"kind": "html", "to": "blocks", "body": "<p>Hi</p>"}).json()["body"]
    assert json.loads(made) == [{"type": "html", "html": "<p>Hi</p>"}]


# --- a campaign from a template, a template from a campaign -------------------------------------------------


def test_new_campaign_offers_blank_then_own_templates_then_starters(desk: Client, marketer: User) -> None:
    alone = desk.get(NEW_CAMPAIGN).content.decode()
    assert "one of your templates" not in alone
    template = factories.template(marketer, name="Monthly news")
    page = desk.get(NEW_CAMPAIGN).content.decode()
    places = [page.index(text) for text in ('value="blank"', f'value="{template.public_id}"', 'value="announcement"')]
    assert places == sorted(places)
    assert page.count('value="blank"') == 1
    assert "Search your templates" not in page
    for n in range(9):
        factories.template(marketer, name=f"Other {n}")
    assert "Search your templates" in desk.get(NEW_CAMPAIGN).content.decode()
    found = desk.get(NEW_CAMPAIGN, {"q": "monthly"}).content.decode()
    assert "Monthly news" in found
    assert "Other 1" not in found


@pytest.mark.parametrize("is_in_address", [False, True])
def test_picking_a_template_makes_the_draft_and_opens_compose(
    desk: Client, marketer: User, is_in_address: bool
) -> None:
    template = factories.template(marketer)
    chosen = {"template": str(template.public_id)}
    to = f"{NEW_CAMPAIGN}?template={template.public_id}" if is_in_address else NEW_CAMPAIGN
    answer = desk.post(to, {} if is_in_address else chosen)
    campaign = Campaign.objects.get()
    assert answer.url == reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "compose"})
    assert campaign.started_from == template
    assert Draft.objects.get().document["compose"]["body"] == template.body
    assert desk.get(answer.url).status_code == 200
    uses = desk.get(url("template", template)).content.decode()
    assert campaign.name in uses


@pytest.mark.parametrize("chosen", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_template_that_is_not_there_starts_nothing(desk: Client, chosen: str) -> None:
    assert desk.post(NEW_CAMPAIGN, {"template": chosen}).status_code == 404
    assert not Campaign.objects.exists()


def test_saving_a_campaign_as_a_template_asks_for_a_name_and_leads_to_it(desk: Client, marketer: User) -> None:
    campaign = factories.campaign(marketer, name="Autumn sale")
    to = reverse("campaigns:save-as-template", args=[campaign.public_id])
    editor = reverse("campaigns:edit", kwargs={"public_id": campaign.public_id, "step": "audience"})
    assert f'hx-get="{to}" hx-target="#dialog" data-needs-save' in desk.get(editor).content.decode()
    here = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{editor}"}
    asked = desk.get(to, headers=here).content.decode()
    assert 'value="Autumn sale"' in asked
    assert f'name="back" value="{editor}"' in asked
    answer = desk.post(to, {"name": "Kept <b>", "back": editor})
    template = Template.objects.get()
    assert (answer.url, template.name, template.subject) == (editor, "Kept <b>", "Autumn sale")
    page = desk.get(editor).content.decode()
    assert "Saved as template “Kept &lt;b&gt;”." in page
    assert f'<a href="{url("template", template)}">' in page


def test_a_template_without_a_name_is_not_made_and_no_foreign_address_is_followed(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    to = reverse("campaigns:save-as-template", args=[campaign.public_id]) + "?from=live"
    asked = desk.post(to, {"name": "  ", "back": "https://evil.test/campaigns/"})
    assert asked.status_code == 422
    assert "The name is empty. Enter a name." in asked.content.decode()
    assert not Template.objects.exists()
    own = reverse("campaigns:detail", args=[campaign.public_id])
    assert desk.post(to, {"name": "Kept", "back": f"https://evil.test{own}"}).url == own
    assert desk.post(to, {"name": "Kept", "back": "//evil.test/"}).url == own
    assert templates.page().paginator.count == 2
