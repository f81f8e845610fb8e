"""What a preparation hands to the lifecycle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prepared:
    """What a preparation found: the numbers (`n_targeted` = excluded + `n_to_send`), what it rests on (`basis` of
    delivery.staleness), who is due when, and the hash over all of it."""

    n_targeted: int
    n_to_send: int
    excluded_by_reason: dict[str, int]
    samples: list[dict[str, object]]
    seal: str
    # Lines of delivery.controls as the delivery keeps them.
    controls: Sequence[Mapping[str, object]] = ()
    basis: dict[str, object] = field(default_factory=dict)
    timetable: list[dict[str, Any]] = field(default_factory=list)
    quiet_hours: dict[str, str] = field(default_factory=dict)
