"""What the message editor asks while somebody writes, the preview with its options, and the facts beside the editor."""

import json
import time
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from audiences import completeness
from campaigns.models import Campaign, Draft
from campaigns.views import frames
from messaging import samples, unclosed
from tests import factories

pytestmark = pytest.mark.django_db
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
MISMATCH = "The end tag doesn't match the tag that is open."


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def campaign(marketer: User) -> Campaign:
    return factories.campaign(marketer)


@pytest.fixture
def desk(client: Client, marketer: User) -> Client:
    client.force_login(marketer)
    cache.delete("audiences.completeness")
    return client


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def store(campaign: Campaign, **fields: object) -> None:
    draft = Draft.objects.get(campaign=campaign)
    draft.document["compose"] |= fields
    draft.save(update_fields=["document"])


# --- problems by line, generated text ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("html", "<p>\n{% if x %}</p>", [(2, "error", "Line 2: `{% if %}` is not closed.")]),
        ("mjml", "<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>", [(3, "error", f"Line 3: {MISMATCH}")]),
        ("html", "<div>\n<b>Hi</div>" + FOOTER, [(2, "warning", "<b> is not closed.")]),
        ("html", "<p>Hi\n</i></p>" + FOOTER, [(2, "warning", "</i> has nothing to close.")]),
        ("html", "<p>\n{{ profile.x }}</p>" + FOOTER, [(2, "error", "“profile.x” doesn't exist. Choose a field.")]),
        ("html", "<p>Hi</p>" + FOOTER, []),
        ("html", "", []),
        ("nothing", "<p>", []),
        ("blocks", '[{"type": "text", "html": "{% if x %}"}]', []),
    ],
)  # fmt: skip
def test_problems_of_the_code_have_lines(
    desk: Client, campaign: Campaign, kind: str, body: str, expected: list[tuple[int, str, str]]
) -> None:
    answer = desk.post(reverse("campaigns:lint"), {"kind": kind, "body": body})
    assert [(p["line"], p["level"], p["message"]) for p in answer.json()["problems"]] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>one<p>two<br><img src=x><li>three<td>", []),
        ("{% if x %}<div>{% else %}<div class=b>{% endif %}</div>", []),
        ("<!-- <div> --><style>a > b {} <i></style>", []),
        ("<div><span></div></span>", [(1, "<span> is not closed."), (1, "</span> has nothing to close.")]),
        ('<a href="x>y">z</a>', []),
        ("<div " * 50_000, []),
        ("<b>" * 50_000, [(1, "<b> is not closed.")] * 20),
    ],
)  # fmt: skip
def test_elements_left_open_are_found_in_linear_time(body: str, expected: list[tuple[int, str]]) -> None:
    assert unclosed.find(factories.content_spec(body=body)) == expected


def test_the_plain_text_is_made_from_what_is_typed(desk: Client, campaign: Campaign) -> None:
    answer = desk.post(reverse("campaigns:plain-text"), {"kind": "html", "body": "<p>Hi {{ profile.first_name }}</p>"})
    assert answer.json() == {"text": "Hi {{ profile.first_name }}\n"}
    broken = desk.post(reverse("campaigns:plain-text"), {"kind": "mjml", "body": "<mjml><mj-body></mjml>"})
    assert broken.status_code == 422
    assert broken.json()["message"] == MISMATCH


# --- fields and people ------------------------------------------------------------------------------------------


