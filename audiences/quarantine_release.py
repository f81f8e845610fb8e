"""Changing the quarantine by hand: many addresses released at once, and one added.

After a provider's outage thousands of good addresses are in quarantine. They are released by what they have in common,
in one statement, and exactly those that were shown: the preview's `seal` names how many there were and which was the
newest. What was added since is not touched; what was released or changed since makes the release refuse. Entries that
stand for somebody's decision (quarantine_words.DENYLIST) are never released this way.
"""

import datetime as dt
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import access, audit, roles
from accounts.models import User
from audiences import addresses, profiles, quarantine_list, quarantine_words
from audiences.models import QuarantineEntry
from lib.errors import DomainError

SHOWN = 20
# Released at once, within what a request may take.
MOST = 250_000


class ReleaseInvalid(DomainError):
    """What was entered can't be used; `fields` says where."""

    code = "release_invalid"
    status = 422


class PreviewStale(DomainError):
    """The entries are no longer those that were shown; nothing was released."""

    code = "preview_stale"
    status = 409


@dataclass(frozen=True)
class Criteria:
    """What the entries have in common; at least one. Times are inclusive, `evidence` is part of the server's words."""

    since_from: dt.datetime | None = None
    since_to: dt.datetime | None = None
    domain: str = ""
    evidence: str = ""
    reason: str = ""

    @property
    def is_empty(self) -> bool:
        return self == Criteria()


@dataclass(frozen=True)
class Preview:
    """What a release would touch now: how many, the first of them by address, and which exactly they are."""

    n: int
    first: list[QuarantineEntry]
    seal: str


def preview(wanted: Criteria) -> Preview:
    """Two queries in one view of the table; locks nothing. Raises ReleaseInvalid for empty criteria."""
    rows = _matching(wanted)
    n, newest, total = _sums(rows)
    return Preview(n, list(rows.filter(pk__lte=newest).order_by("address_key")[:SHOWN]), f"{n}-{newest}-{total}")


@transaction.atomic
def release_many(wanted: Criteria, *, seal: str, note: str, by: User) -> int:
    """Release exactly what the preview with `seal` showed; how many that were. One audit row with the criteria.

    Locks the rows in the order of their ids, so two releases wait for each other, and the second one refuses.
    Raises NotAllowed, ReleaseInvalid (no criteria, no note, more than MOST), PreviewStale.
    """
    access.check(access.fresh(by), roles.RELEASE)
    if not note.strip():
        sentence = _("Say why these addresses can be released.")
        raise ReleaseInvalid(sentence, fields={"note": sentence})
    shown, newest = _parts(seal)
    if shown > MOST:
        sentence = _("At most %(n)s addresses are released at once. Choose a shorter time or one domain.")
        raise ReleaseInvalid(sentence % {"n": number_format(MOST, force_grouping=True)})
    rows = _matching(wanted).filter(pk__lte=newest)
    # The lock comes first: what another release changed in between is seen by the sums.
    _lock(rows)
    n, last, total = _sums(rows)
    if f"{n}-{last}-{total}" != seal or not n:
        raise PreviewStale(_changed(shown, n))
    n_released = rows.update(released_at=timezone.now(), released_by=by, release_note=note.strip()[:300])
    if n_released != n:
        raise PreviewStale(_changed(shown, n_released))
    detail: dict[str, object] = {"n": n, "note": note.strip()[:300], **_in_words(wanted)}
    audit.record("quarantine.released_many", subject=("quarantine", "many"), by=by, detail=detail)
    return n


@transaction.atomic
def add(address: str, *, note: str, by: User) -> QuarantineEntry:
    """Put one address into quarantine by hand. Raises NotAllowed, ReleaseInvalid (address, note, there already)."""
    access.check(access.fresh(by), roles.RELEASE)
    key = addresses.key(address)
    problems = {}
    if not key:
        problems["address"] = _("Enter an email address.")
    elif profiles.quarantined(key):
        problems["address"] = _("This address is in quarantine already.")
    if not note.strip():
        problems["note"] = _("Say why nobody may write to this address.")
    if problems:
        raise ReleaseInvalid(next(iter(problems.values())), fields=problems)
    entry = profiles.quarantine(key, quarantine_words.BY_HAND, note.strip()[:300])
    audit.record(
        "quarantine.added", subject=("address", key[:60]), by=by, detail={"entry": entry.pk, "note": note[:300]}
    )
    return entry


def _matching(wanted: Criteria) -> QuerySet[QuarantineEntry]:
    if wanted.is_empty:
        raise ReleaseInvalid(_("Say what the addresses have in common: a time, a domain, a reason or an answer."))
    rows = quarantine_list.active().exclude(reason__in=quarantine_words.DENYLIST)
    if wanted.since_from:
        rows = rows.filter(since__gte=wanted.since_from)
    if wanted.since_to:
        rows = rows.filter(since__lte=wanted.since_to)
    if wanted.domain:
        rows = quarantine_list.of_domain(rows, wanted.domain)
    if wanted.evidence:
        rows = rows.filter(evidence__icontains=wanted.evidence)
    return rows.filter(reason=wanted.reason) if wanted.reason else rows


def _sums(rows: QuerySet[QuarantineEntry]) -> tuple[int, int, int]:
    """Number, newest and sum of the ids: equal for equal sets, and hardly ever for others."""
    found = rows.aggregate(n=Count("pk"), newest=Max("pk"), total=Sum("pk"))
    return found["n"], found["newest"] or 0, int(found["total"] or 0)


def _lock(rows: QuerySet[QuarantineEntry]) -> None:
    """Row locks without bringing the rows here."""
    sql, params = rows.order_by("pk").select_for_update(no_key=True).values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({sql}) AS locked", params)


def _parts(seal: str) -> tuple[int, int]:
    """Number and newest id of a preview; zeros for what is no seal, which then fits nothing."""
    parts = seal.split("-")
    is_seal = len(parts) == 3 and all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts[:2])
    return (int(parts[0]), int(parts[1])) if is_seal else (0, 0)


def _changed(shown: int, n: int) -> str:
    count = {"n": number_format(n, force_grouping=True)}
    now = ngettext("Now it is %(n)s address.", "Now they are %(n)s addresses.", n) % count
    return _("The quarantine changed since you looked: there were %(shown)s. %(now)s Nothing was released.") % {
        "shown": number_format(shown, force_grouping=True),
        "now": now,
    }


def _in_words(wanted: Criteria) -> dict[str, object]:
    """The criteria that were given, for the audit row."""
    given = {
        "from": wanted.since_from.isoformat() if wanted.since_from else "",
        "to": wanted.since_to.isoformat() if wanted.since_to else "",
        "domain": wanted.domain,
        "evidence": wanted.evidence,
        "reason": wanted.reason,
    }
    return {name: value for name, value in given.items() if value}
