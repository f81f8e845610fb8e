"""Checks while writing, freezing when published, starters, blocks, previews, and where links lead."""

import json

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from messaging import blocks, compilation, content, frames, links, markup, personalization, preview, starters, tokens
from messaging.models import Message
from tests import factories

FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'


def codes(**fields: object) -> list[tuple[str, str, str]]:
    return [(p.code, p.level, p.field) for p in content.check(factories.content_spec(**{"preheader": "x", **fields}))]


@pytest.mark.django_db
def test_good_content_has_no_alerts() -> None:
    assert codes(body=f"<p>Hello</p>{FOOTER}") == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"subject": " "}, ("subject_empty", "error", "subject")),
        ({"subject": "{{ x | shout }}"}, ("template_syntax", "error", "subject")),
        ({"subject": "{{ profile.shoe }}"}, ("unknown_field", "error", "subject")),
        ({"preheader": ""}, ("preheader_missing", "warning", "preheader")),
        ({"preheader": "{{ x"}, ("template_syntax", "error", "preheader")),
        ({"body": " "}, ("body_empty", "error", "body")),
        ({"body": FOOTER.replace("Unsubscribe", "")}, ("body_empty", "error", "body")),
        ({"body": "{% if x %}" + FOOTER}, ("template_syntax", "error", "body")),
        ({"body": "<mjml><mj-text></mjml>", "body_kind": "mjml"}, ("template_syntax", "error", "body")),
        ({"body": "{not json", "body_kind": "blocks"}, ("template_syntax", "error", "body")),
        ({"body": "<p>Hi {{ nobody }}</p>" + FOOTER}, ("unknown_field", "error", "body")),
        ({"body": "<p>Hi</p>{{ postal_address }}{{ unsubscribe_url }}"}, ("unsubscribe_missing", "error", "body")),
        ({"body": '<p>Hi <a href="{{ unsubscribe_url }}">x</a></p>'}, ("address_missing", "error", "body")),
        ({"body": "<p>Hi</p><img src=x>" + FOOTER}, ("alt_missing", "warning", "body")),
        ({"body": "<p>" + "word " * 21_000 + "</p>" + FOOTER}, ("too_big", "warning", "body")),
        ({"body": '<p><a href="">x</a><a name="here">y</a></p>' + FOOTER}, ("link_empty", "warning", "body")),
        ({"body": '<p><a href="#">x</a></p>' + FOOTER}, ("link_empty", "warning", "body")),
        ({"body": '<p><a href="https://">x</a></p>' + FOOTER}, ("link_empty", "warning", "body")),
        ({"text": " "}, ("text_empty", "warning", "text")),
        ({"body": '<p><a href="http://a.test">x</a></p>' + FOOTER}, ("link_http", "warning", "body")),
        ({"body": "x" * (content.BODY_LIMIT + 1)}, ("body_too_long", "error", "body")),
        ({"text": "{% if %}"}, ("template_syntax", "error", "text")),
    ],
)  # fmt: skip
def test_each_problem_is_found_alone(fields: dict[str, object], expected: tuple[str, str, str]) -> None:
    assert codes(**{"body": f"<p>Hello</p>{FOOTER}", **fields}) == [expected]


@pytest.mark.django_db
def test_sentences_are_those_people_know() -> None:
    spec = factories.content_spec(
        subject="", preheader="", body="<p>x</p>\n<img src=a><img src=b>\n<img src=c alt=''>{{ profile.shoe }}" + FOOTER
    )
    found = {p.code: (p.message, p.line) for p in content.check(spec)}
    assert found["subject_empty"] == ("The subject is empty. Enter a subject.", None)
    assert found["alt_missing"] == ("2 images have no alternative text.", None)
    assert found["unknown_field"] == ("“profile.shoe” doesn't exist. Choose a field.", 3)
    broken = content.check(factories.content_spec(preheader="x", body="<p>\n{% if profile.city %}\n</p>"))
    assert [p.message for p in broken] == ["Line 2: `{% if %}` is not closed."]


