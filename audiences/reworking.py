"""Applies changes to people in memory; `upserts` reads and locks them before and writes them after. No database.

Consent belongs to the mailbox and only gets stricter by itself: who takes an address that unsubscribed is unsubscribed,
"subscribed" brings nobody back who left, and "opted in" does, because the person said it themselves.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audiences import addresses, attribute_values
from audiences.attribute_values import Operation
from audiences.identities import Name
from audiences.models import Consent

# Codes of what can be left out, as programs read it.
NOBODY, TYPE, SIZE, NAMES, LEFT, ARCHIVED, NO_GROUP = (
    "nobody", "type", "size", "names", "unsubscribed", "archived", "no_group",
)  # fmt: skip
_SENTENCES = {
    NOBODY: "There is nobody with this name.",
    TYPE: "This attribute has the type {detail}; nothing else can be put there.",
    SIZE: "This would become too large: {detail}.",
    NAMES: "There are as many attributes as Chappe keeps; no new one is made.",
    LEFT: "This mailbox unsubscribed. Only opted_in, said by the person, subscribes it again.",
    ARCHIVED: "“{detail}” is archived. Nobody can be subscribed to it.",
    NO_GROUP: "There is no subscription group with this id.",
}


@dataclass(frozen=True)
class Change:
    """What one program says of one person. Columns are names of mapping.COLUMNS without the id, "" to empty one.

    `consent` "" leaves it. `groups` has states by the public id of a subscription group. `may_make`: who isn't there is
    made.
    """

    who: Name
    columns: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Operation] = field(default_factory=dict)
    consent: str = ""
    groups: Mapping[uuid.UUID, str] = field(default_factory=dict)
    has_complained: bool = False
    may_make: bool = True


@dataclass(frozen=True)
class Problem:
    """A part of change number `number` that was left out; `field` "" for all of it."""

    number: int
    field: str
    code: str
    detail: str = ""

    @property
    def sentence(self) -> str:
        """In English, as programs read it."""
        return _SENTENCES[self.code].format(detail=self.detail)


@dataclass
class Row:
    """One locked person."""

    id: int
    email_key: str
    consent: str
    columns: dict[str, str]
    attributes: dict[str, Any]
    is_changed: bool = False


def unfit(number: int, name: str, operation: Operation, kind: str) -> Problem | None:
    """Why an attribute of the type `kind` can't take this; `kind` "": there is none."""
    if not kind and operation.type:
        return Problem(number, name, NAMES)
    return None if attribute_values.fits(operation, kind) else Problem(number, name, TYPE, kind)


class People:
    """The people of one call and those who share a mailbox with them."""

    def __init__(self, rows: Iterable[Row], types: Mapping[str, str], left: Iterable[str] = ()) -> None:
        """`left`: mailboxes that had unsubscribed before their people were erased."""
        self.rows = {row.id: row for row in rows}
        self._types = types
        self._left = set(left)
        self.problems: list[Problem] = []

    def apply(self, number: int, change: Change, profile_id: int) -> None:
        row = self.rows[profile_id]
        for name, value in change.columns.items():
            row.is_changed |= row.columns[name] != value
            row.columns[name] = value
        if "email" in change.columns:
            row.email_key = addresses.key(change.columns["email"])
        for name, operation in change.attributes.items():
            self._apply_attribute(number, row, name, operation)
        self._apply_consent(number, row, change.consent)

    def _apply_attribute(self, number: int, row: Row, name: str, operation: Operation) -> None:
        kind = self._types.get(name, "")
        if misfit := unfit(number, name, operation, kind):
            self.problems.append(misfit)
            return
        current = row.attributes.get(name)
        try:
            value = attribute_values.applied(operation, current, kind)
        except ValueError as problem:
            self.problems.append(Problem(number, name, SIZE, str(problem)))
            return
        row.is_changed |= value != current or type(value) is not type(current)
        if value is None:
            row.attributes.pop(name, None)
        else:
            row.attributes[name] = value

    def _apply_consent(self, number: int, row: Row, consent: str) -> None:
        mates = [one for one in self.rows.values() if one.email_key == row.email_key] if row.email_key else [row]
        is_out = row.email_key in self._left or any(one.consent == Consent.UNSUBSCRIBED for one in mates)
        self._left.discard(row.email_key)
        if consent == Consent.OPTED_IN:
            for one in mates:
                if one is row or one.consent == Consent.UNSUBSCRIBED:
                    self._set(one, Consent.OPTED_IN)
        elif is_out or consent == Consent.UNSUBSCRIBED:
            for one in mates:
                self._set(one, Consent.UNSUBSCRIBED)
        if is_out and consent == Consent.SUBSCRIBED:
            self.problems.append(Problem(number, "email_subscribe", LEFT))

    @staticmethod
    def _set(row: Row, consent: Consent) -> None:
        row.is_changed |= row.consent != consent
        row.consent = consent.value
