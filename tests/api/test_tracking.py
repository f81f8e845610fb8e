"""People written by API: attributes and their operations, consent, events; what is wrong beside what is done."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiences.models import (
    AttributeDefinition,
    ConsentChange,
    Profile,
    ProfileAlias,
    ProfileEvent,
    Purchase,
)
from tests import factories
from tests.api.callers import Caller
from tests.racing import at_once

TRACK = "/users/track"
AT = "2026-11-25T09:00:00Z"
EVENT = {"external_id": "u1", "name": "signed_up", "time": AT}
PURCHASE = {"external_id": "u1", "product_id": "tea", "currency": "EUR", "price": 12.5, "time": AT}


@pytest.fixture
def caller() -> Caller:
    return Caller("users.track")


def write(caller: Caller, *items: Any, **more: Any) -> Any:
    return caller.post(TRACK, {"attributes": list(items), **more})


def errors(answer: Any) -> list[str]:
    assert answer.status_code == 201, answer.content
    return list(answer.json().get("errors", []))


@pytest.mark.django_db
def test_a_new_person_is_made_with_all_that_is_told(caller: Caller) -> None:
    answer = write(
        caller,
        {
            "external_id": "u1", "email": "Lea@Example.test", "first_name": " Léa\n B ",
            "home_city": "Nantes", "time_zone": "Europe/Paris", "language": "fr", "points": 7, "vip": True,
            "plan": "gold", "born": "2001-02-03", "tags": ["a", "b", "a"], "dob": "1990-01-02", "gender": "F",
            "_update_existing_only": False, "app_id": "x",
        },
    )  # fmt: skip
    assert (answer.status_code, answer.json()) == (
        201,
        {"message": "success", "attributes_processed": 1, "events_processed": 0, "purchases_processed": 0},
    )
    person = Profile.objects.get()
    assert (person.external_id, person.email, person.email_key) == ("u1", "Lea@Example.test", "lea@example.test")
    assert (person.first_name, person.city, person.email_consent) == ("Léa B", "Nantes", "subscribed")
    assert person.attributes == {
        "points": 7, "vip": True, "plan": "gold", "born": "2001-02-03", "tags": ["a", "b"], "dob": "1990-01-02",
        "gender": "F",
    }  # fmt: skip
    assert dict(AttributeDefinition.objects.values_list("name", "type")) == {
        "points": "number", "vip": "boolean", "plan": "text", "born": "date", "tags": "list", "dob": "date",
        "gender": "text",
    }  # fmt: skip
    assert not ConsentChange.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "operation", "after", "told"),
    [
        ({"x": 5}, 7.5, {"x": 7.5}, ""), ({"x": 5}, None, {}, ""), ({}, None, {}, ""),
        ({"x": 5}, {"inc": 2}, {"x": 7}, ""), ({}, {"inc": -2}, {"x": -2}, ""),
        ({"x": ["a"]}, {"add": ["b", "a"]}, {"x": ["a", "b"]}, ""), ({}, {"add": ["b"]}, {"x": ["b"]}, ""),
        ({"x": ["a", "b"]}, {"remove": ["a", "z"]}, {"x": ["b"]}, ""), ({"x": ["a"]}, [], {"x": []}, ""),
        ({"x": "a"}, "2026-01-02", {"x": "2026-01-02"}, ""), ({"x": 5}, True, {"x": 5}, "type number"),
        ({"x": 5}, "5", {"x": 5}, "type number"), ({"x": ["a"]}, {"inc": 1}, {"x": ["a"]}, "type list"),
        ({"x": "2026-01-02"}, "tomorrow", {"x": "2026-01-02"}, "type date"),
        ({"x": 5}, {"inc": 10**15}, {"x": 5}, "too large"), ({"x": 5}, 10**15 + 1, {"x": 5}, "a number of at most"),
        ({"x": ["a"]}, {"add": [str(n) for n in range(100)]}, {"x": ["a"]}, "at most 100 items"),
        ({"x": ["a"]}, [1], {"x": ["a"]}, "a list of texts"), ({"x": "a"}, {"deep": 1}, {"x": "a"}, "Give a text, a"),
        ({"x": "a"}, {}, {"x": "a"}, "Give a text, a"), ({"x": 5}, {"inc": True}, {"x": 5}, "Give a number"),
        ({"x": ["a"]}, {"add": "b"}, {"x": ["a"]}, "Give a list of texts"),
        ({"x": "a"}, "y" * 2001, {"x": "a"}, "2000 characters"),
    ],
)  # fmt: skip
def test_operations_on_attributes(caller: Caller, before: Any, operation: Any, after: Any, told: str) -> None:
    person = factories.profile(external_id="u1", attributes=before)
    kinds = {bool: "boolean", int: "number", float: "number", list: "list"}
    for value in before.values():
        kind = "date" if str(value).startswith("2026") else kinds.get(type(value), "text")
        factories.attribute("x", kind)
    said = errors(write(caller, {"external_id": "u1", "x": operation, "first_name": "Ann"}))
    person.refresh_from_db()
    assert (person.attributes, person.first_name) == (after, "Ann"), "the rest is written"
    assert (told in said[0] and said[0].startswith("attributes[0].x: ")) if told else not said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({}, "attributes[0]: Give one of external_id"), ("x", "attributes[0]: Give an object"),
        ({"external_id": True}, "external_id: Give a text"), ({"external_id": " "}, "external_id: Give a text"),
        ({"external_id": "x" * 201}, "at most 200"), ({"braze_id": "nobody"}, "nobody with this name"),
        ({"external_id": "a", "braze_id": "b"}, "Give only one of"), ({"email": "lea"}, "email: This is no address"),
        ({"user_alias": {"alias_name": "a", "alias_label": "b"}}, "There is nobody with this name"),
        ({"user_alias": "a"}, "user_alias: Give an object"),
        ({"user_alias": {"alias_name": "a"}}, "user_alias.alias_label: Give this field"),
        ({"user_alias": {"alias_name": "x" * 201, "alias_label": "b"}}, "alias_name: Use at most 200"),
        ({"external_id": "a", "_update_existing_only": "yes"}, "_update_existing_only: Give true or false"),
        ({"external_id": "a", "_update_existing_only": True, "x": 1}, "There is nobody with this name"),
        ({"external_id": "a", "email": "lea"}, "attributes[0].email: This is no address"),
        ({"external_id": "a", "email": 7}, "attributes[0].email: Give a text"),
        ({"external_id": "a", "first_name": "x" * 121}, "first_name: Use at most 120"),
        ({"external_id": "a", "time_zone": "Mars/One"}, "time_zone: Give the name of a time zone"),
        ({"external_id": "a", "email_subscribe": "yes"}, "email_subscribe: Give one of"),
        ({"external_id": "a", "gender": "x"}, "gender: Give one of"), ({"external_id": "a", "dob": "x"}, "dob: Give a"),
        ({"external_id": "a", "Fav/Color": "x"}, "Fav/Color: Use a name of letters"),
        ({"external_id": "a", "Color ": "x"}, "Color : Use a name"), ({"external_id": "a", "_c": "x"}, "_c: Use"),
        ({"external_id": "a", "email_key": "x"}, "email_key: Choose another name"),
        ({"external_id": "a", "push_tokens": []}, "push_tokens: Chappe sends no push"),
        ({"external_id": "a", "subscription_groups": [{}]}, "subscription_groups: Give a list"),
        ({"external_id": "a", "marked_email_as_spam_at": "x"}, "marked_email_as_spam_at: Give a time"),
    ],
)  # fmt: skip
def test_a_wrong_item_is_told_and_makes_nobody_while_others_are_written(caller: Caller, item: Any, told: str) -> None:
    answer = write(caller, item, {"external_id": "u2", "first_name": "Ann"})
    (said,) = errors(answer)
    assert told in said and answer.json()["attributes_processed"] == 1
    assert list(Profile.objects.values_list("external_id", "first_name")) == [("u2", "Ann")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Give attributes, events or purchases"), ({"attributes": []}, "Give attributes"),
        ({"attributes": {}}, "attributes: Give a list"), ({"attributes": [{"external_id": "a", "x": {}}]}, "[0].x: "),
        ({"attributes": [{"external_id": "a"}], "events": "x"}, "events: Give a list"),
        ({"attributes": [{"first_name": "a"}], "events": [{}]}, "attributes[0]: Give one of"),
    ],
)  # fmt: skip
def test_where_all_is_wrong_nothing_is_done(caller: Caller, body: Any, told: str) -> None:
    answer = caller.post(TRACK, body)
    assert (answer.status_code, answer.json()["message"]) == (400, "Bad Request")
    assert told in answer.json()["errors"][0]
    assert not Profile.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["attributes", "events", "purchases"])
def test_75_of_a_kind_are_taken_and_76_are_not(caller: Caller, name: str) -> None:
    item = {"attributes": {"first_name": "Ann"}, "events": EVENT, "purchases": PURCHASE}[name]
    items = [{**item, "external_id": f"p{number}"} for number in range(76)]
    answer = caller.post(TRACK, {name: items})
    assert (answer.status_code, answer.json()["message"]) == (400, "Max Input Length Exceeded")
    assert not Profile.objects.exists()
    with CaptureQueriesContext(connection) as queries:
        assert caller.post(TRACK, {name: items[:75]}).json()[f"{name}_processed"] == 75
    assert Profile.objects.count() == 75
    assert len(queries) < 25, "set-based"


@pytest.mark.django_db
def test_people_are_found_by_any_name_and_made_by_an_address(caller: Caller) -> None:
    old = factories.profile(email="lea@example.test")
    known = factories.profile(email="lea@example.test", external_id="u1")
    factories.profile(email="lea@example.test")
    said = errors(
        write(
            caller,
            {"email": "LEA@example.test", "city": "Nantes"},
            {"braze_id": str(old.public_id), "city": "Lyon"},
            {"email": "new@example.test", "city": "Lille"},
            {"email": "New@example.test", "first_name": "Ann"},
        )
    )
    assert not said
    known.refresh_from_db()
    old.refresh_from_db()
    assert (known.city, old.city) == ("Nantes", "Lyon"), "of several the one with an id of its own"
    made = Profile.objects.get(email_key="new@example.test")
    assert (made.email, made.external_id, made.city, made.first_name) == ("new@example.test", None, "Lille", "Ann")


@pytest.mark.django_db
@pytest.mark.parametrize("order", [1, -1])
def test_a_new_address_means_who_brings_it_in_the_same_call(caller: Caller, order: int) -> None:
    factories.profile(external_id="old", email="away@example.test")
    items = [
        {"external_id": "u1", "email": "Lea@example.test"}, {"email": "lea@example.test", "city": "Nantes"},
        {"external_id": "old", "email": "old@example.test"}, {"email": "old@example.test", "city": "Lyon"},
        {"email": "away@example.test", "first_name": "Ann"}, {"email": "new@example.test"},
        {"external_id": "u9", "email": "nobody@example.test", "_update_existing_only": True},
        {"email": "nobody@example.test", "city": "Lille"},
    ]  # fmt: skip
    answer = write(caller, *items[::order], events=[{**EVENT, "external_id": None, "email": "LEA@example.test"}])
    assert len(errors(answer)) == 1, "of u9"
    people = Profile.objects.order_by("email").values_list("external_id", "email", "first_name", "city")
    assert list(people) == [
        ("u1", "Lea@example.test", "", "Nantes"), (None, "new@example.test", "", ""),
        (None, "nobody@example.test", "", "Lille"), ("old", "old@example.test", "Ann", "Lyon"),
    ]  # fmt: skip
    assert ProfileEvent.objects.get().profile.external_id == "u1"


@pytest.mark.django_db
def test_an_alias_finds_and_makes_only_where_that_is_said(caller: Caller) -> None:
    known = factories.profile()
    ProfileAlias.objects.create(profile=known, label="crm", name="a")
    named = [{"user_alias": {"alias_name": name, "alias_label": "crm"}} for name in ("a", "b", "c")]
    new = {"_update_existing_only": False}
    event = {"name": "came", "time": AT}
    answer = write(
        caller,
        {**named[0], "city": "Lyon"},
        {**named[1], "city": "Lyon"},
        {**named[2], **new, "city": "Lille"},
        {**named[2], "first_name": "Ann"},
        events=[{**named[0], **event}, {**named[1], **event}, {**named[2], **new, **event}],
    )
    assert errors(answer) == [
        "attributes[1]: There is nobody with this name.",
        "events[1]: There is nobody with this name. Nothing was stored.",
    ]
    known.refresh_from_db()
    made = ProfileAlias.objects.get(name="c").profile
    assert (known.city, made.city, made.first_name, made.external_id) == ("Lyon", "Lille", "Ann", None)
    assert Profile.objects.count() == 2 and ProfileEvent.objects.count() == 2


@pytest.mark.django_db
def test_changes_of_one_person_count_in_their_order_and_null_empties(caller: Caller) -> None:
    factories.profile(external_id="u1", first_name="Ann", city="Lyon")
    items: list[Any] = [{"first_name": "Bea", "n": {"inc": 1}}, {"first_name": "Cleo", "n": {"inc": 1}}, {"city": None}]
    assert not errors(write(caller, *({"external_id": "u1", **item} for item in items)))
    person = Profile.objects.get()
    assert (person.first_name, person.city, person.attributes) == ("Cleo", "", {"n": 2})
    assert not errors(write(caller, {"external_id": "u1", "email": None}))
    person.refresh_from_db()
    assert (person.email, person.email_key) == ("", "")


@pytest.mark.django_db
def test_what_changes_nothing_leaves_no_trace(caller: Caller) -> None:
    item = {"external_id": "u1", "first_name": "Ann", "n": 1, "tags": ["a"], "email_subscribe": "opted_in"}
    write(caller, item)
    before = Profile.objects.values().get()
    assert not errors(write(caller, item))
    assert Profile.objects.values().get() == before and ConsentChange.objects.count() == 1


@pytest.mark.django_db
def test_events_and_purchases_are_stored_as_told_each_time(caller: Caller) -> None:
    later = (timezone.now() + timedelta(days=400)).isoformat()
    body = {
        "events": [{**EVENT, "properties": {"a": [1, {"b": None}]}}, {**EVENT, "time": later}],
        "purchases": [{**PURCHASE, "quantity": 3, "price": -12.345678}],
    }
    for _time in range(2):
        assert caller.post(TRACK, body).json() == {
            "message": "success", "attributes_processed": 0, "events_processed": 2, "purchases_processed": 1,
        }  # fmt: skip
    assert Profile.objects.count() == 1 and ProfileEvent.objects.count() == 4 and Purchase.objects.count() == 2
    event, bought = ProfileEvent.objects.order_by("pk")[0], Purchase.objects.order_by("pk")[0]
    assert event.properties == {"a": [1, {"b": None}]} and event.at.isoformat() == "2026-11-25T09:00:00+00:00"
    assert max(ProfileEvent.objects.values_list("at", flat=True)) <= timezone.now(), "a time to come is now"
    assert (bought.product_id, bought.quantity, bought.price) == ("tea", 3, Decimal("-12.3457"))
    headers = {"Idempotency-Key": "one"}
    for _time in range(2):
        assert caller.post(TRACK, body, headers=headers).status_code == 201
    assert ProfileEvent.objects.count() == 6, "with a key it happened once"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("events", {"name": ""}, "name: Give a text"), ("events", {"name": 7}, "name: Give a text"),
        ("events", {"time": "yesterday"}, "time: Give a time"), ("events", {"time": None}, "time: Give this field"),
        ("events", {"external_id": None}, "events[0]: Give one of"), ("events", {"properties": []}, "an object"),
        ("events", {"properties": {"$a": 1}}, "begin with $"), ("events", {"properties": {"time": 1}}, "than time"),
        ("events", {"properties": {"a": [{"b": "x" * 256}]}}, "at most 255"),
        ("events", {"_update_existing_only": True}, "There is nobody with this name"),
        ("events", {"properties": {str(n): "x" * 250 for n in range(500)}}, "at most 100 KB"),
        ("purchases", {"price": "12"}, "price: Give a number"), ("purchases", {"price": 1e12}, "price: Give at most"),
        ("purchases", {"quantity": 101}, "from 1 to 100"), ("purchases", {"quantity": 0}, "from 1 to 100"),
        ("purchases", {"currency": "eur"}, "three capital letters"), ("purchases", {"product_id": "x" * 256}, "255"),
        ("purchases", {"braze_id": "nobody", "external_id": None}, "There is nobody with this name"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_told_while_others_are_stored(caller: Caller, name: str, changed: Any, told: str) -> None:
    base = EVENT if name == "events" else PURCHASE
    answer = caller.post(TRACK, {name: [{**base, **changed}, {**base, "external_id": "u2"}]})
    (said,) = errors(answer)
    assert told in said and said.startswith(f"{name}[0]") and answer.json()[f"{name}_processed"] == 1
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["u2"]


@pytest.mark.django_db
def test_no_more_attributes_than_anybody_can_read(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiences.upserts.MOST_DEFINITIONS", 2)
    (said,) = errors(write(caller, {"external_id": "u1", "a": 1, "b": 1, "c": 1}))
    assert said.startswith("attributes[0].c: There are")
    assert Profile.objects.get().attributes == {"a": 1, "b": 1}


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_make_one_person_and_lose_nothing() -> None:
    """Same ids, addresses and new attributes in opposite orders, eight at a time."""
    callers = [Caller("users.track") for _number in range(8)]
    names: list[dict[str, Any]] = [{"external_id": f"u{n}"} for n in range(10)]
    names += [{"email": f"p{n}@example.test"} for n in range(8)]
    aliases = [{"alias_name": f"a{n}", "alias_label": "crm"} for n in range(2)]
    names += [{"user_alias": one, "_update_existing_only": False} for one in aliases]

    def work(number: int) -> Callable[[], Any]:
        ordered = names if number % 2 else names[::-1]
        new = {"a": {"inc": 1}, "z": {"add": [str(number)]}}
        items = [{**one, **(new if number % 2 else dict(reversed(new.items())))} for one in ordered]
        return lambda: write(callers[number], *items, events=[EVENT])

    answers = at_once(*(work(number) for number in range(8)))
    assert [(answer.status_code, answer.json().get("errors")) for answer in answers] == [(201, None)] * 8
    assert Profile.objects.count() == 20 and ProfileEvent.objects.count() == 8
    for person in Profile.objects.all():
        assert person.attributes["a"] == 8 and sorted(person.attributes["z"]) == [str(n) for n in range(8)]
