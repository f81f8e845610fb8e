"""How long a transaction that others wait for may stand still: a process that was stopped, or whose machine is gone.

PostgreSQL sees at once when a process dies, but not when its machine does: its locks would stay for the two hours that
TCP waits.
"""

# Between two statements of one transaction, which compute little.
SECONDS = 30.0


def limited() -> str:
    """SQL beside the taking of a lock: PostgreSQL ends this transaction, and its session, when it stands still."""
    return f"set_config('idle_in_transaction_session_timeout', '{SECONDS * 1000:.0f}', true)"
