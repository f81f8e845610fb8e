"""Typed blocks, the default way to write an email: a JSON list, turned into MJML.

Each block is {"type": …, …}. Text is sanitised here, at each use, so that nothing a person pastes can carry a script.
The footer is locked: it always has the unsubscribe link and the postal address.
"""

import json
import re
from collections.abc import Callable
from html import escape
from typing import Any

import nh3
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from messaging import markup, personalization

Block = dict[str, Any]

_TAGS = {"p", "br", "strong", "b", "em", "i", "u", "a", "ul", "ol", "li", "h1", "h2", "h3", "span"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?")
_ACCENT = "#1f5fd6"
_HEAD = """<mj-head>
<mj-attributes>
<mj-all font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" />
<mj-text font-size="16px" line-height="26px" color="#1d2330" />
<mj-button border-radius="6px" font-size="16px" font-weight="600" inner-padding="12px 24px" />
</mj-attributes>
<mj-style>
a { color: #1f5fd6; }
@media (prefers-color-scheme: dark) {
body, .page, .tail, .tail > table { background: #12161c !important; }
.tail div { color: #a6aebb !important; }
.tail a { color: #8fb8ff !important; }
.sheet, .sheet table, .sheet td { background: #1b212a !important; }
.sheet div, .sheet p, .sheet h1, .sheet h2, .sheet h3, .sheet li { color: #eceff4 !important; }
.sheet a { color: #8fb8ff !important; }
.sheet .solid a { color: #ffffff !important; }
}
</mj-style>
</mj-head>"""


def parse(body: str) -> list[Block]:
    """The blocks of a JSON text. Raises TemplateProblem when it is not a list of blocks."""
    try:
        blocks = json.loads(body or "[]")
    except ValueError as error:
        raise personalization.TemplateProblem(_("The blocks can't be read."), line=1, column=1) from error
    if not isinstance(blocks, list) or not all(isinstance(b, dict) and b.get("type") in TYPES for b in blocks):
        raise personalization.TemplateProblem(_("The blocks can't be read."), line=1, column=1)
    return blocks


def is_empty(body: str) -> bool:
    """Whether there is nothing to read beside header and footer."""
    return not any(block["type"] not in {"header", "footer", "divider", "spacer"} for block in parse(body))


def to_mjml(body: str) -> tuple[str, list[str]]:
    """The MJML of a JSON list of blocks, and the raw HTML for `place_raw`. Raises TemplateProblem."""
    sections: list[str] = []
    raws: list[str] = []
    for block in parse(body):
        if block["type"] == "html":
            sections.append(f"<mj-raw><!--raw-html-{len(raws)}--></mj-raw>")
            raws.append(_inside_body(str(block.get("html") or "")))
        else:
            sections.append(_MAKERS[block["type"]](block))
    inner = "\n".join(sections)
    return (
        f'<mjml lang="en">{_HEAD}<mj-body background-color="#f4f5f7" css-class="page">\n{inner}\n</mj-body></mjml>',
        raws,
    )


def place_raw(html: str, raws: list[str]) -> str:
    """The compiled HTML with the raw HTML blocks, which need not be well-formed, in their places."""
    return re.sub(r"<!--raw-html-(\d+)-->", lambda found: raws[int(found[1])], html)


def _inside_body(html: str) -> str:
    """A whole document as a block keeps its styles and what is in its body."""
    start = next((end for name, _start, end in markup.tags(html) if name == "body"), -1)
    if start < 0:
        return html
    lowered, head = html.lower(), html[:start]
    styles = []
    for name, opening, _end in markup.tags(head):
        closing = lowered.find("</style", opening) if name == "style" else -1
        if 0 <= closing < start:
            styles.append(html[opening : html.find(">", closing) + 1])
    end = lowered.rfind("</body")
    return "".join(styles) + html[start : end if end >= start else len(html)]


def rich_text(source: str) -> str:
    """Rich text with only the marks the editor offers; Liquid comes through."""
    masked = markup.mask(source)
    # Comments do not survive sanitising; inside text a word does as well.
    worded = re.sub(r"<!--(lq\d+qx)-->", r"\1", masked.html)
    clean = nh3.clean(
        worded, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto", "tel"}, link_rel=None
    )
    return masked.restore(clean)


def _section(content: str, *, padding: str = "8px 0", css: str = "sheet") -> str:
    return (
        f'<mj-section background-color="#ffffff" padding="{padding}" css-class="{css}">'
        f"<mj-column>{content}</mj-column></mj-section>"
    )


def _text(block: Block, name: str) -> str:
    """An attribute or text value: escaped, with Liquid kept."""
    masked = markup.mask(str(block.get(name) or ""))
    worded = re.sub(r"<!--(lq\d+qx)-->", r"\1", masked.html)
    return masked.restore(escape(worded))


def _colour(block: Block, name: str, default: str) -> str:
    value = str(block.get(name) or "")
    return value if _COLOUR.fullmatch(value) else default


def _align(block: Block, default: str = "left") -> str:
    return str(block["align"]) if block.get("align") in {"left", "center", "right"} else default


def _pixels(block: Block, name: str, default: int, low: int, high: int) -> int:
    value = block.get(name)
    return min(max(value, low), high) if isinstance(value, int) and not isinstance(value, bool) else default


def _header(block: Block) -> str:
    if block.get("src"):
        return _section(_image_tag(block, width=160), padding="24px 0 8px")
    content = f'<mj-text font-size="20px" font-weight="700" align="{_align(block)}">{_text(block, "text")}</mj-text>'
    return _section(content, padding="24px 0 8px")


def _text_block(block: Block) -> str:
    return _section(f'<mj-text align="{_align(block)}">{rich_text(str(block.get("html") or ""))}</mj-text>')


def _button(block: Block) -> str:
    return _section(
        f'<mj-button css-class="solid" align="{_align(block, "left")}" href="{_text(block, "href")}" '
        f'background-color="{_colour(block, "color", _ACCENT)}" color="#ffffff">{_text(block, "text")}</mj-button>'
    )


def _image_tag(block: Block, *, width: int) -> str:
    link = f' href="{_text(block, "href")}"' if block.get("href") else ""
    alt = f' alt="{_text(block, "alt")}"' if "alt" in block else ""
    size = _pixels(block, "width", width, 16, 600)
    return f'<mj-image src="{_text(block, "src")}"{alt}{link} width="{size}px" align="{_align(block, "left")}" />'


def _image(block: Block) -> str:
    return _section(_image_tag(block, width=600), padding="8px 0")


def _columns(block: Block) -> str:
    columns = [c for c in block.get("columns") or [] if isinstance(c, dict)][:2]
    inner = "".join(
        "<mj-column>"
        + (_image_tag(column, width=260) if column.get("src") else "")
        + f"<mj-text>{rich_text(str(column.get('html') or ''))}</mj-text></mj-column>"
        for column in columns
    )
    return f'<mj-section background-color="#ffffff" padding="8px 0" css-class="sheet">{inner}</mj-section>'


def _divider(block: Block) -> str:
    return _section('<mj-divider border-width="1px" border-color="#dfe3e8" />')


def _spacer(block: Block) -> str:
    return _section(f'<mj-spacer height="{_pixels(block, "height", 24, 4, 120)}px" />', padding="0")


def _quote(block: Block) -> str:
    author = f"<br />{_text(block, 'author')}" if block.get("author") else ""
    return _section(
        f'<mj-text padding-left="40px" font-style="italic" color="#545b68">“{_text(block, "text")}”{author}</mj-text>'
    )


def _footer(block: Block) -> str:
    note = f"{rich_text(str(block['html']))}<br />" if block.get("html") else ""
    # In the language of the installation: what people receive must not depend on who looked at it or published it.
    with translation.override(settings.LANGUAGE_CODE):
        unsubscribe, view = escape(_("Unsubscribe")), escape(_("View in browser"))
    return (
        '<mj-section padding="16px 0 32px" css-class="tail"><mj-column>'
        '<mj-text font-size="13px" line-height="20px" color="#545b68" align="center">'
        f'{note}{{{{ postal_address }}}}<br /><a href="{{{{ unsubscribe_url }}}}">{unsubscribe}</a> · '
        f'<a href="{{{{ mirror_url }}}}">{view}</a></mj-text></mj-column></mj-section>'
    )


_MAKERS: dict[str, Callable[[Block], str]] = {
    "header": _header,
    "text": _text_block,
    "button": _button,
    "image": _image,
    "columns": _columns,
    "divider": _divider,
    "spacer": _spacer,
    "quote": _quote,
    "footer": _footer,
}
TYPES = frozenset(_MAKERS) | {"html"}
