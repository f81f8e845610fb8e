"""Recipients and schedules as calls name them: what excludes each other, and at which place it is told."""

from typing import Any

import pytest
from rest_framework import exceptions

from api import envelope, refusals, shapes
from api import recipients as named
from audiences import identities
from lib.errors import DomainError

ALIAS = {"alias_name": "a", "alias_label": "crm"}
BIG = {"x": "y" * shapes.MOST_PROPERTIES}


class Body(shapes.Shape):
    recipients = named.Recipients()
    schedule = named.Schedule(required=False)


def told(given: Any) -> list[str]:
    body = Body(data=given)
    try:
        body.is_valid(raise_exception=True)
    except exceptions.ValidationError as error:
        return list(envelope.sentences(error.detail))
    return []


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        ({"external_user_id": "u1"}, []),
        ({"braze_id": "b1", "trigger_properties": {"a": {"b": [None, 1]}}}, []),
        ({"user_alias": {"alias_name": "a", "alias_label": "crm"}}, []),
        ({"email": "a@ex.org", "prioritization": ["identified", "most_recently_updated"]}, []),
        ({"external_user_id": "u1", "send_to_existing_only": False, "attributes": {"email": "a@ex.org"}}, []),
        ({"external_user_id": "u1", "email": None, "user_alias": None}, []),
        ({}, [": Give exactly one of external_user_id, user_alias, braze_id, email."]),
        (
            {"external_user_id": "u1", "braze_id": "b"},
            [": Give exactly one of external_user_id, user_alias, braze_id, email."],
        ),
        ({"email": "a@ex.org"}, [".prioritization: Give this field; an email needs it."]),
        ({"email": "a@ex.org", "prioritization": []}, [".prioritization: Give this field; an email needs it."]),
        (
            {"email": "a@ex.org", "prioritization": ["first"]},
            [f".prioritization[0]: Give one of {', '.join(identities.PRIORITIES)}."],
        ),
        (
            {"external_user_id": "u1", "send_to_existing_only": False},
            [".attributes: Give this field; send_to_existing_only is false."],
        ),
        (
            {"user_alias": ALIAS, "send_to_existing_only": False, "attributes": {"a": 1}},
            [".send_to_existing_only: Leave it out: nobody can be made by an alias alone."],
        ),
        (
            {"braze_id": "b1", "send_to_existing_only": False, "attributes": {"a": 1}},
            [".send_to_existing_only: Leave it out: nobody can be made by a braze_id."],
        ),
        (
            {"email": "a@ex", "prioritization": ["identified"], "send_to_existing_only": False, "attributes": {"a": 1}},
            [".email: This is no address that a message can be sent to."],
        ),
        ({"email": "a@ex.org", "prioritization": ["identified"] * 5}, [".prioritization: Give at most 4."]),
        ({"user_alias": {"alias_name": "a"}}, [".user_alias.alias_label: Give this field; it is required."]),
        ({"external_user_id": 7}, []),
        ({"external_user_id": True}, [".external_user_id: Give a text."]),
        ({"external_user_id": ""}, [".external_user_id: Give a text that is not empty."]),
        ({"external_user_id": "u1", "trigger_properties": BIG}, [".trigger_properties: Give at most 50 KB."]),
        ({"external_user_id": "u1", "trigger_properties": []}, [".trigger_properties: Give an object {…}."]),
        ({"external_user_id": "u1", "attributes": "x"}, [".attributes: Give an object {…}."]),
        ("u1", [": Give an object {…}."]),
    ],
)  # fmt: skip
def test_a_recipient_has_one_name_and_nothing_that_excludes_it(one: Any, lines: list[str]) -> None:
    assert told({"recipients": [one]}) == [f"recipients[0]{line}" for line in lines]


