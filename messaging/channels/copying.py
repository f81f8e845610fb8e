"""The program of blind copies: what a reader got, with nothing in it that acts for them.

No open pixel and no numbered links, addresses of the reader's own pages lead nowhere, and nothing names the reader to
whoever reports about the copy: another Message-ID, another return path, no metadata. Else opening it, leaving by it, or
its bounce would be theirs.
"""

import copy
import uuid
from collections.abc import Mapping

from messaging import headers, links
from messaging.channels import email
from messaging.models import Message


class CopyProgram(email.Program):
    """Made by `compile`; renders as a Program, of which `data` is to be used. `mail_from`: where its bounces go."""

    mail_from = b""

    def _naming_lines(self, names: links.Names) -> bytes:
        return f"Message-ID: <copy.{uuid.uuid4().hex}@{self._domain}>\r\n".encode()

    def _lines_of_list(self, names: links.Names) -> bytes:
        return self._naming_lines(names)


class _Nowhere(links.Namer):
    def names(self, profile_id: int, request_no: int = 0) -> links.Names:
        return links.Names("", "#", "#", "", "")


def compile(message: Message, *, delivery_id: int, delivery_ref: str, campaign: Mapping[str, object]) -> CopyProgram:
    """The program of the copies of one send's messages."""
    plain = copy.copy(message)
    plain.tracks_opens = plain.tracks_clicks = False
    program = CopyProgram(plain, delivery_id=delivery_id, delivery_ref=delivery_ref, campaign=campaign)
    program._names = _Nowhere(delivery_id)
    program.mail_from = headers.ascii_address(message.sender_address).encode()
    return program
