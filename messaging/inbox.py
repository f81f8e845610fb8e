"""The local inbox: what the mail catcher received, for pages, export and tests.

Rows come in by `store`, newest first they go out by keyset pages, and only the newest settings.INBOX_KEEP stay.
"""

import email
import email.policy
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from accounts import access, audit, roles
from accounts.models import User
from messaging import markup
from messaging.models import CaughtMessage

PAGE_SIZE = 50
_SUBJECT = re.compile(rb"^subject:(.*(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
_REF = re.compile(rb"^x-chappe-delivery:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Caught:
    """One received message: the envelope and the source as it came."""

    envelope_from: str
    envelope_to: str
    source: bytes


@dataclass(frozen=True)
class Page:
    """Some messages, newest first. `after` is the key of the next page, None at the end."""

    rows: list[CaughtMessage]
    after: int | None
    n_found: int


@dataclass(frozen=True)
class Opened:
    """One message taken apart for the eye."""

    sender: str
    to: str
    subject: str
    date: str
    headers: list[tuple[str, str]]
    html: str
    text: str
    source: str


def store(batch: Sequence[Caught]) -> None:
    """Write all of a batch, or none. The caller says to the sender that it has them only after this returned."""
    CaughtMessage.objects.bulk_create([_row(caught) for caught in batch])


def _row(caught: Caught) -> CaughtMessage:
    head = caught.source.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    reference = _REF.search(head)
    return CaughtMessage(
        envelope_from=_text(caught.envelope_from)[:320],
        envelope_to=_text(caught.envelope_to)[:320],
        subject=_subject(head)[:300],
        delivery_ref=_text(reference[1].decode("ascii", "replace").strip())[:40] if reference else "",
        n_bytes=len(caught.source),
        source=zlib.compress(caught.source, level=1),
    )


def _subject(head: bytes) -> str:
    found = _SUBJECT.search(head)
    if not found:
        return ""
    message = email.message_from_bytes(b"Subject:" + found[1] + b"\n\n", policy=email.policy.default)
    return _text(str(message["Subject"] or ""))


def _text(value: str) -> str:
    """What PostgreSQL can store: no NUL, no lone surrogates."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def prune() -> int:
    """Drop all but the newest settings.INBOX_KEEP; the number dropped. Safe to repeat and to run beside `store`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM messaging_caughtmessage WHERE id <= "
            "(SELECT id FROM messaging_caughtmessage ORDER BY id DESC OFFSET %s LIMIT 1)",
            [settings.INBOX_KEEP],
        )
        return int(cursor.rowcount)


def clear(*, by: User) -> int:
    """Delete everything, with an audit row; the number deleted. Raises NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    n_deleted, _by_model = CaughtMessage.objects.all().delete()
    audit.record("inbox.cleared", subject=("inbox", "inbox"), by=by, detail={"messages": n_deleted})
    return n_deleted


def page(*, query: str = "", delivery_ref: str = "", before: int | None = None) -> Page:
    """PAGE_SIZE messages older than the key `before`, and how many there are in all. Two queries, no sources."""
    found = _matching(query, delivery_ref)
    rows = found.filter(pk__lt=before) if before is not None else found
    some = list(rows.defer("source").order_by("-id")[: PAGE_SIZE + 1])
    after = some[PAGE_SIZE - 1].pk if len(some) > PAGE_SIZE else None
    return Page(some[:PAGE_SIZE], after, found.count())


def _matching(query: str, delivery_ref: str) -> "QuerySet[CaughtMessage]":
    rows = CaughtMessage.objects.all()
    if delivery_ref:
        rows = rows.filter(delivery_ref=delivery_ref)
    text = query.replace("\x00", "").strip()[:200]
    if text:
        rows = rows.filter(Q(envelope_to__icontains=text) | Q(subject__icontains=text) | Q(delivery_ref=text))
    return rows


def export(*, delivery_ref: str = "") -> Iterator[tuple[str, str, str]]:
    """(received at, envelope recipient, Message-ID) of every message, oldest first, read in pieces."""
    for row in _matching("", delivery_ref).order_by("id").iterator(chunk_size=500):
        head = zlib.decompress(bytes(row.source)).partition(b"\r\n\r\n")[0]
        found = re.search(rb"^message-id:\s*(\S+)", head, re.IGNORECASE | re.MULTILINE)
        yield row.received_at.isoformat(), row.envelope_to, found[1].decode("ascii", "replace") if found else ""


def source(row: CaughtMessage) -> bytes:
    """The message as it came."""
    return zlib.decompress(bytes(row.source))


def opened(row: CaughtMessage) -> Opened:
    """The message taken apart; whatever a sender put into it, this returns something to show."""
    raw = source(row)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return Opened(
        sender=_header(message, "From") or row.envelope_from,
        to=_header(message, "To") or row.envelope_to,
        subject=_header(message, "Subject") or row.subject,
        date=_header(message, "Date"),
        headers=[(_text(name), _text(" ".join(str(value).split()))) for name, value in message.raw_items()],
        html=_body(message, "html"),
        text=_body(message, "plain"),
        source=_text(raw.decode("utf-8", "replace")),
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        return _text(" ".join(str(message[name] or "").split()))
    except (ValueError, IndexError, AttributeError, TypeError):
        # The parser of the standard library gives up on some malformed headers.
        return ""


def _body(message: EmailMessage, kind: str) -> str:
    try:
        part = message.get_body((kind,))
        return _text(str(part.get_content())) if part is not None else ""
    except (LookupError, ValueError, AttributeError):
        return ""


def links(html: str) -> list[str]:
    """The addresses a message links to, in order, for the page's list and for readers without a mouse."""
    return [link.url for link in markup.links(html) if link.url.lower().startswith(("http:", "https:"))]
