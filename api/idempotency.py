"""A call that comes twice is done once: the answer to an Idempotency-Key is kept for a day and given again.

The claim, the effect and the answer are one transaction. Who comes while it runs is told so (409) by an advisory lock
that ends with that transaction, so a process that dies at any line leaves neither a claim nor an effect: the next call
does it. What was refused is not kept: the corrected call may use the same key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from api import refusals
from api.envelope import Answer
from api.models import AnsweredCall, ApiKey
from api.refusals import Refused
from lib import statements

KEPT = timedelta(hours=24)
# Class of the advisory locks; the second number is made of key and Idempotency-Key.
_LOCKS = 0x436804A1
_MOST_CHARACTERS = 255


@dataclass(frozen=True)
class Claim:
    """What one call asks to be done once. `body` as parsed: spaces and the order of names make no difference."""

    key: ApiKey
    idempotency_key: str
    path: str
    body: dict[str, Any]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.body, order="deterministic")).hexdigest()


@dataclass(frozen=True)
class Reply:
    """The answer as bytes of JSON, and whether it is one that was given before."""

    status: int
    content: bytes
    is_repeated: bool = False


def read(header: str | None) -> str:
    """The Idempotency-Key of a call; "" without one. Raises Refused for what is none.

    An empty one too: the web server makes one of every header that is not ASCII, and who sent it would think that the
    call can be repeated.
    """
    if header is None:
        return ""
    found = header.strip()
    if not found or len(found) > _MOST_CHARACTERS or not found.isascii() or not found.isprintable():
        raise Refused(refusals.BAD_REQUEST, "Idempotency-Key: Use 1 to 255 printable ASCII characters.")
    return found


def once(claim: Claim, effect: Callable[[], Answer], *, before: Callable[[], None] | None = None) -> Reply:
    """Do `effect` in a transaction, unless this claim was answered before. "" as the key: it is always done.

    `before`: what `effect` needs and no transaction may wait for, done just before it; not for a claim that was
    answered. Of two equal calls at once both may do it, and one is told so (409) then.
    Raises what `effect` raises, and then nothing of it is kept; Refused: 409 (under way), 422 (the key came with
    another call).
    """
    if before is not None:
        if claim.idempotency_key and (found := _answered(claim)) is not None:
            return found
        before()
    if not claim.idempotency_key:
        with transaction.atomic():
            return _reply(effect())
    with transaction.atomic():
        if not _lock(claim):
            sentence = "A call with this Idempotency-Key is under way. Repeat it after a second."
            raise Refused(refusals.CONFLICT, sentence, status=409, headers={"Retry-After": "1"})
        if (found := _answered(claim)) is not None:
            return found
        reply = _reply(effect())
        AnsweredCall.objects.create(
            key=claim.key,
            idempotency_key=claim.idempotency_key,
            path=claim.path,
            body_sha256=claim.sha256,
            status=reply.status,
            body=reply.content.decode(),
        )
        return reply


def purge() -> int:
    """Forget what is older than a day; how many rows went. Safe at any time: `once` looks at the age itself."""
    return AnsweredCall.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _answered(claim: Claim) -> Reply | None:
    found = AnsweredCall.objects.filter(key=claim.key, idempotency_key=claim.idempotency_key).first()
    if found is None:
        return None
    if found.created_at < timezone.now() - KEPT:
        found.delete()
        return None
    if (found.path, found.body_sha256) != (claim.path, claim.sha256):
        sentence = "This Idempotency-Key came with another call before. Use a new one for each thing to do."
        raise Refused(refusals.OTHER_BODY, sentence, status=422)
    return Reply(found.status, found.body.encode(), is_repeated=True)


def _lock(claim: Claim) -> bool:
    """Until the end of the transaction, also when the process or its connection dies, or stands still."""
    name = hashlib.sha256(f"{claim.key.pk}\n{claim.idempotency_key}".encode()).digest()
    with connection.cursor() as cursor:
        number = int.from_bytes(name[:4], signed=True)
        cursor.execute(f"SELECT pg_try_advisory_xact_lock(%s, %s), {statements.limited()}", [_LOCKS, number])
        return bool(cursor.fetchone()[0])


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, msgspec.json.encode(answer.content()))
