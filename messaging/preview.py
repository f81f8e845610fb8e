"""A message as one person would see it, without tracking, and a frame in which it can harm nobody."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpResponse

from audiences.profiles import Person
from messaging import content, markup, personalization
from messaging.models import Message

# Shown when nobody is chosen: a person of whom nothing is known, so that every fallback can be seen.
NOBODY = Person(0, "", "", "", "", "", "", "", "", "", "", "", {})
_POLICY = (
    "default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'; font-src http: https: data:; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)


@dataclass(frozen=True)
class Rendered:
    """One person's message for the eye."""

    subject: str
    preheader: str
    html: str
    text: str
    sender: str


def render(
    source: content.ContentSpec | Message,
    person: Person | None,
    *,
    campaign: Mapping[str, object],
    urls: Mapping[str, str] | None = None,
) -> Rendered:
    """The message with its links as written. `urls`: unsubscribe_url and mirror_url, "#" unless given.

    Raises TemplateProblem (with the line of the source), RenderProblem and Aborted.
    """
    if isinstance(source, content.ContentSpec) and source.body_kind == "html":
        # Parsed as typed first, so that a problem has the author's line and not that of the compiled HTML.
        personalization.parse(source.body, html=True)
    message = content.draft_message(source) if isinstance(source, content.ContentSpec) else source
    values = personalization.context(
        person or NOBODY, campaign=campaign, urls={"unsubscribe_url": "#", "mirror_url": "#", **(urls or {})}
    )
    return Rendered(
        subject=" ".join(personalization.parse(message.subject, html=False).render(values).split()),
        preheader=personalization.parse(message.preheader, html=False).render(values),
        html=personalization.parse(message.html, html=True).render(values),
        text=personalization.parse(message.text, html=False).render(values),
        sender=f"{message.sender_name} <{message.sender_address}>" if message.sender_address else "",
    )


def frame_response(html: str, *, allows_links: bool = False, status: int = 200) -> HttpResponse:
    """An HTML message as the content of a sandboxed frame: no scripts, no forms, no origin; links only where allowed,
    and then in a new tab.
    """
    policy = _POLICY
    if allows_links:
        policy += " allow-popups allow-popups-to-escape-sandbox"
        html = _opening_links_outside(html)
    response = HttpResponse(html, status=status, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = policy
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    return response


def _opening_links_outside(html: str) -> str:
    base = '<base target="_blank">'
    lowered = html.lower()
    place = lowered.find("<head")
    if place >= 0:
        end = html.find(">", place) + 1
        return html[:end] + base + html[end:]
    return markup.after_body_start(html, base)
