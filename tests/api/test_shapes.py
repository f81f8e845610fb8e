"""Fields take exactly one type, and say at which place and in which words what to do instead."""

import datetime as dt
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework import exceptions

from api import envelope, shapes

WRONG = [None, True, 1, 1.5, "", "text", [], {}, [1], [None], {"a": 1}]


class Inner(shapes.Shape):
    name = shapes.Text(max_length=5)
    tags = shapes.Many(shapes.Text(), required=False, most=2)


class Outer(shapes.Shape):
    text = shapes.Text(required=False)
    flag = shapes.Flag(required=False)
    whole = shapes.Whole(least=1, most=100, required=False)
    one = shapes.OneOf(("asc", "desc"), required=False)
    many = shapes.Many(Inner(), required=False)
    inner = Inner(required=False)
    free = shapes.Properties(required=False)
    id = shapes.PublicId(required=False)
    at = shapes.Moment(required=False)


def told(given: Any, shape: type[shapes.Shape] = Outer) -> list[str]:
    checked = shape(data=given)
    try:
        checked.is_valid(raise_exception=True)
    except exceptions.ValidationError as error:
        return list(envelope.sentences(error.detail))
    return []


@pytest.mark.parametrize(
    ("field", "taken", "sentence"),
    [
        ("text", ["text"], "text: Give a text"),
        ("flag", [True], "flag: Give true or false."),
        ("whole", [1], "whole: Give a whole number from 1 to 100."),
        ("one", [], "one: Give one of asc, desc."),
        ("many", [[]], "many"),
        ("inner", [], "inner"),
        ("free", [{}, {"a": 1}], "free: Give an object"),
        ("id", ["text"], "id: Give an id as a text."),
        ("at", [], "at: Give a time in ISO 8601"),
    ],
)
def test_each_field_takes_one_type_only(field: str, taken: list[Any], sentence: str) -> None:
    for value in WRONG:
        is_taken = value is None or any(value == one and type(value) is type(one) for one in taken)
        found = told({field: value})
        assert (found == []) is is_taken, (field, value, found)
        assert all(line.startswith(sentence) for line in found), (field, value, found)


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"inner": {"name": 1}}, ["inner.name: Give a text."]),
        ({"inner": {}}, ["inner.name: Give this field; it is required."]),
        ({"inner": {"name": None}}, ["inner.name: Give this field; it is required."]),
        ({"inner": {"name": "abcdef"}}, ["inner.name: Use at most 5 characters."]),
        ({"inner": {"name": "a", "tags": ["x", 2]}}, ["inner.tags[1]: Give a text."]),
        ({"inner": {"name": "a", "tags": ["x", "y", "z"]}}, ["inner.tags: Give at most 2."]),
        ({"inner": {"name": "a", "tags": [1, 2, 3]}}, ["inner.tags: Give at most 2."]),
        ({"many": [7] * 1001}, ["many: Give at most 1000."]),
        ({"flag": "true"}, ["flag: Give true or false."]),
        ({"whole": "7"}, ["whole: Give a whole number from 1 to 100."]),
        ({"many": [{"name": "a"}, {"name": []}, 7]}, ["many[1].name: Give a text.", "many[2]: Give an object {…}."]),
        ({"many": {"0": {"name": "a"}}}, ["many: Give a list […]."]),
        ({"whole": 0}, ["whole: Give a whole number from 1 to 100."]),
        ({"whole": 101}, ["whole: Give a whole number from 1 to 100."]),
        ({"whole": 10**400}, ["whole: Give a whole number from 1 to 100."]),
        ({"text": 1, "flag": "yes"}, ["text: Give a text.", "flag: Give true or false."]),
        ([], ["Give an object {…}."]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(given: Any, lines: list[str]) -> None:
    assert told(given) == lines


def test_unknown_names_and_null_are_passed_over() -> None:
    assert told({"unknown": 1, "text": None}) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("whole=7&flag=true&one=asc", {"whole": 7, "flag": True, "one": "asc"}),
        ("text=a&text=b", {"text": "b"}),
        ("flag=True", {"flag": True}),
        ("", {}),
    ],
)
def test_a_query_is_read_like_a_body(query: str, found: dict[str, Any]) -> None:
    shape = Outer(data=QueryDict(query))
    assert shape.is_valid() and shape.validated_data == found


@pytest.mark.parametrize("query", ["names=a&names=b", "names[]=a&names[]=b"])
def test_a_query_has_lists(query: str) -> None:
    class Listing(shapes.Shape):
        names = shapes.Many(shapes.Text())

    shape = Listing(data=QueryDict(query))
    assert shape.is_valid() and shape.validated_data == {"names": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2030-01-15T09:00:00Z", dt.datetime(2030, 1, 15, 9, tzinfo=dt.UTC)),
        ("2030-01-15T09:00:00", dt.datetime(2030, 1, 15, 9, tzinfo=dt.UTC)),
        ("2030-01-15T09:00:00+02:00", dt.datetime(2030, 1, 15, 7, tzinfo=dt.UTC)),
        ("2030-01-15T09:00:00 02:00", dt.datetime(2030, 1, 15, 7, tzinfo=dt.UTC)),
        ("2030-01-15", dt.datetime(2030, 1, 15, tzinfo=dt.UTC)),
        ("2030-02-30", None), ("2030-01-15T25:00:00", None), ("tomorrow", None), ("1700000000", None),
        ("0001-01-01T00:00:00+14:00", None), ("9999-12-31T23:59:59-12:00", None), ("²030-01-01", None),
    ],
)  # fmt: skip
def test_times(text: str, at: dt.datetime | None) -> None:
    shape = Outer(data={"at": text})
    assert shape.is_valid() is (at is not None)
    assert at is None or shape.validated_data["at"] == at
