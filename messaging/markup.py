"""HTML with Liquid inside: taken apart so that HTML tools leave the Liquid alone, and put together again.

`mask` replaces every Liquid construct by something that HTML (and MJML) tools carry along: a comment between elements,
a word inside attributes, comments and <style>. `Masked.restore` puts the Liquid back.
"""

import html as entities
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import css_inline

LIQUID = re.compile(
    r"\{%-?\s*(raw|comment)\b[^%]*%\}.*?\{%-?\s*end\1\s*-?%\}"
    r"""|\{\{(?:\$\{[^{}]*\}|'[^']*'|"[^"]*"|(?!\}\}).)*\}\}"""
    r"""|\{%(?:\$\{[^{}]*\}|'[^']*'|"[^"]*"|(?!%\}).)*%\}""",
    re.DOTALL,
)
_RAW_ELEMENTS = "style|script|title|textarea|mj-style|mj-title|mj-preview"
_IN_TEXT = re.compile(rf"<!--|<(?P<raw>{_RAW_ELEMENTS})\b|</?[A-Za-z]", re.IGNORECASE)
_IN_TAG = re.compile(r"[\"'>]")
_PLACEHOLDER = re.compile(r"<!--lq(\d+)qx-->|lq(\d+)qx")
_ANCHOR = re.compile(r"""<!--.*?-->|<(?:a|area)\b((?:[^>"']|"[^"]*"|'[^']*')*)>""", re.DOTALL | re.IGNORECASE)
_HREF = re.compile(r"""(?<![\w-])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_IMAGE = re.compile(r"""<!--.*?-->|<img\b((?:[^>"']|"[^"]*"|'[^']*')*)>""", re.DOTALL | re.IGNORECASE)
_BODY_START = re.compile(r"""<body\b(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)


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
        return _PLACEHOLDER.sub(lambda found: self.constructs[int(found[1] or found[2])], html)

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
    for found in LIQUID.finditer(source):
        place = places.at(found.start())
        masked.has_liquid_attributes |= place == "tag"
        word = f"lq{len(masked.constructs)}qx"
        new = f"<!--{word}-->" if place == "text" else word
        out += (source[copied : found.start()], new)
        length += found.start() - copied + len(new)
        copied = found.end()
        masked._starts.append(length)
        masked._shifts.append(copied - length)
        masked.constructs.append(found[0])
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


def links(masked_html: str) -> Iterator[Link]:
    """Every link in reading order; those in conditional comments are not seen."""
    for tag in _ANCHOR.finditer(masked_html):
        found = _HREF.search(tag[1] or "")
        if found:
            group = next(n for n in (1, 2, 3) if found[n] is not None)
            start = tag.start(1) + found.start(group)
            yield Link(start, start + len(found[group]), entities.unescape(found[group]).strip())


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


def images_without_alt(masked_html: str) -> int:
    """How many <img> have no alt attribute; alt="" says that the image is decoration."""
    tags = [found[1] for found in _IMAGE.finditer(masked_html) if found[1] is not None]
    return sum(1 for attributes in tags if not re.search(r"(?<![\w-])alt\s*=", attributes, re.IGNORECASE))


def after_body_start(html: str, addition: str) -> str:
    """`addition` as the first thing in the body."""
    found = _BODY_START.search(html)
    place = found.end() if found else 0
    return html[:place] + addition + html[place:]


def before_body_end(html: str, addition: str) -> str:
    """`addition` as the last thing in the body."""
    place = html.lower().rfind("</body")
    return html + addition if place < 0 else html[:place] + addition + html[place:]


_INLINER = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)


def inline_styles(masked: Masked, html: str) -> str:
    """Rules of <style> also as style attributes, for mail apps that drop <style>.

    Where the tool can't keep every Liquid construct in place, the author's HTML is kept as it is.
    """
    if masked.has_liquid_attributes or "<style" not in html.lower():
        return html
    try:
        inlined = _INLINER.inline(html)
    except css_inline.InlineError:
        return html
    return inlined if masked.is_whole(inlined) else html
