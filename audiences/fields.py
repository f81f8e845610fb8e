"""What can be asked about a person: the fields of conditions, with their types and the questions each type allows."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audiences.fragments import Fragment
from audiences.models import AttributeDefinition, AttributeType, Consent

Words = str | Promise
Rule = dict[str, object]
Group = dict[str, object]


@dataclass(frozen=True)
class Op:
    """One question: its name in documents, its words, and what kind of value it takes.

    Kinds: none, text, texts (one or several), number, numbers (two), date, dates (two), days, flag, choices (one or
    several), choice (exactly one), segments, pattern (a regular expression), moment (ISO 8601 with an offset).
    """

    name: str
    label: Words
    value: str


IS, IS_NOT = pgettext_lazy("condition", "is"), pgettext_lazy("condition", "is not")
IS_SET = Op("is_set", pgettext_lazy("condition", "is known"), "none")
IS_NOT_SET = Op("is_not_set", pgettext_lazy("condition", "is not known"), "none")
OPS: dict[str, tuple[Op, ...]] = {
    "text": (
        Op("is", IS, "texts"),
        Op("is_not", IS_NOT, "texts"),
        Op("contains", pgettext_lazy("condition", "contains"), "text"),
        Op("not_contains", pgettext_lazy("condition", "doesn't contain"), "text"),
        Op("starts_with", pgettext_lazy("condition", "starts with"), "text"),
        Op("ends_with", pgettext_lazy("condition", "ends with"), "text"),
        IS_SET,
        IS_NOT_SET,
    ),
    "number": (
        Op("is", IS, "number"),
        Op("is_not", IS_NOT, "number"),
        Op("gt", pgettext_lazy("condition", "is more than"), "number"),
        Op("gte", pgettext_lazy("condition", "is at least"), "number"),
        Op("lt", pgettext_lazy("condition", "is less than"), "number"),
        Op("lte", pgettext_lazy("condition", "is at most"), "number"),
        Op("between", pgettext_lazy("condition", "is between"), "numbers"),
        IS_SET,
        IS_NOT_SET,
    ),
    "boolean": (Op("is", IS, "flag"), Op("is_not", IS_NOT, "flag"), IS_SET, IS_NOT_SET),
    "date": (
        Op("in_last_days", pgettext_lazy("condition", "is in the last"), "days"),
        Op("not_in_last_days", pgettext_lazy("condition", "is not in the last"), "days"),
        Op("in_next_days", pgettext_lazy("condition", "is in the next"), "days"),
        Op("before", pgettext_lazy("condition", "is before"), "date"),
        Op("after", pgettext_lazy("condition", "is after"), "date"),
        Op("is", pgettext_lazy("condition", "is on"), "date"),
        Op("between", pgettext_lazy("condition", "is between"), "dates"),
        IS_SET,
        IS_NOT_SET,
    ),
    "list": (
        Op("contains", pgettext_lazy("condition", "contains"), "texts"),
        Op("not_contains", pgettext_lazy("condition", "doesn't contain"), "texts"),
        IS_SET,
        IS_NOT_SET,
    ),
    "choice": (Op("is", IS, "choices"), Op("is_not", IS_NOT, "choices")),
    "segment": (
        Op("is", pgettext_lazy("condition", "is in"), "segments"),
        Op("is_not", pgettext_lazy("condition", "is not in"), "segments"),
    ),
}
# Questions that only calls ask, about attributes; no list offers them.
_OF_CALLS: dict[str, tuple[Op, ...]] = {
    "text": (
        Op("matches", pgettext_lazy("condition", "matches"), "pattern"),
        Op("not_matches", pgettext_lazy("condition", "doesn't match"), "pattern"),
    ),
    "date": (
        Op("before_moment", pgettext_lazy("condition", "is before"), "moment"),
        Op("after_moment", pgettext_lazy("condition", "is after"), "moment"),
    ),
}


@dataclass(frozen=True)
class FieldInfo:
    """One thing that can be asked about. `name` is its path in documents, `group` the heading it is listed under.

    A room that registers fields may give its own `ops`; without them the type's apply.
    """

    name: str
    label: Words
    type: str
    ops: tuple[Op, ...] = ()
    group: Words = ""
    # Values and their words, for the types that offer a choice.
    choices: tuple[tuple[str, Words], ...] = ()
    # The column of audiences_profile behind it; "" for everything else.
    column: str = field(default="", repr=False)

    @property
    def offered(self) -> tuple[Op, ...]:
        """The questions that can be asked."""
        return self.ops or OPS.get(self.type, ())

    def op(self, name: str) -> Op | None:
        of_calls = _OF_CALLS.get(self.type, ()) if self.name.startswith("attributes.") else ()
        return next((op for op in (*self.offered, *of_calls) if op.name == name), None)


_PROFILE, _ATTRIBUTES, _CONSENT, _GROUPS = _("Profile"), _("Attributes"), _("Consent"), _("Segments")
# Name in documents and templates, type, words. The name is also the column.
PROFILE_FIELDS: tuple[tuple[str, str, Words], ...] = (
    ("email", "text", _("email address")),
    ("external_id", "text", _("external id")),
    ("first_name", "text", _("first name")),
    ("last_name", "text", _("last name")),
    ("phone", "text", _("phone")),
    ("country", "text", _("country")),
    ("city", "text", _("city")),
    ("language", "text", _("language")),
    ("time_zone", "text", _("time zone")),
)
_BUILT_IN: tuple[FieldInfo, ...] = (
    *(
        FieldInfo(f"profile.{name}", label, kind, OPS[kind], _PROFILE, column=name)
        for name, kind, label in PROFILE_FIELDS
    ),
    FieldInfo("profile.created_at", _("date added"), "date", OPS["date"], _PROFILE, column="created_at"),
    FieldInfo("profile.is_test", _("test profile"), "boolean", OPS["boolean"][:2], _PROFILE, column="is_test"),
    FieldInfo(
        "consent.email", _("email consent"), "choice", OPS["choice"], _CONSENT, tuple(Consent.choices), "email_consent"
    ),
    FieldInfo("consent.changed_at", _("date of consent"), "date", OPS["date"], _CONSENT, column="consent_changed_at"),
    FieldInfo("segment.in", _("segment"), "segment", OPS["segment"], _GROUPS),
)


def attributes() -> list[FieldInfo]:
    """The custom attributes of this installation, by name. One query."""
    return [
        attribute(name, kind) for name, kind in AttributeDefinition.objects.order_by("name").values_list("name", "type")
    ]


def attribute(name: str, kind: str) -> FieldInfo:
    assert kind in AttributeType.values, kind
    return FieldInfo(f"attributes.{name}", name.replace("_", " "), kind, OPS[kind], _ATTRIBUTES)


@dataclass(frozen=True)
class _Extension:
    compiler: Callable[[Rule], Fragment]
    infos: Callable[[], list[FieldInfo]]
    describe: Callable[[Rule], str] | None


_extensions: dict[str, _Extension] = {}


def register(
    field_prefix: str,
    compiler: Callable[[Rule], Fragment],
    infos: Callable[[], list[FieldInfo]],
    *,
    describe: Callable[[Rule], str] | None = None,
) -> None:
    """Add the fields `<field_prefix>.…`, at start-up, from a room above. `describe` gives the words of a condition."""
    _extensions[field_prefix] = _Extension(compiler, infos, describe)


def compiler(field_name: str) -> Callable[[Rule], Fragment] | None:
    """What turns conditions on a registered field into SQL; None for fields of this room."""
    extension = _extensions.get(field_name.partition(".")[0])
    return extension.compiler if extension else None


def describer(field_name: str) -> Callable[[Rule], str] | None:
    """The words a room above gives to its conditions, such as "who got Autumn sale"; None without any."""
    extension = _extensions.get(field_name.partition(".")[0])
    return extension.describe if extension else None


def every() -> list[FieldInfo]:
    """All fields in the order they are offered. One query, and those of the registered rooms."""
    return [*_BUILT_IN, *attributes(), *(info for extension in _extensions.values() for info in extension.infos())]


class Lookup:
    """All fields by their names. One query, and those of a registered room when one of its fields is asked for: it may
    offer hundreds of sends to choose from, and few audiences ask about any."""

    def __init__(self) -> None:
        self._known = {info.name: info for info in (*_BUILT_IN, *attributes())}
        self._asked = set[str]()

    def get(self, name: str) -> FieldInfo | None:
        room = name.partition(".")[0]
        if room in _extensions and room not in self._asked:
            self._asked.add(room)
            self._known |= {info.name: info for info in _extensions[room].infos()}
        return self._known.get(name)


def segments_in(group: object) -> set[str]:
    """The public ids of the segments that a conditions group refers to; well-formed ones only."""
    if not isinstance(group, dict):
        return set()
    if isinstance(group.get("rules"), list):
        return {item for rule in group["rules"] for item in segments_in(rule)}
    value = group.get("value")
    listed = value if isinstance(value, list) else [value]
    return {str(item) for item in listed if is_public_id(str(item))} if group.get("field") == "segment.in" else set()


def is_public_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
