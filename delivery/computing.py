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
class Status:
    """`wait_s`: whole seconds until it may be asked again, 0 for now. `result`: what the last run changed, in words."""

    is_running: bool = False
    wait_s: int = 0
    result: str = ""


def status(delivery: Delivery) -> Status:
    """How the last run of this delivery stands."""
    kept = _kept(delivery.pk)
    if not kept:
        return Status()
    if "after" not in kept:
        return Status(is_running=True)
    wait_s = max(0, round(EVERY_S - (time.time() - kept["at"])))
    return Status(wait_s=wait_s, result=_changes(kept["before"], kept["after"]))


def ask(delivery: Delivery) -> None:
    """Note that a worker will run it, and what the figures are now."""
    _keep(delivery.pk, {"before": _figures(delivery), "at": time.time()}, _LOST_S)


def run(delivery_id: int) -> str:
    """Count again from the log; return what changed, in words. May run at any time, twice or in parallel."""
    delivery = Delivery.objects.select_related("message").get(pk=delivery_id)
    kept = _kept(delivery_id)
    before = kept["before"] if kept and "after" not in kept else _figures(delivery)
    rollups.rebuild(delivery_id)
    after = _figures(delivery)
    _keep(delivery_id, {"before": before, "after": after, "at": time.time()}, EVERY_S)
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


def _kept(delivery_id: int) -> dict[str, object]:
    try:
        return cache.get(_key(delivery_id)) or {}
    except RedisError:
        return {}


def _keep(delivery_id: int, values: dict[str, object], seconds: int) -> None:
    try:
        cache.set(_key(delivery_id), values, timeout=seconds)
    except RedisError:
        logger.info("delivery %s: the cache does not answer; who computed what is not kept", delivery_id)


def _key(delivery_id: int) -> str:
    return f"delivery-computing:{delivery_id}"
