"""What people set about alerts in Settings, Alerts, and the thresholds that Deliverability draws."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import installation
from delivery.models import Criterion

PAGE = installation.Page(
    "alerts",
    _("Alerts"),
    50,
    _("A mail is sent once for each send and each kind of trouble. The thresholds are also drawn on Deliverability."),
)
_TO, _PEOPLE, _LEAST = "alerts.to", "alerts.people", "alerts.least"
_STALLED_MINUTES = "alerts.stalled_minutes"
_COMPLAINT_WARN = "alerts.complaints_warn_percent"
TO_STARTERS, TO_ADMINS, TO_NAMED = "start", "admins", "named"
_PERCENT = {Criterion.HARD: 2.0, Criterion.SOFT: 10.0, Criterion.COMPLAINTS: 0.3}
_FLAGS: dict[Criterion, str | Promise] = {
    Criterion.STALLED: _("Tell when sending is stalled"),
    Criterion.PAUSED: _("Tell when errors paused a send"),
    Criterion.FAILED: _("Tell when a preparation failed"),
    Criterion.MISSED: _("Tell when a send missed its start"),
    Criterion.HARD: _("Tell about many hard bounces"),
    Criterion.SOFT: _("Tell about many soft bounces"),
    Criterion.COMPLAINTS: _("Tell about many complaints"),
}
_SENT, _DELIVERED = _("Of those sent."), _("Of those delivered.")
_SHARES: dict[Criterion, tuple[str | Promise, str | Promise]] = {
    Criterion.HARD: (_("Threshold for hard bounces"), _SENT),
    Criterion.SOFT: (_("Threshold for soft bounces"), _SENT),
    Criterion.COMPLAINTS: (_("Threshold for complaints"), _DELIVERED),
}


@dataclass(frozen=True)
class Limits:
    """Everything that is set, read at once. Shares are shares of 1."""

    to: str
    people: str
    on: frozenset[str]
    least: int
    stalled_minutes: int
    shares: dict[str, float]
    complaints_warn: float


def limits() -> Limits:
    """What holds now. One query."""
    flags = {f"alerts.{criterion}": criterion for criterion in Criterion}
    percents = {f"alerts.{criterion}_percent": criterion for criterion in _PERCENT}
    found = installation.values([_TO, _PEOPLE, _LEAST, _STALLED_MINUTES, _COMPLAINT_WARN, *flags, *percents])
    return Limits(
        to=found[_TO],
        people=found[_PEOPLE] or "",
        on=frozenset(criterion.value for name, criterion in flags.items() if found[name]),
        least=int(found[_LEAST]),
        stalled_minutes=int(found[_STALLED_MINUTES]),
        shares={criterion.value: float(found[name]) / 100 for name, criterion in percents.items()},
        complaints_warn=float(found[_COMPLAINT_WARN]) / 100,
    )


def register() -> None:
    """Called once when Django starts."""
    installation.register(PAGE, [*_recipients(), *_criteria()])


def _recipients() -> list[installation.Setting]:
    choices = (
        (TO_STARTERS, _("Everybody who may start deliveries")),
        (TO_ADMINS, _("Admins")),
        (TO_NAMED, _("Only the people named below")),
    )
    hint = _("Addresses of people who work here, separated by commas. They are told as well.")
    return [
        installation.Setting(_TO, "choice", _("Alerts go to"), TO_STARTERS, choices=choices),
        installation.Setting(_PEOPLE, "text", _("Also to"), "", hint, most=1000, is_optional=True),
    ]


def _criteria() -> list[installation.Setting]:
    found = []
    for criterion, label in _FLAGS.items():
        found.append(installation.Setting(f"alerts.{criterion}", "flag", label, True))
        if criterion == Criterion.STALLED:
            found.append(_stalled())
        if criterion in _SHARES:
            words, hint = _SHARES[criterion]
            name, usual = f"alerts.{criterion}_percent", _PERCENT[criterion]
            found.append(installation.Setting(name, "decimal", words, usual, hint, "%", most=100))
    return [*found, _complaints_warn(), _least()]


def _stalled() -> installation.Setting:
    label, hint = _("Stalled after"), _("With people waiting and no message handed over.")
    return installation.Setting(_STALLED_MINUTES, "number", label, 15, hint, _("minutes"), least=2, most=1440)


def _complaints_warn() -> installation.Setting:
    hint = _("Of those delivered; only drawn on Deliverability. Large providers ask for less than 0.1%.")
    label = _("Complaints to watch from")
    return installation.Setting(_COMPLAINT_WARN, "decimal", label, 0.1, hint, "%", most=100)


def _least() -> installation.Setting:
    hint = _("Shares of smaller sends say little: one bounce in ten messages is 10%.")
    return installation.Setting(_LEAST, "number", _("Shares count from"), 50, hint, _("messages sent"), least=1)
