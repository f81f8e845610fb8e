"""Shares with thresholds, as the deliverability page and the alerts mean them. Pure."""

from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import pgettext


@dataclass(frozen=True)
class Threshold:
    """`at`: share of 1; `tone`: what a share from there on is."""

    at: float
    tone: str

    @property
    def label(self) -> str:
        return percent(self.at)


@dataclass(frozen=True)
class Rate:
    """A share of 1 with what it is made of; None while there is nothing to be a share of. `tone` says what it is."""

    part: int
    whole: int
    thresholds: tuple[Threshold, ...] = ()

    @property
    def share(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def passed(self) -> Threshold | None:
        """The highest threshold that is reached; a share of 0 reaches none."""
        share = self.share
        reached = [one for one in self.thresholds if share and share >= one.at]
        return max(reached, key=lambda one: one.at, default=None)

    @property
    def tone(self) -> str:
        return self.passed.tone if self.passed else ""


def percent(share: float) -> str:
    """As many decimals as tell 0.08% from 0.1%, and none for whole percents."""
    value = round(100 * share, 2 if share < 0.01 else 1)
    text = number_format(int(value) if value == int(value) else value, use_l10n=True)
    return pgettext("percentage", "%(number)s%%") % {"number": text}
