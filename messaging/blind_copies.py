"""Blind copies: which addresses a call may name as `bcc`, written in Settings, one in each line.

A call can't send to any address it likes in the name of somebody else's message; that is decided by an admin.
"""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import installation
from audiences import addresses

# The name of the setting.
SETTING = "messaging.bcc_addresses"
_MOST = 20


def read(text: str) -> tuple[list[str], str]:
    """The addresses in `text`, and what is wrong with the first that is none; "" when nothing is."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = next((one for one in found if not addresses.is_valid(one) or not one.isascii()), "")
    if wrong:
        return [], _("“%(line)s” is not a valid address.") % {"line": wrong[:80]}
    if len(found) > _MOST:
        return [], _("Use at most %(n)d lines.") % {"n": _MOST}
    return found, ""


def allowed(address: str) -> str:
    """The address as it stands in Settings; "" for one that doesn't."""
    wanted = address.strip().lower()
    return next((one for one in read(installation.text(SETTING))[0] if one.lower() == wanted), "")


def setting() -> installation.Setting:
    return installation.Setting(
        SETTING,
        "text",
        gettext_lazy("Addresses for blind copies"),
        "",
        gettext_lazy(
            "One in each line. A message that comes by API may have one of them as its bcc: each reader's message then "
            "goes there too. Copies are in no figure, but your mail server counts them."
        ),
        most=7_000,
        is_optional=True,
        n_lines=3,
        check=lambda text: read(text)[1],
    )
