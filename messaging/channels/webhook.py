"""Webhook: one immutable request compiled into a program, and one person's request from the program.

Its three parts stand where an email has its envelope, so that the same outbox carries both: who it is from is the id of
the message, where to is the address. Signed when it is made, which is moments before it leaves.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from audiences.profiles import Person
from messaging import content, outward, personalization, webhook_content, webhooks
from messaging.channels import pieces, reading
from messaging.models import Message

MAX_BYTES = 1024 * 1024
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Request(NamedTuple):
    """What is sent to an address. `headers` are complete, signature included; `body` may be empty."""

    method: str
    headers: Mapping[str, str]
    body: bytes


class Payload(NamedTuple):
    """One webhook: its id, the same in every attempt, the address, and the request."""

    mail_from: bytes
    rcpt_to: bytes
    data: Request


class Program:
    """A webhook ready to be rendered for many people; made by `compile`, safe to share between threads."""

    def __init__(self, message: Message, *, delivery_ref: str, campaign: Mapping[str, object]) -> None:
        spec = webhook_content.of(message)
        self._ref = delivery_ref
        self._campaign = dict(campaign)
        self._method = spec.method
        self._url = self._block(spec.url)
        self._headers = {name: self._block(value) for name, value in spec.headers.items()}
        self._has_type = any(name.lower() == "content-type" for name in spec.headers)
        self._body = self._block(spec.body)
        # What signs each request, set by who hands it over: webhooks.keys(). Nothing is signed for a look at it.
        self.keys: Sequence[bytes] = ()

    def _block(self, source: str) -> pieces.Block[str]:
        constants = {"campaign": self._campaign, "postal_address": settings.POSTAL_ADDRESS}
        return pieces.compile_text(personalization.parse(source, html=False), constants)

    def render(self, person: Person, *, request_no: int = 0, trigger: Mapping[str, object] | None = None) -> Payload:
        """The request of one person. `trigger`: api_trigger_properties.

        Raises RenderProblem, Aborted and TooLarge, each with `.code` and `.message`.
        """
        values = reading.Values(person, campaign=self._campaign, trigger=trigger, urls={})
        url = pieces.render(self._url, values).strip()
        body = pieces.render(self._body, values).encode("utf-8", "replace")
        if len(body) > MAX_BYTES:
            raise content.TooLarge(_("The webhook has {n} KB.").format(n=len(body) // 1024))
        try:
            outward.check(url)
        except outward.OutwardProblem as problem:
            raise personalization.RenderProblem(problem.message) from None
        headers = {name: _header(name, pieces.render(block, values)) for name, block in self._headers.items()}
        if body and not self._has_type:
            headers["Content-Type"] = _type_of(body)
        message_id = self._id(person, request_no)
        headers |= self._signed(message_id, body)
        return Payload(message_id.encode(), url.encode(), Request(self._method, headers, body))

    def carrying(self, parts: Sequence[bytes]) -> "Program":
        """Itself: files go with emails only."""
        return self

    def _id(self, person: Person, request_no: int) -> str:
        text = f"{self._ref} {request_no} {person.public_id}"
        return "msg_" + hashlib.blake2s(text.encode(), digest_size=16, person=b"webhook").hexdigest()

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        now = int(time.time())
        signature = webhooks.signature(self.keys, message_id, now, body)
        return {"webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": signature}


def compile(  # the verb of every channel, always called through its module
    message: Message, *, delivery_id: int, delivery_ref: str, campaign: Mapping[str, object], feedback_domain: str = ""
) -> Program:
    """The program of a message for one send. Raises TemplateProblem, which freezing has made impossible."""
    return Program(message, delivery_ref=delivery_ref, campaign=campaign)


def _header(name: str, text: str) -> str:
    """A value that one line of HTTP can hold."""
    text = text.strip()
    if _UNSENDABLE.search(text) or not text.isascii() or len(text) > 2 * webhook_content.MOST_HEADER:
        raise personalization.RenderProblem(_("The header {name} has characters that none can have.").format(name=name))
    return text


def _type_of(body: bytes) -> str:
    """What a body is, where nobody said it."""
    try:
        json.loads(body)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "application/json"
