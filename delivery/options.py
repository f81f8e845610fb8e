"""What people set about sends in Settings: General, and Sending limits. Defaults come from the environment."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import installation

GRACE_S = "delivery.grace_s"
TYPED_FROM = "delivery.confirm_typed_from"
UNUSUAL_TIMES = "delivery.confirm_unusual_times"
SECOND_PERSON = "delivery.second_person"
CAP_MESSAGES = "delivery.cap_messages"
CAP_HOURS = "delivery.cap_hours"
FAILED_WARN = "delivery.failed_warn_percent"
FAILED_ERR = "delivery.failed_err_percent"

GENERAL = installation.Page("general", _("General"), 10)
LIMITS = installation.Page(
    "limits",
    _("Sending limits"),
    45,
    _("How often one person may be written to, over all campaigns. Preparing leaves out who had enough."),
)


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
    installation.register(
        LIMITS,
        [
            installation.Setting(
                CAP_MESSAGES,
                "number",
                _("Messages per person, at most"),
                None,
                _("Empty: no limit. A campaign can be set to ignore it, in its Delivery step."),
                _("messages"),
                least=1,
                most=1000,
                is_optional=True,
            ),
            installation.Setting(
                CAP_HOURS,
                "number",
                _("Counted over"),
                24,
                _("Sent messages of that time, and those that people wait for in confirmed and running sends."),
                _("hours"),
                least=1,
                most=720,
            ),
        ],
    )
