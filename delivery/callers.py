"""How a call looks to who made it: the room above knows its address, its answer and its key, and says so here.

It registers at start-up. Only for people who look at one call in the activity log.
"""

from collections.abc import Callable
from dataclasses import dataclass

from delivery.models import RefusedCall, TriggerRequest


@dataclass(frozen=True)
class Told:
    """`asked` and `answered` are JSON as in the call; `curl` makes the call again, "" where too little is kept for it.
    `key_url`: where admins find the key, "" for none; `docs_url`: what its error means."""

    method: str
    path: str
    status: int
    asked: str
    answered: str
    curl: str = ""
    key_url: str = ""
    docs_url: str = ""


@dataclass(frozen=True)
class Teller:
    of_request: Callable[[TriggerRequest], Told]
    of_refused: Callable[[RefusedCall], Told]


_tellers: list[Teller] = []


def register(teller: Teller) -> None:
    """For apps.ready; repeating it replaces."""
    _tellers[:] = [teller]


def of_request(request: TriggerRequest) -> Told | None:
    """None when no room above speaks to programs."""
    return _tellers[0].of_request(request) if _tellers else None


def of_refused(call: RefusedCall) -> Told | None:
    return _tellers[0].of_refused(call) if _tellers else None
