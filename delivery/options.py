"""What people set about sends in Settings, General. Defaults come from the environment."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import installation

GRACE_S = "delivery.grace_s"
TYPED_FROM = "delivery.confirm_typed_from"
UNUSUAL_TIMES = "delivery.confirm_unusual_times"
SECOND_PERSON = "delivery.second_person"

GENERAL = installation.Page("general", _("General"), 10)


def register() -> None:
    """Called once when Django starts."""
    installation.register(
        GENERAL,
        [
            installation.Setting(
                GRACE_S,
                "number",
                _("Time to cancel"),
                lambda: settings.GRACE_S,
                _("Between Confirm and the first message. Cancel undoes everything in it."),
                _("seconds"),
                most=300,
            ),
            installation.Setting(
                TYPED_FROM,
                "number",
                _("Type the number from"),
                lambda: settings.CONFIRM_TYPED_FROM,
                _("From this many recipients on, confirming asks to type how many there are."),
                _("recipients"),
                least=1,
            ),
            installation.Setting(
                UNUSUAL_TIMES,
                "number",
                _("Warn about sends larger than"),
                5,
                _("Compared with the median of the last 10 sends. Confirming then asks to type the number as well."),
                _("times the usual"),
                least=2,
                most=1000,
            ),
            installation.Setting(
                SECOND_PERSON,
                "flag",
                _("A second person must confirm"),
                False,
                _("Who published a version can't confirm its send, and can't start it when it sends on its own."),
            ),
        ],
    )
