"""What differs between two documents, in words; and that a large one does not take long."""

import json
import time
from typing import Any

import pytest

from campaigns import block_diffs, comparing, diffs
from campaigns import document as documents
from tests import factories


def shown(lines: tuple[diffs.Line, ...]) -> list[str]:
    """ "− old [words]" for each line; changed pieces in brackets."""
    sign = {diffs.REMOVED: "− ", diffs.ADDED: "+ ", diffs.SAME: "  ", diffs.GAP: "…"}
    return [
        sign[line.kind] + "".join(f"[{one.text}]" if one.is_changed else one.text for one in line.pieces)
        for line in lines
    ]


def rows(**fields: object) -> dict[str, list[str]]:
    """Label → lines (and note) of what `fields` change in a blank document."""
    before = documents.blank()
    after = documents.apply(before, {name.replace("__", "."): value for name, value in fields.items()})
    return {
        row.label: shown(row.lines) + ([row.note] if row.note else [])
        for section in comparing.sections(before, after)
        for row in section.rows
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("Same", "Same", ["− Same", "+ Same"]),
        ("", "New", ["+ New"]),
        ("Old", "", ["− Old"]),
        (
            "Your order has shipped",
            "Your parcel has shipped",
            ["− Your [order] has shipped", "+ Your [parcel] has shipped"],
        ),
        ("Your order", "Your order {{ n }}", ["− Your order", "+ Your order[ {{ n }}]"]),
        ("Été à -20 %", "Été à -30 %", ["− Été à -[20] %", "+ Été à -[30] %"]),
        ("Apples", "Pears", ["− Apples", "+ Pears"]),
        ("Buy one or two now", "Buy nine for ten now", ["− Buy [one or two] now", "+ Buy [nine for ten] now"]),
        ("<b>one</b>", "<i>one</i>", ["− <[b]>one</[b]>", "+ <[i]>one</[i]>"]),
    ],
)
def test_texts_are_compared_word_by_word(old: str, new: str, expected: list[str]) -> None:
    assert shown(diffs.words(old, new)) == expected


def test_sources_are_compared_line_by_line_with_what_is_around() -> None:
    old = [f"line {n}" for n in range(20)]
    new = [*old[:10], "line ten", *old[11:15], "between", *old[15:]]
    lines, is_all = diffs.lines("\n".join(old), "\n".join(new))
    assert is_all
    assert shown(lines) == [
        "…", "  line 8", "  line 9", "− line [10]", "+ line [ten]", "  line 11", "  line 12", "  line 13", "  line 14",
        "+ between", "  line 15", "  line 16",
    ]  # fmt: skip


