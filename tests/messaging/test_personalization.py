"""Templates: what they say, what they refuse when saved, and what one person's values can never break."""

import time

import pytest

from messaging import personalization
from tests import factories


def render(source: str, *, html: bool = False, trigger: dict[str, object] | None = None, **person: object) -> str:
    values = personalization.context(factories.person(**person), campaign={"name": "Autumn sale"}, trigger=trigger)
    return personalization.parse(source, html=html).render(values)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ profile.first_name }}", "Lea"),
        ("{{ profile.plan }}", "gold"),
        ("{{ profile.missing | default: 'you' }}", "you"),
        ("{{ campaign.name }}", "Autumn sale"),
        ("{{ api_trigger_properties.order }}", "1042"),
        ("{{${first_name}}}", "Lea"),
        ("{{ ${first_name} | upcase }}", "LEA"),
        ("{{${email_address}}}", "lea@example.test"),
        ("{{custom_attribute.${plan}}}", "gold"),
        ("{{custom_attribute.${plan with space}}}", "odd"),
        ("{{api_trigger_properties.${order}}}", "1042"),
        ("{{campaign.${name}}}", "Autumn sale"),
        ("{% if ${first_name} == 'Lea' %}yes{% endif %}", "yes"),
        ("{% if custom_attribute.${plan} contains 'old' %}yes{% endif %}", "yes"),
        ("{% if {{${first_name}}} == 'Lea' %}yes{% endif %}", "yes"),
        ("{% if {{custom_attribute.${plan}}} == 'gold' and {{ ${first_name} }} != blank %}yes{% endif %}", "yes"),
        ("{% assign a = {{api_trigger_properties.${order}}} %}{{ a }}", "1042"),
        (
            "{{ 'a \"b\" \\ c' | json_escape }}{{ profile.nope | json_escape }}{{ 5 | json_escape }}",
            'a \\"b\\" \\\\ c5',
        ),
        ("{{ 'é\n\t<' | json_escape }}", "é\\n\\t<"),
        ("Pay ${5} now", "Pay ${5} now"),
        ("{% raw %}{{${first_name}}}{% endraw %}", "{{${first_name}}}"),
    ],
)
def test_fields_and_their_braze_forms(source: str, expected: str) -> None:
    attributes = {"plan": "gold", "plan with space": "odd"}
    assert render(source, email="lea@example.test", attributes=attributes, trigger={"order": "1042"}) == expected


@pytest.mark.parametrize(
    ("value", "is_blank"),
    [(None, True), ("", True), ("  ", True), (False, True), ([], True), ("x", False), (0, False), ([1], False)],
)
@pytest.mark.parametrize("form", ["profile.x == blank", "blank == profile.x"])
def test_blank_equals_what_has_nothing_in_it(value: object, is_blank: bool, form: str) -> None:
    attributes = {"x": value}
    assert render(f"{{% if {form} %}}B{{% else %}}-{{% endif %}}", attributes=attributes) == ("B" if is_blank else "-")
    negated = form.replace("==", "!=")
    assert render(f"{{% if {negated} %}}-{{% else %}}B{{% endif %}}", attributes=attributes) == (
        "B" if is_blank else "-"
    )


def test_an_undefined_field_is_blank_in_every_kind_of_condition() -> None:
    assert render("{% if profile.nope == blank %}B{% endif %}") == "B"
    assert render("{% unless profile.nope == blank %}-{% else %}B{% endunless %}") == "B"
    assert render("{% if false %}{% elsif profile.nope == blank and true %}B{% endif %}") == "B"


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("a\n{% if profile.x %}b", 2, 1, "not closed"),
        ("{{ profile.first_name | shout }}", 1, 25, "“shout” doesn't exist"),
        ("{% if true %}{{ x | shout }}{% endif %}", 1, 21, "“shout”"),
        ("\n\n {% frob %}", 3, 5, "“frob”"),
        ("ok\n {{ name ", 2, 2, "`{{` is not closed"),
        ("{{ name \n {{ other }}", 1, 1, "`{{` is not closed"),
        ("{% if x ", 1, 1, "`{%` is not closed"),
        ("{{${first_name}}} {{ x | shout }}", 1, 26, "“shout”"),
        ("{% if {{${first_name}}} %}x{% endif %} {{ x | shout }}", 1, 47, "“shout”"),
        ("{% if {{ x }} %}b{% endif %}", 1, 7, "unexpected"),
        ("{% include 'secrets' %}", 1, 4, "“include”"),
        ("{% render 'secrets' %}", 1, 4, "“render”"),
        ("{{ profile.first_name | safe }}", 1, 25, "“safe”"),
        ("{{ }}", 1, 1, "missing"),
    ],
)
def test_a_broken_template_is_told_with_its_place(source: str, line: int, column: int, words: str) -> None:
    with pytest.raises(personalization.TemplateProblem) as caught:
        personalization.parse(source, html=True)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..100000) %}x{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}",
        "{{ 1 | divided_by: profile.zero }}",
        "{{ profile.first_name | plus: profile.list | divided_by: 0 }}",
        "{% assign x = 'aaaaaaaaaaaaaaa' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}{{ x }}",
        "{% if profile.list < 3 %}x{% endif %}",
    ],
)
def test_a_value_that_does_not_fit_is_a_fact_about_that_person(source: str) -> None:
    with pytest.raises(personalization.RenderProblem) as caught:
        render(source, attributes={"zero": 0, "list": ["a"]})
    assert caught.value.code == "render_error"
    assert caught.value.message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% abort_message('not in stock') %}", "not in stock"),
        ('{% abort_message "no price" %}', "no price"),
        ("{% if true %}{% abort_message %}{% endif %}", "The message was stopped by its template."),
    ],
)
def test_abort_message_stops_this_message_only(source: str, reason: str) -> None:
    with pytest.raises(personalization.Aborted) as caught:
        render(source)
    assert (caught.value.code, caught.value.message) == ("aborted", reason)
    assert render("{% if false %}" + source + "{% endif %}ok") == "ok"


