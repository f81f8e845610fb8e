"""Who gets a send when: everyone at once, each person at the chosen time in their own zone, or in waves.

Reads the delivery section of a document: what it means for a send, whether it can be used, and its words.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns import occurrences, schedules
from delivery import opening
from delivery.timetables import PEOPLE, PERCENT, Waves

SPREADS = ("all", "local", "waves")
SIZES = {PERCENT: (1, 99), PEOPLE: (1, 10_000_000)}
EVERY = {"minutes": (1, 1440), "hours": (1, 168)}
_SECONDS = {"minutes": 60, "hours": 3600}
# The first place on Earth to reach a wall time.
FIRST_ZONE = "Pacific/Kiritimati"


def of(section: Mapping[str, Any]) -> opening.Spread:
    """What a delivery section means for a send; of what can't be used nothing, so that everyone is due at once."""
    ignores = bool(section["ignores_quiet_hours"])
    if is_local(section) and schedules.moment(section) is not None:
        return opening.Spread(local_time=f"{section['date']}T{section['time'][:5]}", ignores_quiet_hours=ignores)
    return opening.Spread(waves=waves(section), ignores_quiet_hours=ignores)


def is_local(section: Mapping[str, Any]) -> bool:
    """Whether each person has a time of their own; a repeating send has one for all."""
    return bool(section["spread"] == "local" and section["kind"] == "at")


def waves(section: Mapping[str, Any]) -> Waves | None:
    """The waves that were chosen; None for none, and while they can't be read."""
    if section["spread"] != "waves" or section["kind"] == "api":
        return None
    size, unit, every, every_unit = (section[f"wave_{key}"] for key in ("size", "size_unit", "every", "every_unit"))
    if unit not in SIZES or every_unit not in EVERY:
        return None
    if not occurrences.is_within(size, SIZES[unit]) or not occurrences.is_within(every, EVERY[every_unit]):
        return None
    return Waves(size, unit, every * _SECONDS[every_unit])


def words(section: Mapping[str, Any]) -> str:
    """ "Each person at 09:00 in their own time zone", "In waves of 30 %, 2 hours apart"; "" for everyone at once."""
    if is_local(section):
        return _("Each person at %(time)s in their own time zone") % {"time": section["time"]}
    if section["spread"] != "waves" or section["kind"] == "api":
        return ""
    chosen = waves(section)
    if chosen is None:
        return _("In waves, not complete yet")
    return _("In waves of %(size)s, %(every)s apart") % {"size": _size(chosen), "every": every(chosen.every_s)}


def every(seconds: int) -> str:
    """3600 → "1 hour"; 5400 → "90 minutes"."""
    if seconds % 3600 == 0:
        n = seconds // 3600
        return ngettext("%(n)s hour", "%(n)s hours", n) % {"n": number_format(n)}
    n = seconds // 60
    return ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": number_format(n, force_grouping=True)}


def _size(chosen: Waves) -> str:
    n = {"n": number_format(chosen.size, force_grouping=True)}
    if chosen.unit == PERCENT:
        return _("%(n)s %%") % n
    return ngettext("%(n)s person", "%(n)s people", chosen.size) % n
