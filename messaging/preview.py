"""A message as one person would see it, without tracking."""

from collections.abc import Mapping
from dataclasses import dataclass

from audiences.profiles import Person
from messaging import content, personalization
from messaging.models import Message

# Shown when nobody is chosen: a person of whom nothing is known, so that every fallback can be seen.
NOBODY = Person(0, "", "", "", "", "", "", "", "", "", "", "", {})


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
