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
