"""What people set about sends in Settings, General. Defaults come from the environment."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import installation

GRACE_S = "delivery.grace_s"
TYPED_FROM = "delivery.confirm_typed_from"
FAILED_WARN = "delivery.failed_warn_percent"
FAILED_ERR = "delivery.failed_err_percent"

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
                FAILED_WARN,
                "decimal",
                _("Bounces + errors, warning from"),
                2.0,
                _("The panel of a send then says High, in yellow. Below it nothing is coloured."),
                _("% of sent"),
                most=100,
            ),
            installation.Setting(
                FAILED_ERR,
                "decimal",
                _("Bounces + errors, error from"),
                5.0,
                _("The panel of a send then says High, in red."),
                _("% of sent"),
                most=100,
            ),
        ],
    )
