"""Email: one immutable message compiled into a program, and one person's bytes from the program.

`compile` does everything that does not depend on the person, once per process and send. `Program.render` does no I/O
and costs some tens of microseconds: it looks up values, encodes them and joins them with the encoded static text.
Here, and nowhere else, the open pixel, the numbered click addresses and the recipient's token enter a message.
"""

import copy
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from audiences.profiles import Person
from messaging import attachments, compilation, content, dkim, headers, links, markup, personalization
from messaging.channels import added, pieces, reading
from messaging.models import Message

# Largest message handed over, bytes; common servers take 10 to 25 MB, readers far less.
MAX_BYTES = 5 * 1024 * 1024
_PART_HEAD = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


class Payload(NamedTuple):
    """One message for SMTP. `data` is complete: CRLF, dot-stuffed, with the final dot."""

    mail_from: bytes
    rcpt_to: bytes
    data: bytes


class Program:
    """A message ready to be rendered for many people; made by `compile`, safe to share between threads."""

    def __init__(
        self, message: Message, *, delivery_id: int, delivery_ref: str, campaign: Mapping[str, object]
    ) -> None:
        self._delivery_id = delivery_id
        self._campaign = dict(campaign)
        sender = headers.ascii_address(message.sender_address)
        self._domain = sender.rpartition("@")[2]
        self._bounce_domain = settings.BOUNCE_DOMAIN or self._domain
        # Who writes there is only unsubscribed where somebody reads it.
        self._takes_mail = bool(settings.BOUNCE_MAILBOX)
        self._has_hooks = bool(settings.HOOKS_SECRET)
        self._names = links.Namer(delivery_id)
        constants = {"campaign": self._campaign, "postal_address": settings.POSTAL_ADDRESS}
        self._html = pieces.compile_bytes(personalization.parse(tracked_html(message), html=True), constants)
        self._text = pieces.compile_bytes(personalization.parse(message.text, html=False), constants)
        self._subject = pieces.compile_text(personalization.parse(message.subject, html=False), constants)
        self._head = _static_head(message, delivery_ref) + _list_id(message, campaign, delivery_ref, self._domain)
        for_all, self._added = added.compile(message, constants)
        self._head += for_all
        boundary = f"=_{hashlib.blake2s((message.sha256 + delivery_ref).encode(), digest_size=12).hexdigest()}".encode()
        # "=_" can't occur in quoted-printable text, so the boundary never needs to be searched for in the parts.
        self._start = (
            b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n--' + boundary + b"\r\n"
        )
        self._start += _PART_HEAD % b"plain"
        self._middle = b"\r\n--" + boundary + b"\r\n" + _PART_HEAD % b"html"
        self._end = b"\r\n--" + boundary + b"--\r\n.\r\n"
        self.subject_prefix = ""
        self._lines = self._lines_of_list
        # What signs each message, set by who hands it over: signing.signer_of(message). None where there is no key.
        self.signer: dkim.Signer | None = None

    def render(self, person: Person, *, request_no: int = 0, trigger: Mapping[str, object] | None = None) -> Payload:
        """The message of one person. `trigger`: api_trigger_properties.

        Raises RenderProblem, Aborted and TooLarge, each with `.code` and `.message`.
        """
        recipient = headers.ascii_address(person.email)
        names = self._names.names(person.id, request_no)
        urls = {
            "unsubscribe_url": names.unsubscribe_url,
            "mirror_url": names.mirror_url,
            reading.TOKEN: names.token,
        }
        values = reading.Values(person, campaign=self._campaign, trigger=trigger, urls=urls)
        data = b"".join(
            (
                self._head if self._added is None else self._head + self._added.render(values),
                b"To: ",
                recipient.encode(),
                b"\r\n",
                _subject_line(self.subject_prefix + pieces.render(self._subject, values)),
                _date(int(time.time())),
                self._lines(names),
                self._start,
                pieces.render(self._text, values),
                self._middle,
                pieces.render(self._html, values),
                self._end,
            )
        )
        if len(data) > MAX_BYTES:
            raise content.TooLarge(_("The message has {n} MB.").format(n=len(data) // (1024 * 1024)))
        if self.signer is not None:
            data = self.signer.sign(data)
        return Payload(f"{names.return_path}@{self._bounce_domain}".encode(), recipient.encode(), data)

    def without_way_out(self) -> None:
        """Leave out List-Unsubscribe: a message that reaches people who left offers nothing to leave."""
        self._lines = self._naming_lines

    def carrying(self, parts: Sequence[bytes]) -> "Program":
        """The same program for messages with `parts` behind them: multipart/mixed (RFC 2046 §5.1.3) around what is.

        What is set on this one, such as its signer, must be set before.
        """
        boundary = b"=_m" + hashlib.blake2s(self._start, digest_size=12).hexdigest().encode()
        mixed = copy.copy(self)
        mixed._start = (
            b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n' % (boundary, boundary) + self._start
        )
        behind = b"".join(b"\r\n--%b\r\n%b" % (boundary, part) for part in parts)
        # Without the final dot of the part that was the whole.
        mixed._end = self._end.removesuffix(b".\r\n") + behind + b"\r\n--%b--\r\n.\r\n" % boundary
        return mixed

    def _lines_of_list(self, names: links.Names) -> bytes:
        """The headers that name this recipient: Message-ID (the same in every attempt), List-Unsubscribe (RFC 8058)."""
        unsubscribe = names.unsubscribe_url
        if self._takes_mail:
            address = f"{names.unsubscribe}@{self._bounce_domain}"
            unsubscribe = f"{unsubscribe}>,\r\n <mailto:{address}?subject=unsubscribe"
        # Postmark and Brevo give back in their events what stands here, and not the Message-ID.
        token = names.token
        named = f"X-PM-Metadata-chappe: {token}\r\nX-Mailin-custom: {token}\r\n" if self._has_hooks else ""
        return (
            f"Message-ID: <{token}@{self._domain}>\r\n{named}List-Unsubscribe: <{unsubscribe}>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        ).encode()

    def _naming_lines(self, names: links.Names) -> bytes:
        """The same without List-Unsubscribe."""
        token = names.token
        named = f"X-PM-Metadata-chappe: {token}\r\nX-Mailin-custom: {token}\r\n" if self._has_hooks else ""
        return f"Message-ID: <{token}@{self._domain}>\r\n{named}".encode()


def compile(  # the verb of every channel, always called through its module
    message: Message, *, delivery_id: int, delivery_ref: str, campaign: Mapping[str, object], feedback_domain: str = ""
) -> Program:
    """The program of a message for one send. `delivery_ref` is for people and for the inbox; `campaign` is what
    templates see. Raises TemplateProblem, which freezing has made impossible for stored messages.
    """
    program = Program(message, delivery_id=delivery_id, delivery_ref=delivery_ref, campaign=campaign)
    program._head += _feedback_id(campaign, delivery_ref, feedback_domain or program._domain)
    return program


def check_size(message: Message, files: Sequence[attachments.File]) -> None:
    """Raise AttachmentInvalid when a message is too large for everybody with its files."""
    if files and attachments.n_bytes(files) + len((message.html + message.text).encode()) > MAX_BYTES:
        raise attachments.AttachmentInvalid(_("With them the message has more than 5 MB. Link to them instead."))


def tracked_html(message: Message) -> str:
    """The message's HTML with click addresses and the open pixel; the recipient is the field `chappe_token`."""
    masked = markup.mask(message.html)
    placeholder = f"lq{len(masked.constructs)}qx"
    masked.constructs.append(f"{{{{ {reading.TOKEN} }}}}")
    html = masked.html
    if message.tracks_clicks and message.links:
        number = -1

        def numbered(link: markup.Link) -> str | None:
            nonlocal number
            if number + 1 >= len(message.links) or not compilation.tracked(masked, link.url):
                return None
            number += 1
            return links.click_url(placeholder, number)

        html = markup.replace_links(html, numbered)
    if message.tracks_opens:
        html = markup.before_body_end(html, _pixel(placeholder))
    return masked.restore(html)


def _pixel(placeholder: str) -> str:
    return (
        f'<img src="{links.open_url(placeholder)}" width="1" height="1" alt="" style="border:0;width:1px;height:1px">'
    )


def _static_head(message: Message, delivery_ref: str) -> bytes:
    head = headers.mailbox("From", message.sender_name, message.sender_address)
    if message.reply_to:
        head += headers.mailbox("Reply-To", "", message.reply_to)
    return head + b"MIME-Version: 1.0\r\n" + headers.line("X-Chappe-Delivery", delivery_ref)


def _list_id(message: Message, campaign: Mapping[str, object], delivery_ref: str, domain: str) -> bytes:
    """List-Id (RFC 2919), the same in every send of a campaign. Its name is not for readers; the sender's is."""
    label = re.sub(r"[^a-z0-9-]+", "-", str(campaign.get("id") or delivery_ref).lower()).strip("-")[:63]
    return headers.identified("List-Id", message.sender_name, f"{label or 'list'}.{domain}")


def _feedback_id(campaign: Mapping[str, object], delivery_ref: str, domain: str) -> bytes:
    """Feedback-ID for Gmail's spam reports: campaign, send, channel, and a sender id of 5 to 15 letters."""
    sender_id = (re.sub(r"[^a-z0-9]", "", domain.lower()) + "chappe")[:15]
    parts = (str(campaign.get("id", "")), delivery_ref, "email", sender_id)
    # Never folded nor encoded: Gmail reads it as it stands.
    return f"Feedback-ID: {':'.join(re.sub(r'[^A-Za-z0-9_-]', '', part)[:40] for part in parts)}\r\n".encode()


def _subject_line(text: str) -> bytes:
    return _kept_subject_line(text) if len(text) <= reading.MOST_TEXT else headers.line("Subject", text)


@lru_cache(maxsize=4096)
def _kept_subject_line(text: str) -> bytes:
    return headers.line("Subject", text)


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC))}\r\n".encode()
