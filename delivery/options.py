"""What people set about sends in Settings: General, and Sending limits. Some defaults come from the environment."""

import datetime as dt

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import installation
from delivery import domain_limits
from messaging import blind_copies

GRACE_S = "delivery.grace_s"
TYPED_FROM = "delivery.confirm_typed_from"
QUIET_ON = "delivery.quiet_on"
QUIET_FROM = "delivery.quiet_from"
QUIET_TO = "delivery.quiet_to"
QUIET_ACTION = "delivery.quiet_action"
LATE_AFTER_MIN = "delivery.late_after_min"
UNUSUAL_TIMES = "delivery.confirm_unusual_times"
SECOND_PERSON = "delivery.second_person"
CAP_MESSAGES = "delivery.cap_messages"
CAP_HOURS = "delivery.cap_hours"
PROCESSES = "delivery.send_processes"
KEEP_REQUESTS_DAYS = "delivery.keep_requests_days"
FAILED_WARN = "delivery.failed_warn_percent"
FAILED_ERR = "delivery.failed_err_percent"

GENERAL = installation.Page("general", _("General"), 10)
LIMITS = installation.Page(
    "limits",
    _("Sending limits"),
    45,
    _("How often, when and how fast people are written to. These count for all sends of this installation."),
)
_HALF_HOURS = tuple((text, text) for text in (f"{n // 2:02d}:{n % 2 * 30:02d}" for n in range(48)))


def most_lateness() -> dt.timedelta:
    """A start that is later than this needs a person: what was right then may be wrong now."""
    return dt.timedelta(minutes=installation.number(LATE_AFTER_MIN))


def grace() -> dt.timedelta:
    """How long a confirmation can be taken back before the first message."""
    return dt.timedelta(seconds=installation.number(GRACE_S))


def requests_kept() -> dt.timedelta:
    """How long requests are kept once they are done with."""
    return dt.timedelta(days=installation.number(KEEP_REQUESTS_DAYS))


def register() -> None:
    """Called once when Django starts."""
    installation.register(GENERAL, [*_confirming(), *_thresholds(), _keeping(), blind_copies.setting()])
    installation.register(LIMITS, [*_caps(), *_quiet(), *_limits()])


def _confirming() -> list[installation.Setting]:
    return [
        installation.Setting(
            GRACE_S,
            "number",
            _("Time to cancel"),
            lambda: settings.GRACE_S,
            _("Between Confirm and the first message. Cancel undoes everything in it."),
            _("seconds"),
            most=300,
        ),
        installation.Setting(
            TYPED_FROM,
            "number",
            _("Type the number from"),
            lambda: settings.CONFIRM_TYPED_FROM,
            _("From this many recipients on, confirming asks to type how many there are."),
            _("recipients"),
            least=1,
        ),
        installation.Setting(
            UNUSUAL_TIMES,
            "number",
            _("Warn about sends larger than"),
            5,
            _("Compared with the median of the last 10 sends. Confirming then asks to type the number as well."),
            _("times the usual"),
            least=2,
            most=1000,
        ),
        installation.Setting(
            SECOND_PERSON,
            "flag",
            _("A second person must confirm"),
            False,
            _("Who published a version can't confirm its send, and can't start it when it sends on its own."),
        ),
    ]


def _thresholds() -> list[installation.Setting]:
    return [
        installation.Setting(
            FAILED_WARN,
            "decimal",
            _("Bounces + errors, warning from"),
            2.0,
            _("The panel of a send then says High, in yellow. Below it nothing is coloured."),
            _("% of sent"),
            most=100,
        ),
        installation.Setting(
            FAILED_ERR,
            "decimal",
            _("Bounces + errors, error from"),
            5.0,
            _("The panel of a send then says High, in red."),
            _("% of sent"),
            most=100,
        ),
    ]


def _keeping() -> installation.Setting:
    return installation.Setting(
        KEEP_REQUESTS_DAYS,
        "number",
        _("Keep requests in the activity log for"),
        90,
        _(
            "What outside programs asked for, with the people and properties they named, what they were refused, and "
            "test messages. Other messages stay in the log."
        ),
        _("days"),
        least=7,
        most=3650,
    )


def _caps() -> list[installation.Setting]:
    return [
        installation.Setting(
            CAP_MESSAGES,
            "number",
            _("Messages per person, at most"),
            None,
            _("Empty: no limit. A campaign can be set to ignore it, in its Delivery step."),
            _("messages"),
            least=1,
            most=1000,
            is_optional=True,
        ),
        installation.Setting(
            CAP_HOURS,
            "number",
            _("Counted over"),
            24,
            _("Sent messages of that time, and those that people wait for in confirmed and running sends."),
            _("hours"),
            least=1,
            most=720,
        ),
    ]


def _quiet() -> list[installation.Setting]:
    return [
        installation.Setting(
            QUIET_ON,
            "flag",
            _("Quiet hours"),
            False,
            _(
                "Nobody gets a message in them, by the clock of their own time zone. A campaign with messages that "
                "people wait for can ignore them. A change counts for sends prepared after it."
            ),
        ),
        installation.Setting(QUIET_FROM, "choice", _("Quiet from"), "21:00", choices=_HALF_HOURS),
        installation.Setting(
            QUIET_TO,
            "choice",
            _("Quiet until"),
            "08:00",
            _("Earlier than the start: on the next day. The same as the start: no quiet hours."),
            choices=_HALF_HOURS,
        ),
        installation.Setting(
            QUIET_ACTION,
            "choice",
            _("People whose turn comes in quiet hours"),
            "delay",
            choices=(("delay", _("Get it when they end")), ("skip", _("Don't get it"))),
        ),
    ]


def _limits() -> list[installation.Setting]:
    return [
        installation.Setting(
            PROCESSES,
            "number",
            _("Processes that work on one send"),
            2,
            _("At the same time, on all machines together. Each opens the connections of its transport."),
            least=1,
            most=64,
        ),
        installation.Setting(
            domain_limits.SETTING,
            "text",
            _("Limits by domain"),
            "",
            _(
                "One limit in each line: domains that share it, then messages per minute, such as “gmail.com, "
                "googlemail.com 600”. A new domain counts for sends prepared after it, a new number at once."
            ),
            most=10_000,
            is_optional=True,
            n_lines=4,
            check=domain_limits.problem,
        ),
        installation.Setting(
            LATE_AFTER_MIN,
            "number",
            _("Too late after"),
            60,
            _("When nothing ran at its time, a scheduled send still starts by itself for so long. Later it is missed."),
            _("minutes"),
            least=1,
            most=1440,
        ),
    ]