@pytest.mark.django_db
def test_people_without_a_field_are_counted_until_there_is_a_fallback() -> None:
    # What another test counted is kept a minute.
    cache.clear()
    factories.profile(first_name="")
    factories.profile(first_name="")
    factories.profile(first_name="Lea")
    factories.attribute("plan")
    body = "<p>{{ profile.first_name }} {{ profile.plan | default: 'x' }}</p>" + FOOTER
    found = content.check(factories.content_spec(preheader="x", body=body))
    assert [p.message for p in found] == ["2 people have no first_name and would see a blank. Add a fallback."]
    assert codes(body=body.replace("first_name }}", "first_name | default: 'you' }}")) == []


@pytest.mark.django_db
def test_the_installation_without_a_postal_address_is_sent_to_settings() -> None:
    with override_settings(POSTAL_ADDRESS=""):
        found = content.check(factories.content_spec(preheader="x"))
    assert [p.message for p in found] == ["The footer has no postal address. Add it in Settings."]


@pytest.mark.django_db
def test_equal_contents_share_a_message_and_other_ones_do_not() -> None:
    first = factories.message()
    assert factories.message().pk == first.pk
    assert factories.message(subject="Another").pk != first.pk
    assert factories.message(tracks_opens=False).pk != first.pk
    assert Message.objects.count() == 3
    assert first.links == ["https://shop.test/sale"]
    assert "See the sale (https://shop.test/sale)" in first.text


@pytest.mark.django_db(transaction=True)
def test_a_frozen_message_can_not_be_changed() -> None:
    message = factories.message()
    message.subject = "changed"
    with pytest.raises(DatabaseError):
        message.save(update_fields=["subject"])
    with pytest.raises(DatabaseError):
        message.delete()
    assert Message.objects.get().subject == "The sale"
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE messaging_message CASCADE")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sender_address": ""}, "no sender"),
        ({"sender_address": "x"}, "not a valid"),
        ({"reply_to": "y"}, "not a valid"),
    ],
)
def test_a_message_nobody_could_answer_is_not_frozen(fields: dict[str, object], words: str) -> None:
    with pytest.raises(content.ContentInvalid, match=words):
        factories.message(**fields)
    assert not Message.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("starter", starters.every(), ids=lambda starter: starter.slug)
def test_every_starter_is_ready_to_be_sent(starter: starters.Starter) -> None:
    spec = factories.content_spec(
        subject=starter.subject or "x",
        preheader=starter.preheader or "x",
        body_kind=starter.body_kind,
        body=starter.body,
    )
    assert content.check(spec) == []
    rendered = preview.render(spec, factories.person(), campaign={"name": "x"})
    assert "[[" not in rendered.html and "{{" not in rendered.html and "{%" not in rendered.html
    assert "prefers-color-scheme: dark" in rendered.html
    assert rendered.text.count("Unsubscribe") == 1 and "Example Shop, 1 Sample Street" in rendered.text
    assert starters.find(starter.slug) is starter


BLOCKS = [
    {"type": "header", "text": "Shop & {{ profile.city }}"},
    {"type": "text", "html": "<h1>Hi {{ profile.first_name | default: \"you\" }}</h1>"},
    {"type": "text", "html": "<p onclick='x()'>Text<script>x</script></p>"},
    {"type": "button", "text": "Go <now>", "href": "https://a.test/?a=1&b=2"},
    {"type": "image", "src": "https://a.test/i.png", "alt": "Our shop", "width": 300},
    {"type": "columns", "columns": [{"html": "<p>Left</p>"}, {"html": "<p>Right</p>"}]},
    {"type": "divider"},
    {"type": "spacer", "height": 30},
    {"type": "quote", "text": "Well said", "author": "Lea"},
    {"type": "html", "html": "<html><style>.z{color:red}</style><body><p class=z>unclosed <br> raw</html>"},
    {"type": "footer"},
]  # fmt: skip


@pytest.mark.django_db
def test_blocks_become_a_message_without_scripts_and_with_a_footer() -> None:
    spec = factories.content_spec(body_kind="blocks", body=json.dumps(BLOCKS), preheader="x")
    assert content.check(spec) == []
    rendered = preview.render(spec, factories.person(first_name="<Lea>"), campaign={})
    for expected in ("Shop &amp; Paris", "Hi &lt;Lea&gt;", "Go &lt;now&gt;", "Left", "Right", "Well said", "unclosed"):
        assert expected in rendered.html
    assert "<script" not in rendered.html and "onclick" not in rendered.html
    assert compilation.compile_spec(spec).tracked_links == ("https://a.test/?a=1&b=2",)
    assert "Go <now> (https://a.test/?a=1&b=2)" in rendered.text


