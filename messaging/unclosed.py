"""Elements of an HTML body that were opened and never closed, or the other way round: a likely slip, never an error.

Browsers mend such HTML, each in its own way. Elements whose end HTML lets people leave out are not looked at, nor is a
body whose Liquid opens an element in one branch and closes it in another.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from django.utils.translation import gettext as _

from messaging import markup
from messaging.compilation import ContentSpec

_LOOKED_AT = frozenset(
    {"a", "b", "i", "u", "s", "em", "strong", "span", "font", "small", "sup", "sub", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"div", "table", "center", "section", "article", "header", "footer", "main", "ul", "ol", "pre", "blockquote"}
    | {"style", "script", "title", "button"}
)
# Quoted values may hold ">". Nothing passes a "<", so that looking for tags stays linear.
_TAG = re.compile(r"""<!--|<(/?)([A-Za-z][A-Za-z0-9]*)\b((?:"[^"<]*"|'[^'<]*'|[^'"<>])*)>""")
# Elements whose content is no markup. Looked for without lower(), which moves what follows some letters ("İ").
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("style", "script", "title")}
_MOST = 20


def find(spec: ContentSpec) -> list[tuple[int, str]]:
    """(line, sentence) of each, at most twenty; [] for MJML, whose compiler is strict, and for blocks."""
    return list(islice(_problems(spec.body), _MOST)) if spec.body_kind == "html" else []


def _problems(body: str) -> Iterator[tuple[int, str]]:
    masked = markup.mask(body)
    if any(re.match(r"\{%-?\s*(else|elsif|when)\b", construct) for construct in masked.constructs):
        return
    opened: list[tuple[str, int]] = []
    counts: Counter[str] = Counter()
    for closing, name, start in _tags(masked.html):
        if not closing:
            opened.append((name, start))
            counts[name] += 1
        elif counts[name]:
            while opened[-1][0] != name:
                lost, place = opened.pop()
                counts[lost] -= 1
                yield masked.line(place), _("<%(name)s> is not closed.") % {"name": lost}
            opened.pop()
            counts[name] -= 1
        else:
            yield masked.line(start), _("</%(name)s> has nothing to close.") % {"name": name}
    for name, place in opened:
        yield masked.line(place), _("<%(name)s> is not closed.") % {"name": name}


def _tags(html: str) -> Iterator[tuple[bool, str, int]]:
    """(is closing, name, position) of the tags looked at, outside of comments, styles and scripts."""
    position, endless = 0, set()
    while found := _TAG.search(html, position):
        position = found.end()
        if found[0] == "<!--":
            end = html.find("-->", position)
            if end < 0:
                return
            position = end + 3
            continue
        name = found[2].lower()
        if name not in _LOOKED_AT or found[3].rstrip().endswith("/"):
            continue
        yield bool(found[1]), name, found.start()
        if not found[1] and name in _ENDS and name not in endless:
            closing = _ENDS[name].search(html, position)
            position = closing.start() if closing else position
            endless |= set() if closing else {name}
