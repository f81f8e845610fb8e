"""How the programs of a run differ from those of production; plain values, because they travel to another process."""

from dataclasses import dataclass

# Seeded bugs (tests.chaos.mutants) that only sending processes have; the worker, which ticks, may stay as it is.
OF_SENDERS = frozenset(
    (
        "sent_before_the_dot",
        "unknown_is_sent",
        "refused_is_sent",
        "outcome_is_lost",
        "counter_drifts",
        "untried_is_forgotten",
        "consent_is_not_asked_again",
        "another_id_when_retried",
    )
)


@dataclass(frozen=True)
class Setup:
    """One seeded bug ("-" for none), one point at which a sender kills itself once ("" for none), and shorter waits.

    `machine`: "" for the machine of the run; any other name has a home and a boot of its own, so that nothing is shared
    with it but PostgreSQL and the broker.
    """

    mutant: str = "-"
    failpoint: str = ""
    machine: str = ""
    # 60 is what production has; below, everything that depends on it is shortened in proportion.
    lease_s: float = 60.0
    # Between two ticks, and between a deferral and the next attempt; production has 2 and 60.
    tick_s: float = 2.0
    retry_s: float = 3.0
    n_processes: int = 2
