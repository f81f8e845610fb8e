"""From what was typed to the HTML, text and links of an immutable message. Pure; the last results are kept.

HTML, MJML or blocks → HTML → styles inlined → UTM parameters → preheader → links numbered; plain text from the same.
Which links are tracked is decided by `tracked`, here and nowhere else.
"""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from html import escape
from urllib.parse import parse_qsl, quote

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from messaging import blocks, markup, mjml_source, personalization, plaintext

# Link numbers are small integers in the log; what comes after is sent as written.
MAX_TRACKED = 1000
_CACHE_SIZE = 32
_STATIC_HOST = re.compile(r"https?://(?![^/?#]*lq\d+qx)[^/?#\s]+", re.IGNORECASE)
# What a link has before somebody wrote where it leads.
_NOWHERE = frozenset({"", "#", "http://", "https://"})
_ASSIGN = re.compile(r"\{%-?\s*assign\b")
_LIQUID_WORD = re.compile(r"lq(\d+)qx")


@dataclass(frozen=True)
class ContentSpec:
    """What a person wrote for one email. `text` None: generated from the body."""

    sender_name: str
    sender_address: str
    reply_to: str
    subject: str
    preheader: str
    body_kind: str
    body: str
    text: str | None
    tracks_opens: bool
    tracks_clicks: bool
    utm: dict[str, str] = field(default_factory=dict)
    # Added to those that every message has, by name: messaging.added_headers.
    headers: dict[str, str] = field(default_factory=dict)
    extras: dict[str, str] = field(default_factory=dict)
    bcc: str = ""
    # False: rules of <style> stay where they are, and nowhere else.
    inlines_styles: bool = True


@dataclass(frozen=True)
class Compiled:
    """The parts of a message, Liquid included. `links`: every http(s) link as written, tracked or not, for checks."""

    html: str
    text: str
    tracked_links: tuple[str, ...]
    links: tuple[str, ...]
    n_images: int
    n_images_without_alt: int
    n_empty_links: int


_cache: "OrderedDict[tuple[object, ...], Compiled]" = OrderedDict()
_cache_lock = threading.Lock()


def compile_spec(spec: ContentSpec) -> Compiled:
    """Raises personalization.TemplateProblem, with the line of the body, for MJML or blocks that can't be read."""
    utm = tuple(sorted(spec.utm.items()))
    key = (spec.body_kind, spec.body, spec.preheader, spec.text, spec.tracks_clicks, utm, spec.inlines_styles)
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    compiled = _compile(spec)
    with _cache_lock:
        _cache[key] = compiled
        while len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
    return compiled


def _compile(spec: ContentSpec) -> Compiled:
    masked = markup.mask(as_html(spec.body_kind, spec.body))
    html = masked.html
    if markup.is_too_deep(html):
        most = number_format(markup.MOST_OPEN, force_grouping=True)
        sentence = _("Too many elements inside each other. Use at most {n}.").format(n=most)
        raise personalization.TemplateProblem(sentence, line=0, column=0)
    if spec.inlines_styles and has_styles_inlined(spec.body_kind, spec.body):
        html = markup.inline_styles(masked, html)
    urls = [link.url for link in markup.links(html)]
    links = [url for url in urls if url.lower().startswith(("http:", "https:"))]
    html = markup.replace_links(html, lambda link: with_utm(link.url, spec.utm))
    text = _generated_text(masked, html) if spec.text is None else spec.text
    without_alt = markup.images_without_alt(html)
    html = masked.restore(html)
    if spec.preheader.strip():
        html = markup.after_body_start(html, _hidden_preheader(spec.preheader))
    return Compiled(
        html=html,
        text=text,
        tracked_links=tuple(tracked_urls(html)) if spec.tracks_clicks else (),
        links=tuple(masked.restore(link) for link in links),
        n_images=html.lower().count("<img"),
        n_images_without_alt=without_alt,
        n_empty_links=sum(url.lower() in _NOWHERE for url in urls),
    )


def has_styles_inlined(body_kind: str, body: str) -> bool:
    """Whether rules of <style> go into attributes; MJML has its own there already, but for what authors add to it."""
    return body_kind != "mjml" or "<mj-style" in body


def _generated_text(masked: markup.Masked, html: str) -> str:
    """The text with the same Liquid; where a tag's other half was in something hidden, without any tags but outputs."""
    text = plaintext.generate(masked, html)
    used = set(_LIQUID_WORD.findall(text))
    # What is assigned before the body is not text, but the text may speak of it.
    assigned = [c for n, c in enumerate(masked.constructs) if _ASSIGN.match(c) and str(n) not in used]
    text = "".join(assigned) + masked.restore(text)
    try:
        personalization.parse(text, html=False)
    except personalization.TemplateProblem:
        return markup.without_tags(text)
    return text


def as_html(body_kind: str, body: str) -> str:
    """A body as HTML, before anything is added to it. Raises TemplateProblem for MJML or blocks that can't be read."""
    if body_kind == "html":
        return body
    if body_kind == "mjml":
        return _from_mjml(body)
    source, raws = blocks.to_mjml(body)
    return blocks.place_raw(_from_mjml(source), raws)


def _from_mjml(source: str) -> str:
    masked = markup.mask(source)
    return masked.restore(mjml_source.to_html(masked))


def _hidden_preheader(preheader: str) -> str:
    """Shown by mail apps after the subject; the filler keeps them from adding the first words of the body."""
    masked = markup.mask(" ".join(preheader.split()))
    words = re.sub(r"<!--(lq\d+qx)-->", r"\1", masked.html)
    filler = "&#847;&zwnj;&nbsp;" * 40
    style = "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;font-size:1px;line-height:1px"
    return f'<div style="{style}">{masked.restore(escape(words))}{filler}</div>'


def tracked_urls(html: str) -> list[str]:
    """The tracked links of a message's HTML in order: number n of the message is item n."""
    masked = markup.mask(html)
    return [masked.restore(link.url) for link in markup.links(masked.html) if tracked(masked, link.url)][:MAX_TRACKED]


def tracked(masked: markup.Masked, url: str) -> bool:
    """Whether clicks on a (masked) URL are counted.

    Its scheme and host must be written out, so that a number can never lead anywhere the author did not name. Liquid
    after the host is rendered again at the click, so it may use only what is still known then: profile and campaign.
    A link that is Liquid altogether, such as the unsubscribe link, is left alone; so are mailto:, tel: and anchors.
    """
    if not _STATIC_HOST.match(url):
        return False
    if not _LIQUID_WORD.search(url):
        return True
    try:
        names = {name.name.split(".")[0] for name in personalization.parse(masked.restore(url), html=False).fields()}
    except personalization.TemplateProblem:
        return False
    return names <= {"profile", "campaign"}


def with_utm(url: str, utm: dict[str, str]) -> str | None:
    """`url` with the UTM parameters it does not have yet; None where nothing is to be added."""
    if not utm or not _STATIC_HOST.match(url):
        return None
    base, hash_sign, fragment = url.partition("#")
    present = {name for name, _value in parse_qsl(base.partition("?")[2], keep_blank_values=True)}
    added = "&".join(f"{name}={_quoted(value)}" for name, value in utm.items() if value and name not in present)
    if not added:
        return None
    joint = "&" if "?" in base else "?"
    return f"{base.rstrip('&')}{joint}{added}{hash_sign}{fragment}"


def _quoted(value: str) -> str:
    return value if "{{" in value else quote(value, safe="")
