"""Each kind of block as an MJML section; `MAKERS` is the list of kinds. Groups and raw HTML are in messaging.blocks."""

from collections.abc import Callable
from html import escape

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from messaging import block_parts as parts
from messaging.block_parts import Block

_ACCENT = "#1f5fd6"


def _header(block: Block) -> str:
    if block.get("src"):
        return parts.section(parts.image_tag(block, width=160), padding="24px 0 8px")
    look = f'font-size="20px" font-weight="700" align="{parts.align(block)}"'
    return parts.section(f"<mj-text {look}>{parts.value(block, 'text')}</mj-text>", padding="24px 0 8px")


def _text_block(block: Block) -> str:
    return parts.section(
        f'<mj-text align="{parts.align(block)}">{parts.rich_text(str(block.get("html") or ""))}</mj-text>'
    )


def _button(block: Block) -> str:
    colour = parts.colour(block, "color", _ACCENT)
    return parts.section(_button_tag(block, label=parts.value(block, "text"), colour=colour))


def _button_tag(block: Block, *, label: str, colour: str = _ACCENT) -> str:
    return (
        f'<mj-button css-class="solid" align="{parts.align(block, "left")}" href="{parts.value(block, "href")}" '
        f'background-color="{colour}" color="#ffffff">{label}</mj-button>'
    )


def _image(block: Block) -> str:
    """Nothing as long as it has no address: a broken picture helps nobody."""
    if not block.get("src"):
        return ""
    return parts.section(parts.image_tag(block, width=600), padding="8px 0")


def _columns(block: Block) -> str:
    columns = parts.items(block, "columns")[:2]
    inner = "".join(
        "<mj-column>"
        + (parts.image_tag(column, width=260) if column.get("src") else "")
        + f"<mj-text>{parts.rich_text(str(column.get('html') or ''))}</mj-text></mj-column>"
        for column in columns
    )
    return _row(inner)


def _product(block: Block) -> str:
    """A picture beside name, text, price and button; what is empty is left out."""
    title, price = parts.value(block, "title"), parts.value(block, "price")
    texts = (title and f"<strong>{title}</strong>", parts.value(block, "text"), price and f"<strong>{price}</strong>")
    words = "<br />".join(text for text in texts if text)
    button = ""
    if block.get("href"):
        with translation.override(settings.LANGUAGE_CODE):
            button = _button_tag(block, label=parts.value(block, "label") or escape(_("View")))
    picture = ""
    if block.get("src"):
        shown = {"src": block["src"], "alt": block.get("alt") or block.get("title") or "", "href": block.get("href")}
        picture = f'<mj-column width="40%">{parts.image_tag(shown, width=220)}</mj-column>'
    width = ' width="60%"' if picture else ""
    text = f"<mj-text>{words}</mj-text>" if words else ""
    return _row(f"{picture}<mj-column{width}>{text}{button}</mj-column>")


def _social(block: Block) -> str:
    """Links by the names of the networks: words work in every mail app and fetch nothing from strangers."""
    links = [link for link in parts.items(block, "links") if link.get("url")]
    words = " · ".join(
        f'<a href="{parts.value(link, "url")}">{parts.value(link, "network") or parts.value(link, "url")}</a>'
        for link in links
    )
    if not words:
        return ""
    return parts.section(f'<mj-text align="{parts.align(block, "center")}" font-size="14px">{words}</mj-text>')


def _row(columns: str) -> str:
    return f'<mj-section background-color="#ffffff" padding="8px 0" css-class="sheet">{columns}</mj-section>'


def _divider(block: Block) -> str:
    return parts.section('<mj-divider border-width="1px" border-color="#dfe3e8" />')


def _spacer(block: Block) -> str:
    return parts.section(f'<mj-spacer height="{parts.pixels(block, "height", 24, 4, 120)}px" />', padding="0")


def _quote(block: Block) -> str:
    author = f"<br />{parts.value(block, 'author')}" if block.get("author") else ""
    words = f"“{parts.value(block, 'text')}”{author}"
    return parts.section(f'<mj-text padding-left="40px" font-style="italic" color="#545b68">{words}</mj-text>')


def _footer(block: Block) -> str:
    note = f"{parts.rich_text(str(block['html']))}<br />" if block.get("html") else ""
    # In the language of the installation: what people receive must not depend on who looked at it or published it.
    with translation.override(settings.LANGUAGE_CODE):
        unsubscribe, view = escape(_("Unsubscribe")), escape(_("View in browser"))
    return (
        '<mj-section padding="16px 0 32px" css-class="tail"><mj-column>'
        '<mj-text font-size="13px" line-height="20px" color="#545b68" align="center">'
        f'{note}{{{{ postal_address }}}}<br /><a href="{{{{ unsubscribe_url }}}}">{unsubscribe}</a> · '
        f'<a href="{{{{ mirror_url }}}}">{view}</a></mj-text></mj-column></mj-section>'
    )


MAKERS: dict[str, Callable[[Block], str]] = {
    "header": _header,
    "text": _text_block,
    "button": _button,
    "image": _image,
    "columns": _columns,
    "divider": _divider,
    "spacer": _spacer,
    "quote": _quote,
    "product": _product,
    "social": _social,
    "footer": _footer,
}
