"""Liquid inside HTML comes through every tool that knows nothing of it."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import compilation, markup, mjml_source, personalization, plaintext, quoted, unclosed
from tests import factories

_PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<table><tr><td>", "</td></tr></table>", "text", "{{ a }}", "{% if a %}", "{% endif %}",
        "<!-- c ", "-->", '<a href="', '">', "<style>", "</style>", "'", '"', ">", "<",
        "{{ a | default: \"x>y\" }}", "\n", "{%", "é",
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_masking_and_restoring_gives_the_source(source: str) -> None:
    masked = markup.mask(source)
    assert masked.restore(masked.html) == source
    assert masked.is_whole(masked.html)


@pytest.mark.parametrize(
    ("source", "is_comment"),
    [
        ("<p>{{ a }}</p>", True),
        ('<p class="{{ a }}">', False),
        ("<p {{ a }}>", False),
        ("<style>.x{color:{{ a }}}</style>", False),
        ("<title>{{ a }}</title>", False),
        ("<!-- {{ a }} -->", False),
        ("<style>b</style>{{ a }}", True),
        ("<p title='>'>{{ a }}", True),
        ("1 < 2 {{ a }}", True),
    ],
)
def test_a_placeholder_fits_its_place(source: str, is_comment: bool) -> None:
    assert ("<!--lq0qx-->" in markup.mask(source).html) is is_comment


def compiled(body: str, **fields: object) -> compilation.Compiled:
    return compilation.compile_spec(factories.content_spec(body=body, **fields))


def test_styles_are_inlined_around_liquid_in_tables() -> None:
    body = (
        "<html><head><style>.a { color: red } @media (prefers-color-scheme: dark) { .a { color: tan } }</style></head>"
        '<body><table>{% for i in (1..2) %}<tr><td class="a">{{ i }}</td></tr>{% endfor %}</table></body></html>'
    )
    html = compiled(body).html
    assert '<td class="a" style="color: red;">{{ i }}</td>' in html
    assert "prefers-color-scheme: dark" in html
    assert html.index("<table>") < html.index("{% for") < html.index("<tr>") < html.index("{% endfor %}")


def test_html_that_the_inliner_would_tear_apart_is_kept_as_written() -> None:
    body = "<html><head><style>p{color:red}</style></head><body><p {% if a %}class='x'{% endif %}>y</p></body></html>"
    assert compiled(body).html == body


def test_links_are_numbered_in_order_and_only_where_they_lead_out() -> None:
    body = (
        '<a href="https://a.test/?x=1&amp;y=2">1</a><a href="mailto:a@b.test">m</a><a href="#top">t</a>'
        "<a href='http://b.test'>2</a><A class=x HREF=https://c.test/>3</A><a href=\"{{ unsubscribe_url }}\">u</a>"
        '<a href="https://d.test/{{ profile.id }}?p={{ profile.city | default: "x" }}">4</a>'
        '<a href="https://{{ profile.host }}/x">no</a><a href="https://e.test/{{ api_trigger_properties.id }}">no</a>'
        '{% for i in profile.list %}<a href="https://f.test/{{ i }}">no</a>{% endfor %}'
        '<!--[if mso]><a href="https://g.test/">no</a><![endif]--><a>no</a><link href="https://h.test/">'
    )
    assert compiled(body).tracked_links == (
        "https://a.test/?x=1&y=2",
        "http://b.test",
        "https://c.test/",
        'https://d.test/{{ profile.id }}?p={{ profile.city | default: "x" }}',
    )
    assert compiled(body, tracks_clicks=False).tracked_links == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.test/", "https://a.test/?utm_source=s%20s&utm_medium=email"),
        ("https://a.test/?x=1#part", "https://a.test/?x=1&utm_source=s%20s&utm_medium=email#part"),
        ("https://a.test/?utm_source=mine", "https://a.test/?utm_source=mine&utm_medium=email"),
        ("https://a.test/?utm_source=&utm_medium=", None),
        ("mailto:a@b.test", None),
        ("lq3qx", None),
        ("https://lq3qx/x", None),
    ],
)
def test_utm_parameters_are_added_and_never_replace(url: str, expected: str | None) -> None:
    assert compilation.with_utm(url, {"utm_source": "s s", "utm_medium": "email", "utm_term": ""}) == expected


def test_the_preheader_is_hidden_first_and_escaped() -> None:
    html = compiled("<html><body class='x'><p>y</p></body></html>", preheader="5 < 6 {{ profile.city }}").html
    start = html.index("<body class='x'>") + len("<body class='x'>")
    assert html[start:].startswith('<div style="display:none')
    assert "5 &lt; 6 {{ profile.city }}" in html


MJML = """<mjml><mj-head><mj-style>.b { color: blue }</mj-style></mj-head><mj-body>
{% if profile.n < 3 and profile.m > 1 %}<mj-section><mj-column>
<mj-text>Hello&nbsp;{{ profile.first_name }}<br>a & b <span class="b">c</span></mj-text>
<mj-button href="https://a.test/?a=1&amp;n={{ profile.n }}">Go</mj-button>
</mj-column></mj-section>{% else %}<mj-section><mj-column><mj-text>No</mj-text></mj-column></mj-section>{% endif %}
</mj-body></mjml>"""


def test_mjml_keeps_liquid_and_forgives_html_habits() -> None:
    result = compiled(MJML, body_kind="mjml")
    template = personalization.parse(result.html, html=True)
    few = template.render({"profile": {"n": 2, "m": 2, "first_name": "Lea"}})
    many = template.render({"profile": {"n": 5, "m": 2}})
    assert "Lea" in few and "a &amp; b" in few and 'href="https://a.test/?a=1&amp;n=2"' in few
    assert "No</div>" in many and "Lea" not in many
    assert 'class="b" style="color: blue;"' in result.html
    assert result.tracked_links == ("https://a.test/?a=1&n={{ profile.n }}",)


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>", 3, "doesn't match"),
        ("<mjml><mj-body>\n{% if a\n == b %}\n{% endif %}\n</mj-section></mj-body></mjml>", 5, "doesn't match"),
        ("<mjml>\n<mj-body>", 2, "not closed"),
        ("<p>no</p>", 1, "no <mjml>"),
        ("<mjml>\n<mj-body><mj-text a=b>x</mj-text></mj-body></mjml>", 2, "not well-formed"),
    ],
)
def test_broken_mjml_names_the_line(source: str, line: int, words: str) -> None:
    with pytest.raises(personalization.TemplateProblem) as caught:
        mjml_source.to_html(markup.mask(source))
    assert caught.value.line == line
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<h1>Title</h1><p>One<br>two</p><p>Three</p>", "Title\n\nOne\ntwo\n\nThree\n"),
        ("<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>", "- a\n- b\n\n1. c\n2. d\n"),
        ('<p>See <a href="https://a.test/x">the page</a>, or else.</p>', "See the page (https://a.test/x), or else.\n"),
        ('<a href="https://a.test/">a.test</a> <a href="mailto:x@y.test">x@y.test</a>', "a.test x@y.test\n"),
        ('<a href="https://a.test/"><img src="x" alt="Our shop"></a>', "Our shop (https://a.test/)\n"),
        (
            "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>4 €</td></tr></table>",
            "Item Price\nTea 4 €\n",
        ),
        ("<p>a&amp;b &lt;c&gt;&nbsp;d</p><style>p{}</style><script>x</script>", "a&b <c> d\n"),
        ('<div style="display:none">hidden</div><p>shown</p><!-- c -->', "shown\n"),
        ("<p>{% if a %}Hi {{ b }}{% endif %}</p>", "{% if a %}Hi {{ b }}{% endif %}\n"),
        ("{% if a %}<p>x</p>{% else %}<p>y</p>{% endif %}<p>z</p>", "{% if a %}x{% else %}\n\ny{% endif %}\n\nz\n"),
        ("", ""),
    ],
)
def test_plain_text_says_what_the_html_says(body: str, expected: str) -> None:
    masked = markup.mask(body)
    assert masked.restore(plaintext.generate(masked, masked.html)) == expected


def test_plain_text_of_html_nested_without_limit() -> None:
    masked = markup.mask("<div>" * 20_000 + "x")
    assert plaintext.generate(masked, masked.html) == "x\n"


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=120), max_size=8)
)
def test_quoted_printable_pieces_join_to_the_text_in_legal_lines(texts: list[str]) -> None:
    import quopri  # noqa: PLC0415  # the oracle

    joined = b"".join(quoted.piece(text) for text in texts)
    lines = joined.split(b"\r\n")
    assert b"\n" not in joined.replace(b"\r\n", b"")
    unstuffed = [line[1:] if line.startswith(b".") else line for line in lines]
    assert all(len(line) <= 76 for line in unstuffed)
    assert b"." not in lines
    decoded = quopri.decodestring(b"\n".join(unstuffed)).decode()
    assert decoded == "".join(text.replace("\r\n", "\n").replace("\r", "\n") for text in texts)


HUGE = 200_000


@pytest.mark.parametrize(
    "source",
    [
        "{{" * HUGE,
        "{%" * HUGE,
        "{{" * HUGE + "}}",
        "{% raw %}" * (HUGE // 4),
        "{{ '" * (HUGE // 2),
        "${" * HUGE,
        "{{${" * (HUGE // 2) + "}}}",
        "<!--" * HUGE,
        "<a " * HUGE,
        '<a href="' * (HUGE // 4),
        "<style" * (HUGE // 4),
        "&amp" * HUGE,
        "<br " * HUGE,
        "{{ ${" + " " * HUGE,
        "(https://" * (HUGE // 4),
        "<body" * (HUGE // 4),
    ],
    ids=lambda source: source[:12],
)
@pytest.mark.timeout(30)
def test_hostile_text_costs_time_in_proportion_to_its_length(source: str) -> None:
    started = time.perf_counter()
    for kind in ("html", "mjml"):
        with contextlib.suppress(personalization.TemplateProblem):
            personalization.parse(source, html=True)
        with contextlib.suppress(personalization.TemplateProblem):
            compiled(source, body_kind=kind)
    assert time.perf_counter() - started < 15


def test_letters_that_grow_in_lower_case_move_nothing() -> None:
    page = "<html><head></head><body><p>İİİ İstanbul</p></body></html>"
    assert markup.before_body_end(page, "<i>") == page.replace("</body>", "<i></body>")
    assert markup.after_head_start("İİ<header><HEAD a=b>x", "<i>") == "İİ<header><HEAD a=b><i>x"
    assert markup.after_head_start("İİ<header>x", "<i>") == ""
    raw = json.dumps([{"type": "html", "html": "<style>İİİ</style><body>İ text</body> not seen"}])
    assert ">İ text</" in compiled(raw, body_kind="blocks").html
    assert unclosed.find(factories.content_spec(body="<title>İİİİİİİİ</title><b>")) == [(1, "<b> is not closed.")]


def test_html_nested_too_deep_is_not_given_to_the_inliner() -> None:
    html = compiled("<style>b{color:red}</style>" + "<b>" * 9_000 + "x").html
    assert html.count("<b>") == 9_000


@pytest.mark.parametrize(
    "body",
    ["<div>" * 300_000, "<div><!--</div>-->" * 100_000, "<ul title='</ul>'>" * 100_000, "<td><i>" * 200_000,
     "<div><style></div></style>" * 50_000, "<b>" * 100_000],
    ids=lambda body: body[:18],
)  # fmt: skip
@pytest.mark.timeout(30)
def test_html_that_would_take_a_parser_minutes_is_refused(body: str) -> None:
    with pytest.raises(personalization.TemplateProblem, match=r"inside each other\. Use at most 10,000"):
        compiled(body)


@pytest.mark.parametrize(
    "body", ["<div><b>x</b></div>" * 20_000, "<p>x<br>" * 50_000, "<p>a < b" * 20_000, "<li><img src=x>" * 20_000]
)
def test_long_html_is_not_deep(body: str) -> None:
    assert compiled(body).html


def test_mjml_nested_too_deep_is_refused_with_its_line() -> None:
    deep = "<mjml><mj-body>\n" + "<mj-wrapper>" * 5_000 + "</mj-wrapper>" * 5_000 + "</mj-body></mjml>"
    with pytest.raises(personalization.TemplateProblem, match="inside each other") as caught:
        mjml_source.to_html(markup.mask(deep))
    assert caught.value.line == 2
    assert compiled(deep.replace("5_000", "").replace("<mj-wrapper>" * 4_960, "").replace("</mj-wrapper>" * 4_960, ""),
                    body_kind="mjml").html  # fmt: skip


def test_conditions_without_end_are_refused() -> None:
    with pytest.raises(personalization.TemplateProblem):
        personalization.parse("{% if " + " and ".join(["true"] * 20_000) + " %}x{% endif %}", html=True)
