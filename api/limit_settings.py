"""What admins set about the API in Settings, API limits: how many calls are answered in a time."""

from django.utils.translation import gettext_lazy as _

from accounts import installation
from api import limiting

PAGE = installation.Page(
    "api-limits",
    _("API limits"),
    65,
    _("All keys together. A call above the limit is refused, and told when to come again. Nothing of it is done."),
)
_LABELS = {
    "sends": (_("Messages and triggers to listed people"), _("calls an hour")),
    "broadcasts": (_("Messages and triggers to a segment or an audience"), _("calls a minute")),
    "others": (_("Other calls"), _("calls an hour")),
    "data_series": (_("Figures of a campaign"), _("calls a minute")),
    "duplicate": (_("Duplicates of campaigns"), _("calls a minute")),
    "send_ids": (_("Registered send ids"), _("calls a day")),
    "track": (_("Profiles and events"), _("calls in 3 seconds")),
    "user_deletes": (_("Deleting profiles"), _("calls a minute")),
    "user_exports": (_("Reading profiles"), _("calls a minute")),
    "subscriptions": (_("Changing subscriptions"), _("calls a minute")),
}


def register() -> None:
    """Called once when Django starts."""
    found = []
    for pool in limiting.POOLS:
        label, unit = _LABELS[pool.name]
        found.append(installation.Setting(pool.setting, "number", label, pool.most, unit=unit, least=1))
    installation.register(PAGE, found)
