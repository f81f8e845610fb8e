"""What one person's message may say, and how a compiled template reads it.

Expressions are pure functions of the fields they read, so their results are kept by the values of these fields: a
condition on `profile.plan` is worked out by the library once per plan, not once per person.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from liquid import RenderContext
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    FloatLiteral,
    IntegerLiteral,
    Nil,
    StringLiteral,
    TrueLiteral,
)
from liquid.expression import Expression

from audiences.profiles import Person
from messaging import dialect, personalization

T = TypeVar("T")
# The recipient's own token in tracked links and the open pixel, as a field that no author writes.
TOKEN = "chappe_token"
MISSING: Final = object()
# Segments with a meaning of their own in Liquid; a dictionary is not simply asked for them.
_SPECIAL = frozenset({"size", "first", "last"})
# Fields whose values differ from person to person, so that keeping results for them gains nothing.
UNIQUE = frozenset({"id", "public_id", "email", "external_id", "phone"})
_URLS = frozenset({"unsubscribe_url", "mirror_url", TOKEN})
_STANDARD = (UNIQUE - {"id"}) | {"first_name", "last_name", "country", "city", "language", "time_zone"}
# Results kept for one expression, the longest text whose result is kept, and the most fields of one expression.
_MOST_KEPT = 4096
MOST_TEXT = 200
_MOST_FIELDS = 6
_SCALARS = frozenset({int, float, bool, type(None), object})
# Other dates, such as "now" or "noon", mean something else tomorrow.
_WHOLE_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")
_PURE = frozenset(
    {
        *(FilteredExpression, BooleanExpression, dialect.BlankTest),
        *(LogicalAndExpression, LogicalOrExpression, LogicalNotExpression, ContainsExpression),
        *(EqExpression, NeExpression, LtExpression, GtExpression, LeExpression, GeExpression),
        *(StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral, Nil, Empty, Blank),
    }
)


class Values:
    """The values of one person for the templates of one message; the library's contexts are made when needed."""

    __slots__ = ("_campaign", "_contexts", "_data", "attributes", "person", "trigger", "urls")

    def __init__(
        self,
        person: Person,
        *,
        campaign: Mapping[str, object],
        trigger: Mapping[str, object] | None,
        urls: Mapping[str, str],
    ) -> None:
        self.person = person
        self.attributes: Mapping[str, object] = person.attributes or {}
        self.trigger = trigger or {}
        self.urls = urls
        self._campaign = campaign
        self._data: dict[str, object] | None = None
        self._contexts: dict[int, RenderContext] = {}

    def context(self, template: personalization.Template) -> RenderContext:
        """The library's context of this person for one of the templates: the same for all of its nodes."""
        if self._data is None:
            self._data = personalization.context(
                self.person, campaign=self._campaign, trigger=self.trigger, urls=self.urls
            )
        found = self._contexts.get(id(template))
        if found is None:
            found = self._contexts[id(template)] = RenderContext(template.bound, globals=self._data)
        return found


Read = Callable[[Values], object]


def reader(path: Path, local: frozenset[str]) -> Read | None:
    """What reads the value of a simple path without the library, MISSING where there is none; None for other paths.

    `local`: names that the template assigns itself.
    """
    names = path.path
    if not all(isinstance(name, str) for name in names) or names[0] in local or _SPECIAL & set(names):
        return None
    root, name = str(names[0]), str(names[-1])
    if len(names) == 1:
        return (lambda values: values.urls.get(name, MISSING)) if root in _URLS else None
    if len(names) != 2:
        return None
    if root == "profile":
        return _profile_reader(name)
    if root == "api_trigger_properties":
        return lambda values: values.trigger.get(name, MISSING)
    return None


def _profile_reader(name: str) -> Read:
    name = "public_id" if name == "id" else name
    if name in _STANDARD:
        index = Person._fields.index(name)
        return lambda values: values.person[index]
    return lambda values: values.attributes.get(name, MISSING)


def is_unique(path: Path) -> bool:
    """Whether a path that has a reader differs from person to person."""
    return len(path.path) == 1 or (path.path[0] == "profile" and path.path[1] in UNIQUE)


def readers(expressions: list[Expression], local: frozenset[str]) -> list[Read] | None:
    """What reads every field that `expressions` depend on; None where they depend on anything else as well."""
    found: dict[str, Read] = {}
    pending = list(expressions)
    has_date = False
    while pending:
        expression = pending.pop()
        if type(expression) is Path:
            read = reader(expression, local)
            if read is None:
                return None
            found[str(expression)] = read
            continue
        if type(expression) not in _PURE:
            return None
        has_date = has_date or any(one.name == "date" for one in getattr(expression, "filters", None) or [])
        pending.extend(expression.children())
    if len(found) > _MOST_FIELDS:
        return None
    return [_whole_dates(read) for read in found.values()] if has_date else list(found.values())


def _whole_dates(read: Read) -> Read:
    """The same, with a value by which nothing is kept for anything but a whole date."""

    def checked(values: Values) -> object:
        value = read(values)
        return value if value.__class__ is str and _WHOLE_DATE.fullmatch(value) else ()

    return checked


def kept(evaluate: Callable[[Values], T], reads: list[Read]) -> Callable[[Values], T]:
    """`evaluate`, asked once for each combination of what `reads` gives, as long as that is short."""
    if len(reads) == 1:
        return _kept_by_one(evaluate, reads[0])
    results: dict[object, T] = {}

    def look_up(values: Values) -> T:
        keys = [_key(read(values)) for read in reads]
        if None in keys:
            return evaluate(values)
        key = tuple(keys)
        if key not in results:
            _keep(results, key, evaluate(values))
        return results[key]

    return look_up


def _kept_by_one(evaluate: Callable[[Values], T], read: Read) -> Callable[[Values], T]:
    results: dict[object, T] = {}

    def look_up(values: Values) -> T:
        value = read(values)
        # The short way for nearly all values; a long text is never among the results.
        key = value if value.__class__ is str else _key(value)
        found = results.get(key, MISSING)
        if found is MISSING:
            found = evaluate(values)
            if _key(value) is not None:
                _keep(results, key, found)
        return found  # type: ignore[return-value]

    return look_up


def _key(value: object) -> object:
    """What results are kept by; None for values by which none are. 1, 1.0 and true are equal in Python, not here."""
    kind = value.__class__
    if kind is str:
        return value if len(value) <= MOST_TEXT else None  # type: ignore[arg-type]
    return (kind, value) if kind in _SCALARS else None


def _keep(results: dict[object, T], key: object, result: T) -> None:
    if len(results) >= _MOST_KEPT:
        results.clear()
    results[key] = result
