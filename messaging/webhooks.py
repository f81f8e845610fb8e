"""The webhook channel: whether it is on, what signs, and which hosts may be called.

It is on while there is an active secret. Requests are signed as https://www.standardwebhooks.com says: HMAC-SHA256 of
"id.timestamp.body" with each active secret, so that a receiver can change over while two sign. A secret is shown to
whoever made it, once.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib.errors import DomainError
from messaging import sealed, transports
from messaging.models import WebhookSecret

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_MOST = 2
_LOCK = 0x43680F01


class WebhookProblem(DomainError):
    """The channel can't be changed like that."""

    code = "webhook_channel"
    status = 422


class SwitchedOff(transports.TransportInvalid):
    """There is nothing to send webhooks with."""

    code = "webhooks_off"


@dataclass(frozen=True)
class Made:
    """A new secret, as its receivers enter it. Shown once; nothing can bring it back."""

    row: WebhookSecret
    text: str


def is_on() -> bool:
    """Whether webhooks are sent. One query."""
    return _active().exists()


def listed() -> list[WebhookSecret]:
    """Those that sign, oldest first."""
    return list(_active().select_related("created_by"))


def keys() -> list[bytes]:
    """What signs now. Raises SwitchedOff without any, also when they were sealed under another SECRET_KEY."""
    found = []
    for row in _active():
        try:
            found.append(_key(sealed.unseal(row.sealed or b"")))
        except sealed.Unreadable:
            continue
    if not found:
        raise SwitchedOff(_("Webhooks are switched off, or their secret can't be read. See Settings, Webhooks."))
    return found


@transaction.atomic
def add(*, by: User, public_id: uuid.UUID | None = None) -> Made:
    """A secret more, which switches the channel on when it is the first. Raises NotAllowed; WebhookProblem when two
    sign already, or `public_id` was made before.
    """
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    _alone()
    if public_id is not None and WebhookSecret.objects.filter(public_id=public_id).exists():
        raise WebhookProblem(_("This secret was made already and can't be shown again. Retire it if nobody has it."))
    if _active().count() >= _MOST:
        raise WebhookProblem(_("Two secrets sign already. Retire one of them first."))
    text = _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    row = WebhookSecret.objects.create(
        public_id=public_id or uuid.uuid4(), sealed=sealed.seal(text), tail=text.rstrip("=")[-4:], created_by=by
    )
    _record("webhooks.secret_added", row, by)
    return Made(row, text)


@transaction.atomic
def retire(public_id: uuid.UUID, *, by: User) -> WebhookSecret:
    """Sign with this one no more; safe to repeat. A drain that works keeps its secrets until it ends, a minute at most.

    Without another one the channel is off from now on: what waits is sent once there is a secret again, in its time.
    Raises NotAllowed, WebhookSecret.DoesNotExist.
    """
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    _alone()
    row = WebhookSecret.objects.select_for_update(no_key=True).get(public_id=public_id)
    if row.retired_at is not None:
        return row
    row.sealed, row.retired_at, row.retired_by = None, timezone.now(), by
    row.save(update_fields=["sealed", "retired_at", "retired_by"])
    _record("webhooks.secret_retired", row, by)
    return row


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature: one signature for each key, apart by spaces."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    found = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return " ".join(f"v1,{one}" for one in found)


def _active() -> QuerySet[WebhookSecret]:
    return WebhookSecret.objects.filter(retired_at=None).order_by("pk")


def _key(text: str) -> bytes:
    return base64.b64decode(text.removeprefix(_PREFIX))


def _alone() -> None:
    """One change at a time, so that there are never three."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _record(action: str, row: WebhookSecret, by: User) -> None:
    audit.record(action, subject=("webhook_secret", str(row.public_id)), by=by, detail={"tail": row.tail})
