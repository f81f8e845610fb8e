"""Typed blocks, the default way to write an email: a JSON list, turned into MJML.

Each block is {"type": …, …}. Text is sanitised at each use, so that nothing a person pastes can carry a script. A group
({"type": "group", "field", "operator", "value", "blocks": […]}) is shown to those whom its condition fits. The footer
is locked: it always has the unsubscribe link and the postal address, and it is never in a group.
"""

import json
import re
from typing import Any

from django.utils.translation import gettext as _

from messaging import block_kinds, conditional, markup, personalization
from messaging.block_parts import Block

TYPES = frozenset(block_kinds.MAKERS) | {"html", "group"}
# Groups inside each other.
_MAX_DEPTH = 5
# What neither XML nor PostgreSQL can hold.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
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
        found = _readable(json.loads(body or "[]"))
    except (ValueError, RecursionError) as error:
        raise _problem(_("The blocks can't be read.")) from error
    return _checked(found, depth=0)


def _checked(found: object, *, depth: int) -> list[Block]:
    if depth > _MAX_DEPTH:
        raise _problem(_("Too many groups inside each other. Use at most {n}.").format(n=_MAX_DEPTH))
    if not isinstance(found, list):
        raise _problem(_("The blocks can't be read."))
    for block in found:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in TYPES:
            raise _problem(_("The blocks can't be read."))
        if kind == "footer" and depth:
            raise _problem(_("The footer can't be inside “Show only if…”. Move it out."))
        if kind == "group":
            block["blocks"] = _checked(block.get("blocks") or [], depth=depth + 1)
    return found


def _readable(node: Any) -> Any:
    if isinstance(node, str):
        return _UNREADABLE.sub("", node)
    if isinstance(node, list):
        return [_readable(item) for item in node]
    if isinstance(node, dict):
        return {_UNREADABLE.sub("", key): _readable(item) for key, item in node.items()}
    return node


def _problem(sentence: str) -> personalization.TemplateProblem:
    return personalization.TemplateProblem(sentence, line=0, column=0)


def is_empty(body: str) -> bool:
    """Whether there is nothing to read beside header and footer."""
    return not _says_something(parse(body))


def _says_something(found: list[Block]) -> bool:
    for block in found:
        if block["type"] == "group":
            if _says_something(block["blocks"]):
                return True
        elif block["type"] == "image":
            if block.get("src"):
                return True
        elif block["type"] not in {"header", "footer", "divider", "spacer"}:
            return True
    return False


def to_mjml(body: str) -> tuple[str, list[str]]:
    """The MJML of a JSON list of blocks, and the raw HTML for `place_raw`. Raises TemplateProblem."""
    raws: list[str] = []
    inner = _sections(parse(body), raws)
    return (
        f'<mjml lang="en">{_HEAD}<mj-body background-color="#f4f5f7" css-class="page">\n{inner}\n</mj-body></mjml>',
        raws,
    )


def _sections(found: list[Block], raws: list[str]) -> str:
    """One section or group a line; raw HTML is put aside into `raws`."""
    lines: list[str] = []
    for block in found:
        if block["type"] == "html":
            lines.append(f"<mj-raw><!--raw-html-{len(raws)}--></mj-raw>")
            raws.append(_inside_body(str(block.get("html") or "")))
        elif block["type"] == "group":
            opening, closing = conditional.liquid(block)
            inner = _sections(block["blocks"], raws)
            lines.append(f"<mj-raw>{opening}</mj-raw>\n{inner}\n<mj-raw>{closing}</mj-raw>")
        else:
            lines.append(block_kinds.MAKERS[block["type"]](block))
    return "\n".join(lines)


def place_raw(html: str, raws: list[str]) -> str:
    """The compiled HTML with the raw HTML blocks, which need not be well-formed, in their places."""
    return re.sub(
        r"<!--raw-html-(\d+)-->", lambda found: raws[int(found[1])] if int(found[1]) < len(raws) else found[0], html
    )


def _inside_body(html: str) -> str:
    """A whole document as a block keeps its styles and what is in its body."""
    start = next((end for name, _start, end in markup.tags(html) if name == "body"), -1)
    if start < 0:
        return html
    head = html[:start]
    styles = []
    for name, opening, _end in markup.tags(head):
        if name != "style":
            continue
        closing = markup.style_end(html, opening)
        if not 0 <= closing < start:
            break
        styles.append(html[opening : html.find(">", closing) + 1])
    end = markup.body_end(html)
    return "".join(styles) + html[start : end if end >= start else len(html)]