def test_one_long_line_of_markup_is_cut_between_tags() -> None:
    old = "".join(f"<p>Paragraph {n}</p>" for n in range(200))
    lines, is_all = diffs.lines(old, old.replace("Paragraph 100<", "Paragraph hundred<"))
    assert is_all
    assert [text for text in shown(lines) if text[0] in "−+"] == [
        "− <p>Paragraph [100]</p>", "+ <p>Paragraph [hundred]</p>"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pair",
    [
        ("x " * 1_000_000, "y " * 1_000_000),
        ("<p>a</p>\n" * 200_000, "<p>b</p>\n" * 200_000),
        ("\n".join(str(n) for n in range(300_000)), "\n".join(str(n) for n in range(300_000, 0, -1))),
        ("a\nb\n" * 745, "b\na\na\n" * 490),
        ("x" * 2_000_000, "x" * 1_999_999 + "y"),
    ],
    ids=["words", "equal lines", "all lines", "repeated lines", "one word"],
)
def test_large_texts_are_compared_in_bounded_time_and_space(pair: tuple[str, str]) -> None:
    started = time.process_time()
    found = comparing.sections(
        documents.apply(documents.blank(), {"compose.body": pair[0]}),
        documents.apply(documents.blank(), {"compose.body": pair[1]}),
    )
    assert time.process_time() - started < 5
    row = found[0].rows[0]
    assert row.lines
    assert sum(len(line.text) for line in row.lines) < 100_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"compose__subject": "Hello"}, {"Subject": ["+ Hello"]}),
        ({"compose__no_preheader": True}, {"Preheader": ["+ None, on purpose"]}),
        ({"compose__body": "<p>Hi</p>"}, {"Body": ["+ <p>Hi</p>"]}),
        ({"compose__body_kind": "mjml", "compose__body": "<mjml>"}, {"Body": ["− Empty", "+ MJML, 1 KB"]}),
        (
            {"compose__text_mode": "own", "compose__text": "Hi"},
            {"Kind of plain text": ["− Generated", "+ Written by hand"], "Plain text": ["+ Hi"]},
        ),
        ({"delivery__validity_hours": 48}, {"Keep retrying for": ["− 3 days", "+ 2 days"]}),
        ({"delivery__reeligibility": "always"}, {"Who can get it again": ["− Never again", "+ Every time"]}),
        ({"delivery__date": "2026-12-24"}, {"Date": ["− None", "+ 2026-12-24"]}),
        ({"tracking__opens": False}, {"Track": ["− Opens and clicks", "+ Clicks"]}),
    ],
)
def test_values_are_told_in_the_words_of_the_editor(fields: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert rows(**fields) == expected


BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": "Shop"},
    {"type": "text", "html": "<p>Good morning</p>"},
    {"type": "button", "text": "Buy", "href": "https://shop.test/"},
]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (BLOCKS, {}),
        ([*BLOCKS, {"type": "divider"}], {"Block 4, Divider": ["+ Divider"]}),
        (BLOCKS[1:], {"Block 1, Header": ["− Shop"]}),
        (
            [BLOCKS[0], {"type": "text", "html": "<p>Good evening</p>"}, BLOCKS[2]],
            {"Block 2, Text": ["− Good [morning]", "+ Good [evening]"]},
        ),
        (
            [BLOCKS[0], {"type": "text", "html": "<h2>Good morning</h2>"}, BLOCKS[2]],
            {"Block 2, Text": ["Only its form or links changed."]},
        ),
        (
            [BLOCKS[0], {"type": "quote", "text": "Fine"}, BLOCKS[2]],
            {"Block 2, Text": ["− Good morning"], "Block 2, Quote": ["+ Fine"]},
        ),
        ([BLOCKS[2], *BLOCKS[:2]], {"Block 1, Button": ["  https://shop.test/ Buy", "Moved from place 3."]}),
        (
            [{"type": "video", "title": "Film", "parts": [{"text": "One"}]}, *BLOCKS],
            {"Block 1, video": ["+ One Film"]},
        ),
    ],
)
def test_blocks_are_compared_by_their_place(new: list[dict[str, Any]], expected: dict[str, list[str]]) -> None:
    found = block_diffs.rows(BLOCKS, new)
    assert {row.label: shown(row.lines) + ([row.note] if row.note else []) for row in found} == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            {"type": "product", "title": "Lamp", "price": "49 €"},
            {"type": "product", "title": "Lamp", "price": "94 €"},
            {"Block 1, Product": ["− [49] € Lamp", "+ [94] € Lamp"]},
        ),
        (
            {"type": "group", "field": "profile.plan", "operator": "is", "value": "free", "blocks": BLOCKS[:1]},
            {"type": "group", "field": "profile.plan", "operator": "is_not", "value": "free", "blocks": BLOCKS[:1]},
            {"Block 1, Show only if…": ["− Shop profile.plan [is] free", "+ Shop profile.plan [is_not] free"]},
        ),
        (
            {"type": "social", "links": [{"network": "Mastodon", "url": "https://a.test"}]},
            {"type": "social", "links": [{"network": "Bluesky", "url": "https://a.test"}]},
            {"Block 1, Social links": ["− [Mastodon] https://a.test", "+ [Bluesky] https://a.test"]},
        ),
    ],
)
def test_prices_links_and_who_sees_a_block_are_compared(
    old: dict[str, Any], new: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    found = block_diffs.rows([old], [new])
    assert {row.label: shown(row.lines) + ([row.note] if row.note else []) for row in found} == expected


def test_a_block_with_an_id_is_followed_wherever_it_goes() -> None:
    old = [{"id": "a", "type": "text", "html": "One"}, {"id": "b", "type": "text", "html": "Two"}, *BLOCKS]
    new = [*BLOCKS, {"id": "b", "type": "text", "html": "Two"}, {"id": "a", "type": "text", "html": "One more"}]
    found = block_diffs.rows(old, new)
    assert [(row.label, row.change) for row in found] == [("Block 4, Text", "moved"), ("Block 5, Text", "changed")]
    assert shown(found[1].lines) == ["− One", "+ One[ more]"]
    assert block_diffs.summary(found) == "1 block changed, 1 block moved"
    assert block_diffs.rows([old[0]], [old[0] | {"id": "other"}]) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "daily", ["− None", "+ daily"]),
        ("every other day", "every day", ["− every [other ]day", "+ every day"]),
        (False, True, ["− No", "+ Yes"]),
        (None, 1500, ["− None", "+ 1,500"]),
        (["mon", "tue"], ["tue", "fri"], ["− mon", "+ fri"]),
        (["mon", "tue"], ["tue", "mon"], ["The order changed."]),
        (None, {"b": 1, "a": [2]}, ["− None", '+ {"a": [2], "b": 1}']),
    ],
)
@pytest.mark.parametrize("step", documents.STEPS)
def test_a_field_nobody_told_the_comparison_about_is_told_by_its_value(
    monkeypatch: pytest.MonkeyPatch, step: str, old: Any, new: Any, expected: list[str]
) -> None:
    name = f"{step}.new_field"
    kind = {str: "text", bool: "flag", int: "number", list: "list", dict: "tree"}[type(new)]
    monkeypatch.setitem(documents._FIELDS, name, documents.Field(name, kind, old, "New field"))
    before = documents.blank()
    (row,) = [row for part in comparing.sections(before, documents.apply(before, {name: new})) for row in part.rows]
    assert (row.label, shown(row.lines) + ([row.note] if row.note else [])) == ("New field", expected)


