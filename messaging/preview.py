"""A message as one person would see it, without tracking."""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from audiences.profiles import Person
from messaging import compilation, content, markup, personalization
from messaging.channels import webhook
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
    n_links: int = 0
    n_images: int = 0
    n_images_without_alt: int = 0


def render(
    source: content.ContentSpec | Message,
    person: Person | None,
    *,
    campaign: Mapping[str, object],
    urls: Mapping[str, str] | None = None,
    trigger: Mapping[str, object] | None = None,
) -> Rendered:
    """The message with its links as written. `urls`: unsubscribe_url and mirror_url, "#" unless given.

    `trigger`: sample values of api_trigger_properties.

    Raises TemplateProblem (with the line of the source), RenderProblem and Aborted.
    """
    if isinstance(source, content.ContentSpec):
        _check_parts(source)
    message = content.draft_message(source) if isinstance(source, content.ContentSpec) else source
    if message.webhook is not None:
        return _request(message, person or NOBODY, campaign=campaign, trigger=trigger)
    values = personalization.context(
        person or NOBODY,
        campaign=campaign,
        trigger=trigger,
        urls={"unsubscribe_url": "#", "mirror_url": "#", **(urls or {})},
    )
    written = personalization.parse(message.html, html=True).render(values)
    images = [written[start:end] for name, start, end in markup.tags(written) if name == "img"]
    return Rendered(
        subject=" ".join(personalization.parse(message.subject, html=False).render(values).split()),
        preheader=personalization.parse(message.preheader, html=False).render(values),
        html=written,
        text=personalization.parse(message.text, html=False).render(values),
        sender=f"{message.sender_name} <{message.sender_address}>" if message.sender_address else "",
        n_links=sum(1 for link in markup.links(written) if link.url.lower().startswith(("http:", "https:"))),
        n_images=len(images),
        n_images_without_alt=markup.images_without_alt(written),
    )


def _request(
    message: Message, person: Person, *, campaign: Mapping[str, object], trigger: Mapping[str, object] | None
) -> Rendered:
    """A webhook for the eye: what may be a secret, in its headers and in the query of its address, is left out."""
    program = webhook.compile(message, delivery_id=0, delivery_ref="", campaign=campaign)
    made = program.render(person, trigger=trigger)
    url, has_query, _query = made.rcpt_to.decode().partition("?")
    first = f"{made.data.method} {url}{'?…' if has_query else ''}"
    names = [f"{name}: …" for name in made.data.headers]
    text = "\n".join([first, *names, "", made.data.body.decode()])
    style = "font:14px/1.5 monospace;white-space:pre-wrap;overflow-wrap:anywhere"
    return Rendered(first, "", f'<!doctype html><pre style="{style}">{html.escape(text)}</pre>', text, "")


def _check_parts(spec: content.ContentSpec) -> None:
    """Raise the TemplateProblem of what was typed, with its field and the author's line, not that of compiled HTML."""
    code = spec.body if spec.body_kind in {"html", "mjml"} else ""
    typed = [("body", code), ("subject", spec.subject), ("preheader", spec.preheader), ("text", spec.text or "")]
    for part, values in (("headers", spec.headers), ("extras", spec.extras)):
        typed += [(f"{part}.{name}", value) for name, value in values.items()]
    field = ""
    try:
        for field, source in typed:
            personalization.parse(source, html=field == "body")
        field = "body"
        compilation.compile_spec(spec)
    except personalization.TemplateProblem as problem:
        problem.field = field
        raise
    try:
        content.draft_message(spec)
    except personalization.TemplateProblem as problem:
        problem.field, problem.line = "body", 0
        raise
