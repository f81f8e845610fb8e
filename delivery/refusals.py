"""Why a delivery can't be moved. Raised by delivery.lifecycle, told to people as they are."""

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from delivery.models import Delivery
from lib.errors import DomainError


class WrongState(DomainError):
    """The delivery is not in a state from which this is possible; somebody else moved it, or the page is old."""

    code = "wrong_state"


class Stale(DomainError):
    """What the person saw is not what would be sent any more."""

    code = "stale"


class AlreadyConfirmed(DomainError):
    """Somebody confirmed this send before."""

    code = "already_confirmed"


def wrong_state(delivery: Delivery) -> WrongState:
    """The refusal of a move that the state of `delivery` does not allow."""
    sentence = _("This send is in state “{state}”, so that isn't possible. Reload the page to see what happened.")
    return WrongState(sentence.format(state=delivery.get_state_display()))


def already_confirmed(delivery: Delivery) -> AlreadyConfirmed:
    """The refusal of a second confirmation, naming who gave the first."""
    assert delivery.confirmed_at is not None
    at = formats.time_format(timezone.localtime(delivery.confirmed_at), "H:i")
    return AlreadyConfirmed(
        _("{name} already confirmed this send at {time}.").format(name=delivery.confirmed_by, time=at)
    )
