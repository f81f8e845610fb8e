"""Filters of calls: what each finds among a few people, and what is refused with its place."""

import datetime as dt
from typing import Any

import pytest

from api import audiences
from api.refusals import Refused
from audiences import rules
from audiences.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
# Name → attributes. An offset, none (UTC), a day alone, a day that is none, and nothing.
PEOPLE: dict[str, dict[str, Any]] = {
    "nine": {"seen": "2026-11-25T09:00:00+00:00", "tier": "gold-17", "vip": True},
    "paris": {"seen": "2026-11-25T11:30:00+01:00", "tier": "silver", "vip": False},
    "eleven": {"seen": "2026-11-25T11:00:00", "tier": "Gold"},
    "day": {"seen": "2026-11-25"},
    "wrong": {"seen": "2026-02-31T10:00:00Z", "tier": ""},
    "none": {},
}
FOUND: list[tuple[str, str, object, str]] = [
    ("tier", "matches_regex", "^gold", "nine"),
    ("tier", "matches_regex", "(?i)^gold", "eleven nine"),
    ("tier", "matches_regex", r"-\d+$", "nine"),
    ("tier", "does_not_match_regex", "(?i)gold", "day none paris wrong"),
    ("seen", "after", "2026-11-25T10:00:00Z", "eleven paris"),
    ("seen", "after", "2026-11-25T10:45:00Z", "eleven"),
    ("seen", "after", "2026-11-25T11:45:00+01:00", "eleven"),
    ("seen", "before", "2026-11-25T10:00:00", "nine wrong"),
    ("seen", "before", "2026-11-26T01:00:00+18:00", "wrong"),
    ("seen", "before", "2026-11-26T00:00:00Z", "day eleven nine paris wrong"),
    ("seen", "after", "2026-11-24T23:59:00Z", "day eleven nine paris"),
    ("seen", "after", "2026-11-25", ""),
    ("seen", "before", "2026-11-25", "wrong"),
    ("vip", "equals", True, "nine"),
    ("vip", "not_equal", True, "day eleven none paris wrong"),
    ("vip", "does_not_equal", True, "day eleven none paris wrong"),
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"last_used_app": {"comparison": "after", "value": "2026-01-01"}}, "audience.last_used_app: Chappe knows nothing"),
    ({"push_subscription_status": {"comparison": "is", "value": "opted_in"}}, "audience.push_subscription_status: Ch"),
    ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "matches_regex", "value": r"(a)\1"}},
     "audience.custom_attribute.value: A pattern can't have “\\1”."),
    ({"AND": [{"custom_attribute": {
        "custom_attribute_name": "tier", "comparison": "matches_regex", "value": "(?=a)"}}]},
     "audience.AND[0].custom_attribute.value: A pattern can't have “(?=”"),
    ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "matches_regex", "value": "a" * 201}},
     "audience.custom_attribute.value: Enter a pattern with at most 200"),
    ({"custom_attribute": {"custom_attribute_name": "tier", "comparison": "matches_regex"}},
     "audience.custom_attribute.value: Give this field"),
    ({"custom_attribute": {"custom_attribute_name": "seen", "comparison": "matches_regex", "value": "a"}},
     "audience.custom_attribute.comparison: Give one of"),
    ({"custom_attribute": {"custom_attribute_name": "seen", "comparison": "after", "value": "noon"}},
     "audience.custom_attribute.value: Give a time in ISO 8601"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _attributes() -> None:
    for name, kind in (("tier", "text"), ("seen", "date"), ("vip", "boolean")):
        factories.attribute(name, kind)


def test_each_comparison_finds_whom_it_means() -> None:
    for name, attributes in PEOPLE.items():
        factories.profile(external_id=name, attributes=attributes)
    for attribute, comparison, value, expected in FOUND:
        leaf = {"custom_attribute_name": attribute, "comparison": comparison, "value": value}
        where = rules.compile_audience(audiences.read({"custom_attribute": leaf}, at=NOW)).targeted
        found = Profile.objects.raw(f"SELECT p.* FROM audiences_profile p WHERE {where.sql}", where.params)
        assert " ".join(sorted(str(one.external_id) for one in found)) == expected, (comparison, value)


@pytest.mark.parametrize(("given", "told"), REFUSED)
def test_what_is_refused_names_its_place(given: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused) as refusal:
        audiences.read(given, at=NOW)
    assert refusal.value.sentences[0].startswith(told), refusal.value.sentences
