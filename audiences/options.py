"""What people set about failing addresses in Settings, Bounces and quarantine."""

from django.utils.translation import gettext_lazy as _

from accounts import installation

MOST_ERRORS = "audiences.most_errors"
ERROR_GAP_H = "audiences.error_gap_h"
ERROR_MEMORY_DAYS = "audiences.error_memory_days"

BOUNCES = installation.Page(
    "bounces",
    _("Bounces and quarantine"),
    40,
    _("An address that will never work, or whose owner complained, goes into quarantine at once."),
)


def register() -> None:
    """Called once when Django starts."""
    installation.register(
        BOUNCES,
        [
            installation.Setting(
                MOST_ERRORS,
                "number",
                _("Temporary failures before quarantine"),
                5,
                _("The address goes into quarantine with this failure. A message that arrives starts the count anew."),
                _("failures"),
                least=1,
                most=20,
            ),
            installation.Setting(
                ERROR_GAP_H,
                "number",
                _("Time between two failures that count"),
                24,
                _("Failures closer to the last one that counted say nothing new and are not counted."),
                _("hours"),
                most=24 * 30,
            ),
            installation.Setting(
                ERROR_MEMORY_DAYS,
                "number",
                _("Failures are forgotten after"),
                10,
                _("When the last one that counted is older, the count starts anew."),
                _("days"),
                least=1,
                most=365,
            ),
        ],
    )
