"""Every question against PostgreSQL, with the same few people: who is found is the whole specification."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audiences import rules
from audiences.models import Profile
from tests import factories

pytestmark = pytest.mark.django_db


def day(offset: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=offset)).isoformat()


@pytest.fixture
def people() -> None:
    """ann has everything, bob has values of the wrong JSON type, cid has nothing, dan has awkward text."""
    for name, kind in (
        ("plan", "text"),
        ("spend", "number"),
        ("vip", "boolean"),
        ("ordered", "date"),
        ("tags", "list"),
    ):
        factories.attribute(name, kind)
    factories.profile(
        first_name="ann",
        email="Ann@Example.test",
        country="FR",
        external_id="a-1",
        is_test=True,
        attributes={"plan": "pro", "spend": 200.5, "vip": True, "ordered": day(-10), "tags": ["red", "blue"]},
        email_consent="opted_in",
    )
    factories.profile(
        first_name="bob",
        country="BE",
        attributes={"plan": 7, "spend": "200.5", "vip": "true", "ordered": "10/11/2026", "tags": "red"},
    )
    factories.profile(first_name="cid", email="", attributes={}, email_consent="unsubscribed")
    factories.profile(
        first_name="dan",
        country="O'Land; DROP TABLE audiences_profile; --",
        attributes={
            "plan": "50%_off\\'\"",
            "spend": 10,
            "vip": False,
            "ordered": (datetime.now(UTC) + timedelta(days=5)).isoformat(),
            "tags": [],
        },
    )


def found(group: dict[str, Any]) -> str:
    fragment = rules.compile_group(group)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT p.first_name, ({fragment.sql}) IS NULL FROM audiences_profile p WHERE {fragment.sql} ORDER BY 1",
            [*fragment.params, *fragment.params],
        )
        rows = cursor.fetchall()
    assert not any(is_null for _name, is_null in rows)
    return " ".join(name for name, _is_null in rows)


def ask(field: str, op: str, value: Any = None) -> str:
    return found({"match": "all", "rules": [{"field": field, "op": op, "value": value}]})


CASES: list[tuple[str, str, Any, str]] = [
    # text of a column
    ("profile.country", "is", "FR", "ann"),
    ("profile.country", "is", ["FR", "BE", ""], "ann bob"),
    ("profile.country", "is_not", "FR", "bob cid dan"),
    ("profile.country", "contains", "r", "ann dan"),
    ("profile.country", "not_contains", "r", "bob cid"),
    ("profile.country", "starts_with", "o'l", "dan"),
    ("profile.country", "ends_with", "R", "ann"),
    ("profile.country", "is_set", None, "ann bob dan"),
    ("profile.country", "is_not_set", None, "cid"),
    ("profile.country", "is", "O'Land; DROP TABLE audiences_profile; --", "dan"),
    ("profile.country", "is", "' OR 1=1 --", ""),
    ("profile.country", "contains", "%", ""),
    ("profile.country", "contains", "%s", ""),
    ("profile.external_id", "is_set", None, "ann"),
    ("profile.external_id", "is_not", "a-1", "bob cid dan"),
    ("profile.email", "is", "ANN@example.TEST", "ann"),
    ("profile.email", "is", "not an address", ""),
    ("profile.email", "ends_with", "@EXAMPLE.test", "ann bob dan"),
    # text of an attribute; bob's is a number
    ("attributes.plan", "is", "pro", "ann"),
    ("attributes.plan", "is", "7", ""),
    ("attributes.plan", "is", ["pro", "50%_off\\'\""], "ann dan"),
    ("attributes.plan", "is", [f"x{i}" for i in range(20)] + ["pro"], "ann"),
    ("attributes.plan", "is_not", "pro", "bob cid dan"),
    ("attributes.plan", "contains", "%_", "dan"),
    ("attributes.plan", "contains", "\\'", "dan"),
    ("attributes.plan", "contains", "p_o", ""),
    ("attributes.plan", "is_set", None, "ann dan"),
    ("attributes.plan", "is_not_set", None, "bob cid"),
    # numbers; bob's is a text
    ("attributes.spend", "is", 200.5, "ann"),
    ("attributes.spend", "is_not", 200.5, "bob cid dan"),
    ("attributes.spend", "gt", 10, "ann"),
    ("attributes.spend", "gte", 10, "ann dan"),
    ("attributes.spend", "lt", 200.5, "dan"),
    ("attributes.spend", "lte", 200.5, "ann dan"),
    ("attributes.spend", "between", [10, 200], "dan"),
    ("attributes.spend", "is_set", None, "ann dan"),
    ("attributes.spend", "is_not_set", None, "bob cid"),
    # yes or no; bob's is a text
    ("attributes.vip", "is", True, "ann"),
    ("attributes.vip", "is", False, "dan"),
    ("attributes.vip", "is_not", True, "bob cid dan"),
    ("attributes.vip", "is_set", None, "ann dan"),
    ("attributes.vip", "is_not_set", None, "bob cid"),
    ("profile.is_test", "is", True, "ann"),
    ("profile.is_test", "is_not", True, "bob cid dan"),
    # dates; bob's is no ISO date, dan's is a moment five days ahead
    ("attributes.ordered", "in_last_days", 10, "ann"),
    ("attributes.ordered", "in_last_days", 9, ""),
    ("attributes.ordered", "not_in_last_days", 10, "bob cid dan"),
    ("attributes.ordered", "in_next_days", 5, "dan"),
    ("attributes.ordered", "in_next_days", 4, ""),
    ("attributes.ordered", "before", day(0), "ann"),
    ("attributes.ordered", "before", day(-10), ""),
    ("attributes.ordered", "after", day(0), "dan"),
    ("attributes.ordered", "is", day(5), "dan"),
    ("attributes.ordered", "between", [day(-10), day(5)], "ann dan"),
    ("attributes.ordered", "is_set", None, "ann dan"),
    ("attributes.ordered", "is_not_set", None, "bob cid"),
    ("profile.created_at", "in_last_days", 1, "ann bob cid dan"),
    ("profile.created_at", "before", day(0), ""),
    ("consent.changed_at", "is_not_set", None, "ann bob cid dan"),
    # lists; bob's is a text, dan's is empty
    ("attributes.tags", "contains", "red", "ann"),
    ("attributes.tags", "contains", ["green", "blue"], "ann"),
    ("attributes.tags", "not_contains", "red", "bob cid dan"),
    ("attributes.tags", "is_set", None, "ann"),
    ("attributes.tags", "is_not_set", None, "bob cid dan"),
    # consent
    ("consent.email", "is", "opted_in", "ann"),
    ("consent.email", "is", ["opted_in", "subscribed"], "ann bob dan"),
    ("consent.email", "is_not", "unsubscribed", "ann bob dan"),
]


@pytest.mark.parametrize(("field", "op", "value", "names"), CASES)
def test_question(people: None, field: str, op: str, value: Any, names: str) -> None:
    assert ask(field, op, value) == names


def test_every_question_of_every_type_is_tested() -> None:
    types = {info.name: info for info in rules.fields()} | {
        f"attributes.{name}": rules.field_lists.attribute(name, kind)
        for name, kind in (
            ("plan", "text"),
            ("spend", "number"),
            ("vip", "boolean"),
            ("ordered", "date"),
            ("tags", "list"),
        )
    }
    tested = {(types[field].type, op) for field, op, _value, _names in CASES}
    wanted = {(kind, op.name) for kind, ops in rules.field_lists.OPS.items() for op in ops if kind != "segment"}
    assert tested >= wanted


def test_groups_nest(people: None) -> None:
    pro = {"field": "attributes.plan", "op": "is", "value": "pro"}
    belgian = {"field": "profile.country", "op": "is", "value": "BE"}
    reachable = {"field": "consent.email", "op": "is_not", "value": "unsubscribed"}
    assert found({"match": "any", "rules": [pro, belgian]}) == "ann bob"
    assert found({"match": "all", "rules": [pro, belgian]}) == ""
    assert found({"match": "all", "rules": [reachable, {"match": "any", "rules": [pro, belgian]}]}) == "ann bob"


def test_segments_and_lists_inside_rules(people: None) -> None:
    rule = factories.segment({"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "FR"}]})
    listed = factories.segment(members=list(Profile.objects.filter(first_name__in=["cid", "bob"])))
    assert ask("segment.in", "is", str(rule.public_id)) == "ann"
    assert ask("segment.in", "is", [str(rule.public_id), str(listed.public_id)]) == "ann bob cid"
    assert ask("segment.in", "is_not", str(listed.public_id)) == "ann dan"


def test_a_segment_that_refers_to_itself_is_refused() -> None:
    first, second = factories.segment(), factories.segment()
    for segment, other in ((first, second), (second, first)):
        segment.rule = {"match": "all", "rules": [{"field": "segment.in", "op": "is", "value": str(other.public_id)}]}
        segment.save(update_fields=["rule"])
    with pytest.raises(rules.RuleProblem, match="refers to itself"):
        ask("segment.in", "is", str(first.public_id))


def audience(**parts: object) -> dict[str, object]:
    return {
        "segments": [],
        "segments_match": "any",
        "conditions": None,
        "exclude": [],
        "limit": None,
        "control_percent": 0,
        **parts,
    }


def test_audience_joins_segments_by_any_or_all_and_leaves_out(people: None) -> None:
    french = factories.segment({"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "FR"}]})
    both = factories.segment(members=list(Profile.objects.filter(first_name__in=["ann", "bob"])))
    ids = [str(french.public_id), str(both.public_id)]

    def names(doc: dict[str, object]) -> tuple[str, str]:
        compiled = rules.compile_audience(doc)
        out = []
        for fragment in (compiled.targeted, compiled.left_out):
            people = (
                Profile.objects.raw(
                    f"SELECT id, first_name FROM audiences_profile p WHERE {fragment.sql} ORDER BY 2", fragment.params
                )
                if fragment
                else []
            )
            out.append(" ".join(person.first_name for person in people))
        return out[0], out[1]

    assert names(audience(segments=ids)) == ("ann bob", "")
    assert names(audience(segments=ids, segments_match="all")) == ("ann", "")
    assert names(audience(segments=ids, exclude=[str(french.public_id)])) == ("ann bob", "ann")
    conditions = {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "BE"}]}
    assert names(audience(segments=ids, conditions=conditions)) == ("bob", "")
    assert names(audience(conditions=conditions)) == ("bob", "")


DEEP: dict[str, Any] = {"match": "all", "rules": [{"field": "profile.country", "op": "is_set"}]}
for _level in range(rules.MAX_DEPTH):
    DEEP = {"match": "all", "rules": [DEEP]}
BOTTOMLESS: dict[str, Any] = DEEP
for _level in range(200):
    BOTTOMLESS = {"match": "any", "rules": [BOTTOMLESS]}


@pytest.mark.parametrize(
    ("group", "path", "message"),
    [
        (None, "", "isn't a group"),
        ([], "", "isn't a group"),
        ({"match": "none", "rules": []}, "", "isn't a group"),
        ({"match": "all", "rules": []}, "", "Add a condition"),
        ({"match": "all", "rules": ["x"]}, "rules.0.field", "Choose what to ask"),
        (
            {"match": "all", "rules": [{"field": "profile.password", "op": "is", "value": "x"}]},
            "rules.0.field",
            "doesn't exist any more",
        ),
        (
            {"match": "all", "rules": [{"field": "attributes.x' OR '1'='1", "op": "is", "value": "x"}]},
            "rules.0.field",
            "doesn't exist any more",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "= ''; --", "value": "x"}]},
            "rules.0.op",
            "Choose how",
        ),
        ({"match": "all", "rules": [{"field": "profile.country", "op": "gt", "value": 3}]}, "rules.0.op", "Choose how"),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ""}]},
            "rules.0.value",
            "Enter a value",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ["x" * 501]}]},
            "rules.0.value",
            "at most 500",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "a\x00b"}]},
            "rules.0.value",
            "at most 500",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": [{"a": 1}]}]},
            "rules.0.value",
            "at most 500",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ["x"] * 501}]},
            "rules.0.value",
            "At most 500 values",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.created_at", "op": "in_last_days", "value": 0}]},
            "rules.0.value",
            "days from 1",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.created_at", "op": "in_last_days", "value": True}]},
            "rules.0.value",
            "days from 1",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.created_at", "op": "before", "value": "2026-02-31"}]},
            "rules.0.value",
            "Enter a date",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.created_at", "op": "between", "value": [day(1), day(0)]}]},
            "rules.0.value",
            "larger",
        ),
        (
            {"match": "all", "rules": [{"field": "consent.email", "op": "is", "value": "maybe"}]},
            "rules.0.value",
            "can't be chosen",
        ),
        (
            {"match": "all", "rules": [{"field": "profile.is_test", "op": "is", "value": "yes"}]},
            "rules.0.value",
            "yes or no",
        ),
        ({"match": "all", "rules": [{"field": "profile.country", "op": "is_set"}] * 101}, "", "At most 100"),
        (
            {"match": "all", "rules": [{"field": "segment.in", "op": "is", "value": "nope"}]},
            "rules.0.value",
            "doesn't exist",
        ),
        (DEEP, "rules.0.rules.0.rules.0.rules.0.rules.0", "at most 5 deep"),
        (BOTTOMLESS, "rules.0.rules.0.rules.0.rules.0.rules.0", "at most 5 deep"),
    ],
)
def test_a_broken_rule_says_what_and_where(group: Any, path: str, message: str) -> None:
    with pytest.raises(rules.RuleProblem, match=message) as caught:
        rules.compile_group(group)
    assert caught.value.path == path


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "12", True, None, 10**16])
def test_a_number_must_be_a_number(value: Any) -> None:
    factories.attribute("spend", "number")
    with pytest.raises(rules.RuleProblem, match="Enter a number"):
        ask("attributes.spend", "gt", value)


@pytest.mark.parametrize(
    ("parts", "path", "message"),
    [
        ({}, "segments", "Choose at least one segment."),
        ({"conditions": {"match": "all", "rules": []}}, "conditions", "Add a condition"),
        ({"conditions": "everybody"}, "conditions", "isn't a group"),
        ({"segments": ["00000000-0000-0000-0000-000000000000"]}, "segments.0", "doesn't exist"),
        ({"segments": ["x'; --"]}, "segments.0", "doesn't exist"),
        (
            {"conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is_set"}]}, "limit": 0},
            "limit",
            "from 1",
        ),
        (
            {
                "conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is_set"}]},
                "control_percent": 51,
            },
            "control_percent",
            "from 0 to 50",
        ),
    ],
)
def test_a_broken_audience_says_what_and_where(parts: dict[str, object], path: str, message: str) -> None:
    (problem, *_more) = rules.validate(audience(**parts))
    assert problem.path == path
    assert message in problem.message
    with pytest.raises(rules.RuleProblem, match=message):
        rules.compile_audience(audience(**parts))


def test_a_deleted_segment_is_named() -> None:
    gone = factories.segment(
        {"match": "all", "rules": [{"field": "profile.country", "op": "is_set"}]},
        name="VIP",
        deleted_at=datetime.now(UTC),
    )
    assert [problem.message for problem in rules.validate(audience(segments=[str(gone.public_id)]))] == [
        "The segment “VIP” was deleted."
    ]


def test_a_registered_field_is_offered_compiled_and_described(people: None) -> None:
    info = rules.FieldInfo("weather.likes", "likes weather", "choice", choices=(("sun", "sunshine"),))
    rules.register(
        "weather",
        lambda rule: rules.Fragment("p.first_name = %s", ("ann" if rule["value"] == "sun" else "bob",)),
        lambda: [info],
        describe=lambda rule: "who like sunshine",
    )
    try:
        assert info in rules.fields()
        assert ask("weather.likes", "is", "sun") == "ann"
        with pytest.raises(rules.RuleProblem, match="can't be chosen"):
            ask("weather.likes", "is", "rain")
        doc = audience(conditions={"match": "all", "rules": [{"field": "weather.likes", "op": "is", "value": "sun"}]})
        assert rules.describe(doc) == "people who like sunshine"
    finally:
        del rules.field_lists._extensions["weather"]


def test_describe_is_one_sentence() -> None:
    factories.attribute("spend", "number")
    news, vip, bought = (
        factories.segment(members=[], name=name) for name in ("Newsletter", "VIP customers", "Bought lately")
    )
    doc = audience(
        segments=[str(news.public_id), str(vip.public_id)],
        exclude=[str(bought.public_id)],
        conditions={
            "match": "all",
            "rules": [
                {"field": "profile.country", "op": "is", "value": ["France", "Belgium"]},
                {"field": "profile.created_at", "op": "in_last_days", "value": 90},
                {
                    "match": "any",
                    "rules": [
                        {"field": "attributes.spend", "op": "gt", "value": 2000},
                        {"field": "segment.in", "op": "is_not", "value": [str(vip.public_id)]},
                    ],
                },
            ],
        },
    )
    assert rules.describe(doc) == (
        "people in Newsletter or VIP customers, whose country is France or Belgium"
        " and whose date added is in the last 90 days"
        " and (whose spend is more than 2,000 or who are not in VIP customers); without people in Bought lately"
    )
    assert rules.describe(audience(segments=[str(news.public_id), str(vip.public_id)], segments_match="all")) == (
        "people in all of Newsletter and VIP customers"
    )
