"""What a preparation found, or how far it is, for its page: targeted − excluded = to send, with the reasons."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from delivery import bars, headlines, reasons
from delivery.models import Delivery


@dataclass(frozen=True)
class Excluded:
    code: str
    label: str
    n: int
    share: float
    url: str


def progress(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """Progress of a preparation. The whole is the estimate until the count is known."""
    whole = max(delivery.n_estimated or 0, delivery.n_prepared)
    done = delivery.n_prepared
    since = (now - delivery.preparing_since).total_seconds() if delivery.preparing_since else 0
    left = ""
    if whole and done and since >= 3:
        left = _("about %(time)s left") % {"time": headlines.duration(since / done * (whole - done))}
    figures = _("%(n)s of %(all)s") % {"n": headlines.count(done), "all": headlines.count(whole)} if whole else ""
    return {"n": done, "whole": whole, "text": " · ".join(part for part in (figures, left) if part)}


def sum_of(delivery: Delivery) -> dict[str, Any]:
    """The sum targeted − excluded = to send, with its parts in the fixed order of the reasons."""
    targeted = delivery.n_targeted or 0
    log = reverse("delivery:log", args=[delivery.public_id, "exclusions"])
    by_reason = delivery.excluded_by_reason
    codes = [code for code in reasons.EXCLUSIONS if by_reason.get(code)]
    codes += [code for code in by_reason if code not in reasons.EXCLUSIONS and by_reason[code]]
    return {
        "targeted": targeted,
        "excluded": delivery.n_excluded or 0,
        "to_send": delivery.n_to_send or 0,
        "reasons": [
            Excluded(c, reasons.exclusion_sentence(c), by_reason[c], by_reason[c] / targeted, f"{log}?reason={c}")
            for c in codes
        ],
        "bar": bars.parts(
            targeted,
            [(_("To send"), delivery.n_to_send or 0, "ok"), (_("Excluded"), delivery.n_excluded or 0, "pending")],
        ),
        "n_samples": len(delivery.samples),
    }
