"""Attributes that a message's recipients bring: written as /users/track writes them, or refused as a whole."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audiences import identities, profiles, subscriptions, tracking
from audiences.attribute_values import Operation
from audiences.identities import Name
from audiences.models import AttributeDefinition, ConsentChange, Profile, QuarantineEntry, Subscription
from audiences.reworking import Change
from audiences.updates import AttributesInvalid
from audiences.upserts import Source
from delivery import people
from delivery.callformat import Call, Recipient
from tests import factories
from tests.racing import at_once

NO_GROUP = "8d6f8c7a-5b4e-4f3d-a2c1-b0a9f8e7d6c5"
LATER = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def named(text: str, attributes: Any = None, kind: str = identities.EXTERNAL_ID, **fields: Any) -> Recipient:
    return Recipient(Name(kind, text, label=fields.pop("label", "")), attributes=attributes, **fields)


def call(*recipients: Recipient, **fields: Any) -> Call:
    return Call(recipients=recipients, key_label="Shop (chp_1…)", **fields)


# Attributes of somebody with n = 5 (a number), tags = ["a"], plan = "gold" (a text) → what becomes of them.
WRITTEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"n": {"inc": 2}}, {"n": 7}),
    ({"tags": {"add": ["b", "a"]}}, {"tags": ["a", "b"]}),
    ({"tags": {"remove": ["a"]}}, {"tags": []}),
    ({"n": None, "tags": None}, {"n": None, "tags": None}),
    ({"plan": "2026-11-25"}, {"plan": "2026-11-25"}),
    ({"dob": "1990-01-02", "gender": "F", "vip": True}, {"dob": "1990-01-02", "gender": "F", "vip": True}),
    ({"Fav tea-time": "x"}, {"Fav tea-time": "x"}),
    ({"home_city": " Nantes\n ", "time_zone": "Europe/Paris"}, {"city": "Nantes", "time_zone": "Europe/Paris"}),
    ({"external_id": "other", "_update_existing_only": True}, {"external_id": "u1"}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("said", "after"), WRITTEN)
def test_what_is_written(said: dict[str, Any], after: dict[str, Any]) -> None:
    for name, kind in (("n", "number"), ("tags", "list"), ("plan", "text")):
        factories.attribute(name, kind)
    known = {"n": 5, "tags": ["a"], "plan": "gold"}
    person = factories.profile(external_id="u1", attributes=known)
    assert people.find(call(named("u1", said))) == ([person.pk], "")
    person.refresh_from_db()
    told = {**person.attributes, "city": person.city, "time_zone": person.time_zone, "external_id": person.external_id}
    assert {name: told.get(name) for name in after} == after


# Attributes → what is told.
BY_ITSELF: list[tuple[dict[str, Any], str]] = [
    ({"email": 5}, "email: Give a text"),
    ({"email": "nowhere"}, "email: This is no address"),
    ({"bad name!": 1}, "bad name!: Use a name"),
    ({"email_key": "x"}, "email_key: Choose another name"),
    ({"x": {"nested": True}}, "x: Give a text, a number"),
    ({"x": {"inc": "1"}}, "x: inc: Give a number"),
    ({"x": float("nan")}, "x: Give a number"),
    ({"email_subscribe": "maybe"}, "email_subscribe: Give one of"),
    ({"subscription_groups": [{}]}, "subscription_groups: Give a list"),
    ({"marked_email_as_spam_at": "x"}, "marked_email_as_spam_at: Give a time"),
    ({"time_zone": "Mars/One"}, "time_zone: Give the name"),
    ({"push_tokens": []}, "push_tokens: Chappe sends no push"),
]


@pytest.mark.parametrize(("said", "told"), BY_ITSELF)
def test_what_is_wrong_by_itself_refuses_the_call_without_a_query(said: dict[str, Any], told: str) -> None:
    with pytest.raises(AttributesInvalid) as refusal:
        people.check(call(named("u0"), named("u1", {"first_name": "Ann", **said})))
    assert refusal.value.message.startswith(told) and refusal.value.number == 1


def there() -> dict[str, tuple[Any, str]]:
    """What is wrong by what is there → what is said, and what is told."""
    factories.attribute("n", "number")
    closed = factories.group("Closed")
    subscriptions.archive(closed.pk, by=factories.user("Admin"))
    factories.profile(external_id="u1", email="u1@example.test", attributes={"tags": [str(n) for n in range(100)]})
    factories.attribute("tags", "list")
    into_closed = {"subscription_group_id": str(closed.public_id), "subscription_state": "subscribed"}
    out_of_none = {"subscription_group_id": NO_GROUP, "subscription_state": "unsubscribed"}
    return {
        "type": ({"n": "five"}, "n: This attribute has the type number"),
        "archived": ({"subscription_groups": [into_closed]}, "subscription_groups: “Closed” is archived"),
        "no group": ({"subscription_groups": [out_of_none]}, "subscription_groups: There is no subscription group"),
        "size": ({"tags": {"add": ["new"]}}, "tags: This would become too large"),
    }


@pytest.mark.django_db
def test_what_is_wrong_by_what_is_there_refuses_the_call_and_stores_nothing() -> None:
    wrong = there()
    before = list(Profile.objects.values_list("external_id", "first_name"))
    for name, (said, told) in wrong.items():
        wanted = named("u2", {"first_name": "Ann", "new": 1, **said}, existing_only=False)
        asked = call(wanted if name != "size" else named("u1", {"first_name": "Ann", **said}))
        people.check(asked)
        with pytest.raises(AttributesInvalid) as refusal, transaction.atomic():
            people.find(asked)
        assert refusal.value.message.startswith(told)
    assert list(Profile.objects.values_list("external_id", "first_name")) == before
    assert not AttributeDefinition.objects.filter(name="new").exists()


@pytest.mark.django_db
def test_a_call_for_later_is_refused_now_and_a_promise_is_kept_without_what_no_longer_fits() -> None:
    for name, (said, told) in there().items():
        asked = call(named("nobody"), named("u1", {"first_name": name, **said}), due_at=LATER)
        if name != "size":
            with pytest.raises(AttributesInvalid) as refusal:
                people.check(asked)
            assert refusal.value.message.startswith(told) and refusal.value.number == 1
        ids, note = people.find(asked)
        person = Profile.objects.get()
        assert ids == [None, person.pk] and person.first_name == name
        assert note.startswith(f"recipients[1].attributes.{told}")
    people.check(call(named("u1", {"n": 1, "new": "x"}), due_at=LATER))
    assert not AttributeDefinition.objects.filter(name="new").exists(), "nothing is made by looking ahead"


# Consent before, what is said → consent after. "subscribed" brings nobody back, whoever says it.
CONSENTS = [
    ("unsubscribed", "subscribed", "unsubscribed"),
    ("unsubscribed", "opted_in", "opted_in"),
    ("unsubscribed", "unsubscribed", "unsubscribed"),
    ("subscribed", "opted_in", "opted_in"),
    ("subscribed", "unsubscribed", "unsubscribed"),
    ("opted_in", "subscribed", "opted_in"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("before", "said", "after"), CONSENTS)
def test_consent_counts_for_the_mailbox_and_is_no_reason_to_refuse(before: str, said: str, after: str) -> None:
    factories.profile(external_id="u1", email="lea@example.test", email_consent=before)
    mate = factories.profile(email="LEA@example.test", email_consent=before)
    ids, note = people.find(call(named("u1", {"email_subscribe": said}), named("u2", {"city": "Lyon"})))
    assert (ids[1], note) == (None, "")
    mates = mate.email_consent if (before, said) == ("subscribed", "opted_in") else after
    assert list(Profile.objects.order_by("pk").values_list("email_consent", flat=True)) == [after, mates]
    history = set(ConsentChange.objects.values_list("state", "source", "reference"))
    assert history == ({(after, "api", "Shop (chp_1…)")} if before != after else set())


@pytest.mark.django_db
def test_groups_and_complaints_hold_before_the_message() -> None:
    group = factories.group()
    said = {
        "subscription_groups": [{"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"}],
        "marked_email_as_spam_at": "2026-11-25",
    }
    wanted = {f"u{n}": {"email": f"u{n}@example.test", **said} for n in range(3)}
    recipients = [named(name, attributes, existing_only=False) for name, attributes in wanted.items()]
    ids, _note = people.find(call(*recipients))
    assert set(Subscription.objects.values_list("profile_id", "state")) == {(pk, "unsubscribed") for pk in ids}
    assert set(QuarantineEntry.objects.values_list("reason", flat=True)) == {"complaint"}
    assert all(profiles.quarantined(f"u{n}@example.test") for n in range(3))
    assert people.find(call(*recipients))[0] == ids and Profile.objects.count() == 3, "safe to repeat"


def n_queries(*recipients: Recipient) -> int:
    asked = call(*recipients)
    with CaptureQueriesContext(connection) as queries:
        people.find(asked)
    return len(queries)


@pytest.mark.django_db
def test_how_many_queries_it_takes_however_many_are_named() -> None:
    group = factories.group()
    groups = [{"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"}]
    for n in range(50):
        factories.profile(external_id=f"u{n}", email=f"u{n}@example.test")
    everything = {
        "first_name": "Ann", "n": {"inc": 1}, "email": "new@example.test", "email_subscribe": "opted_in",
        "subscription_groups": groups, "marked_email_as_spam_at": "2026-11-25",
    }  # fmt: skip
    counts: dict[str, list[int]] = {}
    for most in (1, 50):
        of = {
            "named": [named(f"u{n}") if n % 2 else named(f"u{n}@example.test", kind="email") for n in range(most)],
            "unknown": [named(f"x{n}") for n in range(most)],
            "columns": [named(f"u{n}", {"first_name": f"Ann{most}"}) for n in range(most)],
            "attributes": [named(f"u{n}", {"n": most, f"new{most}": 1}) for n in range(most)],
            "everything": [named(f"u{n}", {**everything, "email": f"n{n}-{most}@example.test"}) for n in range(most)],
            "made": [named(f"made{most}-{n}", {"city": "Lyon"}, existing_only=False) for n in range(most)],
        }  # fmt: skip
        for name, recipients in of.items():
            counts.setdefault(name, []).append(n_queries(*recipients))
    assert counts == {
        "named": [1, 1], "unknown": [1, 1], "columns": [3, 3], "attributes": [7, 7], "everything": [12, 12],
        "made": [9, 9],
    }  # fmt: skip
    with CaptureQueriesContext(connection) as queries:
        assert people.find(call()) == ([], "")
    assert not queries


@pytest.mark.django_db
def test_a_new_person_named_by_an_id_and_by_the_same_address_is_one() -> None:
    by_id = named("u1", {"email": "lea@example.test"}, existing_only=False)
    for other in (named("LEA@example.test", {"city": "Lyon"}, "email", existing_only=False),
                  named("lea@example.test", None, "email")):  # fmt: skip
        Profile.objects.all().delete()
        ids, _note = people.find(call(other, by_id))
        assert ids == [Profile.objects.get().pk] * 2


@pytest.mark.django_db(transaction=True)
def test_messages_and_what_is_told_at_once_make_one_person_and_lose_nothing() -> None:
    """The same names and new attributes in opposite orders, from both ways in."""
    names = [("u1", identities.EXTERNAL_ID), ("lea@example.test", identities.EMAIL), ("u2", identities.EXTERNAL_ID)]

    def message(number: int) -> Callable[[], Any]:
        said = dict([("a", {"inc": 1}), ("b", {"inc": 1})][:: 1 if number % 4 else -1])
        wanted = [named(text, said, kind, existing_only=False) for text, kind in names[:: 1 if number % 4 else -1]]
        return lambda: transaction.atomic(people.find)(call(*wanted))

    def told(number: int) -> Callable[[], Any]:
        plus = {"b": Operation("inc", 1), "a": Operation("inc", 1)}
        changes = [Change(Name(kind, text), attributes=plus) for text, kind in names[:: 1 if number % 4 == 1 else -1]]
        return lambda: tracking.track(changes, source=Source("api"))

    at_once(*(message(n) if n % 2 == 0 else told(n) for n in range(8)))
    assert [person.attributes for person in Profile.objects.all()] == [{"a": 8, "b": 8}] * 3
