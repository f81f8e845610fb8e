"""Text from outside: what can't be stored is replaced, everything else stays."""

import json

import pytest

from lib import texts


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a\0b", "a\ufffdb"), ("\ud800x", "\ufffdx"), ("x\udc00", "x\ufffd"), ("é 😀", "é 😀"), ("", "")],
)
def test_what_cannot_be_stored_is_replaced(given: str, kept: str) -> None:
    assert texts.storable(given) == kept


def test_json_has_no_lone_surrogates_at_any_depth() -> None:
    value = {"a": ["\ud800", {"b\udc00": "😀"}], "n": 1.5}
    assert texts.json_of(json.dumps(value)) == {"a": ["\ufffd", {"b\ufffd": "😀"}], "n": 1.5}
    with pytest.raises(ValueError, match="Expecting"):
        texts.json_of("{")
    with pytest.raises(RecursionError):
        texts.json_of("[" * 100_000)
