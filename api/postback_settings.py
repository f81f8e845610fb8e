"""The address that events of transactional calls are posted to: one, https, off while it is empty."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import installation
from messaging import outward

ADDRESS = "api.postback_address"


def register() -> None:
    """Called once when Django starts."""
    setting = installation.Setting(
        ADDRESS,
        "text",
        gettext_lazy("Address for transactional events"),
        "",
        gettext_lazy("Begins with https://. Empty: nothing is posted."),
        most=500,
        is_optional=True,
        check=problem,
    )
    installation.register(None, [setting])


def address() -> str:
    """Where to, as it is set now; "" for nowhere."""
    return installation.text(ADDRESS)


def recent_address() -> str:
    """The same, as it was at most a second ago: for calls."""
    return str(installation.recent((ADDRESS,))[ADDRESS] or "")


def problem(text: str) -> str:
    """What is wrong with an address, in words; "" for nothing.

    http only within an installation's own network, by the hosts its operator listed.
    """
    if not text:
        return ""
    try:
        outward.check(text)
    except outward.OutwardProblem as found:
        return found.message
    if not text.startswith("https://") and not outward.is_listed(text):
        return _("The address must begin with https://.")
    return ""