def test_each_field_comes_with_its_share_and_an_example(
    desk: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    factories.attribute("plan")
    lea = factories.profile(first_name="Lea", city="Lyon", attributes={"plan": "pro"})
    for n in range(4):
        factories.profile(first_name="" if n else "Ann", attributes={})
    with django_assert_max_num_queries(12):
        known = desk.get(reverse("campaigns:fields"), {"as": str(lea.public_id)}).json()
    assert known["profile.first_name"] == {"share": "40 %", "example": "Lea"}
    assert known["profile.plan"] == {"share": "20 %", "example": "pro"}
    assert known["profile.phone"] == {"share": "0 %", "example": ""}
    assert known["profile.email"]["share"] == "100 %"


def test_shares_are_counted_once_and_nobody_has_none(desk: Client, django_assert_num_queries: Any) -> None:
    assert completeness.shares() == {}
    for n in range(200):
        factories.profile(first_name="" if n == 7 else "Ann")
    assert completeness.shares()["profile.first_name"] == 199 / 200
    with django_assert_num_queries(1):
        assert completeness.shares()["profile.first_name"] == 199 / 200


def test_almost_everybody_is_not_everybody(desk: Client, campaign: Campaign) -> None:
    for n in range(300):
        factories.profile(first_name="" if n == 7 else "Ann", city="Lyon" if n == 3 else "")
    known = desk.get(reverse("campaigns:fields")).json()
    assert (known["profile.first_name"]["share"], known["profile.city"]["share"]) == ("99 %", "1 %")


def test_test_profiles_come_first_and_anybody_can_be_found(desk: Client, campaign: Campaign) -> None:
    seed = factories.profile(email="seed@chappe.test", first_name="Seed", is_test=True)
    for n in range(20):
        factories.profile(email=f"new{n}@example.test")
    old = factories.profile(email="zora@example.test", first_name="Zora", last_name="Old")
    page = desk.get(url("edit", campaign, step="compose"))
    people = page.context["people"]
    assert people[0].value == str(seed.public_id) and people[0].label.endswith(", test profile")
    assert 'name="to" value="seed@chappe.test"' in page.text
    found = desk.get(reverse("campaigns:people"), {"q": "zor"}).json()["people"]
    assert found == [{"value": str(old.public_id), "label": "Zora Old (zora@example.test)"}]
    assert desk.get(reverse("campaigns:people"), {"q": " "}).json() == {"people": []}


# --- preview ----------------------------------------------------------------------------------------------------


def preview(desk: Client, campaign: Campaign, name: str = "preview-head", **more: Any) -> str:
    kwargs = {} if name == "preview-head" else {"variant": more.pop("variant", "html")}
    return desk.post(url(name, campaign, **kwargs), more).text


def test_the_foot_counts_size_links_and_images(desk: Client, campaign: Campaign) -> None:
    body = (
        '<p><a href="https://a.test">a</a><a href="mailto:x@a.test">m</a><img src="https://a.test/i.png"></p>' + FOOTER
    )
    shown = preview(desk, campaign, fields=json.dumps({"compose.body": body}))
    assert "1 KB of 102 KB" in shown and "1 link" in shown and "1 image" in shown
    assert "1 image has no alternative text" in shown
    big = preview(desk, campaign, fields=json.dumps({"compose.body": f"<p>{'word ' * 25_000}</p>"}))
    assert "123 KB of 102 KB" in big and "is-warning" in big


def test_a_broken_line_can_be_gone_to_by_those_who_edit(desk: Client, campaign: Campaign, client: Client) -> None:
    fields = json.dumps({"compose.body": "<p>\n{% if x %}</p>"})
    shown = preview(desk, campaign, fields=fields)
    assert "Line 2: `{% if %}` is not closed." in shown
    assert 'data-preview-goto="body" data-line="2"' in shown
    subject = preview(desk, campaign, fields=json.dumps({"compose.subject": "{{ x"}))
    assert "`{{` is not closed." in subject and "Line" not in subject
    client.force_login(factories.user("Viewer"))
    assert "data-preview-goto" not in preview(client, campaign, fields=fields)


def test_sample_properties_are_used_and_never_stored(desk: Client, campaign: Campaign) -> None:
    store(campaign, subject="Order {{ api_trigger_properties.order.number }}")
    before = Draft.objects.get(campaign=campaign)
    samples_typed = json.dumps({"order.number": "1042", "x": "[1, 2]"})
    shown = preview(desk, campaign, trigger=samples_typed)
    assert "Order 1042" in shown
    assert 'data-trigger-names="[&quot;order.number&quot;]"' in shown
    after = Draft.objects.get(campaign=campaign)
    assert (after.revision, after.document) == (before.revision, before.document)
    for odd in ("{", "[]", "7", "[" * 200_000, "x" * 200_000):
        assert "Order" in preview(desk, campaign, trigger=odd)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"a.b": "x", "a.c": "2"}, {"a": {"b": "x", "c": 2}}),
        ({"items": '[{"name": "Lamp"}]'}, {"items": [{"name": "Lamp"}]}),
        ({"a": '{"b": 1}', "a.c": "true"}, {"a": {"b": 1, "c": True}}),
        ({"a": "text", "a.b": "lost"}, {"a": "text"}),
        ({"a": "007", "b": "1.50 €", "c": "{x"}, {"a": "007", "b": "1.50 €", "c": "{x"}),
        ({"a": None, "b": 7}, {"a": None, "b": 7}),
    ],
)
def test_typed_samples_become_values(typed: dict[str, Any], expected: dict[str, Any]) -> None:
    assert samples.nested(typed) == expected


