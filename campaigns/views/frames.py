"""What a preview frame shows beside the message itself: its plain text, a problem, and its dark look."""

import re

from django.utils.html import escape
from django.utils.translation import gettext as _

from messaging import markup

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><style>
body {{ margin: 0; padding: 24px; font: {font}; white-space: {space}; overflow-wrap: anywhere;
  color: #16191f; background: #fff; }}
</style></head><body>{body}</body></html>"""
# No other "@" is passed, so that looking for it stays linear.
_DARK_QUERY = re.compile(r"@media[^{}@]*\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
# Pictures are turned back, as Gmail leaves them alone.
_FORCED = (
    "<style>html { background: #fff; filter: invert(1) hue-rotate(180deg); }"
    " img, video { filter: invert(1) hue-rotate(180deg); }</style>"
)
_SCHEME = '<meta name="color-scheme" content="dark">'


def text_page(text: str) -> str:
    """The plain-text part as a page."""
    return _PAGE.format(font="14px/1.6 ui-monospace, Menlo, Consolas, monospace", space="pre-wrap", body=escape(text))


def notice(message: str, line: int | None) -> str:
    """A page that says why there is no preview."""
    if line:
        message = _("Line %(n)d: %(detail)s") % {"n": line, "detail": message}
    return _PAGE.format(font="15px/1.5 system-ui, sans-serif", space="normal", body=escape(message))


def light(html: str) -> str:
    """The message in its light look, whatever theme the reader's own screen has."""
    return _DARK_QUERY.sub("@media not all", html)


def dark(html: str) -> str:
    """The message with its own dark styles applied, as Apple Mail shows it; without any it stays as it is."""
    switched = _DARK_QUERY.sub("@media all", html)
    return switched if switched == html else markup.after_head_start(switched, _SCHEME) or switched


def forced_dark(html: str) -> str:
    """About what the Gmail app shows in a dark theme: the message's own dark styles ignored, colours inverted."""
    return markup.after_body_start(light(html), _FORCED)
