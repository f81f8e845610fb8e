"""Seeded bugs. Each breaks one thing that the pipeline relies on; a chaos run with it must fail, or the run is blind.

`apply` is called in every worker process of a run, before it does anything. `SCENARIO` says under which scenario the
bug shows: see tests.chaos.run.
"""

import functools
from typing import Any

from delivery import journal, outbox, recovery, windows
from delivery.models import Outcome
from messaging.handover import Handover, Result

SCENARIO = {
    "sent_before_the_dot": "calm",
    "unknown_is_sent": "calm",
    "refused_is_sent": "calm",
    "outcome_is_lost": "calm",
    "counter_drifts": "calm",
    "unknown_is_retried": "crash",
    "untried_is_sent": "crash",
    "cursor_instead_of_rows": "crash",
    "living_is_recovered": "crash",
    "expired_window_is_sent_again": "stand",
    "untried_is_forgotten": "pause",
    "consent_is_not_asked_again": "unsubscribe",
    "state_is_not_asked_again": "stop",
}


def apply(name: str) -> None:
    """Break the pipeline of this process. KeyError for an unknown name."""
    assert name in SCENARIO
    globals()[f"_{name}"]()


def _rewrite(owner: Any, name: str, old: str, new: str) -> None:
    """Change a statement, which must be there as it is known here: a bug that isn't planted can't be seen either."""
    sql = getattr(owner, name)
    assert old in sql, f"{name} reads otherwise now"
    setattr(owner, name, sql.replace(old, new))


def _unknown_is_sent() -> None:
    """A connection that ends after the final dot counts as accepted."""

    def settled(inner: Any, held: Any, one: Any) -> Any:
        return inner(held, one._replace(outcome=Outcome.SENT) if one.outcome == Outcome.UNKNOWN else one)

    inner = outbox.Outbox._settle
    outbox.Outbox._settle = lambda self, held, one: settled(functools.partial(inner, self), held, one)  # type: ignore[method-assign]


def _sent_before_the_dot() -> None:
    """Who is about to be handed over counts as sent, whatever the server says then."""
    inner = outbox.Outbox.on_wire

    def on_wire(self: Any, entry: Any) -> bool:
        if not inner(self, entry):
            return False
        self._attempted(entry, Outcome.SENT, Handover(Result.ACCEPTED, "", ""))
        return True

    def settle(self: Any, entry: Any, handover: Any) -> None:
        self.n_flying -= 1

    outbox.Outbox.on_wire = on_wire  # type: ignore[method-assign]
    outbox.Outbox.settle = settle  # type: ignore[method-assign]


def _unknown_is_retried() -> None:
    """After a crash, people who were on the wire are sent to again."""
    _replace_outcome({journal.ON_WIRE: ""})


def _untried_is_sent() -> None:
    """After a crash, everybody in the window counts as sent."""
    _replace_outcome({journal.UNTRIED: "sent", journal.ON_WIRE: "sent"})


def _replace_outcome(changed: dict[int, str]) -> None:
    inner = recovery._outcome

    def outcome(marks: bytes | None, position: int) -> str:
        mark = marks[position] if marks is not None and position < len(marks) else None
        return changed[mark] if mark in changed else inner(marks, position)

    recovery._outcome = outcome


def _cursor_instead_of_rows() -> None:
    """After a crash, a shard goes on behind its window, as if who was before that place had been sent to."""
    _rewrite(recovery, "_RETURN", "n_authorised = %(n_done)s,", "")


def _expired_window_is_sent_again() -> None:
    """Whose worker stood still past its lease is sent to again: nobody wrote that they got it."""
    inner = recovery._outcome
    recovery._outcome = lambda marks, position: "" if marks is None else inner(marks, position)


def _living_is_recovered() -> None:
    """A worker that lives is taken for dead, and nobody looks at its journal's lock; its writes are not fenced."""
    _rewrite(recovery, "_LEASED", "lease_until < now() - make_interval(secs => %s)", "%s > 0")
    _rewrite(recovery, "_LOCK", "%(is_dead)s OR", "true OR")
    journal.adopt = lambda name: None  # type: ignore[assignment]
    recovery._outcome = lambda marks, position: ""
    _rewrite(windows, "_RECORD", "AND s.fence = %(fence)s AND s.state = 'leased'", "")


def _untried_is_forgotten() -> None:
    """Who was authorised and not handed over when a worker gives its lease back is not put back."""
    inner = windows.release

    def release(connection: Any, held: Any, settled: Any, untried: Any, **named: Any) -> None:
        inner(connection, held, settled, [], **named)

    windows.release = release


def _refused_is_sent() -> None:
    """The server's 550 counts as accepted."""
    inner = outbox.Outbox._settle

    def settle(self: Any, held: Any, one: Any) -> None:
        inner(self, held, one._replace(outcome=Outcome.SENT) if one.outcome == Outcome.FAILED else one)

    outbox.Outbox._settle = settle  # type: ignore[method-assign]


def _outcome_is_lost() -> None:
    """Each hundredth log row is counted and not written."""
    inner, seen = windows._sort, [0]

    def sort(*arguments: Any, **named: Any) -> Any:
        batch = inner(*arguments, **named)
        seen[0] += len(batch.rows)
        if seen[0] >= 100 and batch.rows:
            seen[0] = 0
            batch.rows.pop()
        return batch

    windows._sort = sort


def _counter_drifts() -> None:
    """Some outcomes are counted under another name than they are logged under."""
    inner, seen = windows._sort, [0]

    def sort(*arguments: Any, **named: Any) -> Any:
        batch = inner(*arguments, **named)
        seen[0] += 1
        if seen[0] % 5 == 0 and batch.counts["sent"]:
            batch.counts["sent"] -= 1
            batch.counts["not_sent"] += 1
        return batch

    windows._sort = sort


def _consent_is_not_asked_again() -> None:
    """Windows let in whoever was prepared."""
    inner = windows._open

    def opened(terms: Any) -> str:
        reason, sql = windows.mailable.reason(terms).sql, inner(terms)
        assert reason in sql
        return sql.replace(reason, "NULL::text")

    windows._open = opened


def _state_is_not_asked_again() -> None:
    """Windows open, and stops leave the rest alone, whatever the state of the delivery is."""
    _rewrite(windows, "_RECORD", "d.state = 'sending'", "true")
    from delivery import endings  # noqa: PLC0415  # only this one needs it

    assert "UPDATE" in endings._CUT and "INSERT" in endings._SPLIT
    endings._CUT = "SELECT 1"
    endings._SPLIT = "SELECT 1"
