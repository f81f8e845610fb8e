"""Refused calls as lines of the activity log: what is kept of one, and how often one is kept at all.

Of what was asked the form stays: names of fields, ids, times, small numbers. Every other text becomes "…", because it
may be an address, a name or a secret; so does everything that says who somebody is, or is said about them. A client
that goes on making the same mistake, or a stranger who tries keys, gets a few rows a minute from each web process; from
then on calls are only counted, in memory and now and then in the last row. Never part of a call: it runs after the
answer was made, and whatever goes wrong here changes no answer.
"""

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from api import asking
from api.models import ApiKey
from delivery import refused_calls

# Rows a minute of one process: of one kind, of callers without a key, and of all.
EACH, OF_NOBODY, MOST = 10, 60, 300
CUT = "…"
# Bytes of JSON; deeper and longer than that is cut before.
_MOST_BYTES, _MOST_DEPTH, _MOST_ITEMS, _MOST_NAMES = 2_000, 6, 5, 40
_MOST_NUMBER = 1_000_000
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T\d:.+Z -]{0,24}")
_IDS = re.compile(r"[\w-]{1,64}")
_SECRET = re.compile(r"chappe_\w{8}\w*")
_MAILBOX = re.compile(r"[^\s@“”\"'<>:,;]+@(?=[\w-])")
# Fields whose texts name things of this installation, right or wrong.
_NAMING = frozenset(
    {"campaign_id", "segment_id", "schedule_id", "message_variation_id", "subscription_group_id", "template_id"}
    | {"subscription_state", "recipient_subscription_state", "unit", "currency", "app_id"}
)
# Fields that say who somebody is, or what is known about them: an age, or a code that lets them in.
_ABOUT_PEOPLE = frozenset(
    {"attributes", "trigger_properties", "properties", "external_user_id", "external_user_ids", "external_id"}
    | {"external_ids", "user_alias", "user_aliases", "braze_id", "braze_ids"}
)


@dataclass(frozen=True)
class Refused:
    """One call and its answer, as the middleware saw them. `is_endpoint`: whether its path is one of ours."""

    method: str
    path: str
    status: int
    code: str
    sentences: tuple[str, ...]
    is_endpoint: bool
    key: ApiKey | None = None
    address: str = ""
    campaign_id: str = ""
    asked: Mapping[str, object] | None = None


@dataclass
class _Kind:
    """Calls of one kind in this minute: all, those with a row, those counted in the last row."""

    n: int = 0
    n_kept: int = 0
    n_told: int = 0
    row_id: int = 0


@dataclass
class _Minute:
    number: int = -1
    kinds: dict[tuple[object, ...], _Kind] = field(default_factory=dict)
    n_kept: int = 0
    n_of_nobody: int = 0


_minute = _Minute()


def note(refused: Refused) -> str:
    """Keep the call, or count it; the id under which it is kept, "" for none. At most one statement."""
    if (number := int(time.monotonic() // 60)) != _minute.number:
        _minute.number, _minute.n_kept, _minute.n_of_nobody = number, 0, 0
        _minute.kinds.clear()
    path = refused.path if refused.is_endpoint else ""
    called = (refused.key.pk if refused.key else None, path, refused.status, refused.code)
    if called not in _minute.kinds and len(_minute.kinds) >= MOST:
        return ""
    kind = _minute.kinds.setdefault(called, _Kind())
    kind.n += 1
    is_nobodys = refused.key is None
    if kind.n <= EACH and _minute.n_kept < MOST and not (is_nobodys and _minute.n_of_nobody >= OF_NOBODY):
        _minute.n_kept += 1
        _minute.n_of_nobody += is_nobodys
        row = refused_calls.keep(_row(refused))
        kind.n_kept, kind.row_id = kind.n_kept + 1, row.pk
        return row.public_id.hex
    over = kind.n - kind.n_kept
    # 1, 2, 4, 8, …: however many come, few statements.
    if kind.row_id and over & (over - 1) == 0:
        refused_calls.add(kind.row_id, over - kind.n_told)
        kind.n_told = over
    return ""


def _row(refused: Refused) -> refused_calls.Refusal:
    key = refused.key
    asked = masked(refused.asked) if key is not None and refused.asked else None
    if asked is not None and len(json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace")) > _MOST_BYTES:
        asked = dict.fromkeys(asked, CUT) if isinstance(asked, dict) else None
    return refused_calls.Refusal(
        method=clean(refused.method),
        path=clean(refused.path),
        status=refused.status,
        code=refused.code,
        sentences=clean("\n".join(refused.sentences)),
        key_id=key.public_id if key else None,
        key_label=asking.label(key) if key else "",
        address=clean(refused.address),
        origin_id=_id(refused.campaign_id) if key else "",
        asked=asked,
    )


def clean(text: str) -> str:
    """A text that can be stored, without keys and without the names of mailboxes: "lea@b.test" → "…@b.test"."""
    plain = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return _MAILBOX.sub(f"{CUT}@", _SECRET.sub(f"chappe_{CUT}", plain))


def masked(value: object, name: str = "", depth: int = 0, *, is_form: bool = True) -> object:
    """`value` without what may be personal or secret; `name` is the field it stands in.

    `is_form` False: it is about people, and nothing but the names of its fields is shown.
    """
    is_form = is_form and name not in _ABOUT_PEOPLE
    if isinstance(value, Mapping):
        if depth >= _MOST_DEPTH:
            return CUT
        shown = list(value.items())[:_MOST_NAMES]
        found = {clean(str(key))[:60]: masked(inner, str(key), depth + 1, is_form=is_form) for key, inner in shown}
        return {**found, CUT: len(value) - len(shown)} if len(value) > len(shown) else found
    if isinstance(value, list | tuple):
        if depth >= _MOST_DEPTH:
            return CUT
        items = [masked(inner, name, depth + 1, is_form=is_form) for inner in value[:_MOST_ITEMS]]
        return [*items, CUT] if len(value) > _MOST_ITEMS else items
    if isinstance(value, str):
        return value if not value or (is_form and _is_plain(value, name)) else CUT
    if isinstance(value, bool | int | float):
        is_small = isinstance(value, bool) or abs(value) < _MOST_NUMBER
        return value if is_form and is_small else CUT
    return value


def _is_plain(text: str, name: str) -> bool:
    if name in _NAMING:
        return bool(_IDS.fullmatch(text)) and not _SECRET.search(text)
    return bool(_TIME.fullmatch(text)) or bool(_id(text))


def _id(text: str) -> str:
    """The id in its usual form; "" for what is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
