"""People read and erased by API: who is found by which name, and what is told of them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import AuditEntry
from api import profile_facts, refusals
from api.models import AnsweredCall
from audiences.models import Profile, ProfileAlias, ProfileEvent, Purchase
from tests import factories
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
EXPORT, DELETE = "/users/export/ids", "/users/delete"
AT = datetime(2026, 11, 25, 9, tzinfo=UTC)


def alias(name: str) -> dict[str, str]:
    return {"alias_name": name, "alias_label": "crm"}


@pytest.fixture
def caller() -> Caller:
    return Caller("users.export.ids")


def test_all_that_is_known_of_a_person_is_told(caller: Caller, django_assert_max_num_queries: Any) -> None:
    person = factories.profile(
        external_id="u1", email="Lea@example.test", first_name="Léa", city="Nantes", email_consent="unsubscribed",
        consent_changed_at=AT, attributes={"plan": "gold", "dob": "1990-01-02", "n": 1, "tags": ["a"]},
    )  # fmt: skip
    for hour in (1, 5, 3):
        ProfileEvent.objects.create(profile=person, name="signed_up", at=AT.replace(hour=hour))
    ProfileEvent.objects.create(profile=person, name="left", at=AT)
    Purchase.objects.create(profile=person, product_id="tea", currency="EUR", price=Decimal(1), at=AT)
    factories.profile(external_id="u2")
    with django_assert_max_num_queries(10):
        answer = caller.post(EXPORT, {"external_ids": ["u1", "u9", "u9"]})
    assert answer.status_code == 201 and answer.json()["invalid_user_ids"] == ["u9"]
    (told,) = answer.json()["users"]
    assert set(told) == set(profile_facts.FIELDS)
    assert told["custom_attributes"] == {"plan": "gold", "n": 1, "tags": ["a"]} and told["dob"] == "1990-01-02"
    assert (told["first_name"], told["home_city"], told["last_name"], told["gender"]) == ("Léa", "Nantes", None, None)
    assert (told["email_subscribe"], told["email_unsubscribed_at"], told["email_opted_in_at"]) == (
        "unsubscribed", "2026-11-25T09:00:00+00:00", None,
    )  # fmt: skip
    assert told["custom_events"] == [
        {"name": "left", "first": "2026-11-25T09:00:00+00:00", "last": "2026-11-25T09:00:00+00:00", "count": 1},
        {"name": "signed_up", "first": "2026-11-25T01:00:00+00:00", "last": "2026-11-25T05:00:00+00:00", "count": 3},
    ]
    assert [one["name"] for one in told["purchases"]] == ["tea"]


def test_people_are_found_by_every_name_and_only_what_is_wanted_is_told(caller: Caller) -> None:
    one = factories.profile(external_id="u1", email="lea@example.test")
    two = factories.profile(email="LEA@example.test")
    other = factories.profile(external_id="u3")
    ProfileAlias.objects.create(profile=other, label="crm", name="b")
    wanted = {"fields_to_export": ["braze_id", "devices"]}
    for names, found, unknown in (
        ({"external_ids": ["u1"]}, [one], []),
        ({"braze_id": str(two.public_id)}, [two], []),
        ({"braze_id": str(two.public_id).upper()}, [two], []),
        ({"braze_id": "nobody"}, [], ["nobody"]),
        ({"email_address": "Lea@example.test"}, [one, two], []),
        ({"email_address": "nobody"}, [], []),
        ({"user_aliases": [alias("b"), alias("c")]}, [other], ["crm: c"]),
        ({"external_ids": ["u1"], "email_address": "lea@example.test"}, [one, two], []),
    ):
        answer = caller.post(EXPORT, {**names, **wanted}).json()
        assert answer["users"] == [{"braze_id": str(person.public_id)} for person in found], names
        assert answer["invalid_user_ids"] == unknown
    told = caller.post(EXPORT, {"external_ids": ["u1", "u3"], "fields_to_export": ["user_aliases"]}).json()["users"]
    assert told == [{"user_aliases": []}, {"user_aliases": [alias("b")]}]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Give external_ids, user_aliases, braze_id or"), ({"external_ids": []}, "Give external_ids"),
        ({"external_ids": "u1"}, "external_ids: Give a list"), ({"external_ids": [True]}, "external_ids[0]: Give"),
        ({"external_ids": ["u"] * 51}, "at most 50"), ({"external_ids": ["u1"], "fields_to_export": []}, "at least"),
        ({"external_ids": ["u1"], "fields_to_export": "email"}, "fields_to_export: Give a list"),
        ({"user_aliases": ["a"]}, "user_aliases[0]: Give an object"),
        ({"user_aliases": [{"alias_name": "a"}]}, "user_aliases[0].alias_label: Give this"),
        ({"user_aliases": [{"alias_name": "a", "alias_label": "b"}] * 51}, "user_aliases: Give at most 50"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(caller: Caller, body: Any, told: str) -> None:
    factories.profile(external_id="u1")
    answer = caller.post(EXPORT, body)
    assert answer.status_code == 400 and told in answer.json()["errors"][0]


def test_no_answer_with_personal_data_is_kept(caller: Caller) -> None:
    factories.profile(external_id="u1", first_name="Ann")
    headers = {"Idempotency-Key": "one"}
    for _time in range(2):
        assert caller.post(EXPORT, {"external_ids": ["u1"]}, headers=headers).status_code == 201
    assert not AnsweredCall.objects.exists()


def test_people_are_erased_and_counted_once() -> None:
    caller = Caller("users.delete")
    people = [factories.profile(external_id=f"u{number}") for number in range(4)]
    assert caller.post(DELETE, {"external_ids": ["u0", "u1", "u9", "u0"]}).json() == {
        "message": "success",
        "deleted": 2,
    }
    assert caller.post(DELETE, {"external_ids": ["u0"]}).json()["deleted"] == 0, "safe to repeat"
    assert caller.post(DELETE, {"braze_ids": [str(people[2].public_id), "nobody"]}).json()["deleted"] == 1
    ProfileAlias.objects.create(profile=factories.profile(), label="crm", name="b")
    assert caller.post(DELETE, {"user_aliases": [alias("b"), alias("c")]}).json()["deleted"] == 1
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["u3"]
    erased = AuditEntry.objects.filter(action="profile.erased")
    assert erased.count() == 4 and caller.key.prefix in erased[0].actor_label


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Give one of external_ids, user_aliases, braze_ids"), ({"external_ids": []}, "Give one of"),
        ({"external_ids": ["u1"], "braze_ids": ["x"]}, "Give one of"), ({"external_ids": "u1"}, "Give a list"),
        ({"external_ids": [None]}, "external_ids[0]"), ({"external_ids": ["u1"] * 51}, "at most 50"),
        ({"external_ids": ["u1"], "user_aliases": [{"alias_name": "a", "alias_label": "b"}]}, "Give one of"),
        ({"email_addresses": [{"email": "a@b.de"}]}, "Give one of"),
    ],
)  # fmt: skip
def test_a_wrong_deletion_erases_nobody(body: Any, told: str) -> None:
    factories.profile(external_id="u1")
    answer = Caller("users.delete").post(DELETE, body)
    assert answer.status_code == 400 and told in answer.json()["errors"][0]
    assert Profile.objects.count() == 1


def test_reading_is_no_right_to_erase(caller: Caller) -> None:
    factories.profile(external_id="u1")
    assert caller.post(DELETE, {"external_ids": ["u1"]}).status_code == 403
    assert Profile.objects.count() == 1


def test_the_number_of_an_account_is_an_id_in_every_call() -> None:
    group = factories.group()
    caller = Caller("users.track", "users.export.ids", "users.delete", "subscription.status.set")
    event = {"external_id": 7, "name": "came", "time": AT.isoformat()}
    told = caller.post("/users/track", {"attributes": [{"external_id": 7, "city": "Lyon"}], "events": [event]}).json()
    assert (told["message"], told["attributes_processed"], told["events_processed"]) == ("success", 1, 1)
    state = {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed", "external_id": 7}
    assert caller.post("/subscription/status/set", state).json() == {"message": "success"}
    told = caller.post(EXPORT, {"external_ids": [7], "fields_to_export": ["external_id", "home_city"]}).json()
    assert told["users"] == [{"external_id": "7", "home_city": "Lyon"}]
    assert caller.post(DELETE, {"external_ids": [7]}).json()["deleted"] == 1


@pytest.mark.parametrize("n", [51, 5000])
@pytest.mark.parametrize(("path", "name"), [(EXPORT, "external_ids"), (DELETE, "braze_ids"), (DELETE, "user_aliases")])
def test_too_many_ids_have_their_own_label_however_many(path: str, name: str, n: int) -> None:
    answer = Caller("users.export.ids", "users.delete").post(path, {name: ["x"] * n})
    assert (answer.status_code, answer.json()["message"]) == (400, refusals.TOO_MANY_IDS)
