"""How long logs are kept, as people set it in Settings, and what is said of a send whose log was removed. Pure but for
the settings; `removal` does it.

Months are whole: what ended on 15 March and is kept for 2 months goes after 15 May, when all of its month is as old.
"""

import calendar
import datetime as dt
from collections.abc import Mapping

from django.utils import dateparse, formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from accounts import installation
from delivery.models import Delivery
from lib.errors import DomainError

LOG, EVENTS, ATTEMPTS, EXCLUSIONS = "log", "events", "attempts", "exclusions"
LOG_MONTHS, EVENT_MONTHS = "delivery.keep_log_months", "delivery.keep_event_months"
ATTEMPT_MONTHS, EXCLUSION_MONTHS = "delivery.keep_attempt_months", "delivery.keep_exclusion_months"
# The sending limit looks back 30 days at most (options.CAP_HOURS), which one month may be too short for.
_LEAST = 2
_MOST = 1200
PAGE = installation.Page(
    "data",
    gettext_lazy("Data"),
    70,
    gettext_lazy(
        "How long the rows about single people are kept after a send has ended. The figures of a send stay. Consent, "
        "quarantine and the audit trail are never removed."
    ),
)
# Where rows of a part are shown: log tab → parts it is made of.
_TABS: dict[str, tuple[str, ...]] = {
    "sending": (LOG,),
    "exclusions": (EXCLUSIONS,),
    "tracking": (EVENTS,),
    "links": (EVENTS,),
    "failures": (LOG, EVENTS),
    "figures": (LOG, EVENTS),
}


class LogRemoved(DomainError):
    """Asked for something that only removed rows could tell."""

    code = "log_removed"
    status = 410


def register() -> None:
    """Called once when Django starts."""
    hint = _hint_of_opens()
    rows = (
        (LOG_MONTHS, gettext_lazy("Send log"), _hint_of_log()),
        (EVENT_MONTHS, gettext_lazy("Opens, clicks and bounces"), hint),
        (
            ATTEMPT_MONTHS,
            gettext_lazy("Attempts"),
            gettext_lazy("What servers answered to each try. Empty: as long as the send log."),
        ),
        (
            EXCLUSION_MONTHS,
            gettext_lazy("Exclusions"),
            gettext_lazy("Who was left out, and why. Empty: as long as the send log."),
        ),
    )
    installation.register(
        PAGE,
        [
            installation.Setting(
                name, "number", label, None, hint, gettext_lazy("months"), least=_LEAST, most=_MOST, is_optional=True
            )
            for name, label, hint in rows
        ],
    )


def _hint_of_log() -> installation.Text:
    return gettext_lazy(
        "Who was written to, when, and what their server said. Empty: for ever. When it ends, the send keeps its "
        "figures, and who had it still counts where nobody may get it again; chart, lists of people and Compute stats "
        "end. 25 months let you compare with the year before."
    )


def _hint_of_opens() -> installation.Text:
    return gettext_lazy(
        "Never longer than the send log. Empty: as long. Conditions on who opened or clicked find only what is kept."
    )


def kept_months() -> dict[str, int | None]:
    """Months each part is kept, None for ever. Nothing outlives the send log."""
    names = {LOG: LOG_MONTHS, EVENTS: EVENT_MONTHS, ATTEMPTS: ATTEMPT_MONTHS, EXCLUSIONS: EXCLUSION_MONTHS}
    stored = installation.values(names.values())
    return limited({part: stored[name] for part, name in names.items()})


def limited(wanted: Mapping[str, int | None]) -> dict[str, int | None]:
    """The same with nothing kept longer than the log."""
    most = wanted[LOG]
    return {
        part: most if months is None else months if most is None else min(months, most)
        for part, months in wanted.items()
    }


def before(now: dt.datetime, months: int) -> dt.datetime:
    """`months` before `now`, at the same time of day; the last day of a shorter month."""
    number = now.year * 12 + now.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return now.replace(year=year, month=month, day=min(now.day, calendar.monthrange(year, month)[1]))


def check(of: Delivery) -> None:
    """Raises LogRemoved when the figures of a send can't be counted again."""
    if of.is_frozen:
        raise LogRemoved(_("{removed} Its figures can't be computed again.").format(removed=sentence(of, "figures")))


def sentence(of: Delivery, tab: str) -> str:
    """“The log of this send was removed on 25 Nov 2026 (kept 25 months).”; "" while all that `tab` shows is there."""
    part = next((part for part in _TABS.get(tab, ()) if part in of.removed), None)
    if part is None:
        return ""
    said = of.removed[part]
    at = dateparse.parse_datetime(str(said["at"]))
    months = int(said["months"])
    day = formats.date_format(timezone.localtime(at), pgettext("date format", "j M Y")) if at else ""
    values = {"date": day, "n": months}
    texts = {
        LOG: ngettext(
            "The log of this send was removed on {date} (kept {n} month).",
            "The log of this send was removed on {date} (kept {n} months).",
            months,
        ),
        EVENTS: ngettext(
            "Opens, clicks and bounces of this send were removed on {date} (kept {n} month).",
            "Opens, clicks and bounces of this send were removed on {date} (kept {n} months).",
            months,
        ),
        EXCLUSIONS: ngettext(
            "The exclusions of this send were removed on {date} (kept {n} month).",
            "The exclusions of this send were removed on {date} (kept {n} months).",
            months,
        ),
    }
    return texts[part].format(**values)
