"""What a body may be: JSON, an object, not too large, not too deep, and storable."""

import json

import pytest

from api import bodies, refusals

OBJECT = {"a": [1, "é", {"b": None}], "c": 1.5, "d": "\u2028"}


@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"[]", b'"a"', b"1", b"null", b"true", b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1,}',
        b'\xff\xfe{"a": 1}', b'{"a": "\xff"}', b"[" * 100_000, b'{"a": ' + b"[" * 100_000, b'{"a" 1}', b"a=1&b=2",
        b'{"a": 01}', b'{"a": "\\ud800"}', b"<xml/>", b'{"a": "\n"}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(refusals.Malformed):
        bodies.parse(raw)


@pytest.mark.parametrize("value", [OBJECT, {}, {"a": [2**64 - 1, -(2**63)]}, {"a": "x" * 100_000}, {"a": [[[[[]]]]]}])
def test_json_objects_are_read_as_they_are(value: dict[str, object]) -> None:
    assert bodies.parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"a": {"b": ["x", "y\\u0000"]}}', "a.b[1]: "), (b'{"a\\u0000": 1}', ": Take out"),
        (b'{"a": [1, 123456789012345678901]}', "a[1]: Use whole numbers"),
        (b'{"a": -9223372036854775809}', "a: Use whole"),
        (b'{"a": 18446744073709551616}', "a: Use whole"),
        (b'{"a":' + b"[" * 41 + b"]" * 41 + b"}", "Nest at most 40"),
        (b'{"a":' * 42 + b"1" + b"}" * 42, "Nest at most 40"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_with_its_place(raw: bytes, told: str) -> None:
    with pytest.raises(refusals.Refused) as refused:
        bodies.parse(raw)
    assert told in refused.value.sentences[0]


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', b'{"a": 0.12345678901234567890}', b'{"a": 1e30}'])
def test_a_byte_order_mark_and_rounded_fractions_are_json(raw: bytes) -> None:
    assert isinstance(bodies.parse(raw)["a"], int | float)


def test_forty_levels_are_enough_for_anybody() -> None:
    raw = b'{"a":' + b"[" * 39 + b"]" * 39 + b"}"
    assert bodies.parse(raw)["a"]
