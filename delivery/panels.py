"""The Deployment panel of a delivery that has started, finished: the line above, the bar, the tiles, the lists."""

import datetime as dt
from typing import Any

from django.urls import reverse

from delivery import (
    bars,
    computing,
    headlines,
    kpi,
    people_lists,
    retention,
    slowdowns,
    thresholds,
    tiles,
    timetables,
)
from delivery.models import Delivery, DeliveryState
from messaging.models import Feedback

# What the templates find before the start.
NONE: dict[str, Any] = {"panel": None, "rest": 0, "lists": [], "computing": None, "removed": ""}


def of(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """Everything of it that changes by itself."""
    panel = kpi.panel(delivery)
    next_due = timetables.next_due(delivery, now) if delivery.state == DeliveryState.SENDING else None
    return {
        "panel": panel,
        "headline": headlines.headline(delivery, panel, now, slowed=slowdowns.current(delivery), next_due=next_due),
        "is_stalled": next_due is None and headlines.is_stalled(delivery, panel, now),
        "bar": bars.of_panel(delivery, panel),
        "tiles": tiles.of_panel(delivery, panel, thresholds.failed()),
        "computing": computing.status(delivery),
        "is_real_time": delivery.feedback == Feedback.REAL_TIME,
        "removed": retention.sentence(delivery, "figures"),
        "rest": panel.waiting + panel.retrying,
        "lists": _lists(delivery, panel),
    }


def _lists(delivery: Delivery, panel: kpi.Panel) -> list[dict[str, Any]]:
    """Which lists of people can be made of it, for a menu: {label, dialog_url}."""
    here = reverse("delivery:list-new", args=[delivery.public_id])
    return [
        {"label": people_lists.label(group, n), "icon": "users", "dialog_url": f"{here}?group={group}", "group": group}
        for group, n in people_lists.groups(delivery, panel).items()
    ]
