"""The body of a call: at most 4 MB of UTF-8 JSON, an object, not nested without end, and storable as it is."""

import json
import re
from typing import Any

import msgspec
from django.http import HttpRequest

from api import refusals
from api.refusals import Malformed, Refused

# Bytes; properties of 50 recipients at 50 KB each fit.
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
# Attribute of requests whose body was read: the object it is.
READ = "body_read"
_BOM = b"\xef\xbb\xbf"
# What may be a whole number that needs more than 64 bits.
_LONG = re.compile(rb"[0-9]{19}")
_LIMIT = f"{MAX_BYTES // (1024 * 1024)} MB"


def read(request: HttpRequest) -> dict[str, Any]:
    """The object a call brings; {} for none. Raises Refused (413, 415), Malformed."""
    raw = _bytes(request)
    if not raw.strip():
        return {}
    if (coding := request.headers.get("Content-Encoding", "identity").strip().lower()) != "identity":
        sentence = f"Send the body as it is, without “Content-Encoding: {coding[:60]}”."
        raise Refused(refusals.UNSUPPORTED, sentence, status=415)
    kind = request.content_type or "application/json"
    if kind != "application/json" and not kind.endswith("+json"):
        sentence = f"Send “Content-Type: application/json”, not {kind[:60]}."
        raise Refused(refusals.UNSUPPORTED, sentence, status=415)
    found = parse(raw)
    setattr(request, READ, found)
    return found


def _bytes(request: HttpRequest) -> bytes:
    """All of the body. One in chunks says no length, so Django reads nothing of it; the server knows where it ends."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    is_chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if declared.isdigit() and int(declared) <= MAX_BYTES:
        stream = request.META["wsgi.input"] if is_chunked else request
        raw: bytes = stream.read(MAX_BYTES + 1)
        if len(raw) <= MAX_BYTES:
            return raw
    raise Refused(refusals.TOO_LARGE, f"Send at most {_LIMIT}. Split the call.", status=413)


def parse(raw: bytes) -> dict[str, Any]:
    """Raises Malformed; Refused where it is JSON that can't be kept."""
    raw = raw.removeprefix(_BOM)
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is no JSON: {error}.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    if not isinstance(found, dict):
        raise Malformed("The body is JSON, but no object. Send {…}.")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH or b"\\u" in raw:
        _check(found)
    if _LONG.search(raw):
        # Read again, because msgspec rounds what needs more than 64 bits: other numbers would be sent than were said.
        _check(json.loads(raw))
    return found


def _check(found: dict[str, Any]) -> None:
    """Refuse what can't be kept as it is, with its place. Without recursion, because depth is what is looked for."""
    waiting: list[tuple[Any, str, int]] = [(found, "", 0)]
    while waiting:
        value, path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Refused(refusals.BAD_REQUEST, f"{path[:200]}: Nest at most {MAX_DEPTH} levels.")
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            told = f"{path[:200]}: Use whole numbers below 2^64, or give this one as a text."
            raise Refused(refusals.BAD_REQUEST, told)
        elif isinstance(value, dict):
            for name, inner in value.items():
                _check_text(name, path)
                waiting.append((inner, f"{path}.{name}" if path else name, depth + 1))
        elif isinstance(value, list):
            waiting += [(inner, f"{path}[{number}]", depth + 1) for number, inner in enumerate(value)]


def _check_text(text: str, path: str) -> None:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise Refused(refusals.BAD_REQUEST, f"{path[:200]}: Take out NUL characters and halves of surrogate pairs.")
