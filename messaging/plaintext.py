"""The plain-text part, made from the HTML: links as "text (address)", lists with dashes, cells on one line.

Works on masked HTML (messaging.markup), so that Liquid comes through: what opens a block is glued to the text after
it and what closes one to the text before, so that a condition that is false leaves no empty lines.
"""

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from messaging import markup

_SKIPPED = frozenset({"head", "style", "script", "title", "template", "noscript", "object", "svg"})
# Newlines around a block: 2 leave an empty line.
_BLOCKS = {
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "pre", "table", "dl"), 2),
    **dict.fromkeys(("div", "section", "article", "header", "footer", "main", "center", "address", "li", "tr"), 1),
    **dict.fromkeys(("dt", "dd", "figure", "figcaption", "caption"), 1),
}
# Characters that only fill the preview line of mail apps.
_FILLERS = re.compile("[\u00ad\u034f\u200b-\u200d\u2007\u2060\ufeff]+")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_PLACEHOLDER_COMMENT = re.compile(r"<!--(lq(\d+)qx)-->")
_CLOSES = re.compile(r"\{%-?\s*(end\w+|else|elsif|when)\b")


@dataclass
class _Writer:
    """Text under construction; knows how many newlines are owed before the next word."""

    parts: list[str] = field(default_factory=list)
    owed: int = 0
    has_space: bool = False
    prefix: str = ""

    def block(self, newlines: int) -> None:
        self.owed = max(self.owed, newlines)
        self.has_space = False

    def text(self, text: str) -> None:
        collapsed = re.sub(r"[ \t\r\n\f\xa0]+", " ", _FILLERS.sub("", text))
        if not collapsed.strip():
            self.has_space |= bool(collapsed)
            return
        self.word(collapsed.strip(), is_spaced=collapsed[0] == " ")
        self.has_space = collapsed[-1] == " "

    def word(self, word: str, *, is_spaced: bool = False) -> None:
        if self.parts and self.owed:
            self.parts.append("\n" * self.owed)
        elif self.parts and (self.has_space or is_spaced) and not self.parts[-1].endswith((" ", "\n")):
            self.parts.append(" ")
        self.owed, self.has_space = 0, False
        self.parts.append(self.prefix + word)
        self.prefix = ""

    def glue_before(self, word: str) -> None:
        if self.prefix:
            self.prefix += word
        else:
            self.parts.append(word)

    def result(self) -> str:
        text = "".join(self.parts) + self.prefix
        return re.sub(r"[ \t]+\n", "\n", text).strip()


def generate(masked: markup.Masked, html: str) -> str:
    """The text of masked `html`, still masked where Liquid is a word; call `masked.restore` on the result."""
    # A parser puts a comment that comes before the body outside of it.
    body = LexborHTMLParser(html if "<body" in html.lower() else f"<body>{html}").body
    if body is None:
        return ""
    writer = _Writer()
    # (node, whether its inside was already written); a list instead of recursion, as HTML may nest without limit.
    stack: list[tuple[LexborNode, bool]] = [(body, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            _leave(node, writer)
            continue
        if node.is_text_node:
            writer.text(node.text_content or "")
        elif node.is_comment_node:
            _liquid(node, masked, writer)
        elif node.is_element_node and not _is_skipped(node):
            _enter(node, writer)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
    return writer.result() + "\n" if writer.parts else ""


def _is_skipped(node: LexborNode) -> bool:
    return node.tag in _SKIPPED or bool(_HIDDEN.search(node.attributes.get("style") or ""))


def _enter(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag in _BLOCKS:
        writer.block(_BLOCKS[tag])
    if tag == "br":
        writer.owed = min(writer.owed + 1, 2)
        writer.has_space = False
    elif tag == "hr":
        writer.block(2)
        writer.word("----------")
        writer.block(2)
    elif tag in {"td", "th"}:
        writer.has_space = True
    elif tag == "li":
        writer.prefix += _bullet(node)
    elif tag == "img" and (node.attributes.get("alt") or "").strip():
        writer.text(f" {node.attributes['alt']} ")


def _leave(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag == "a":
        _link(node, writer)
    elif tag in {"td", "th"}:
        writer.has_space = True
    if tag in _BLOCKS:
        writer.block(_BLOCKS[tag])


def _link(node: LexborNode, writer: _Writer) -> None:
    url = (node.attributes.get("href") or "").strip()
    shown = (node.text(deep=True) or "").strip()
    address = re.sub(r"^(mailto|tel):", "", url)
    if (
        not address
        or url.startswith("#")
        or address.rstrip("/") in {shown.rstrip("/"), f"http://{shown}", f"https://{shown}"}
    ):
        return
    writer.word(f"({address})" if writer.parts else address, is_spaced=True)


def _bullet(node: LexborNode) -> str:
    parent = node.parent
    if parent is None or parent.tag != "ol":
        return "- "
    number, before = 1, node.prev
    while before is not None:
        number += before.tag == "li"
        before = before.prev
    return f"{number}. "


def _liquid(node: LexborNode, masked: markup.Masked, writer: _Writer) -> None:
    found = _PLACEHOLDER_COMMENT.fullmatch(node.html or "")
    if not found or int(found[2]) >= len(masked.constructs):
        return
    construct = masked.constructs[int(found[2])]
    if construct.startswith("{{"):
        writer.word(found[1])
    elif _CLOSES.match(construct):
        writer.glue_before(found[1])
    else:
        writer.prefix += found[1]