@pytest.mark.django_db
def test_only_a_footer_is_an_empty_message() -> None:
    body = json.dumps([{"type": "header", "text": "Shop"}, {"type": "footer"}])
    assert codes(body_kind="blocks", body=body) == [("body_empty", "error", "body")]


def test_a_button_can_not_carry_a_script() -> None:
    source, _raws = blocks.to_mjml(json.dumps([{"type": "text", "html": '<a href="javascript:x()">y</a>'}]))
    assert "javascript" not in source


def test_a_preview_can_do_nothing_and_shows_no_tracking() -> None:
    rendered = preview.render(factories.content_spec(subject="{{ profile.first_name }}!"), None, campaign={})
    assert rendered.subject == "!"
    assert "Hello you" in rendered.html and "/c/" not in rendered.html and "/o/" not in rendered.html
    response = frames.response(rendered.html)
    policy = response["Content-Security-Policy"]
    assert policy.endswith("sandbox") and "default-src 'none'" in policy and "script" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    with_links = frames.response("<html><head></head></html>", allows_links=True)
    assert with_links["Content-Security-Policy"].endswith("sandbox allow-popups allow-popups-to-escape-sandbox")
    assert b'<head><base target="_blank">' in with_links.content


def test_a_preview_error_has_the_line_of_the_source() -> None:
    with pytest.raises(personalization.TemplateProblem) as caught:
        preview.render(factories.content_spec(body="<p>\n\n{% if x %}</p>", preheader="y"), None, campaign={})
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://a.test/?a=1&b=2", "https://a.test/?a=1&b=2"),
        (
            "https://a.test/{{ profile.city | url_encode }}/{{ campaign.name | url_encode }}",
            "https://a.test/Le+Puy/Sale",
        ),
        ("https://a.test/{{ profile.nope }}", "https://a.test/"),
        ("https://a.test/{{ profile.city | divided_by: 0 }}", "https://a.test/"),
        ("https://a.test{{ profile.evil }}", "https://a.test"),
        ("https://a.test/x{{ profile.newline }}y", "https://a.test/xy"),
    ],
)
def test_a_link_leads_where_its_author_said(link: str, expected: str) -> None:
    person = factories.person(city="Le Puy", attributes={"evil": ".evil.test/", "newline": "\r\nSet-Cookie: x"})
    result = links.destination(Message(links=[link]), 0, person=person, campaign={"name": "Sale"})
    assert result.replace("Set-Cookie:x", "") == expected


def test_a_link_that_does_not_exist_or_has_nobody_leads_to_nothing_personal() -> None:
    message = Message(links=["https://a.test/{{ profile.city }}"])
    assert links.destination(message, 1, person=None, campaign={}) == ""
    assert links.destination(message, -1, person=None, campaign={}) == ""
    assert links.destination(message, 0, person=None, campaign={}) == "https://a.test/"


@given(delivery_id=st.integers(0, 2**62), profile_id=st.integers(0, 2**62), request_no=st.integers(0, 2**62))
def test_tokens_come_back_and_fit_a_local_part(delivery_id: int, profile_id: int, request_no: int) -> None:
    token = links.token(delivery_id, profile_id, request_no)
    assert links.read(token) == (delivery_id, profile_id, request_no)
    assert len(f"bounce+{token}") <= 64
    with pytest.raises(tokens.BadToken):
        links.read(token[:-4] + ("A" if token[-4] != "A" else "B") + token[-3:])


def test_a_large_message_is_compiled_in_reasonable_time() -> None:
    body = "<html><head><style>td{color:red}</style></head><body><table>" + (
        "<tr><td>{{ profile.city }} <a href='https://a.test/'>x</a></td></tr>" * 10_000
    )
    compiled = compilation.compile_spec(factories.content_spec(body=body))
    assert len(compiled.tracked_links) == compilation.MAX_TRACKED
    assert markup.mask(compiled.html).html.count("lq") == 10_000
