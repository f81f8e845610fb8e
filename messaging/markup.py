"""HTML with Liquid inside: taken apart so that HTML tools leave the Liquid alone, and put together again.

`mask` replaces every Liquid construct by something that HTML (and MJML) tools carry along: a comment between elements,
a word inside attributes, comments and <style>. `Masked.restore` puts the Liquid back.
"""

import html as entities
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import css_inline
from selectolax.lexbor import LexborHTMLParser

from messaging import dialect

_RAW_ELEMENTS = "style|script|title|textarea|mj-style|mj-title|mj-preview"
_IN_TEXT = re.compile(rf"<!--|<(?P<raw>{_RAW_ELEMENTS})\b|</?[A-Za-z]", re.IGNORECASE)
_IN_TAG = re.compile(r"[\"'>]")
_PLACEHOLDER = re.compile(r"<!--lq(\d+)qx-->|lq(\d+)qx")
_HREF = re.compile(r"""(?<![\w-])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_TAG = re.compile(r"<!--|<(a|area|img|body|style)(?=[\s/>])", re.IGNORECASE)
_QUOTE_OR_END = re.compile(r"[\"'>]")
# Looked for without lower(), which makes some texts longer ("İ") and every position after that wrong.
_HEAD_START = re.compile(r"<head(?:\s[^<>]*)?>", re.IGNORECASE)
_BODY_END = re.compile("</body", re.IGNORECASE)
_STYLE_END = re.compile("</style", re.IGNORECASE)


@dataclass
class Masked:
    """HTML whose Liquid constructs are replaced by placeholders."""

    html: str
    constructs: list[str]
    # Whether Liquid stands where an attribute would; no HTML tool keeps that in place.
    has_liquid_attributes: bool = False
    _starts: list[int] = field(default_factory=lambda: [0])
    _shifts: list[int] = field(default_factory=lambda: [0])
    source: str = ""

    def restore(self, html: str) -> str:
        """`html` with the Liquid back in its places."""
        return _PLACEHOLDER.sub(self._construct, html)

    def _construct(self, found: re.Match[str]) -> str:
        """What stands for a placeholder; a word that only looks like one stays."""
        n = int(found[1] or found[2])
        return self.constructs[n] if n < len(self.constructs) else found[0]

    def is_whole(self, html: str) -> bool:
        """Whether `html` has every construct once and in the order of the source."""
        return [int(found[1] or found[2]) for found in _PLACEHOLDER.finditer(html)] == list(range(len(self.constructs)))

    def line(self, index: int) -> int:
        """Line of the source, from 1, for a position in `html`."""
        place = bisect_right(self._starts, index) - 1
        return self.source.count("\n", 0, max(0, index + self._shifts[place])) + 1


def mask(source: str) -> Masked:
    """The source with placeholders instead of Liquid."""
    masked = Masked("", [], source=source)
    out: list[str] = []
    length = copied = 0
    places = _Places(source)
    for start, end in dialect.constructs(source):
        if end is None:
            continue
        place = places.at(start)
        masked.has_liquid_attributes |= place == "tag"
        word = f"lq{len(masked.constructs)}qx"
        new = f"<!--{word}-->" if place == "text" else word
        out += (source[copied:start], new)
        length += start - copied + len(new)
        copied = end
        masked._starts.append(length)
        masked._shifts.append(copied - length)
        masked.constructs.append(source[start:end])
        places.skip_to(copied)
    out.append(source[copied:])
    masked.html = "".join(out)
    return masked


class _Places:
    """Says for rising positions of HTML whether they are in text, a tag, a quoted value, a comment or raw text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._position = 0
        self._place = "text"
        self._until = ""
        self._raw = ""

    def at(self, position: int) -> str:
        while self._step(position):
            pass
        self._position = position
        return self._place

    def skip_to(self, position: int) -> None:
        self._position = position

    def _step(self, end: int) -> bool:
        """Move to the next change before `end`; False when there is none."""
        if self._place == "text":
            found = _IN_TEXT.search(self._source, self._position, end)
            if found:
                self._enter(found)
        elif self._place == "tag":
            found = _IN_TAG.search(self._source, self._position, end)
            if found:
                self._leave_or_quote(found)
        else:
            found = re.compile(re.escape(self._until), re.IGNORECASE).search(self._source, self._position, end)
            if found:
                self._place = {"quoted": "tag", "comment": "text", "raw": "tag"}[self._place]
                self._raw = "" if self._until.startswith("</") else self._raw
        if found:
            self._position = found.end()
        return found is not None

    def _enter(self, found: re.Match[str]) -> None:
        if found[0] == "<!--":
            self._place, self._until = "comment", "-->"
        else:
            self._place, self._raw = "tag", (found["raw"] or "")

    def _leave_or_quote(self, found: re.Match[str]) -> None:
        if found[0] != ">":
            self._place, self._until = "quoted", found[0]
        elif self._raw:
            self._place, self._until = "raw", f"</{self._raw}"
        else:
            self._place = "text"


@dataclass(frozen=True)
class Link:
    """One href of an <a> or <area> in masked HTML; `url` has its entities resolved and placeholders inside."""

    start: int
    end: int
    url: str


def tags(html: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of every tag that this module looks at, outside of comments; in linear time."""
    position = 0
    while found := _TAG.search(html, position):
        if found[0] == "<!--":
            position = html.find("-->", found.end()) + 3
            if position < 3:
                return
            continue
        end = _tag_end(html, found.end())
        if end < 0:
            return
        yield found[1].lower(), found.start(), end
        position = end


def _tag_end(html: str, position: int) -> int:
    """After the ">" that ends a tag, -1 when nothing does."""
    while found := _QUOTE_OR_END.search(html, position):
        if found[0] == ">":
            return found.end()
        position = html.find(found[0], found.end()) + 1
        if position < 1:
            return -1
    return -1


def links(masked_html: str) -> Iterator[Link]:
    """Every link in reading order; those in conditional comments are not seen."""
    for name, start, end in tags(masked_html):
        found = _HREF.search(masked_html, start, end - 1) if name in {"a", "area"} else None
        if found:
            group = next(n for n in (1, 2, 3) if found[n] is not None)
            yield Link(found.start(group), found.end(group), entities.unescape(found[group]).strip())


def replace_links(masked_html: str, new: Callable[[Link], str | None]) -> str:
    """The HTML with each link's URL replaced by `new(link)` (unescaped), or kept where that is None."""
    out: list[str] = []
    copied = 0
    for link in links(masked_html):
        url = new(link)
        if url is not None:
            out += (masked_html[copied : link.start], entities.escape(url))
            copied = link.end
    return "".join(out) + masked_html[copied:]


def without_tags(source: str) -> str:
    """The source with its outputs but without `{% … %}`."""
    out, copied = [], 0
    for start, end in dialect.constructs(source):
        if end is not None and source.startswith("{%", start):
            out.append(source[copied:start])
            copied = end
    return "".join(out) + source[copied:]


def images_without_alt(masked_html: str) -> int:
    """How many <img> have no alt attribute; alt="" says that the image is decoration."""
    images = [masked_html[start:end] for name, start, end in tags(masked_html) if name == "img"]
    return sum(1 for image in images if not re.search(r"(?<![\w-])alt\s*=", image, re.IGNORECASE))


def after_body_start(html: str, addition: str) -> str:
    """`addition` as the first thing in the body."""
    place = next((end for name, _start, end in tags(html) if name == "body"), 0)
    return html[:place] + addition + html[place:]


def after_head_start(html: str, addition: str) -> str:
    """`addition` as the first thing in the head; "" when there is no head."""
    found = _HEAD_START.search(html)
    return html[: found.end()] + addition + html[found.end() :] if found else ""


def before_body_end(html: str, addition: str) -> str:
    """`addition` as the last thing in the body."""
    place = body_end(html)
    return html + addition if place < 0 else html[:place] + addition + html[place:]


def body_end(html: str) -> int:
    """Where the last closing tag of a body begins; -1 without one."""
    return max((found.start() for found in _BODY_END.finditer(html)), default=-1)


def style_end(html: str, position: int) -> int:
    """Where the first closing tag of a style after `position` begins; -1 without one."""
    found = _STYLE_END.search(html, position)
    return found.start() if found else -1


# Elements inside each other that the inliner is trusted with; it recurses, and a stack overflow ends the process.
_INLINED_DEPTH = 500


def depth(html: str) -> int:
    """How many elements are inside each other at most."""
    root = LexborHTMLParser(html).root
    deepest, stack = 0, [(root, 1)] if root is not None else []
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        stack.extend((child, level + 1) for child in node.iter())
    return deepest


# The parser's time grows with the square of the elements that are open at once: 2 MB of them would be minutes.
MOST_OPEN = 10_000
_ANY_TAG = re.compile(r"<!--|<(/?)([A-Za-z][^\s/>]*)")
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
# Closed by what follows them; messages may have any number that are never closed.
_END_OPTIONAL = frozenset({"p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "tfoot", "option"})
_TEXT_ONLY = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("style", "script", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript")
}


def is_too_deep(html: str) -> bool:
    """Whether more than MOST_OPEN elements may be open at once, counted without a parser."""
    if html.count("<") <= MOST_OPEN:
        return False
    counts: Counter[str] = Counter()
    n_open = position = 0
    while found := _ANY_TAG.search(html, position):
        if found[0] == "<!--":
            position = html.find("-->", found.end()) + 3
            if position < 3:
                return False
            continue
        position = _tag_end(html, found.end())
        if position < 0:
            return False
        name = found[2].lower()
        if name in _TEXT_ONLY and not found[1]:
            end = _TEXT_ONLY[name].search(html, position)
            if end is None:
                return False
            position = end.start()
        elif name not in _VOID and name not in _END_OPTIONAL:
            step = 1 if not found[1] else -1 if counts[name] else 0
            counts[name] += step
            n_open += step
            if n_open > MOST_OPEN:
                return True
    return False


_INLINER = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)


def inline_styles(masked: Masked, html: str) -> str:
    """Rules of <style> also as style attributes, for mail apps that drop <style>.

    Where the tool can't keep every Liquid construct in place, the author's HTML is kept as it is.
    """
    if masked.has_liquid_attributes or "<style" not in html.lower() or depth(html) > _INLINED_DEPTH:
        return html
    try:
        inlined = _INLINER.inline(html)
    except css_inline.InlineError:
        return html
    return inlined if masked.is_whole(inlined) else html
