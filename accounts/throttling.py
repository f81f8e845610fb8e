"""Slows down guessing of passwords: after a few failures an address is refused from that network address for a while,
and after many failures the network address as a whole.

Counted in the cache, which all web processes share. Addresses are hashed, so the cache holds no list of people. While
the cache is away nothing is counted and nobody is locked out: people who run sends must be able to sign in then.
"""

import hashlib
import logging

import redis
from django.core.cache import cache

MAX_FAILURES = 10
# Of one network address, whoever is tried: an office behind one router stays far below.
MAX_FAILURES_OF_NETWORK = 100
WINDOW_S = 15 * 60

logger = logging.getLogger(__name__)


def network_address(peer: str, forwarded_for: str, *, n_proxies: int) -> str:
    """The address a request came from: the peer's, or what the outermost of `n_proxies` trusted proxies said.

    `forwarded_for` is X-Forwarded-For. Each trusted proxy appended one address to it; what stands further left was
    written by whoever came to them, and is not believed.
    """
    named = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    return named[-n_proxies] if 0 < n_proxies <= len(named) else peer


def is_blocked(email: str, ip: str) -> bool:
    """Whether one more attempt would be refused unseen."""
    try:
        found = cache.get_many([_key(email, ip), _key("", ip)])
    except redis.RedisError:
        logger.warning("sign-ins are not counted: the cache is away")
        return False
    of_address, of_network = int(found.get(_key(email, ip), 0)), int(found.get(_key("", ip), 0))
    return of_address >= MAX_FAILURES or of_network >= MAX_FAILURES_OF_NETWORK


def count_failure(email: str, ip: str) -> None:
    """Remember one failed attempt for WINDOW_S from the first of them."""
    try:
        for key in (_key(email, ip), _key("", ip)):
            _count(key)
    except redis.RedisError:
        logger.warning("sign-ins are not counted: the cache is away")


def forget(email: str, ip: str) -> None:
    """A successful sign-in clears the count of its address."""
    try:
        cache.delete(_key(email, ip))
    except redis.RedisError:
        logger.warning("sign-ins are not counted: the cache is away")


def _count(key: str) -> None:
    if not cache.add(key, 1, WINDOW_S):
        try:
            cache.incr(key)
        except ValueError:  # It ended between the two statements.
            cache.add(key, 1, WINDOW_S)


def _key(email: str, ip: str) -> str:
    return "sign-in:" + hashlib.sha256(f"{email.strip().lower()}\n{ip}".encode()).hexdigest()
