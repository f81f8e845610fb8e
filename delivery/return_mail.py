"""One mail that came back: which message it is about, and what it says. Called with the bytes of each, from wherever.

A mail counts only with proof that it is about a message of ours: the signed token of its return path (VERP), of the
original's Message-ID, or, for complaints, of the original's unsubscribe link. Without one it changes nothing, so that
nobody can make us stop writing to somebody by a forged bounce. The worst that a holder of a token can do is to that
one address. Mails to unsubscribe+<page token>@… (the mailto of List-Unsubscribe) unsubscribe like the page.

Safe to repeat with the same mail: it is one event, by its Message-ID, or by all of it where it has none.
"""

import email.parser
import email.policy
import enum
import hashlib
import logging
import re

from django.conf import settings
from django.db import connection
from django.utils import timezone

from delivery import inbound, naming, preferences, tracking
from delivery.models import EventKind
from delivery.preferences import Wish
from messaging import bounces, mailbox, verdicts
from messaging.bounces import MailKind, Recipient, Report
from messaging.verdicts import Kind

logger = logging.getLogger(__name__)

# How List-Unsubscribe links look in the copy of the original (links.unsubscribe_url).
_PAGE_LINK = re.compile(rb"/u/([A-Za-z0-9_-]{12,80})/")
_KINDS = {
    MailKind.BOUNCE: EventKind.BOUNCED,
    MailKind.DELAYED: EventKind.DEFERRED,
    MailKind.DELIVERED: EventKind.DELIVERED,
    MailKind.COMPLAINT: EventKind.COMPLAINED,
}
_LOCK = 0x43680600
_UNDETERMINED = verdicts.Verdict(Kind.SOFT, verdicts.UNDETERMINED)


class Result(enum.StrEnum):
    """What became of one mail."""

    RECORDED = "recorded"
    # The same report came before.
    REPEATED = "repeated"
    UNSUBSCRIBED = "unsubscribed"
    # An automatic reply, or a report without consequence.
    IGNORED = "ignored"
    # About a send whose log was removed.
    TOO_OLD = "too_old"
    # No report, or one without proof that it is about a message of ours: for a person to look at.
    NOT_OURS = "not_ours"


class TryAgain(Exception):
    """It could be stored nowhere now; the mail must be kept and given again."""


def handle(source: bytes) -> Result:
    """Do what one mail says. Raises OperationalError, InterfaceError or TryAgain while nothing can be stored."""
    report = bounces.read(source)
    if report.kind in {MailKind.OTHER, MailKind.AUTO_REPLY}:
        # Mail programs send unsubscribe mails on their own too.
        result = _unsubscribe(report)
        is_reply = result is Result.NOT_OURS and report.kind == MailKind.AUTO_REPLY
        return Result.IGNORED if is_reply else result
    numbers = _about(report, source)
    if numbers is None:
        logger.info("A %s mail is about no message of ours.", report.kind)
        return Result.NOT_OURS
    return _record(report, numbers, source)


def poll() -> mailbox.Pass | None:
    """One pass over the bounce mailbox; None when there is none, another process is at it, or it can't be reached."""
    if not settings.BOUNCE_MAILBOX:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [_LOCK])
        if not cursor.fetchone()[0]:
            return None
        try:
            return mailbox.process(settings.BOUNCE_MAILBOX, _keep_or_delete)
        except mailbox.FAULTS as error:
            logger.warning("The bounce mailbox can't be read: %s", error)
            return None
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [_LOCK])


def _keep_or_delete(source: bytes) -> mailbox.Fate:
    """What was understood is deleted, for all that matters of it is in the log; the rest waits for a person."""
    try:
        result = handle(source)
    except (*tracking.AWAY, TryAgain) as error:
        raise mailbox.StopPass from error
    return mailbox.Fate.FLAG if result is Result.NOT_OURS else mailbox.Fate.DELETE


def _record(report: Report, numbers: naming.Numbers, source: bytes) -> Result:
    worst = _worst(report.recipients)
    verdict = worst.verdict if worst else _UNDETERMINED
    if not numbers[0] or (report.kind == MailKind.BOUNCE and verdict.kind == Kind.IGNORED):
        # A test message belongs to no delivery.
        return Result.IGNORED
    done = inbound.record(
        [
            inbound.Feedback(
                *numbers,
                kind=_KINDS[report.kind],
                at=timezone.now(),
                source_id=_source_id(report, numbers, source),
                verdict=verdict if report.kind in {MailKind.BOUNCE, MailKind.DELAYED} else None,
                code=worst.code if worst else "",
                detail=worst.text if worst else "",
            )
        ]
    )
    if done.n_lost:
        return Result.TOO_OLD
    return Result.RECORDED if done.n_new else Result.REPEATED


def _worst(recipients: tuple[Recipient, ...]) -> Recipient | None:
    """The one of a report's recipients that counts. A message of ours has one; more are where it was passed on to."""
    order = [Kind.HARD, Kind.BLOCKED, Kind.MESSAGE, Kind.SOFT, Kind.IGNORED]
    return min(recipients, key=lambda one: order.index(one.verdict.kind), default=None)


def _unsubscribe(report: Report) -> Result:
    numbers = naming.unsubscribe_address(report.envelope_to)
    if numbers is None:
        return Result.NOT_OURS
    if not numbers[0]:
        return Result.IGNORED
    hit = tracking.Hit(*numbers, kind=EventKind.UNSUBSCRIBED.value, at=timezone.now())
    if not tracking.unsubscribe(hit, Wish("mailto", preferences.TOPIC)):
        raise TryAgain
    return Result.UNSUBSCRIBED


def _about(report: Report, source: bytes) -> naming.Numbers | None:
    """The message a report is about, by the first valid token in it."""
    local = report.message_id.strip("<> ").partition("@")[0]
    numbers = naming.return_path(report.envelope_to) or naming.message(local)
    if numbers is not None or report.kind != MailKind.COMPLAINT:
        return numbers
    # Feedback loops take the address and often the Message-ID out, and leave the links.
    pages = (naming.page(found.decode()) for found in _PAGE_LINK.findall(source)[:50])
    return next((one for one in pages if one is not None), None)


def _source_id(report: Report, numbers: naming.Numbers, source: bytes) -> str:
    """The same for the same mail, however it came. Its Message-ID alone proves nothing: the message it is about and
    what it says belong to it, so that no mail can stand in the way of another.
    """
    headers = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(source[:100_000])
    own = str(headers.get("Message-ID", "")).strip()
    name = own.encode("utf-8", "replace") if own else source
    says = "|".join([report.kind, *map(str, numbers), *(one.code for one in report.recipients)])
    return "mail:" + hashlib.blake2b(name + says.encode("utf-8", "replace"), digest_size=20).hexdigest()
