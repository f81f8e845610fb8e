"""Secrets at rest: encrypted with a key derived from SECRET_KEY, shown to nobody again.

Whoever changes SECRET_KEY has to enter them again.
"""

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class Unreadable(Exception):
    """It was encrypted under another SECRET_KEY, or is damaged."""


def seal(secret: str) -> bytes:
    return _cipher(settings.SECRET_KEY).encrypt(secret.encode())


def unseal(sealed: bytes | memoryview) -> str:
    """Raises Unreadable."""
    try:
        return _cipher(settings.SECRET_KEY).decrypt(bytes(sealed)).decode()
    except InvalidToken as error:
        raise Unreadable from error


@lru_cache(maxsize=2)
def _cipher(secret_key: str) -> Fernet:
    key = hashlib.blake2s(secret_key.encode(), digest_size=32, person=b"smtp").digest()
    return Fernet(base64.urlsafe_b64encode(key))
