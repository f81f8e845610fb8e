"""Why a delivery can't be moved. Raised by delivery.lifecycle, told to people as they are."""

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
