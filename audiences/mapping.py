"""From the cells of a row to what we know about a person: guesses for columns, and one row at a time. No database.

A row is refused as a whole, with a reason: half a person is worse than none. One thing is let through with a note:
an unknown time zone is left empty.
"""

import hashlib
import json
import re
import unicodedata
import uuid
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from audiences import addresses
from audiences.csv_files import Record
from audiences.models import AttributeType, Consent, GroupState, Profile

SKIP, ATTRIBUTE, CONSENT, GROUP = "skip", "attribute", "consent", "group"
COLUMNS = ("email", "external_id", "first_name", "last_name", "phone", "country", "city", "language", "time_zone")
KEYS = ("email", "external_id")
MAX_TEXT = 2000
MAX_ITEMS = 100
_LENGTHS = {name: int(getattr(Profile._meta.get_field(name), "max_length", 0)) for name in COLUMNS}
# Header names of other systems, without accents, case and signs.
_SYNONYMS = {
    "email": "email mail emailaddress mailaddress courriel adressemail adresseemail adressecourriel correo",
    "external_id": "externalid id userid customerid clientid contactid subscriberid uid crmid idclient reference",
    "first_name": "firstname givenname forename prenom vorname nombre",
    "last_name": "lastname surname familyname nom nomdefamille nachname apellido apellidos",
    "phone": "phone phonenumber telephone tel mobile mobilephone portable telefon",
    "country": "country countrycode pays land pais",
    "city": "city town ville stadt ciudad",
    "language": "language lang locale langue sprache idioma",
    "time_zone": "timezone tz fuseauhoraire zeitzone",
    CONSENT: "consent emailconsent emailsubscribe optin emailoptin subscribed subscription subscriptionstatus status",
}
_TARGETS = {word: target for target, words in _SYNONYMS.items() for word in words.split()}
_CONSENTS = {
    **dict.fromkeys(("subscribed", "yes", "true", "1", "y", "oui", "active", "abonne"), Consent.SUBSCRIBED),
    **dict.fromkeys(("opted_in", "optedin", "optin", "opt-in", "opt in", "confirmed"), Consent.OPTED_IN),
    **dict.fromkeys(
        ("unsubscribed", "no", "false", "0", "n", "non", "optout", "opt-out", "opted_out", "desabonne"),
        Consent.UNSUBSCRIBED,
    ),
}
_FLAGS = {
    **dict.fromkeys(("yes", "y", "true", "t", "1", "oui", "vrai", "ja", "si"), True),
    **dict.fromkeys(("no", "n", "false", "f", "0", "non", "faux", "nein"), False),
}
_NUMBER = re.compile(r"-?\d{1,15}(?:[.,]\d{1,10})?\Z")
_AMBIGUOUS = re.compile(r"-?\d{1,3},\d{3}\Z")
_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\Z")
_ZERO = re.compile(r"-?0\d")
DAY_FIRST, MONTH_FIRST = "dmy", "mdy"

Target = dict[str, str]


@dataclass(frozen=True)
class Row:
    """A person from a file, ready to be merged: values of COLUMNS in order ("" for none), attributes as JSON.

    `groups` is JSON as well: what the row says of subscription groups, public id to state.
    """

    line: int
    digest: uuid.UUID
    email_key: str
    columns: tuple[str, ...]
    attributes: str
    consent: str | None
    note: str = ""
    groups: str = "{}"


@dataclass(frozen=True)
class Refusal:
    """A row that is not imported: why, the detail, and its cells, shortened."""

    line: int
    reason: str
    detail: str
    cells: list[str]


def guess(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    known: Mapping[str, str],
    groups: Mapping[str, str] | None = None,
) -> dict[str, Target]:
    """A mapping to begin with, by header names and the first rows. `known` has the types of attributes there are,
    `groups` the public ids of subscription groups by name: a column called like one that says yes or no is one."""
    by_name = {_plain(name): public_id for name, public_id in (groups or {}).items()}
    found: dict[str, Target] = {}
    used: set[str] = set()
    for index, header in enumerate(headers):
        target = _TARGETS.get(_plain(header), ATTRIBUTE)
        cells = [row[index].strip() for row in rows if index < len(row)]
        if target == CONSENT and not all(_CONSENTS.get(_word(cell)) for cell in cells if cell):
            target = ATTRIBUTE
        group = by_name.get(_plain(header), "")
        if group and group not in used and all(_CONSENTS.get(_word(cell)) for cell in cells if cell):
            used.add(group)
            found[str(index)] = {"target": GROUP, "group": group}
            continue
        if target != ATTRIBUTE and target not in used:
            used.add(target)
            found[str(index)] = {"target": target}
            continue
        name = attribute_name(header)
        if not name or name in used or name in COLUMNS:
            found[str(index)] = {"target": SKIP}
            continue
        used.add(name)
        kind, order = (known[name], "") if name in known else _kind(cells)
        found[str(index)] = {"target": ATTRIBUTE, "name": name, "type": kind, "order": order or _order(cells)}
    if "email" not in used:
        _find_addresses(found, rows)
    return found


