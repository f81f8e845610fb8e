"""What blocks are made of in MJML: sections, texts, values, images. Everything a person typed is made safe here.

Values are whatever JSON held; what is of no use gives the default, never an error.
"""

import re
from html import escape
from typing import Any

import nh3

from messaging import markup

Block = dict[str, Any]

_TAGS = {"p", "br", "strong", "b", "em", "i", "u", "a", "ul", "ol", "li", "h1", "h2", "h3", "span"}
_COLOUR = re.compile(r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?")


def rich_text(source: str) -> str:
    """Rich text with only the marks the editor offers; Liquid comes through."""
    masked = markup.mask(source)
    # Comments do not survive sanitising; inside text a word does as well.
    worded = re.sub(r"<!--(lq\d+qx)-->", r"\1", masked.html)
    clean = nh3.clean(
        worded, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto", "tel"}, link_rel=None
    )
    return masked.restore(clean)


def section(content: str, *, padding: str = "8px 0", css: str = "sheet") -> str:
    return (
        f'<mj-section background-color="#ffffff" padding="{padding}" css-class="{css}">'
        f"<mj-column>{content}</mj-column></mj-section>"
    )


def value(block: Block, name: str) -> str:
    """An attribute or text value: escaped, with Liquid kept."""
    masked = markup.mask(str(block.get(name) or ""))
    worded = re.sub(r"<!--(lq\d+qx)-->", r"\1", masked.html)
    return masked.restore(escape(worded))


def items(block: Block, name: str) -> list[Block]:
    """The objects of a list; [] where there is none."""
    listed = block.get(name)
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def colour(block: Block, name: str, default: str) -> str:
    chosen = str(block.get(name) or "")
    return chosen if _COLOUR.fullmatch(chosen) else default


def align(block: Block, default: str = "left") -> str:
    chosen = block.get("align")
    return chosen if isinstance(chosen, str) and chosen in {"left", "center", "right"} else default


def pixels(block: Block, name: str, default: int, low: int, high: int) -> int:
    given = block.get(name)
    return min(max(given, low), high) if isinstance(given, int) and not isinstance(given, bool) else default


def image_tag(block: Block, *, width: int) -> str:
    link = f' href="{value(block, "href")}"' if block.get("href") else ""
    alt = f' alt="{value(block, "alt")}"' if "alt" in block else ""
    size = pixels(block, "width", width, 16, 600)
    return f'<mj-image src="{value(block, "src")}"{alt}{link} width="{size}px" align="{align(block, "left")}" />'