@pytest.mark.parametrize(
    "one",
    [
        {"external_user_id": "u1"},
        {"external_user_id": "u-1/@é"},
        {"external_user_id": " u1 "},
        {"external_user_id": "two words"},
        {"external_user_id": "x" * 200},
        {"external_user_id": 7},
        {"external_user_id": "u1", "trigger_properties": {"a": [1, {"b": None}]}},
        {"external_user_id": "u1", "trigger_properties": None},
        {"external_user_id": "u1", "attributes": {"a": 1}},
        {"external_user_id": "u1", "send_to_existing_only": True},
        {"external_user_id": "u1", "unknown": 1},
    ],
)
def test_the_usual_one_is_read_as_every_other_one(one: dict[str, Any]) -> None:
    quick = named._usual(one)
    if quick is not None:
        assert quick == named.Recipient().run_validation(one)


@pytest.mark.parametrize("one", [{"external_user_id": ""}, {"external_user_id": "x" * 201}, {"external_user_id": True}])
def test_what_is_wrong_is_never_usual(one: dict[str, Any]) -> None:
    assert named._usual(one) is None


def test_the_place_of_the_wrong_one_is_told() -> None:
    given = [{"external_user_id": f"u{number}"} for number in range(4)]
    assert told({"recipients": [*given[:2], {"email": 1}, given[3]]})[0].startswith("recipients[2]")


def test_fifty_are_taken_and_not_one_more() -> None:
    given = [{"external_user_id": f"u{number}"} for number in range(51)]
    assert told({"recipients": given[:50]}) == []
    with pytest.raises(refusals.Refused) as refused:
        told({"recipients": given})
    assert (refused.value.label, refused.value.status) == (refusals.TOO_MANY_USERS, 400)


@pytest.mark.parametrize(
    ("schedule", "lines"),
    [
        ({"time": "2030-01-15T09:00:00Z"}, []), ({"time": "2030-01-15"}, []),
        ({"time": "2030-01-15T09:00:00", "in_local_time": True}, []),
        ({"time": "2030-01-15T09:00:00+01:00", "in_local_time": False}, []),
        ({}, ["schedule.time: Give this field; it is required."]),
        ({"time": "soon"}, ["schedule.time: Give a time in ISO 8601, such as 2030-01-15T09:00:00Z."]),
        ({"time": 1893492000}, ["schedule.time: Give a text."]),
        ({"time": "2030-01-15T09:00:00Z", "in_local_time": "yes"}, ["schedule.in_local_time: Give true or false."]),
        (
            {"time": "2030-01-15T09:00:00-05:00", "in_local_time": True},
            ["schedule.time: Leave out the offset: the time is each person's own."],
        ),
        (
            {"time": "2030-01-15T09:00:00Z", "at_optimal_time": True},
            ["schedule.time: Leave out the offset: the time is each person's own."],
        ),
        (
            {"time": "2030-01-15T09:00:00", "at_optimal_time": True, "in_local_time": True},
            ["schedule: Give in_local_time or at_optimal_time, not both."],
        ),
    ],
)  # fmt: skip
def test_schedules(schedule: Any, lines: list[str]) -> None:
    assert told({"schedule": schedule}) == lines


@pytest.mark.parametrize(
    ("error", "status", "label"),
    [
        (DomainError("No.", code="invalid_campaign", status=400), 400, "Invalid Campaign ID"),
        (DomainError("No.", code="no_recipients", status=400), 400, "No Recipients"),
        (DomainError("No.", code="stopped"), 409, "Conflict"),
        (DomainError("No.", status=422, fields={"name": "Wrong."}), 400, "Bad Request"),
        (DomainError("No.", status=404), 404, "Not Found"),
    ],
)
def test_errors_of_rooms_below_get_the_labels_of_the_reference(error: DomainError, status: int, label: str) -> None:
    refused = envelope.refusal(error)
    assert (refused.status, refused.label) == (status, label)
    assert refused.sentences == (("name: Wrong.",) if error.fields else ("No.",))
