"""Pieces of boolean SQL about one person, with their parameters apart.

Every piece speaks of the alias `p` (audiences_profile) and is TRUE or FALSE, never NULL, so that pieces can be negated
and joined freely. Names of people's fields come from our own lists or travel as parameters; nothing typed by a person
ever becomes SQL text.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fragment:
    """SQL over alias `p` in psycopg's %s style, and its parameters in order."""

    sql: str
    params: tuple[object, ...] = ()


def certain(sql: str, *params: object) -> Fragment:
    """`sql` with NULL counted as FALSE."""
    return Fragment(f"COALESCE({sql}, FALSE)", params)


def negate(fragment: Fragment) -> Fragment:
    return Fragment(f"NOT ({fragment.sql})", fragment.params)


def all_of(fragments: Iterable[Fragment]) -> Fragment:
    return _join(" AND ", fragments)


def any_of(fragments: Iterable[Fragment]) -> Fragment:
    return _join(" OR ", fragments)


def _join(word: str, fragments: Iterable[Fragment]) -> Fragment:
    parts = list(fragments)
    assert parts, "an empty group has no meaning"
    if len(parts) == 1:
        return parts[0]
    return Fragment("(" + word.join(part.sql for part in parts) + ")", tuple(p for part in parts for p in part.params))
