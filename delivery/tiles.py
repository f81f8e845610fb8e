"""The six tiles of the Deployment panel, finished: value, the line under it, and what it means. Pure.

`DEFINITIONS` are the words of the tooltips and of the page about the figures; nothing defines them a second time.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from delivery import headlines, thresholds
from delivery.kpi import Panel
from delivery.models import EMAIL, Delivery
from messaging.models import Feedback

LABELS: dict[str, Promise] = {
    "to-send": gettext_lazy("To send"),
    "sent": gettext_lazy("Sent"),
    "delivered": gettext_lazy("Delivered"),
    "failed": gettext_lazy("Bounces + errors"),
    "opened": gettext_lazy("Opened"),
    "clicked": gettext_lazy("Clicked"),
}
DEFINITIONS: dict[str, Promise] = {
    "to-send": gettext_lazy("People left after exclusions."),
    "sent": gettext_lazy("Handed to the mail server, accepted or later bounced. The share is of To send."),
    "delivered": gettext_lazy("Delivered ÷ sent. Provisional until the validity period ends, then final."),
    "failed": gettext_lazy("Failed ÷ sent: refused at hand-over, or bounced later."),
    "opened": gettext_lazy(
        "People who opened ÷ delivered. Everybody counts once; opens by mail programs on their own aren't counted."
    ),
    "clicked": gettext_lazy(
        "People who clicked a link ÷ delivered. Everybody counts once; clicks by link scanners aren't counted."
    ),
}
# The same of webhooks, which have fewer.
_OF_WEBHOOKS: dict[str, tuple[Promise, Promise]] = {
    "called": (
        gettext_lazy("Sent"),
        gettext_lazy("Taken by the server that was called, or refused for good. The share is of To send."),
    ),
    "refused": (
        gettext_lazy("Errors"),
        gettext_lazy("Failed ÷ sent: refused, or without a good answer in all attempts."),
    ),
}


@dataclass(frozen=True)
class Tile:
    """One figure for components/_tile.html. Without a `value` there is a `reason`. `note` is a word about a limit."""

    id: str
    value: str = ""
    sub: str = ""
    reason: str = ""
    note: str = ""
    note_tone: str = ""

    @property
    def label(self) -> str:
        return str(_OF_WEBHOOKS[self.id][0] if self.id in _OF_WEBHOOKS else LABELS[self.id])

    @property
    def help(self) -> str:
        return str(_OF_WEBHOOKS[self.id][1] if self.id in _OF_WEBHOOKS else DEFINITIONS[self.id])


def of_panel(delivery: Delivery, panel: Panel, limits: thresholds.Limits) -> list[Tile]:
    """The tiles in their order."""
    # Requests name people one by one.
    of_all = _("of %(n)s targeted") % {"n": headlines.count(panel.targeted or 0)}
    targeted = "" if delivery.is_standing else of_all
    share = _("%(rate)s of to send") % {"rate": headlines.percent(panel.sent_rate)} if panel.to_send else ""
    if delivery.channel != EMAIL:
        # Whoever takes a webhook has it: nothing comes back later, and nobody reads it.
        return [
            Tile("to-send", headlines.count(panel.to_send or 0), targeted),
            Tile("called", headlines.count(panel.sent), share),
            _failed(panel, limits, name="refused"),
        ]
    return [
        Tile("to-send", headlines.count(panel.to_send or 0), targeted),
        Tile("sent", headlines.count(panel.sent), share),
        _delivered(delivery, panel),
        _failed(panel, limits),
        _answered("opened", panel.opened_rate, panel.opened, panel, is_tracked=delivery.message.tracks_opens),
        _answered("clicked", panel.clicked_rate, panel.clicked, panel, is_tracked=delivery.message.tracks_clicks),
    ]


def _delivered(delivery: Delivery, panel: Panel) -> Tile:
    if not panel.sent:
        return Tile("delivered", reason=_("Nothing sent yet"))
    value = headlines.percent(panel.delivered_rate)
    if delivery.feedback == Feedback.REAL_TIME and panel.pending and not panel.delivered:
        # Nothing is wrong when nobody has answered yet, so it is said and not coloured.
        return Tile("delivered", value, _("%(n)s waiting for an answer") % {"n": headlines.count(panel.pending)})
    figures = {"n": headlines.count(panel.delivered), "until": headlines.stamp(delivery.valid_until)}
    if panel.is_final:
        return Tile("delivered", value, _("%(n)s, final") % figures)
    if delivery.is_standing and delivery.closed_at is None:
        # It has no end of its own: each request has its validity period.
        return Tile("delivered", value, _("%(n)s, provisional") % figures)
    return Tile("delivered", value, _("%(n)s, provisional until %(until)s") % figures)


def _failed(panel: Panel, limits: thresholds.Limits, *, name: str = "failed") -> Tile:
    if not panel.sent:
        return Tile(name, reason=_("Nothing sent yet"))
    tone = thresholds.tone(panel.failed_rate, limits)
    sub = _("%(n)s of sent") % {"n": headlines.count(panel.failed)}
    return Tile(name, headlines.percent(panel.failed_rate), sub, note=_("High") if tone else "", note_tone=tone)


def _answered(name: str, rate: float | None, n: int, panel: Panel, *, is_tracked: bool) -> Tile:
    if not is_tracked:
        return Tile(name, reason=_("Not tracked"))
    if rate is None:
        return Tile(name, reason=_("No answer yet") if panel.sent else _("Nothing sent yet"))
    return Tile(name, headlines.percent(rate), _("%(n)s of delivered") % {"n": headlines.count(n)})
