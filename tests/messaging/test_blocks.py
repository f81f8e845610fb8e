"""Blocks that depend on values: products, social links, and groups shown only if a condition fits."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.profiles import Person
from messaging import blocks, compilation, conditional, content, personalization, preview
from tests import factories

FOOTER = {"type": "footer", "html": ""}


def rendered(
    found: list[dict[str, Any]], trigger: dict[str, object] | None = None, **fields: object
) -> preview.Rendered:
    spec = factories.content_spec(body_kind="blocks", body=json.dumps(found), preheader="")
    person = factories.person(**fields) if fields else None
    return preview.render(spec, person, campaign={"name": "x"}, trigger=trigger)


def group(*inner: dict[str, Any], **condition: object) -> dict[str, Any]:
    return {"type": "group", "blocks": list(inner) or [{"type": "text", "html": "<p>Only some</p>"}], **condition}


@pytest.mark.parametrize(
    ("condition", "attributes", "is_shown"),
    [
        ({"operator": "set"}, {"plan": "pro"}, True),
        ({"operator": "set"}, {"plan": " "}, False),
        ({"operator": "set"}, {}, False),
        ({"operator": "is", "value": "pro"}, {"plan": "pro"}, True),
        ({"operator": "is", "value": "pro"}, {"plan": "free"}, False),
        ({"operator": "is", "value": "5"}, {"plan": 5}, True),
        ({"operator": "is", "value": "5"}, {"plan": "5"}, True),
        ({"operator": "is", "value": "true"}, {"plan": True}, True),
        ({"operator": "is", "value": 'say "hi"'}, {"plan": 'say "hi"'}, True),
        ({"operator": "is_not", "value": "pro"}, {"plan": "pro"}, False),
        ({"operator": "is_not", "value": "pro"}, {}, True),
        ({"operator": "is_not", "value": "5"}, {"plan": 5}, False),
        ({"operator": "contains", "value": "ro"}, {"plan": "pro"}, True),
        ({"operator": "contains", "value": "vip"}, {"plan": ["vip", "new"]}, True),
        ({"operator": "contains", "value": "vip"}, {}, False),
        ({"operator": "more", "value": "5"}, {"plan": 6}, True),
        ({"operator": "more", "value": "5"}, {"plan": "6"}, True),
        ({"operator": "more", "value": "5"}, {"plan": 5}, False),
        ({"operator": "less", "value": "5"}, {}, False),
        ({"operator": "less", "value": "5.5"}, {"plan": 5}, True),
        ({"operator": "more", "value": "2026-01-31"}, {"plan": "2026-02-01"}, True),
        ({"operator": "more", "value": "2026-01-31"}, {"plan": "2026-01-30"}, False),
        ({"operator": "more", "value": "2026-01-31"}, {"plan": 4}, True),
    ],
)  # fmt: skip
def test_a_group_is_shown_to_those_it_is_for(
    condition: dict[str, Any], attributes: dict[str, Any], is_shown: bool
) -> None:
    found = [{"type": "text", "html": "<p>All</p>"}, group(field="profile.plan", **condition), FOOTER]
    message = rendered(found, attributes=attributes)
    assert ("Only some" in message.html, "Only some" in message.text) == (is_shown, is_shown)
    assert "All" in message.html and "Unsubscribe" in message.html
    assert "{%" not in message.html + message.text


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"operator": "is", "value": "x"}, "Choose a field"),
        ({"field": "plan", "operator": "is", "value": "x"}, "Choose a field"),
        ({"field": ["profile.x"], "operator": "set"}, "Choose a field"),
        ({"field": "profile.plan"}, "Enter a value"),
        ({"field": "profile.plan", "operator": "is", "value": " "}, "Enter a value"),
        ({"field": "profile.plan", "operator": {}, "value": "x"}, "Choose a comparison"),
        ({"field": "profile.plan", "operator": "more", "value": "many"}, "need a number or a date"),
        ({"field": "profile.plan", "operator": "is", "value": "a%}b"}, "can't contain"),
        ({"field": "profile.plan", "operator": "is", "value": "\"'"}, "can't contain"),
        ({"field": "profile.x\"'", "operator": "set"}, "can't contain"),
    ],
)  # fmt: skip
def test_an_unfinished_condition_says_what_is_missing(condition: dict[str, Any], words: str) -> None:
    with pytest.raises(personalization.TemplateProblem, match=words):
        conditional.liquid({"type": "group", **condition})


def test_a_field_with_a_space_is_read_by_its_name() -> None:
    found = [group(field="profile.shoe size", operator="is", value="42")]
    assert "Only some" in rendered(found, attributes={"shoe size": 42}).html


def test_groups_hold_groups_but_never_the_footer() -> None:
    inner = group(field="profile.b", operator="set")
    found = [group(inner, {"type": "html", "html": "<b>raw</b>"}, field="profile.a", operator="set"), FOOTER]
    both = rendered(found, attributes={"a": "1", "b": "2"}).html
    assert "Only some" in both and "<b>raw</b>" in both
    one = rendered(found, attributes={"a": "1"}).html
    assert "Only some" not in one and "<b>raw</b>" in one
    with pytest.raises(personalization.TemplateProblem, match="footer can't be inside"):
        blocks.parse(json.dumps([group(FOOTER, field="profile.a", operator="set")]))
    deep: dict[str, Any] = {"type": "text"}
    for _n in range(9):
        deep = group(deep, field="profile.a", operator="set")
    with pytest.raises(personalization.TemplateProblem, match="Too many groups"):
        blocks.parse(json.dumps([deep]))


def test_an_empty_group_is_an_empty_message() -> None:
    assert blocks.is_empty(json.dumps([{"type": "group", "blocks": []}, FOOTER]))
    assert not blocks.is_empty(json.dumps([group(field="profile.a", operator="set")]))


def test_a_product_comes_from_the_properties_of_the_trigger() -> None:
    names = {"title": "name", "text": "text", "price": "price", "src": "image", "href": "link"}
    product = {key: f"{{{{ api_trigger_properties.product.{name} }}}}" for key, name in names.items()}
    values = {
        "name": "Lamp & <b>shade</b>", "text": "Warm light", "price": "49 €",
        "image": "https://shop.test/lamp.png", "link": "https://shop.test/lamp",
    }  # fmt: skip
    message = rendered([{"type": "product", **product}, FOOTER], trigger={"product": values})
    assert "Lamp &amp; &lt;b&gt;shade&lt;/b&gt;" in message.html
    assert re.search(r'<img[^>]*alt="Lamp[^>]*src="https://shop\.test/lamp\.png"', message.html)
    assert 'href="https://shop.test/lamp"' in message.html
    assert "49 €" in message.text and "https://shop.test/lamp" in message.text
    assert message.n_images == 1 and message.n_images_without_alt == 0


def test_social_links_are_words_and_fetch_nothing() -> None:
    links = [
        {"network": "Instagram", "url": "https://social.test/shop"},
        {"network": "X"},
        {"url": "https://b.test/"},
        7,
    ]
    message = rendered([{"type": "social", "links": links}, FOOTER])
    assert message.n_images == 0
    assert ">Instagram</a>" in message.html and ">https://b.test/</a>" in message.html
    assert ">X<" not in message.html
    assert "<img" not in rendered([{"type": "social", "links": []}, FOOTER]).html


def test_an_image_without_an_address_is_not_there() -> None:
    unfinished = [{"type": "image", "src": "", "alt": ""}, FOOTER]
    assert "<img" not in rendered(unfinished).html and blocks.is_empty(json.dumps(unfinished))
    finished = [{"type": "image", "src": "https://a.test/1.png", "alt": ""}, FOOTER]
    assert "<img" in rendered(finished).html and not blocks.is_empty(json.dumps(finished))


def test_two_columns_have_pictures_and_text() -> None:
    columns = [{"src": "https://a.test/1.png", "alt": "One", "html": "<p>Left</p>"}, {"html": "<p>Right</p>"}]
    message = rendered([{"type": "columns", "columns": columns}, FOOTER])
    assert message.n_images == 1 and 'alt="One"' in message.html
    assert "Left" in message.text and "Right" in message.text


def test_a_problem_of_blocks_has_no_line() -> None:
    found = [{"type": "text", "html": "<p>{% if profile.city %}</p>"}, FOOTER]
    with pytest.raises(personalization.TemplateProblem) as caught:
        rendered(found)
    assert (caught.value.field, caught.value.line) == ("body", 0)
    spec = factories.content_spec(body_kind="blocks", body=json.dumps(found), preheader="")
    assert [p.message for p in content.check(spec) if p.code == "template_syntax"] == ["`{% if %}` is not closed."]


@pytest.mark.parametrize(
    ("fields", "field", "line"),
    [
        ({"body": "<p>\n{% if x %}</p>"}, "body", 2),
        ({"body_kind": "mjml", "body": "<mjml><mj-body>\n<mj-section></mj-body></mjml>"}, "body", 2),
        ({"subject": "{{ x"}, "subject", 1),
        ({"preheader": "{{ x"}, "preheader", 1),
        ({"text": "a\n{% if x %}"}, "text", 2),
    ],
)
def test_a_preview_says_which_part_is_broken(fields: dict[str, Any], field: str, line: int) -> None:
    with pytest.raises(personalization.TemplateProblem) as caught:
        preview.render(factories.content_spec(**fields), None, campaign={})
    assert (caught.value.field, caught.value.line) == (field, line)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
    ["{{ profile.first_name }}", "{% if x %}", "lq7qx", "<!--lq3qx-->", "<!--raw-html-4-->", "]]>", "</mj-section>",
     "profile.plan", "is", "more", "\ud800", "\x00\x1b", "&nbsp;&x", "<mj-raw>", "{{"]
)  # fmt: skip
_KEYS = st.sampled_from(
    ["type", "text", "html", "src", "alt", "href", "columns", "links", "blocks", "field", "operator", "value", "align",
     "width", "height", "color", "title", "price", "url", "network", "author"]
)  # fmt: skip
_TYPES = st.sampled_from([*sorted(blocks.TYPES), "group", "nothing"])
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_KEYS, inner, max_size=5)
        | st.builds(lambda kind, more: {**more, "type": kind}, _TYPES, st.dictionaries(_KEYS, inner, max_size=6))
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_JSON | st.lists(_JSON, max_size=4))
def test_any_json_is_a_message_or_a_sentence(found: Any) -> None:
    spec = factories.content_spec(body_kind="blocks", body=json.dumps(found), preheader="", text=None)
    assert _outcome(spec).endswith((".", "html>"))


def _outcome(spec: content.ContentSpec) -> str:
    try:
        compiled = compilation.compile_spec(spec)
        personalization.parse(compiled.html, html=True)
    except personalization.TemplateProblem as problem:
        return problem.message
    return compiled.html.encode().decode().strip()


@pytest.mark.parametrize("body", ["{", "7", '"x"', "[7]", "[[]]", '[{"type": []}]', '[{"type": {}}]', "[" * 100_000])
def test_what_is_no_list_of_blocks_is_said_so(body: str) -> None:
    with pytest.raises(personalization.TemplateProblem, match="can't be read"):
        blocks.parse(body)


def test_the_person_of_nobody_sees_the_fallback_of_a_condition() -> None:
    assert isinstance(preview.NOBODY, Person)
    assert "Only some" not in rendered([group(field="profile.first_name", operator="set"), FOOTER]).html
