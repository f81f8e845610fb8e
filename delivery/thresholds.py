"""From when on a figure is said to be high: the limits of Settings, General."""

from dataclasses import dataclass

from accounts import installation
from delivery import options


@dataclass(frozen=True)
class Limits:
    """Shares of 1 of what was sent."""

    warn: float
    err: float


def failed() -> Limits:
    """The limits of Bounces + errors as they are set now. One query."""
    found = installation.values([options.FAILED_WARN, options.FAILED_ERR])
    return Limits(float(found[options.FAILED_WARN]) / 100, float(found[options.FAILED_ERR]) / 100)


def tone(rate: float | None, limits: Limits) -> str:
    """ "err" or "warn" once `rate` has reached its limit; "" below, and while there is no rate."""
    if rate is None or not rate:
        return ""
    if rate >= limits.err:
        return "err"
    return "warn" if rate >= limits.warn else ""
