"""What people type is taken apart; what is not understood is shown."""

import pytest

from campaigns import search


@pytest.mark.parametrize(
    ("text", "words", "known", "unknown"),
    [
        ("", (), [], []),
        ("  autumn   sale ", ("autumn", "sale"), [], []),
        ('"autumn sale" x', ("autumn sale", "x"), [], []),
        ("status:live owner:me sale", ("sale",), [("status", "live"), ("owner", "me")], []),
        ("Status:LIVE", (), [("status", "live")], []),
        ('owner:"Milo Marketer"', (), [("owner", "Milo Marketer")], []),
        ("edited:>2026-11-01 edited:<2026-12-01", (), [("edited", ">2026-11-01"), ("edited", "<2026-12-01")], []),
        ("colour:red", (), [], ["Unknown filter: colour"]),
        ("status:happy", (), [], ["Unknown filter: status:happy"]),
        ("edited:2026-02-30", (), [], ["Unknown filter: edited:2026-02-30"]),
        ("edited:2026-11-01..2026-11-30", (), [("edited", "2026-11-01..2026-11-30")], []),
        ("edited:2026-11-30..2026-11-01", (), [], ["Unknown filter: edited:2026-11-30..2026-11-01"]),
        ("created:>=2026-11-01 sent:<=2026-11-01", (), [("created", ">=2026-11-01"), ("sent", "<=2026-11-01")], []),
        ("sent:9999-12-31", (), [], ["Unknown filter: sent:9999-12-31"]),
        ("is:archived", (), [("status", "archived")], []),
        ("is:live", (), [], ["Unknown filter: is:live"]),
        ("channel:fax", (), [], ["Unknown filter: channel:fax"]),
        ("https://shop.test/sale", ("https://shop.test/sale",), [], []),
        ("don't panic", ("don't", "panic"), [], []),
        ('open "quote', ("open", "quote"), [], []),
        ("a\0b", ("ab",), [], []),
    ],
)
def test_parse(text: str, words: tuple[str, ...], known: list[tuple[str, str]], unknown: list[str]) -> None:
    query = search.parse(text)
    assert query.words == words
    assert [(one.key, one.value) for one in query.filters if one.is_known] == known
    assert [one.label for one in query.filters if not one.is_known] == unknown


def test_a_filter_can_be_taken_out() -> None:
    query = search.parse('sale owner:"Milo Marketer" status:draft')
    assert search.without(query, query.filters[0]) == "sale status:draft"
    assert search.without(query, query.filters[1]) == 'sale "owner:Milo Marketer"'
    assert search.parse('sale "owner:Milo Marketer"').values("owner") == ["Milo Marketer"]


def test_a_filter_is_added_once() -> None:
    query = search.parse("sale tag:news")
    assert search.within(query, "tag", "news") == "sale tag:news"
    more = search.within(query, "tag", "Black Friday")
    assert search.parse(more).values("tag") == ["news", "Black Friday"]


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        ("2026-11-01", ("2026-11-01", "2026-11-02")),
        (">2026-11-01", ("2026-11-02", None)),
        (">=2026-11-01", ("2026-11-01", None)),
        ("<2026-11-01", (None, "2026-11-01")),
        ("<=2026-11-01", (None, "2026-11-02")),
        ("2026-11-01..2026-11-30", ("2026-11-01", "2026-12-01")),
        ("*..2026-11-30", (None, "2026-12-01")),
        ("2026-11-01..*", ("2026-11-01", None)),
    ],
)
def test_days(value: str, bounds: tuple[str | None, str | None]) -> None:
    found = search.days(value)
    assert found is not None
    assert tuple(day and day.isoformat() for day in found) == bounds