def test_values_are_escaped_in_html_and_only_there() -> None:
    assert render("{{ profile.first_name }}", html=True, first_name='<b>&"') == "&lt;b&gt;&amp;&#34;"
    assert render("{{ profile.first_name }}", first_name='<b>&"') == '<b>&"'


def test_a_template_reaches_no_attributes_or_methods() -> None:
    assert render("{{ profile.__class__ }}{{ profile.items }}{{ campaign.pop }}{{ profile.first_name.upper }}") == ""


def test_custom_attributes_never_hide_standard_fields() -> None:
    assert (
        render("{{ profile.email }}", email="a@example.test", attributes={"email": "evil@example.test"})
        == "a@example.test"
    )


def test_fields_know_their_line_and_whether_a_blank_can_show() -> None:
    source = (
        "{{ profile.first_name }}\n{{ profile.city | default: 'here' }}\n"
        "{% if profile.plan %}{{ profile.plan }}{% endif %}\n"
        "{% assign n = profile.n %}{{ n }}{% for item in profile.list %}{{ item }}{{ forloop.index }}{% endfor %}"
    )
    found = [(f.name, f.has_default, f.line) for f in personalization.parse(source, html=False).fields()]
    assert found == [
        ("profile.first_name", False, 1),
        ("profile.city", True, 2),
        ("profile.plan", True, 3),
        ("profile.plan", True, 3),
        ("profile.n", False, 4),
        ("profile.list", True, 4),
    ]


def test_equal_templates_are_parsed_once_and_kept_apart_by_escaping() -> None:
    first = personalization.parse("{{ profile.city }} cached", html=True)
    assert personalization.parse("{{ profile.city }} cached", html=True) is first
    assert personalization.parse("{{ profile.city }} cached", html=False) is not first


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..99999999999) | join: ',' }}",
        "{{ (1..100000000) | sort | size }}",
        "{% if (1..99999999999) contains 'x' %}x{% endif %}",
        "{% assign a = (1..99999999999) %}{{ a | sum }}",
        "{{ 'aaaaaaaaaa'" + " | replace: 'a', 'aaaaaaaaaa'" * 9 + " | size }}",
        "{{ (1..10000) | join: '" + "y" * 100_000 + "' | size }}",
        "{% assign a = 99999999 %}{% for i in (1..40) %}{% assign a = a | times: a %}{% endfor %}",
        "{% for i in (1..10000) %}" + "{{ nothing }}" * 5000 + "{% endfor %}",
        "{% tablerow i in (1..10000) %}" + "{{ nothing }}" * 5000 + "{% endtablerow %}",
        "{% assign a = '" + "x" * 100_000 + "' %}{% for i in (1..10000) %}{% assign b = a | upcase %}{% endfor %}",
    ],
)
def test_a_bomb_is_refused_before_it_costs_anything(source: str) -> None:
    began = time.process_time()
    with pytest.raises(personalization.RenderProblem) as refused:
        render(source)
    assert refused.value.message in {
        "A loop runs too often. Use at most 10,000 rounds.",
        "The result is too large.",
    }
    assert time.process_time() - began < 5


def test_ordinary_loops_and_filters_stay_far_below_the_limits() -> None:
    loop = "{% for i in (1..2000) %}{% if i > 0 %}{{ i | plus: 1 | append: ',' }}{% endif %}{% endfor %}"
    assert render(loop).endswith(",2001,")
    assert render("{{ (1..3) | join: '-' }}{{ 'a b' | replace: ' ', '' | upcase }}") == "1-2-3AB"
    assert render(loop) == render(loop, html=True), "a second rendering begins with a new budget"


def test_the_place_of_a_field_is_found_in_large_sources_too() -> None:
    began = time.process_time()
    fields = personalization.parse("x\n{{ profile.first_name }}" * 20_000, html=True).fields()
    assert [field.line for field in fields] == list(range(2, 20_002))
    assert time.process_time() - began < 10


def test_large_templates_leave_the_cache_before_small_ones_fill_it() -> None:
    small = personalization.parse("Hello {{ profile.first_name }}", html=False)
    for n in range(20):
        large = personalization.parse("x" * 100_000 + f"{{{{ profile.city }}}} {n}", html=False)
    assert personalization._n_chars() <= personalization._CACHE_CHARS
    # The one in use is always kept, however large; what went is parsed again.
    assert personalization.parse("x" * 100_000 + "{{ profile.city }} 19", html=False) is large
    huge = personalization.parse("y" * 700_000, html=False)
    assert personalization.parse("y" * 700_000, html=False) is huge
    again = personalization.parse("Hello {{ profile.first_name }}", html=False)
    assert again is not small and again.n_chars == small.n_chars
