"""Compute stats: somebody asks, the request or a worker counts again, and the page says what changed.

Who asks, and what the figures were then, is kept in the cache. With the cache away everything is still counted; only
the wait between two runs and the sentence for large sends are lost.
"""

import logging
import time
from dataclasses import dataclass

from django.core.cache import cache
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from delivery import headlines, kpi, rollups, tiles
from delivery.models import Delivery

logger = logging.getLogger(__name__)
# Seconds after a run in which nobody may ask for another.
EVERY_S = 30
# Seconds after which a run that nobody ended is believed lost.
_LOST_S = 300
_FIGURES = ("sent", "delivered", "failed", "opened", "clicked")


@dataclass(frozen=True)
class _Run:
    """The figures before it and, once it has ended, after it; since when (epoch)."""

    at: float
    before: dict[str, int]
    after: dict[str, int] | None = None


@dataclass(frozen=True)
class Status:
    """`wait_s`: whole seconds until it may be asked again, 0 for now. `result`: what the last run changed, in words."""

    is_running: bool = False
    wait_s: int = 0
    result: str = ""


def status(delivery: Delivery) -> Status:
    """How the last run of this delivery stands."""
    last = _last(delivery.pk)
    if last is None:
        return Status()
    if last.after is None:
        return Status(is_running=True)
    wait_s = max(0, round(EVERY_S - (time.time() - last.at)))
    return Status(wait_s=wait_s, result=_changes(last.before, last.after))


def ask(delivery: Delivery) -> None:
    """Note that a worker will run it, and what the figures are now."""
    _keep(delivery.pk, _Run(time.time(), _figures(delivery)), _LOST_S)


def run(delivery_id: int) -> str:
    """Count again from the log; return what changed, in words. May run at any time, twice or in parallel."""
    delivery = Delivery.objects.select_related("message").get(pk=delivery_id)
    last = _last(delivery_id)
    before = last.before if last and last.after is None else _figures(delivery)
    rollups.rebuild(delivery_id)
    after = _figures(delivery)
    _keep(delivery_id, _Run(time.time(), before, after), EVERY_S)
    return _changes(before, after)


def _figures(delivery: Delivery) -> dict[str, int]:
    panel = kpi.panel(delivery)
    return {name: getattr(panel, name) for name in _FIGURES}


def _changes(before: dict[str, int], after: dict[str, int]) -> str:
    changed = [
        f"{tiles.LABELS[name]} {headlines.count(before[name])} → {headlines.count(after[name])}."
        for name in _FIGURES
        if before[name] != after[name]
    ]
    return " ".join([_("Updated."), *changed]) if changed else _("Computed again. Nothing changed.")


def _last(delivery_id: int) -> _Run | None:
    try:
        found: _Run | None = cache.get(_key(delivery_id))
    except RedisError:
        return None
    return found


def _keep(delivery_id: int, run_: _Run, seconds: int) -> None:
    try:
        cache.set(_key(delivery_id), run_, timeout=seconds)
    except RedisError:
        logger.info("delivery %s: the cache does not answer; who computed what is not kept", delivery_id)


def _key(delivery_id: int) -> str:
    return f"delivery-computing:{delivery_id}"