def test_a_field_beside_one_of_the_summary_is_told_as_well() -> None:
    found = rows(delivery__validity_hours=48, delivery__date="2026-12-24", delivery__reeligibility="after")
    assert set(found) == {"Keep retrying for", "Date", "Who can get it again"}
    moment = {"delivery__date": "2026-12-24", "delivery__time": "09:00", "delivery__zone": "UTC"}
    assert rows(delivery__kind="at", **moment) == {"When": ["− Once confirmed", "+ Thu 24 Dec, 09:00 UTC"]}


@pytest.mark.parametrize("body", ["[1]", "{", "null", "[" * 5_000, '{"type": "text"}'])
def test_blocks_that_can_not_be_read_are_compared_as_source(body: str) -> None:
    before = documents.apply(documents.blank(), {"compose.body_kind": "blocks", "compose.body": json.dumps(BLOCKS)})
    after = documents.apply(before, {"compose.body": body})
    (row,) = comparing.sections(before, after)[0].rows
    assert row.label == "Body"
    assert row.lines


# --- audiences: names and fields are in the database ---------------------------------------------------------


def rule(country: str) -> dict[str, object]:
    return {"field": "profile.country", "op": "is", "value": [country]}


@pytest.mark.django_db
def test_audiences_are_compared_by_segments_and_conditions() -> None:
    vip, new = factories.segment({}, name="VIP"), factories.segment({}, name="Newcomers")
    before = documents.apply(
        documents.blank(),
        {
            "audience.segments": [str(vip.public_id)],
            "audience.conditions": {"match": "all", "rules": [rule("FR"), rule("BE")]},
        },
    )
    after = documents.apply(
        before,
        {
            "audience.segments": [str(new.public_id), "gone"],
            "audience.segments_match": "all",
            "audience.exclude": [str(vip.public_id)],
            "audience.conditions": {"match": "any", "rules": [rule("FR"), rule("DE")]},
            "audience.limit": 500,
        },
    )
    found = {row.label: shown(row.lines) for row in comparing.sections(before, after)[2].rows}
    assert found == {
        "Conditions": ["− and country is BE", "+ or country is DE"],
        "Segments": ["− VIP", "+ Newcomers", "+ a segment that doesn't exist"],
        "Left out": ["+ VIP"],
        "Any or all segments": ["− Any of them", "+ All of them"],
        "Any or all conditions": ["− All of them", "+ Any of them"],
        "Limit": ["− None", "+ 500"],
    }


@pytest.mark.django_db
def test_another_order_of_conditions_is_told_as_that() -> None:
    sides = [
        documents.apply(documents.blank(), {"audience.conditions": {"match": "all", "rules": rules}})
        for rules in ([rule("FR"), rule("BE")], [rule("BE"), rule("FR")])
    ]
    (row,) = comparing.sections(*sides)[2].rows
    assert (row.label, row.lines, row.note) == ("Conditions", (), "The order changed.")


@pytest.mark.django_db
@pytest.mark.parametrize("conditions", [{"rules": 5}, {"rules": [3]}, {"match": 1, "rules": [{"rules": "x"}]}])
def test_conditions_that_are_none_break_nothing(conditions: dict[str, object]) -> None:
    after = documents.apply(documents.blank(), {"audience.conditions": conditions})
    comparing.sections(documents.blank(), after)
    comparing.sections(after, documents.blank())


@pytest.mark.timeout(30)
def test_very_many_blocks_are_compared_by_lines() -> None:
    old, new = ([{"type": "spacer", "height": n * sign if n % 2 else 0} for n in range(1_500)] for sign in (1, -1))
    started = time.perf_counter()
    before, after = (documents.apply(documents.blank(), _blocks(body)) for body in (old, new))
    assert comparing.count(before, after) >= 1
    assert time.perf_counter() - started < 5


def _blocks(body: list[dict[str, Any]]) -> dict[str, object]:
    return {"compose.body_kind": "blocks", "compose.body": json.dumps(body)}
