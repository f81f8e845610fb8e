"""Why an address is in quarantine: the codes this room writes, and those that rooms above register at start-up.

An entry's reason is a code or, from older imports, words of its own; what nobody knows is shown as it is.
"""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

COMPLAINT = "complaint"
UNSUBSCRIBED = "unsubscribed"
BY_HAND = "by_hand"
# Written by audiences.merging.
IN_A_FILE = "unsubscribed in a file"

# Where somebody decided, not a server: released one by one only, never in bulk.
DENYLIST = (COMPLAINT, UNSUBSCRIBED, IN_A_FILE, BY_HAND)

_WORDS: dict[str, Text] = {
    COMPLAINT: _("Reported as spam"),
    UNSUBSCRIBED: _("Unsubscribed"),
    IN_A_FILE: _("Unsubscribed in an imported file"),
    BY_HAND: _("Added by hand"),
    "hard_bounce": _("Hard bounce"),
}


def register(words: Mapping[str, Text]) -> None:
    """Name reasons of rooms above; for apps.ready. Repeating replaces."""
    _WORDS.update(words)


def label(reason: str) -> str:
    """The words for a reason."""
    return str(_WORDS.get(reason, reason))
