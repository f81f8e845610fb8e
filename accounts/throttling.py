"""Slows down guessing of passwords: after a few failures an address is refused from that network address for a while.

Counted in the cache, which all web processes share. Addresses are hashed, so the cache holds no list of people.
"""

import hashlib

from django.core.cache import cache

MAX_FAILURES = 10
WINDOW_S = 15 * 60


def is_blocked(email: str, ip: str) -> bool:
    """Whether one more attempt would be refused unseen."""
    return int(cache.get(_key(email, ip), 0)) >= MAX_FAILURES


def count_failure(email: str, ip: str) -> None:
    """Remember one failed attempt for WINDOW_S from the first of them."""
    key = _key(email, ip)
    if not cache.add(key, 1, WINDOW_S):
        try:
            cache.incr(key)
        except ValueError:  # It ended between the two statements.
            cache.add(key, 1, WINDOW_S)


def forget(email: str, ip: str) -> None:
    """A successful sign-in clears the count."""
    cache.delete(_key(email, ip))


def _key(email: str, ip: str) -> str:
    return "sign-in:" + hashlib.sha256(f"{email.strip().lower()}\n{ip}".encode()).hexdigest()
