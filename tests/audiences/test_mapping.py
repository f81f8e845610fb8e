import json
from typing import Any

import pytest

from audiences import mapping
from audiences.csv_files import Record
from audiences.mapping import Converter, Refusal, Row


@pytest.mark.parametrize(
    ("header", "cells", "target"),
    [
        ("E-mail", [], {"target": "email"}),
        ("Adresse e-mail", [], {"target": "email"}),
        ("Prénom", [], {"target": "first_name"}),
        ("Nom de famille", [], {"target": "last_name"}),
        ("External ID", [], {"target": "external_id"}),
        ("Time zone", [], {"target": "time_zone"}),
        ("email_subscribe", ["subscribed", "", "opted_in"], {"target": "consent"}),
        ("status", ["gold", "silver"], {"target": "attribute", "name": "status", "type": "text", "order": "dmy"}),
        ("Contact", ["lea@example.test", "x@example.test", ""], {"target": "email"}),
        (
            "Spend (€)",
            ["1", "2.5", "-3,25", ""],
            {"target": "attribute", "name": "spend", "type": "number", "order": "dmy"},
        ),
        ("Zip", ["01234", "99999"], {"target": "attribute", "name": "zip", "type": "text", "order": "dmy"}),
        ("Thousands", ["1,234"], {"target": "attribute", "name": "thousands", "type": "text", "order": "dmy"}),
        ("VIP", ["yes", "No"], {"target": "attribute", "name": "vip", "type": "boolean", "order": "dmy"}),
        (
            "Ordered",
            ["31/12/2025", "2026-10-01"],
            {"target": "attribute", "name": "ordered", "type": "date", "order": "dmy"},
        ),
        ("Ordered", ["12/31/2025"], {"target": "attribute", "name": "ordered", "type": "date", "order": "mdy"}),
        ("plan", ["1", "2"], {"target": "attribute", "name": "plan", "type": "text", "order": "dmy"}),
        ("佐藤", ["x"], {"target": "skip"}),
    ],
)
def test_guess(header: str, cells: list[str], target: dict[str, str]) -> None:
    assert mapping.guess([header], [[cell] for cell in cells], {"plan": "text"})["0"] == target


def test_a_target_is_guessed_once() -> None:
    found = mapping.guess(["email", "e-mail", "note", "Note"], [["a@b.test", "c@d.test", "x", "y"]], {})
    assert [target["target"] for target in found.values()] == ["email", "attribute", "attribute", "skip"]
    assert found["1"]["name"] == "e_mail"


def convert(cell: str, kind: str = "text", **target: str) -> Any:
    plan = {"0": {"target": "email"}, "1": {"target": "attribute", "name": "x", "type": kind, **target}}
    row = Converter(plan, ["email", "X"], "email").convert(Record(2, 0, 2, ["lea@example.test", cell]))
    return row if isinstance(row, Refusal) else json.loads(row.attributes).get("x")


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text", " a  b ", "a  b"),
        ("text", "=cmd|'/c calc'!A1", "=cmd|'/c calc'!A1"),
        ("text", "", None),
        ("number", "12", 12),
        ("number", "12,5", 12.5),
        ("number", "1 234,5", 1234.5),
        ("number", "-0.50", -0.5),
        ("boolean", "Oui", True),
        ("boolean", "0", False),
        ("date", "2026-10-01", "2026-10-01"),
        ("date", "2026-10-01T09:30:00+02:00", "2026-10-01T09:30:00+02:00"),
        ("date", "31/12/2025", "2025-12-31"),
        ("date", "1.2.2026", "2026-02-01"),
        ("list", "red; blue;;", ["red", "blue"]),
    ],
)
def test_value(kind: str, cell: str, value: Any) -> None:
    assert convert(cell, kind) == value


@pytest.mark.parametrize(
    ("kind", "cell", "reason"),
    [
        ("number", "n/a", "bad_number"),
        ("number", "1,234", "bad_number"),
        ("number", "NaN", "bad_number"),
        ("number", "1e999", "bad_number"),
        ("number", "9" * 400, "bad_number"),
        ("boolean", "perhaps", "bad_boolean"),
        ("date", "31/31/2025", "bad_date"),
        ("date", "2026-02-30", "bad_date"),
        ("date", "yesterday", "bad_date"),
        ("list", ";".join("x" * 101), "bad_list"),
        ("text", "x" * 2001, "too_long"),
        ("text", "a\x00b", "control"),
    ],
)
def test_a_bad_value_refuses_the_row(kind: str, cell: str, reason: str) -> None:
    refused = convert(cell, kind)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    assert "\x00" not in "".join(refused.cells) + refused.detail


def test_month_first_is_a_choice() -> None:
    assert convert("02/01/2026", "date", order="mdy") == "2026-02-01"


FULL = {
    str(i): {"target": name}
    for i, name in enumerate(("email", "external_id", "first_name", "country", "time_zone", "consent"))
}
HEADERS = ["email", "id", "first", "country", "zone", "consent"]
GOOD = ["Lea@Example.test", "7", " Lé\na ", "FR", "Europe/Paris", "yes"]


def test_a_row() -> None:
    row = Converter(FULL, HEADERS, "email").convert(Record(2, 0, 2, [*GOOD, ""]))
    assert isinstance(row, Row)
    assert dict(zip(mapping.COLUMNS, row.columns, strict=True)) == {
        "email": "Lea@Example.test",
        "external_id": "7",
        "first_name": "Lé a",
        "last_name": "",
        "phone": "",
        "country": "FR",
        "city": "",
        "language": "",
        "time_zone": "Europe/Paris",
    }
    assert (row.email_key, row.consent, row.note) == ("lea@example.test", "subscribed", "")


@pytest.mark.parametrize(
    ("place", "cell", "key", "reason"),
    [
        (0, "", "email", "invalid_email"),
        (0, "no-at-sign", "email", "invalid_email"),
        (0, "no-at-sign", "external_id", "invalid_email"),
        (1, "", "external_id", "no_key"),
        (1, "9" * 201, "email", "too_long"),
        (2, "x" * 121, "email", "too_long"),
        (5, "maybe", "email", "bad_consent"),
    ],
)
def test_a_bad_cell_refuses_the_row(place: int, cell: str, key: str, reason: str) -> None:
    cells = [*GOOD[:place], cell, *GOOD[place + 1 :]]
    refused = Converter(FULL, HEADERS, key).convert(Record(2, 0, 2, cells))
    assert isinstance(refused, Refusal)
    assert refused.reason == reason


@pytest.mark.parametrize("cells", [GOOD[:-1], [*GOOD, "more"]])
def test_a_wrong_number_of_cells_refuses_the_row(cells: list[str]) -> None:
    refused = Converter(FULL, HEADERS, "email").convert(Record(2, 0, 2, cells))
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.detail) == ("columns", f"{len(cells)} / 6")


def test_without_an_address_a_person_with_an_id_is_let_in_and_an_unknown_zone_is_noted() -> None:
    row = Converter(FULL, HEADERS, "external_id").convert(Record(2, 0, 2, ["", "7", "Lea", "", "Not/AZone", ""]))
    assert isinstance(row, Row)
    assert (row.email_key, row.consent, row.note) == ("", None, "unknown_zone")
