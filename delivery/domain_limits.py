"""Limits by domain: how many messages a minute the people of one provider get, over all sends through a mail server.

Written in Settings, a line for each limit: domains that share it, then messages per minute, as in
"gmail.com, googlemail.com 600". Preparation puts the people of a limited domain into shards of their own, under the
first domain of the line; how fast they go is read when a worker begins.
"""

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts import installation
from audiences import addresses
from lib import memory

# The name of the setting.
SETTING = "delivery.domain_limits"
_BETWEEN = re.compile(r"[\s,;]+")
_RATE = re.compile(r"([1-9]\d{0,6})(?:/min)?")
_MOST_LINES = 200


@dataclass(frozen=True)
class Limit:
    """`domains` share `per_minute`; the first one names them."""

    domains: tuple[str, ...]
    per_minute: int

    @property
    def label(self) -> str:
        return self.domains[0]


_recent: "memory.Memory[dict[str, Limit]]" = memory.Memory()


def read(text: str) -> tuple[list[Limit], str]:
    """The limits in `text`, and what is wrong with the first line that can't be read; "" when nothing is."""
    limits: list[Limit] = []
    seen: set[str] = set()
    for line in filter(None, (one.strip() for one in text.splitlines())):
        *names, last = filter(None, _BETWEEN.split(line))
        rate, domains = _RATE.fullmatch(last), [_domain(name) for name in names]
        if rate is None or not domains or not all(domains):
            return [], _("“%(line)s” can't be read. Write domains, then messages per minute.") % {"line": line[:80]}
        twice = next((name for n, name in enumerate(domains) if name in seen or name in domains[:n]), "")
        if twice:
            return [], _("%(domain)s has two limits. Keep one of them.") % {"domain": twice}
        seen |= set(domains)
        limits.append(Limit(tuple(domains), int(rate[1])))
    if len(limits) > _MOST_LINES:
        return [], _("Use at most %(n)d lines.") % {"n": _MOST_LINES}
    return limits, ""


def problem(text: str) -> str:
    """What is wrong with the text of the setting; "" when nothing is."""
    return read(text)[1]


def current() -> list[Limit]:
    """The limits that are set now."""
    return read(installation.text(SETTING))[0]


def recent() -> dict[str, Limit]:
    """The limit of each domain that had one in the last second."""
    return _recent.get("", lambda: by_domain(current()))


def by_domain(limits: list[Limit]) -> dict[str, Limit]:
    """The limit of each domain that has one."""
    return {domain: limit for limit in limits for domain in limit.domains}


def _domain(name: str) -> str:
    """A domain as the keys of addresses have it; "" when it is none."""
    return addresses.key(f"a@{name}").removeprefix("a@")
