"""The statement that chooses people: everybody targeted in a range of ids, with the first reason to leave them out.

Holds what one person's facts decide, in the order of delivery.reasons; what needs the whole list (limit, duplicate
addresses) is applied by delivery.preparation afterwards.
"""

from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from audiences import rules
from delivery import reasons, served
from delivery.models import EMAIL, Delivery

_POSITIVE = 0x7FFFFFFFFFFFFFFF
# The stored form of a moment, as reasons.detail reads it.
_MOMENT = """to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


@dataclass(frozen=True)
class Pick:
    """A SELECT of (id, reason, detail): `reason` NULL for people to send to. Made for one preparation."""

    sql: str
    _before: tuple[object, ...]
    _n_joins: int
    _after: tuple[object, ...]

    def params(self, low: int, high: int) -> list[Any]:
        """The parameters for profile ids above `low` up to `high`."""
        return [*self._before, *((low, high) * (self._n_joins + 1)), *self._after]


def pick(delivery: Delivery, audience: rules.CompiledAudience, cursor: CursorWrapper) -> Pick:
    """Note who had something lately (see delivery.served) and make the statement that leaves them out."""
    served.forget(cursor)
    limit = served.cap(delivery)
    has_earlier = served.note_earlier(delivery, cursor)
    if limit is not None and not served.note_capped(delivery, limit, cursor):
        limit = None
    reason = _reason(delivery, audience, limit, has_earlier=has_earlier)
    columns, joins = "", ""
    for has_it, table, alias, column in (
        (has_earlier, served.EARLIER, "e", "at"),
        (limit is not None, served.CAPPED, "f", "n"),
    ):
        if has_it:
            columns += f", {alias}.{column} AS {table}_{column}"
            # The range again, so that only this part of the table is read.
            joins += f" LEFT JOIN {table} {alias} ON {alias}.id = p.id AND {alias}.id > %s AND {alias}.id <= %s"
    detail = _detail(delivery, audience, limit, has_earlier=has_earlier)
    sql = (
        f"SELECT t.id, t.reason, {detail.sql}"
        f" FROM (SELECT p.id, {reason.sql} AS reason{columns} FROM audiences_profile p{joins}"
        # OFFSET 0: else every rule would be asked twice of everybody, for the reason and inside the detail.
        f" WHERE p.id > %s AND p.id <= %s AND {audience.targeted.sql} OFFSET 0) t"
    )
    return Pick(sql, (*detail.params, *reason.params), has_earlier + (limit is not None), audience.targeted.params)


def kept_by_mail(delivery: Delivery, audience: rules.CompiledAudience) -> rules.Fragment:
    """SQL over alias `p`: why a person can't get it by email, else NULL; whatever needs no address, everybody can."""
    return audience.unmailable if delivery.channel == EMAIL else rules.Fragment("NULL::text")


def control_group(delivery: Delivery) -> rules.Fragment | None:
    """SQL over alias `p`: TRUE for those who are kept from it to compare; None when nobody is. The same people for
    every send of one origin, whoever is targeted."""
    percent = delivery.audience.get("control_percent")
    if not isinstance(percent, int) or isinstance(percent, bool) or not percent:
        return None
    sql = f"(hashint8extended(p.id, hashtextextended(%s, 0)) & {_POSITIVE}) %% 100 < %s"
    return rules.Fragment(sql, (f"{delivery.origin_kind}:{delivery.origin_id}", percent))


def _reason(
    delivery: Delivery, audience: rules.CompiledAudience, limit: served.Cap | None, *, has_earlier: bool
) -> rules.Fragment:
    """SQL over alias `p`: the first reason up to the control group, else NULL."""
    mail = kept_by_mail(delivery, audience)
    parts, params = [f"COALESCE({mail.sql}, CASE"], list(mail.params)
    if audience.left_out is not None:
        parts.append(f" WHEN {audience.left_out.sql} THEN '{reasons.EXCLUDED_SEGMENT}'")
        params += audience.left_out.params
    if has_earlier:
        parts.append(f" WHEN e.id IS NOT NULL THEN '{reasons.NOT_ELIGIBLE_AGAIN}'")
    if limit is not None:
        parts.append(f" WHEN f.n >= {limit.most} THEN '{reasons.FREQUENCY_CAP}'")
    control = control_group(delivery)
    if control is not None:
        parts.append(f" WHEN {control.sql} THEN '{reasons.CONTROL_GROUP}'")
        params += control.params
    if len(parts) == 1:
        return mail
    return rules.Fragment("".join(parts) + " END)", tuple(params))


def _detail(
    delivery: Delivery, audience: rules.CompiledAudience, limit: served.Cap | None, *, has_earlier: bool
) -> rules.Fragment:
    """SQL over alias `t`: what reasons.detail reads, NULL where there is nothing to say."""
    parts: list[str] = []
    params: list[object] = []
    if audience.group is not None:
        parts.append(f" WHEN '{reasons.UNSUBSCRIBED_GROUP}' THEN %s")
        params.append(audience.group.name)
    if has_earlier and delivery.re_eligible_after_s is not None:
        at = _MOMENT.format(at="(t.earlier_at + make_interval(secs => %s))")
        parts.append(f" WHEN '{reasons.NOT_ELIGIBLE_AGAIN}' THEN {at}")
        params.append(delivery.re_eligible_after_s)
    if limit is not None:
        parts.append(f" WHEN '{reasons.FREQUENCY_CAP}' THEN t.capped_n || %s")
        params.append(f" {limit.hours} {limit.most}")
    if not parts:
        return rules.Fragment("NULL")
    return rules.Fragment(f"CASE t.reason{''.join(parts)} END", tuple(params))