def _find_addresses(found: dict[str, Target], rows: Sequence[Sequence[str]]) -> None:
    """The first column that mostly holds addresses is the address, whatever it is called."""
    for index in found:
        cells = [row[int(index)] for row in rows if int(index) < len(row) and row[int(index)].strip()]
        if cells and sum(addresses.is_valid(cell) for cell in cells) * 2 > len(cells):
            found[index] = {"target": "email"}
            return


def attribute_name(header: str) -> str:
    """The name of an attribute for a header: `Last order (EUR)` → `last_order_eur`."""
    return re.sub(r"[^a-z0-9]+", "_", _ascii(header).lower()).strip("_")[:60]


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _ascii(header).lower())


def _word(cell: str) -> str:
    return _ascii(cell).strip().lower()


def _kind(cells: Sequence[str]) -> tuple[str, str]:
    """The type that fits every cell, and the order of day and month for dates; text when in doubt."""
    given = [cell for cell in cells if cell]
    if not given:
        return AttributeType.TEXT, ""
    if all(cell.lower() in _FLAGS for cell in given) and not all(cell in {"0", "1"} for cell in given):
        return AttributeType.BOOLEAN, ""
    if all(_number(cell) is not None and not _ZERO.match(cell) for cell in given):
        return AttributeType.NUMBER, ""
    for order in (DAY_FIRST, MONTH_FIRST):
        if all(_date(cell, order) for cell in given):
            return AttributeType.DATE, order
    return AttributeType.TEXT, ""


def _order(cells: Sequence[str]) -> str:
    return MONTH_FIRST if any((m := _DAY.match(cell)) and int(m[2]) > 12 for cell in cells) else DAY_FIRST


def _number(cell: str) -> int | float | None:
    """A number, with a point or a comma; `1,234` could mean two things and is refused."""
    text = cell.replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    if not _NUMBER.match(text) or _AMBIGUOUS.match(text):
        return None
    value = float(text.replace(",", "."))
    return int(value) if value.is_integer() else value


@lru_cache(maxsize=65536)
def _date(cell: str, order: str) -> str:
    """A day or a moment in ISO 8601; "" when it is neither."""
    try:
        if match := _DAY.match(cell):
            first, second, year = int(match[1]), int(match[2]), int(match[3])
            day, month = (second, first) if order == MONTH_FIRST else (first, second)
            return date(year, month, day).isoformat()
        if len(cell) < 10 or cell[4:5] != "-":
            return ""
        return date.fromisoformat(cell).isoformat() if len(cell) == 10 else datetime.fromisoformat(cell).isoformat()
    except ValueError:
        return ""


@lru_cache(maxsize=2048)
def is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