def test_properties_are_found_in_every_part_and_in_blocks() -> None:
    spec = factories.content_spec(
        subject="{{ api_trigger_properties.a }}", preheader="{{ api_trigger_properties.b.c }}", body_kind="blocks",
        body=json.dumps([{"type": "product", "title": "{{ api_trigger_properties.product.name }}"}]),
        text="{% for one in api_trigger_properties.items %}{{ one.name }}{% endfor %}",
    )  # fmt: skip
    assert samples.names(spec) == ["a", "b.c", "product.name", "items"]
    assert samples.names(factories.content_spec(subject="{{", body_kind="blocks", body="{")) == []


def test_dark_has_two_modes_and_images_can_be_off(desk: Client, campaign: Campaign) -> None:
    style = "<head><style>@media (prefers-color-scheme: dark) { p { color: red } }</style></head>"
    store(campaign, body=f"<html>{style}<body><p>Hi</p></body></html>")
    apple = preview(desk, campaign, "preview", variant="dark")
    gmail = preview(desk, campaign, "preview", variant="gmail")
    assert "@media all" in apple and "invert(" not in apple
    assert "@media not all" in gmail and "invert(1)" in gmail
    off = desk.post(url("preview", campaign, variant="html"), {"images": "off"})
    assert "img-src 'none'" in off["Content-Security-Policy"]
    assert (
        "img-src data: http: https:" in desk.post(url("preview", campaign, variant="html"))["Content-Security-Policy"]
    )


# --- beside the editor ------------------------------------------------------------------------------------------


@pytest.mark.timeout(30)
def test_a_hostile_style_sheet_is_looked_through_in_linear_time() -> None:
    started = time.perf_counter()
    for piece in ("@media(", "@media screen and (  "):
        frames.dark(piece * 100_000)
    assert time.perf_counter() - started < 5
    assert frames.dark("<head><style>@media screen and (prefers-color-scheme: dark) {}") == (
        '<head><meta name="color-scheme" content="dark"><style>@media all {}'
    )


def test_checks_and_info_stand_beside_every_step(desk: Client, campaign: Campaign, marketer: User) -> None:
    store(campaign, subject="", body="<p>\n{% if x %}</p>")
    for step in ("compose", "delivery", "audience", "tracking", "review"):
        page = desk.get(url("edit", campaign, step=step))
        assert page.text.count("The subject is empty. Enter a subject.") >= 1
        assert f'href="{url("edit", campaign, step="compose")}#message-line-2"' in page.text
        assert [row.label for row in page.context["info"]][:2] == ["Owner", "Id"]
        assert page.context["info"][0].value == "Milo Marketer"


def test_info_names_segments_sends_and_the_live_version(desk: Client, marketer: User) -> None:
    segment = factories.segment(name="Loyal customers")
    live = factories.published(marketer)
    factories.draft_of(live, audience__segments=[str(segment.public_id), "gone"])
    rows = {row.label: row for row in desk.get(url("edit", live, step="compose")).context["info"]}
    assert rows["Segments"].value == "Loyal customers"
    assert rows["Live version"].value.startswith("Version 1, published by ")
    assert rows["Next send"].value == rows["Last send"].value == "None"


# --- the session ------------------------------------------------------------------------------------------------


def test_staying_signed_in_gives_the_session_its_whole_age(desk: Client, campaign: Campaign) -> None:
    soon = timezone.now() + timezone.timedelta(seconds=90)
    Session.objects.update(expire_date=soon)
    config = desk.get(url("edit", campaign, step="delivery")).context["config"]
    assert 80 <= config["signed_out_in_s"] <= 90
    pinged = desk.post(url("presence", campaign), json.dumps({"session": config["session"]}), "application/json")
    assert 80 <= pinged.json()["signed_out_in_s"] <= 90
    answer = desk.post(reverse("accounts:stay"))
    assert answer.json() == {"signed_out_in_s": settings.SESSION_COOKIE_AGE}
    assert Session.objects.get().expire_date > soon + timezone.timedelta(days=1)
    assert desk.get(reverse("accounts:stay")).status_code == 405


def test_each_link_is_listed_once_as_it_is_written_also_with_utm_tags(desk: Client, marketer: User) -> None:
    links = (
        "https://shop.test/sale?x=1#top",
        "https://shop.test/{{ profile.city }}",
        "https://{{ profile.city }}.test/",
    )
    body = "".join(f'<a href="{link}">x</a>' for link in links) + FOOTER
    for has_utm in (False, True):
        campaign = factories.campaign(marketer, compose__body=body, compose__body_kind="html", tracking__utm=has_utm)
        found = desk.get(url("edit", campaign, step="tracking")).context["links"]
        assert [(link.url, link.number is not None) for link in found] == list(
            zip(links, (True, True, False), strict=True)
        )
