"""How many people an audience has right now, some of them, and whether one person is among them. Reads only.

Counting runs under a statement timeout, so that a heavy rule tells so instead of holding the database.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from audiences import addresses, fragments, mailable, profiles, rules
from audiences.fragments import Fragment
from audiences.models import Profile
from lib.errors import DomainError

LEFT_OUT = "left_out"
_MEMBERSHIP_LIMIT = 50


class TooSlow(DomainError):
    """The count took longer than the installation allows."""

    code = "estimate_slow"
    status = 503


@dataclass(frozen=True)
class Estimate:
    """`n_people` = `n_reachable` + the sum of `by_reason`; reasons in the order they are checked, zeros left out."""

    n_people: int
    n_reachable: int
    by_reason: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Blame:
    """The condition after which nobody is left, how many there were before, and its place in the rules."""

    condition: str
    n_before: int
    index: int


def estimate(doc: dict[str, object]) -> Estimate:
    """Count an audience by what keeps people from getting email. Raises RuleProblem, TooSlow."""
    audience = rules.compile_audience(doc)
    cause = audience.unmailable
    left_out = audience.left_out or Fragment("FALSE")
    sql = (
        f"SELECT reason, count(*) FROM"
        f" (SELECT CASE WHEN {left_out.sql} THEN '{LEFT_OUT}' ELSE {cause.sql} END AS reason"
        f" FROM audiences_profile p WHERE {audience.targeted.sql}) AS counted GROUP BY reason"
    )
    started = time.monotonic()
    rows: dict[str | None, int] = dict(_read(sql, (*left_out.params, *cause.params, *audience.targeted.params)))
    n_people = sum(rows.values())
    n_reachable = rows.pop(None, 0)
    ordered = {reason: rows[reason] for reason in (LEFT_OUT, *mailable.REASONS) if reason in rows}
    return Estimate(n_people, n_reachable, ordered, time.monotonic() - started)


def count_group(group: dict[str, object]) -> int:
    """How many people match a conditions group. Raises RuleProblem, TooSlow."""
    return _count(rules.compile_group(group))


def blame(doc: dict[str, object]) -> Blame | None:
    """For an audience that nobody matches: the first condition that leaves nobody; None when no single one does."""
    group = doc.get("conditions")
    if not isinstance(group, dict) or group.get("match") != "all":
        return None
    listed: list[dict[str, object]] = group["rules"]
    n_before = (
        _count(rules.compile_audience({**doc, "conditions": None}).targeted)
        if doc.get("segments")
        else _count(Fragment("TRUE"))
    )
    for index, rule in enumerate(listed):
        some = {**doc, "conditions": {**group, "rules": listed[: index + 1]}}
        n_now = _count(rules.compile_audience(some).targeted)
        if n_now == 0:
            return Blame(rules.describe_rule(rule), n_before, index) if n_before else None
        n_before = n_now
    return None


def sample(doc: dict[str, object], limit: int = 10) -> list[profiles.Person]:
    """Some people of an audience, at random. Raises RuleProblem, TooSlow."""
    audience = rules.compile_audience(doc)
    wanted = [audience.targeted] + ([fragments.negate(audience.left_out)] if audience.left_out else [])
    where = fragments.all_of(wanted)
    sql = f"SELECT {profiles.PERSON_COLUMNS} FROM audiences_profile p WHERE {where.sql} ORDER BY random() LIMIT %s"
    return [profiles.of_row(row) for row in _read(sql, (*where.params, limit))]


def membership(doc: dict[str, object], email: str) -> list[tuple[str, bool]]:
    """Each part of an audience with whether the person at `email` meets it; the last line says if they can get email.

    When several people share the address, the oldest is looked at. Raises RuleProblem; DomainError "no_such_person".
    """
    person = (
        Profile.objects.filter(email_key=addresses.key(email) or None).order_by("id").first() if email.strip() else None
    )
    if person is None:
        sentence = (
            _("Nobody here has the address {email}.").format(email=email.strip())
            if email.strip()
            else _("Enter an address.")
        )
        raise DomainError(sentence, code="no_such_person", status=422, fields={"email": sentence})
    rules.compile_audience(doc)
    lines = _lines(doc)
    columns = ", ".join(fragment.sql for _text, fragment in lines)
    params = tuple(param for _text, fragment in lines for param in fragment.params)
    (row,) = _read(f"SELECT {columns} FROM audiences_profile p WHERE p.id = %s", (*params, person.pk))
    return [(text, bool(value)) for (text, _fragment), value in zip(lines, row, strict=True)]


def _lines(doc: dict[str, object]) -> list[tuple[str, Fragment]]:
    lines: list[tuple[str, Fragment]] = []
    if doc.get("segments"):
        part = {**doc, "conditions": None, "exclude": []}
        lines.append((rules.describe(part), rules.compile_audience(part).targeted))
    group = doc.get("conditions")
    if isinstance(group, dict):
        listed: list[dict[str, object]] = group["rules"]
        whole = listed if group["match"] == "all" else [group]
        for rule in whole[:_MEMBERSHIP_LIMIT]:
            text = (
                rules.describe_rule(rule).removeprefix("(").removesuffix(")")
                if rule is group
                else rules.describe_rule(rule)
            )
            lines.append((text, rules.compile_group({"match": "all", "rules": [rule]})))
    compiled = rules.compile_audience(doc)
    if compiled.left_out is not None:
        lines.append((_("not in a segment to leave out"), fragments.negate(compiled.left_out)))
    if compiled.group is not None:
        gone = fragments.certain(f"({compiled.unmailable.sql}) = '{mailable.UNSUBSCRIBED_GROUP}'")
        lines.append((_("subscribed to {group}").format(group=compiled.group.name), fragments.negate(gone)))
    cause = mailable.reason()
    lines.append((_("can get email"), Fragment(f"({cause.sql}) IS NULL", cause.params)))
    return lines


def _count(where: Fragment) -> int:
    ((n,),) = _read(f"SELECT count(*) FROM audiences_profile p WHERE {where.sql}", where.params)
    return int(n)


def _read(sql: str, params: tuple[object, ...]) -> list[tuple[Any, ...]]:
    with _limited(), connection.cursor() as cursor:
        cursor.execute(sql, list[Any](params))
        return list(cursor.fetchall())


@contextmanager
def _limited() -> Iterator[None]:
    """A transaction in which a statement may run for ESTIMATE_TIMEOUT_S; raises TooSlow after that."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{settings.ESTIMATE_TIMEOUT_S}s"])
            yield
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            sentence = _("Counting took longer than {n} seconds. Use fewer or simpler conditions.")
            raise TooSlow(sentence.format(n=settings.ESTIMATE_TIMEOUT_S)) from error
        raise
