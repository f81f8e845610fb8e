"""Delivery status notifications (RFC 3464), also where their fields stand in the text or are not quite in order."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from messaging.bounces.parsing import ADDRESS

_MAX_LINES = 4000
_MAX_RECIPIENTS = 200
_MAX_FIELD = 1000
_FIELD = re.compile(r"^([A-Za-z][\w-]{1,40}):[ \t]*(.*)$")
_KNOWN = frozenset({"original-recipient", "final-recipient", "action", "status", "diagnostic-code", "remote-mta"})
_ADDRESS_TYPE = re.compile(r"^\s*[\w-]{1,20}\s*;\s*")
_DIAGNOSTIC_TYPE = re.compile(r"^\s*[A-Za-z][\w.-]{0,20}\s*;\s*")
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_COMMENT = re.compile(r"\(([^()]{1,300})\)")

FAILED, DELAYED, DELIVERED = "failed", "delayed", "delivered"


class Failure(NamedTuple):
    """One recipient of a report. `action`: FAILED, DELAYED or DELIVERED; `status`: "5.1.1" or ""."""

    address: str
    action: str
    status: str
    diagnostic: str


def recipients(text: str) -> list[Failure]:
    """The recipients that the fields in `text` report, in their order, each once; [] when there are none."""
    found: dict[str, Failure] = {}
    for fields in _groups(text):
        if "final-recipient" in fields or "original-recipient" in fields:
            failure = _failure(fields)
            found.setdefault(failure.address.lower() or f"#{len(found)}", failure)
        if len(found) >= _MAX_RECIPIENTS:
            break
    return list(found.values())


def _groups(text: str) -> Iterator[dict[str, str]]:
    """The fields that belong together: until an empty line, or until one of them comes again."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines()[:_MAX_LINES]:
        if line[:1] in (" ", "\t") and line.strip() and name:
            fields[name] = f"{fields[name]} {line.strip()}"[:_MAX_FIELD]
            continue
        found = _FIELD.match(line.strip())
        name = found[1].lower() if found and found[1].lower() in _KNOWN else ""
        if found and name:
            if name in fields and name.endswith("-recipient"):
                yield fields
                fields = {}
            fields.setdefault(name, found[2].strip()[:_MAX_FIELD])
        elif not line.strip() and ("final-recipient" in fields or "original-recipient" in fields):
            yield fields
            fields = {}
    yield fields


def _failure(fields: dict[str, str]) -> Failure:
    address = _address(fields.get("original-recipient", "")) or _address(fields.get("final-recipient", ""))
    status = fields.get("status", "")
    code = _STATUS.search(status)
    diagnostic = _DIAGNOSTIC_TYPE.sub("", fields.get("diagnostic-code", "")).strip()
    if not re.search(r"[^\W\d]{2}|\d{3}", diagnostic):
        comment = _COMMENT.search(status)
        diagnostic = comment[1] if comment else ""
    return Failure(
        address, _action(fields.get("action", ""), code[1] if code else ""), code[0] if code else "", diagnostic
    )


def _address(value: str) -> str:
    found = ADDRESS.search(_ADDRESS_TYPE.sub("", value))
    return found[0] if found else ""


def _action(value: str, status_class: str) -> str:
    word = value.lower()
    if word.startswith("delay"):
        return DELAYED
    if word.startswith(("deliver", "relay", "expand")) or (not word.startswith("fail") and status_class == "2"):
        return DELIVERED
    return FAILED
