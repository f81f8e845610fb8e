"""MJML to HTML, with an error that names the line; Liquid comes through (messaging.markup)."""

import re
from html.entities import html5
from xml.parsers import expat

import mjml
from django.utils.translation import gettext as _

from messaging import markup, personalization

# Elements inside each other; the compiler recurses, and a stack overflow ends the process.
_MAX_DEPTH = 60
# Nothing in it passes a "<", so that looking for tags stays linear.
_VOID = re.compile(r"""<(br|hr|img|col|wbr|input)\b([^<>"']*(?:(?:"[^"<]*"|'[^'<]*')[^<>"']*)*)>""", re.IGNORECASE)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*;)")
_LONE_AMPERSAND = re.compile(r"&(?!#?\w+;)")
_XML_ENTITIES = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_NAMES = {"mismatched tag": "mismatched", "no element found": "unclosed", "unclosed token": "unclosed"}


def to_html(masked: markup.Masked) -> str:
    """The HTML of masked MJML, still masked. Raises TemplateProblem with the line of the source."""
    source = _as_xml(masked.html)
    if not re.search(r"<mjml\b", source, re.IGNORECASE):
        raise personalization.TemplateProblem(_("The code has no <mjml> element."), line=1, column=1)
    _check(source, masked)
    try:
        # Without a list of fonts the compiler links Google's, which would tell a third party who opens the message.
        html: str = mjml.mjml2html(source, disable_comments=False, fonts={})
    except ValueError as error:
        sentence = _("The MJML can't be read: {detail}.").format(detail=str(error)[:200])
        raise personalization.TemplateProblem(sentence, line=1, column=1) from error
    return html


def _as_xml(source: str) -> str:
    """What people write in MJML made well-formed without moving a line: <br>, &nbsp; and a lone &."""
    source = _VOID.sub(lambda found: f"<{found[1]}{found[2].rstrip().removesuffix('/')} />", source)
    source = _ENTITY.sub(lambda found: _numeric(found[1]), source)
    return _LONE_AMPERSAND.sub("&amp;", source)


def _numeric(name: str) -> str:
    if name in _XML_ENTITIES or name not in html5:
        return f"&{name}" if name in _XML_ENTITIES else f"&amp;{name}"
    return "".join(f"&#{ord(character)};" for character in html5[name])


def _check(source: str, masked: markup.Masked) -> None:
    parser = expat.ParserCreate()
    level = 0

    def enter(name: str, attributes: dict[str, str]) -> None:
        nonlocal level
        level += 1
        if level > _MAX_DEPTH:
            raise personalization.TemplateProblem(
                _("Too many elements inside each other. Use at most {n}.").format(n=_MAX_DEPTH),
                line=_line(masked, parser.CurrentLineNumber),
                column=parser.CurrentColumnNumber + 1,
            )

    def leave(name: str) -> None:
        nonlocal level
        level -= 1

    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(source.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        line = _line(masked, error.lineno)
        raise personalization.TemplateProblem(_sentence(error), line=line, column=error.offset + 1) from error


def _line(masked: markup.Masked, number: int) -> int:
    """Line of the source for a line of the masked text: placeholders hold no newlines, constructs may."""
    return masked.line(sum(len(line) for line in masked.html.splitlines(keepends=True)[: number - 1]))


def _sentence(error: expat.ExpatError) -> str:
    kind = _NAMES.get(expat.ErrorString(error.code), "")
    if kind == "mismatched":
        return _("The end tag doesn't match the tag that is open.")
    if kind == "unclosed":
        return _("A tag is not closed.")
    return _("The MJML is not well-formed: {detail}.").format(detail=expat.ErrorString(error.code))
