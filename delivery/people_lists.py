"""Segments out of what became of a send: a list of the people who got it, didn't, opened, clicked, or whom it failed.

Counted by the rules of `rollups`, so the list has as many people as the panel says once both are of the same moment.
Who is unknown is in no list of those who got it or didn't: nobody knows. They have a list of their own, for somebody
who decides to send to them again: that is another send, and the log of this one stays as it is.
"""

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts.models import User
from audiences import segments
from audiences.models import Segment
from delivery import headlines, kpi, rollups
from delivery.models import Delivery, DeliveryState, Shard, ShardState
from lib.errors import DomainError

_GOT = "verdict IN ('delivered', 'pending')"
# Group → which rows of rollups.VERDICTS are in it.
_CONDITIONS = {
    "got": _GOT,
    "not_got": "outcome IN ('not_sent', 'cancelled')",
    "opened": "outcome = 'sent' AND is_opened",
    "not_opened": f"{_GOT} AND is_opened IS NOT TRUE",
    "clicked": "outcome = 'sent' AND is_clicked",
    "failed": "verdict = 'failed' OR outcome = 'failed'",
    "unknown": "outcome = 'unknown'",
}
# How a list of them is called after the name of the send.
NAMES: dict[str, Promise] = {
    "got": gettext_lazy("got it"),
    "not_got": gettext_lazy("didn't get it"),
    "opened": gettext_lazy("opened"),
    "not_opened": gettext_lazy("didn't open"),
    "clicked": gettext_lazy("clicked"),
    "failed": gettext_lazy("failed"),
    "unknown": gettext_lazy("unknown"),
}
_LABELS = {
    "got": ngettext_lazy("From the %(n)s person who got it", "From the %(n)s people who got it", "number"),
    "not_got": ngettext_lazy(
        "From the %(n)s person who didn't get it", "From the %(n)s people who didn't get it", "number"
    ),
    "opened": ngettext_lazy("From the %(n)s person who opened", "From the %(n)s people who opened", "number"),
    "not_opened": ngettext_lazy(
        "From the %(n)s person who didn't open", "From the %(n)s people who didn't open", "number"
    ),
    "clicked": ngettext_lazy("From the %(n)s person who clicked", "From the %(n)s people who clicked", "number"),
    "failed": ngettext_lazy("From the %(n)s address that failed", "From the %(n)s addresses that failed", "number"),
    "unknown": ngettext_lazy(
        "From the %(n)s person whose outcome is unknown", "From the %(n)s people whose outcome is unknown", "number"
    ),
}
_NAME_MOST = 120
_PEOPLE = """
SELECT DISTINCT person_id FROM rows JOIN audiences_profile p ON p.id = person_id WHERE {condition}
"""


def groups(delivery: Delivery, panel: kpi.Panel) -> dict[str, int]:
    """The groups a list can be made of, with the panel's number of people; empty before the end, without nobody, and
    when the log was removed."""
    if delivery.state not in {DeliveryState.FINISHED, DeliveryState.STOPPED} or delivery.is_frozen:
        return {}
    got = panel.delivered + panel.pending
    found = {"got": got, "not_got": panel.not_sent + panel.cancelled}
    if delivery.message.tracks_opens:
        found |= {"opened": panel.opened, "not_opened": panel.not_opened}
    if delivery.message.tracks_clicks:
        found["clicked"] = panel.clicked
    found |= {"failed": panel.failed, "unknown": panel.unknown}
    return {group: n for group, n in found.items() if n}


def label(group: str, n: int) -> str:
    """“From the 7,340 people who got it”, behind “Create segment”."""
    return _LABELS[group] % {"number": n, "n": headlines.count(n)}


def n_people(delivery: Delivery, group: str) -> int:
    """How many are in `group` now, by the log. Raises KeyError for a group that isn't one."""
    return _run(delivery, group, "SELECT count(*) FROM ({people}) AS people")


def create(delivery_id: int, *, group: str, name: str, by: User) -> Segment:
    """A list of everybody in `group`, by the log as it is now.

    One statement and one transaction, about a second for 100,000 people. Raises NotAllowed, SegmentInvalid (the name),
    DomainError while somebody has no outcome yet; KeyError for a group that isn't one.
    """
    delivery = Delivery.objects.get(pk=delivery_id)
    open_states = (ShardState.WAITING, ShardState.LEASED)
    if delivery.started_at is None or Shard.objects.filter(delivery=delivery, state__in=open_states).exists():
        raise DomainError(_("Not everybody has an outcome yet. Try again in a moment."), code="not_ended")

    def fill(segment_id: int) -> None:
        members = "INSERT INTO audiences_segmentmember (segment_id, profile_id) SELECT %(segment)s, person_id"
        _run(delivery, group, members + " FROM ({people}) AS people", segment=segment_id)

    return segments.create_list(name=name, by=by, fill=fill)


def propose_name(delivery: Delivery, group: str) -> str:
    """“Autumn sale, version 4: didn't open”, with a number behind it when a segment is called so already."""
    ending = f": {NAMES[group]}"
    label = delivery.label[: _NAME_MOST - len(ending) - 4].rstrip()
    wanted = f"{label}{ending}"
    taken = {n.lower() for n in _names_like(wanted)}
    numbered = (f"{wanted} {n}" for n in range(2, 100))
    return next((name for name in (wanted, *numbered) if name.lower() not in taken), wanted)


def _names_like(name: str) -> list[str]:
    return list(Segment.objects.filter(deleted_at=None, name__istartswith=name).values_list("name", flat=True))


def _run(delivery: Delivery, group: str, statement: str, **values: int) -> int:
    """`statement` with {people} as the people of `group`; the number in its first column, or of rows written."""
    people = _PEOPLE.format(condition=_CONDITIONS[group])
    known = rollups.verdict_values(delivery, timezone.now())
    with rollups.reading() as cursor:
        cursor.execute(rollups.VERDICTS + statement.format(people=people), {**known, **values})
        return int(cursor.fetchone()[0]) if cursor.description else cursor.rowcount
