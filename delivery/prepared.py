"""What a preparation found, or how far it is, for its page: targeted − excluded = to send, with the reasons."""

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from delivery import bars, headlines, left_out
from delivery.models import Delivery


def progress(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """Progress of a preparation. The whole is the estimate; without one, only how many are found so far is known."""
    done = delivery.n_prepared
    whole = max(delivery.n_estimated, done) if delivery.n_estimated else 0
    since = (now - delivery.preparing_since).total_seconds() if delivery.preparing_since else 0
    left = ""
    if whole and done and since >= 3:
        left = _("about %(time)s left") % {"time": headlines.duration(since / done * (whole - done))}
    figures = _("%(n)s of %(all)s") % {"n": headlines.count(done), "all": headlines.count(whole)} if whole else ""
    if done and not whole:
        figures = ngettext("%(n)s person so far", "%(n)s people so far", done) % {"n": headlines.count(done)}
    return {"n": done, "whole": whole, "text": " · ".join(part for part in (figures, left) if part)}


def sum_of(delivery: Delivery) -> dict[str, Any]:
    """The sum targeted − excluded = to send, with its parts in the fixed order of the reasons."""
    targeted = delivery.n_targeted or 0
    return {
        "targeted": targeted,
        "excluded": delivery.n_excluded or 0,
        "to_send": delivery.n_to_send or 0,
        "reasons": left_out.rows(delivery),
        "bar": bars.parts(
            targeted,
            [(_("To send"), delivery.n_to_send or 0, "ok"), (_("Excluded"), delivery.n_excluded or 0, "pending")],
        ),
        "n_samples": len(delivery.samples),
    }
