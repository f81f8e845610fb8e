"""The headers and extras of a message, compiled: lines that are the same for everybody, and those made per person."""

from collections.abc import Mapping

from messaging import added_headers, personalization
from messaging.channels import pieces
from messaging.channels.reading import Values
from messaging.models import Message


class Lines:
    """Lines that differ from person to person."""

    def __init__(self, names: dict[str, pieces.Block[str]], extras: dict[str, pieces.Block[str]]) -> None:
        self._headers = names
        self._extras = extras

    def render(self, values: Values) -> bytes:
        """One person's lines; a header whose value comes out empty is left out. Raises Aborted and RenderProblem."""
        lines = [added_headers.header_line(name, pieces.render(block, values)) for name, block in self._headers.items()]
        if self._extras:
            extras = {name: pieces.render(block, values) for name, block in self._extras.items()}
            lines.append(added_headers.extras_line(extras))
        return b"".join(lines)


def compile(message: Message, constants: Mapping[str, object]) -> tuple[bytes, Lines | None]:
    """The lines for everybody, and what makes the others; None where there are no others."""
    fixed = b""
    own: dict[str, pieces.Block[str]] = {}
    for name, value in message.headers:
        if "{{" in value or "{%" in value:
            own[name] = _block(value, constants)
        else:
            fixed += added_headers.header_line(name, value)
    extras: dict[str, pieces.Block[str]] = {}
    if any("{{" in value or "{%" in value for value in message.extras.values()):
        extras = {name: _block(value, constants) for name, value in message.extras.items()}
    elif message.extras:
        fixed += added_headers.extras_line(message.extras)
    return fixed, Lines(own, extras) if own or extras else None


def _block(value: str, constants: Mapping[str, object]) -> pieces.Block[str]:
    return pieces.compile_text(personalization.parse(value, html=False), constants)
