"""Documents keep what was typed, and refuse only what is no value."""

import json

import pytest

from campaigns import document as documents


def test_blank_has_every_field_and_is_already_normal() -> None:
    blank = documents.blank()
    assert documents.normalise(blank) == blank
    assert documents.differences(blank, documents.normalise({})) == []
    assert [len(blank[step]) for step in documents.STEPS] == [9, 28, 7, 12]


@pytest.mark.parametrize(
    "raw", [None, [], "text", 7, {"compose": []}, {"compose": {"subject": None}}, {"other": {"a": 1}}]
)
def test_normalise_never_fails(raw: object) -> None:
    assert documents.normalise(raw) == documents.blank()


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("compose.subject", "Grüße 😀", "Grüße 😀"),
        ("compose.subject", "a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("compose.subject", 12, "12"),
        ("compose.no_preheader", "on", True),
        ("compose.no_preheader", "", False),
        ("tracking.opens", False, False),
        ("delivery.validity_hours", "72", 72),
        ("delivery.validity_hours", "1 000", 1000),
        ("delivery.validity_hours", "three days", "three days"),
        ("delivery.validity_hours", "-5", "-5"),
        ("delivery.rate_per_minute", "", None),
        ("delivery.rate_per_minute", "9" * 30, "9" * 30),
        ("delivery.date", "31.2.2026", "31.2.2026"),
        ("audience.segments", '["a", "b", "a"]', ["a", "b"]),
        ("audience.conditions", "", None),
        ("audience.conditions", '{"match": "all", "rules": []}', {"match": "all", "rules": []}),
        ("audience.conditions", {"x": float("nan"), "y": ["a\0"]}, {"x": None, "y": ["a\ufffd"]}),
    ],
)
def test_apply_stores_values_as_typed(field: str, given: object, stored: object) -> None:
    before = documents.blank()
    after = documents.apply(before, {field: given})
    assert documents.value(after, field) == stored
    assert documents.normalise(json.loads(json.dumps(after))) == after
    assert before == documents.blank()


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("compose.colour", "red"),
        ("name", "x"),
        ("compose", {"subject": "x"}),
        ("audience.segments", "not json"),
        ("audience.segments", [1, 2]),
        ("audience.conditions", "[1]"),
        ("audience", "7"),
        ("audience.segments", "9" * 5_000),
        ("compose.body", "x" * 5_100_000),
    ],
)
def test_apply_refuses_what_is_no_value_and_says_where(field: str, given: object) -> None:
    with pytest.raises(documents.DraftInvalid) as caught:
        documents.apply(documents.blank(), {field: given, "compose.subject": "kept out"})
    assert caught.value.status == 422
    assert field in caught.value.fields
    assert caught.value.message


def test_apply_refuses_a_tree_deeper_than_anybody_writes() -> None:
    tree: dict[str, object] = {}
    for _ in range(100):
        tree = {"rules": [tree]}
    with pytest.raises(documents.DraftInvalid):
        documents.apply(documents.blank(), {"audience.conditions": tree})


def test_apply_takes_a_whole_audience() -> None:
    whole = {
        "segments": ["s"],
        "segments_match": "all",
        "conditions": None,
        "exclude": [],
        "subscription_group": "",
        "limit": 5,
        "control_percent": 0,
    }
    assert documents.apply(documents.blank(), {"audience": json.dumps(whole)})["audience"] == whole


def test_differences_names_fields_in_the_order_of_the_editor() -> None:
    before = documents.blank()
    after = documents.apply(before, {"tracking.opens": False, "compose.body": "x", "compose.subject": "y"})
    assert documents.differences(before, after) == ["compose.subject", "compose.body", "tracking.opens"]
    assert documents.summary(documents.differences(before, after)) == "Subject, Body, Track opens"
    assert documents.summary(documents.names()[:7]).endswith("and 2 more")


def test_own_text_knows_the_body_it_was_written_for() -> None:
    with_body = documents.apply(
        documents.blank(), {"compose.body": "one", "compose.text_mode": "own", "compose.text": "1"}
    )
    assert with_body["compose"]["text_for"] == documents.body_mark(with_body)
    later = documents.apply(with_body, {"compose.body": "two"})
    assert later["compose"]["text_for"] != documents.body_mark(later)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, None),
        ({"delivery.reeligibility": "always"}, 0),
        ({"delivery.reeligibility": "after"}, 7 * 86_400),
        (
            {"delivery.reeligibility": "after", "delivery.reeligible_after": 36, "delivery.reeligible_unit": "hours"},
            36 * 3600,
        ),
    ],
)
def test_re_eligibility_in_seconds(fields: dict[str, object], seconds: int | None) -> None:
    assert documents.re_eligible_after_s(documents.apply(documents.blank(), fields)["delivery"]) == seconds


def test_equal_documents_have_equal_fingerprints() -> None:
    blank = documents.blank()
    shuffled = {step: dict(reversed(section.items())) for step, section in reversed(blank.items())}
    assert documents.sha256(shuffled) == documents.sha256(blank)
    assert documents.sha256(documents.apply(blank, {"compose.subject": "x"})) != documents.sha256(blank)
