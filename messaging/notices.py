"""Mails to the people who work with this installation: requests, answers, alerts.

`send` writes a row in the caller's transaction, so that a notice exists exactly when what it is about does; `send_due`
hands the rows over. A crash between the server's answer and the commit sends one again, with the same Message-ID.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.models import User
from messaging import headers, personalization, senders, smtp, transports
from messaging.channels.email import Payload
from messaging.handover import Handover, Result
from messaging.models import Notice, Sender

logger = logging.getLogger(__name__)
# Minutes until the next attempt, by the number of attempts made; after the last it is given up.
_DELAYS = (1, 5, 30, 120, 600)
_BATCH = 50
# What the standard library raises for addresses and names that are none.
_UNWRITABLE = (personalization.RenderProblem, MessageError, ValueError, LookupError)
_NO_SENDER = gettext_noop("There is no sender to send it from.")


class _Letter(NamedTuple):
    notice: Notice
    payload: Payload


def send(*, to: User, subject: str, body: str, url: str = "", key: str = "") -> None:
    """Leave a mail for `to`, in the caller's transaction; sent within seconds. People without an active account get
    none. With a `key`, a second one to the same person changes nothing.
    """
    if not to.is_active:
        return
    row = Notice(
        to=to,
        key=key,
        subject=" ".join(subject.split())[:300],
        body=body.strip(),
        url=url,
        due_at=timezone.now(),
    )
    Notice.objects.bulk_create([row], ignore_conflicts=bool(key))


def send_due() -> int:
    """Hand over what is due; how many were taken by the mail server. Safe to run twice at once."""
    claimed = _claim()
    if not claimed:
        return 0
    sender = senders.default()
    if sender is None:
        for notice in claimed:
            _put_off(notice, _NO_SENDER)
        return 0
    letters = list(_letters(claimed, sender))
    try:
        server = transports.server(transports.default())
        results = smtp.send_one(server, [one.payload for one in letters], timeouts=transports.TEST_TIMEOUTS)
    except transports.TransportInvalid as problem:
        for notice in claimed:
            _put_off(notice, problem.message)
        return 0
    return sum(_settle(letter.notice, result) for letter, result in zip(letters, results, strict=True))


def _letters(notices: list[Notice], sender: Sender) -> Iterator[_Letter]:
    """Each as a mail; one that can't be written is given up and keeps nobody else from theirs."""
    for notice in notices:
        try:
            yield _Letter(notice, _payload(notice, sender.name, headers.ascii_address(sender.address)))
        except _UNWRITABLE as problem:
            _put_off(notice, str(problem), is_final=True)


@transaction.atomic
def _claim() -> list[Notice]:
    """What is due, put off before it is tried, so that a second worker doesn't try it as well."""
    now = timezone.now()
    due = Notice.objects.select_for_update(skip_locked=True).filter(due_at__lte=now).order_by("due_at", "pk")
    rows = list(due[:_BATCH])
    for row in rows:
        delay = _DELAYS[min(row.n_attempts, len(_DELAYS) - 1)]
        row.due_at = now + dt.timedelta(minutes=delay)
        row.n_attempts += 1
        row.save(update_fields=["due_at", "n_attempts"])
    return list(Notice.objects.select_related("to").filter(pk__in=[row.pk for row in rows]).order_by("pk"))


def _settle(notice: Notice, result: Handover) -> bool:
    # Unknown: it may have arrived, and a person who looks at the page sees it anyway.
    if result.result in {Result.ACCEPTED, Result.UNKNOWN}:
        Notice.objects.filter(pk=notice.pk).update(due_at=None, sent_at=timezone.now(), problem="")
        return True
    _put_off(notice, result.reply, is_final=result.result is Result.REFUSED)
    return False


def _put_off(notice: Notice, problem: str, *, is_final: bool = False) -> None:
    is_over = is_final or notice.n_attempts >= len(_DELAYS)
    logger.warning("notice %s was not sent (%s)%s", notice.pk, problem, "; given up" if is_over else "")
    changed: dict[str, object] = {"problem": problem[:500]} | ({"due_at": None} if is_over else {})
    Notice.objects.filter(pk=notice.pk).update(**changed)


def _payload(notice: Notice, sender_name: str, sender_address: str) -> Payload:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(sender_name, addr_spec=sender_address)
    address = headers.ascii_address(notice.to.email)
    mail["To"] = Address(notice.to.name, addr_spec=address)
    mail["Subject"] = notice.subject
    mail["Date"] = notice.created_at
    domain = sender_address.rpartition("@")[2]
    mail["Message-ID"] = f"<notice-{notice.pk}-{int(notice.created_at.timestamp())}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    url = notice.url if "://" in notice.url else f"{settings.PUBLIC_URL}{notice.url}" if notice.url else ""
    mail.set_content(f"{notice.body}\n\n{url}\n" if url else f"{notice.body}\n")
    data = mail.as_bytes().replace(b"\r\n.", b"\r\n..") + b".\r\n"
    return Payload(sender_address.encode(), address.encode(), data)