class _Refused(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Converter:
    """Turns records into rows by one mapping. `headers` name the columns in details of refusals."""

    def __init__(self, mapping: Mapping[str, Target], headers: Sequence[str], key: str) -> None:
        assert key in KEYS, key
        self._headers = headers
        self._key = key
        places = (*COLUMNS, CONSENT)
        self._places = {target["target"]: int(index) for index, target in mapping.items() if target["target"] in places}
        self._attributes = [(int(index), target) for index, target in mapping.items() if target["target"] == ATTRIBUTE]
        self._groups = [(int(index), target["group"]) for index, target in mapping.items() if target["target"] == GROUP]

    def convert(self, record: Record) -> Row | Refusal:
        try:
            return self._row(record)
        except _Refused as refused:
            return self.refuse(record, refused.reason, refused.detail)

    def refuse(self, record: Record, reason: str, detail: str = "") -> Refusal:
        """A refusal of `record` with as much of its cells as the report keeps."""
        cells, room = [], MAX_TEXT
        for cell in record.cells[: len(self._headers) + 1]:
            cells.append(cell[: min(200, room)].replace("\x00", ""))
            room = max(0, room - len(cell))
        return Refusal(record.line, reason, detail[:300].replace("\x00", ""), cells)

    def withdrawal(self, record: Record) -> tuple[str, str] | None:
        """Address key and external id ("" where unknown) of a row that says "unsubscribed", also of a refused one."""
        cells = dict(enumerate(record.cells))
        if _CONSENTS.get(_word(cells.get(self._places.get(CONSENT, -1), ""))) != Consent.UNSUBSCRIBED:
            return None
        return self._whom(cells)

    def group_withdrawals(self, record: Record) -> list[tuple[str, str, str]]:
        """The same for groups, with the public id of each group that the row says no to."""
        cells = dict(enumerate(record.cells))
        left = [
            group for index, group in self._groups if _CONSENTS.get(_word(cells.get(index, ""))) == Consent.UNSUBSCRIBED
        ]
        return [(*self._whom(cells), group) for group in left]

    def _whom(self, cells: Mapping[int, str]) -> tuple[str, str]:
        external_id = " ".join(cells.get(self._places.get("external_id", -1), "").replace("\x00", "").split())
        email_key = addresses.key(cells.get(self._places.get("email", -1), ""))
        return email_key, external_id if self._key == "external_id" else ""

    def _row(self, record: Record) -> Row:
        cells = record.cells
        if record.problem:
            raise _Refused(record.problem)
        if len(cells) != len(self._headers) and (len(cells) < len(self._headers) or any(cells[len(self._headers) :])):
            raise _Refused("columns", f"{len(cells)} / {len(self._headers)}")
        if any("\x00" in cell for cell in cells):
            raise _Refused("control")
        note = ""
        columns = {name: self._column(name, cells) for name in COLUMNS if name in self._places}
        email, zone = columns.get("email", ""), columns.get("time_zone", "")
        email_key = addresses.key(email)
        if self._key == "external_id" and not columns["external_id"]:
            raise _Refused("no_key")
        if (email or self._key == "email") and not email_key:
            raise _Refused("invalid_email", email)
        if zone and not is_zone(zone):
            columns["time_zone"], note = "", "unknown_zone"
        digest = hashlib.md5(
            (email_key if self._key == "email" else columns["external_id"]).encode(), usedforsecurity=False
        )
        return Row(
            record.line,
            uuid.UUID(bytes=digest.digest()),
            email_key,
            tuple(columns.get(name, "") for name in COLUMNS),
            json.dumps(self._values(cells)) if self._attributes else "{}",
            self._consent(cells),
            note,
            json.dumps(self._states(cells)) if self._groups else "{}",
        )

    def _column(self, name: str, cells: list[str]) -> str:
        """One cell on one line: a line break in a name would end up in a mail header."""
        cell = cells[self._places[name]]
        text = cell.strip() if name == "email" else " ".join(cell.split())
        if len(text) > _LENGTHS[name]:
            raise _Refused("too_long", self._headers[self._places[name]])
        return text

    def _consent(self, cells: list[str]) -> str | None:
        if CONSENT not in self._places:
            return None
        cell = cells[self._places[CONSENT]].strip()
        if not cell:
            return None
        state = _CONSENTS.get(_word(cell))
        if state is None:
            raise _Refused("bad_consent", cell)
        return state.value

    def _states(self, cells: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for index, group in self._groups:
            if not (cell := cells[index].strip()):
                continue
            consent = _CONSENTS.get(_word(cell))
            if consent is None:
                raise _Refused("bad_group", f"{self._headers[index]}: {cell}")
            is_out = consent == Consent.UNSUBSCRIBED
            found[group] = GroupState.UNSUBSCRIBED if is_out else GroupState.SUBSCRIBED
        return found

    def _values(self, cells: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, target in self._attributes:
            if cell := cells[index].strip():
                found[target["name"]] = self._value(cell, target, self._headers[index])
        return found

    def _value(self, cell: str, target: Target, header: str) -> Any:
        if len(cell) > MAX_TEXT:
            raise _Refused("too_long", header)
        kind = target["type"]
        if kind == AttributeType.NUMBER:
            value: Any = _number(cell)
        elif kind == AttributeType.BOOLEAN:
            value = _FLAGS.get(cell.lower())
        elif kind == AttributeType.DATE:
            value = _date(cell, target.get("order", DAY_FIRST)) or None
        elif kind == AttributeType.LIST:
            value = [part for item in re.split(r"[;|]", cell) if (part := item.strip())]
            value = value if len(value) <= MAX_ITEMS else None
        else:
            return cell
        if value is None:
            raise _Refused(f"bad_{kind}", f"{header}: {cell}")
        return value
