"""Which of several people with one address a call means, and names that mean nobody."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction

from audiences import identities
from audiences.models import Profile, ProfileAlias
from tests import factories

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)

# Prioritization → who wins of three: known since long, known and newer, and the newest, who has no id.
ORDERS = {
    (): "newer",
    ("identified", "most_recently_updated"): "newer",
    ("identified", "least_recently_updated"): "older",
    ("unidentified",): "anonymous",
    ("unidentified", "identified", "least_recently_updated"): "anonymous",
    ("most_recently_updated",): "anonymous",
    ("least_recently_updated",): "older",
}


@pytest.mark.parametrize("order", ORDERS)
def test_who_has_the_address(order: tuple[str, ...]) -> None:
    people = {
        "older": factories.profile(external_id="a", email="same@example.test"),
        "newer": factories.profile(external_id="b", email="same@example.test"),
        "anonymous": factories.profile(email="SAME@example.test"),
    }
    for n, profile in enumerate(people.values()):
        Profile.objects.filter(pk=profile.pk).update(updated_at=NOW + dt.timedelta(hours=n))
    name = identities.Name("email", "Same@Example.test", priorities=order)
    assert identities.find([name]) == {name: people[ORDERS[order]].pk}


def test_names_that_mean_nobody() -> None:
    ProfileAlias.objects.create(profile=factories.profile(external_id="u1"), label="shop", name="lea")
    names = [
        identities.Name("external_user_id", "U1"),
        identities.Name("user_alias", "lea", label="till"),
        identities.Name("email", "no address"),
        identities.Name("email", "nobody@example.test"),
        identities.Name("braze_id", "nonsense"),
    ]
    assert identities.find(names) == {}


def test_any_mix_of_names_takes_one_query_and_nobody_none(django_assert_num_queries: Any) -> None:
    one, two = factories.profile(external_id="u1"), factories.profile(email="Lea@example.test")
    ProfileAlias.objects.create(profile=two, label="crm", name="u1")
    names = {
        identities.Name("external_user_id", "u1"): one.pk,
        identities.Name("user_alias", "u1", label="crm"): two.pk,
        identities.Name("email", "LEA@example.test"): two.pk,
        identities.Name("email", "lea@example.test", priorities=("identified",)): two.pk,
        identities.Name("braze_id", str(one.public_id).upper()): one.pk,
        identities.Name("external_user_id", "u2"): None,
        identities.Name("user_alias", "u1", label="shop"): None,
    }
    with django_assert_num_queries(1):
        assert identities.find(names) == {name: pk for name, pk in names.items() if pk}
    with django_assert_num_queries(0):
        assert identities.find([identities.Name("braze_id", "x"), identities.Name("email", "no address")]) == {}
        assert identities.find([]) == {}


def test_each_is_made_once_by_the_names_that_may_and_nobody_by_ours() -> None:
    known = identities.Name("external_user_id", "u1")
    factories.profile(external_id="u1")
    new = [
        identities.Name("external_user_id", "u2"),
        identities.Name("email", "Lea@example.test"),
        identities.Name("email", "lea@EXAMPLE.test", priorities=("identified",)),
        identities.Name("user_alias", "a", label="crm"),
        identities.Name("user_alias", "a", label="shop"),
    ]
    nobody = [identities.Name("braze_id", str(uuid.uuid4())), identities.Name("email", "no address")]
    only_found = identities.Name("external_user_id", "u3")
    with transaction.atomic():
        found, made = identities.find_or_make([known, *new, *nobody, only_found], makeable=[known, *new, *nobody])
        again = identities.find_or_make([known, *new], makeable=[known, *new])
    assert set(found) == {known, *new} and made == {*new} - {new[2]} and again == (found, frozenset())
    assert found[new[1]] == found[new[2]] and len(set(found.values())) == 5 == Profile.objects.count()
    assert Profile.objects.get(pk=found[new[1]]).email == "Lea@example.test"
