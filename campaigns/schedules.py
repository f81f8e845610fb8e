"""When a delivery section sends: from "25 November, 09:00, Paris" to an instant; whether somebody is asked before."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from lib import walltimes

# Kinds of delivery that send on their own while the campaign is active.
STANDING = frozenset({"repeat", "api"})
# Bounds of the hours to confirm (with those a list is prepared ahead, less than the day after which it is too old), and
# what they are without a choice.
CONFIRM_WITHIN_HOURS = (1, 18)
_USUAL_HOURS = 4


AGGREGATES = ("day", "week", "month", "year")


def is_triggered(delivery: Mapping[str, Any]) -> bool:
    """Whether it sends when an outside program asks."""
    return bool(delivery["kind"] == "api")


def aggregate(delivery: Mapping[str, Any]) -> str:
    """The period whose repeating sends are counted together: one of AGGREGATES, "" for each send on its own."""
    chosen = str(delivery["aggregate"])
    return chosen if delivery["kind"] == "repeat" and chosen in AGGREGATES else ""


def asks(delivery: Mapping[str, Any]) -> bool:
    """Whether somebody is asked before each repeating send. Sends that are counted together never ask."""
    return bool(delivery["asks_confirmation"]) and not aggregate(delivery)


def sends_unasked(delivery: Mapping[str, Any]) -> bool:
    """Whether some send of it needs no later confirmation: only people who may start sends may publish that."""
    if delivery["kind"] != "repeat":
        return False
    return not asks(delivery) or delivery["if_unconfirmed"] == "send"


def confirm_within(delivery: Mapping[str, Any]) -> dt.timedelta:
    """How long after its time a repeating send can be confirmed.

    Who doesn't ask for confirmations may leave anything in that field; a send whose confirmation was cancelled then has
    the usual time.
    """
    hours = delivery["confirm_within_hours"]
    is_usable = isinstance(hours, int) and CONFIRM_WITHIN_HOURS[0] <= hours <= CONFIRM_WITHIN_HOURS[1]
    return dt.timedelta(hours=hours if is_usable else _USUAL_HOURS)


def moment(delivery: Mapping[str, Any]) -> walltimes.Moment | None:
    """The instant chosen in a delivery section; None when date, time or zone are missing or unreadable."""
    return walltimes.read(f"{delivery['date']}T{delivery['time']}", str(delivery["zone"]))
