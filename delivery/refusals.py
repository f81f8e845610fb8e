"""Why a delivery can't be moved. Raised by delivery.lifecycle, told to people as they are."""

from django.utils.translation import gettext as _

from delivery.models import Delivery
from lib.errors import DomainError, NotAllowed


class WrongState(DomainError):
    """The delivery is not in a state from which this is possible; somebody else moved it, or the page is old."""

    code = "wrong_state"


class Stale(DomainError):
    """What the person saw is not what would be sent any more. `is_mended`: preparing again is enough."""

    code = "stale"

    def __init__(self, message: str, *, is_mended: bool = True) -> None:
        super().__init__(message)
        self.is_mended = is_mended


class AlreadyConfirmed(DomainError):
    """Somebody confirmed this send before."""

    code = "already_confirmed"


class SecondPerson(NotAllowed):
    """The installation wants somebody else to confirm than who published."""

    code = "second_person"


def wrong(delivery: Delivery) -> WrongState:
    """The refusal of a move that the delivery's state does not allow."""
    sentence = _("This send is in state “{state}”, so that isn't possible. Reload the page to see what happened.")
    return WrongState(sentence.format(state=delivery.get_state_display()))
