"""A message as a mail server receives it, opened up for `linting`. Pure; nothing of it is ours to change."""

import datetime as dt
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import Message as Parsed
from functools import cached_property

from selectolax.lexbor import LexborHTMLParser

# The address at the end of a header such as From.
ADDRESS = re.compile(r"<?([^<>\s,]+@[^<>\s,]+)>?\s*$")


def unstuffed(wire: bytes) -> bytes:
    """The message in what goes over the wire after DATA. Raises ValueError when a server would read it otherwise."""
    if not wire.endswith(b"\r\n.\r\n") or wire.startswith(b".\r\n") or b"\r\n.\r\n" in wire[:-3]:
        raise ValueError("The final dot is missing, or it comes too early.")
    body = wire[:-3]
    if re.search(rb"(?:^|\r\n)\.(?!\.)", body):
        raise ValueError("A line starts with a dot that isn't doubled.")
    return re.sub(rb"(^|\r\n)\.", rb"\1", body)


@dataclass(frozen=True)
class Mail:
    """A message without dot-stuffing, and what its envelope and its surroundings were, where they are known."""

    data: bytes
    mail_from: str
    rcpt_to: str
    now: dt.datetime | None
    postal_address: str
    is_automatic: bool

    @cached_property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Name in lower case and unfolded value, as they stand."""
        unfolded = re.sub(rb"\r\n(?=[ \t])", b"", self.head)
        found = (line.partition(b":") for line in unfolded.split(b"\r\n") if line)
        return [(name.decode("latin-1").lower(), value.decode("latin-1").strip()) for name, _colon, value in found]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def domain(self, name: str) -> str:
        """The domain of a header's address, lower case."""
        found = ADDRESS.search(self.one(name))
        return found[1].rpartition("@")[2].lower() if found else ""

    @cached_property
    def parsed(self) -> Parsed:
        return email.message_from_bytes(self.data, policy=email.policy.compat32)

    @cached_property
    def leaves(self) -> list[Parsed]:
        return [part for part in self.parsed.walk() if not part.is_multipart()]

    def text_of(self, subtype: str) -> str:
        """The decoded part of that kind; "" when there is none."""
        for part in self.leaves:
            if part.get_content_type() == f"text/{subtype}":
                payload = part.get_payload(decode=True)
                return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
        return ""

    @cached_property
    def html(self) -> LexborHTMLParser:
        return LexborHTMLParser(self.text_of("html") or "<html></html>")
