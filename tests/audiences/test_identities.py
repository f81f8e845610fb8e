"""Which of several people with one address a call means, and names that mean nobody."""

import datetime as dt

import pytest

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
    assert identities.find([name]) == [people[ORDERS[order]].pk]


def test_names_that_mean_nobody() -> None:
    ProfileAlias.objects.create(profile=factories.profile(external_id="u1"), label="shop", name="lea")
    names = [
        identities.Name("external_user_id", "U1"),
        identities.Name("user_alias", "lea", label="till"),
        identities.Name("email", "no address"),
        identities.Name("email", "nobody@example.test"),
        identities.Name("braze_id", "nonsense"),
    ]
    assert identities.find(names) == [None] * 5
    assert identities.find([]) == []


def test_each_kind_takes_one_query(django_assert_num_queries: object) -> None:
    for n in range(5):
        factories.profile(external_id=f"u{n}")
    names = [identities.Name("external_user_id", f"u{n}") for n in range(5)]
    names += [identities.Name("email", f"x{n}@example.test") for n in range(5)]
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len([one for one in identities.find(names) if one]) == 5
