"""The content of an email: checked while it is written, frozen into an immutable Message when it is published."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from audiences import profiles
from lib.errors import DomainError
from messaging import added_headers, blocks, compilation, headers, markup, media_uses, personalization
from messaging.compilation import ContentSpec
from messaging.models import Message

__all__ = ["ContentProblem", "ContentSpec", "TooLarge", "check", "check_template", "freeze"]

# Largest body that may be typed or pasted, bytes.
BODY_LIMIT = 2 * 1024 * 1024
# From here on Gmail hides the rest of a message behind a link.
_CLIPPED_FROM = 102 * 1024
# Seconds for which a field's coverage is taken as known.
_COVERAGE_TTL_S = 60
_UNSUBSCRIBE = re.compile(r"\bunsubscribe_url\b|set_user_to_unsubscribed_url")
_ALWAYS_KNOWN = frozenset({"profile.id", "profile.public_id"})
# What there is of `campaign`, which never lacks for anybody.
_OF_CAMPAIGN = frozenset({"id", "api_id", "name"})


class TooLarge(DomainError):
    """A message is larger than may be handed over."""

    code = "too_large"


class ContentInvalid(DomainError):
    """The content can't be frozen; `check` says why."""

    code = "content_invalid"
    status = 422


@dataclass(frozen=True)
class ContentProblem:
    """One alert: stable `code`, "error" or "warning", the field it belongs to and, in code, the line."""

    code: str
    level: str
    field: str
    message: str
    line: int | None = None


def freeze(spec: ContentSpec) -> Message:
    """The immutable message of `spec`; equal contents give the same row, also when two freeze at once.

    Raises TemplateProblem or ContentInvalid for content that can't be compiled or addressed.
    """
    check_addresses(spec)
    message = draft_message(spec)
    existing = Message.objects.filter(sha256=message.sha256).first()
    if existing:
        return existing
    try:
        with transaction.atomic():
            message.save(force_insert=True)
            media_uses.note(message)
    except IntegrityError:
        return Message.objects.get(sha256=message.sha256)
    return message


def draft_message(spec: ContentSpec) -> Message:
    """The message `freeze` would store, unsaved and with its addresses unchecked, for tests and previews.

    Raises TemplateProblem.
    """
    compiled = compilation.compile_spec(spec)
    for source, html in ((compiled.html, True), (compiled.text, False), (spec.subject, False)):
        personalization.parse(source, html=html)
    for value in (*spec.headers.values(), *spec.extras.values()):
        personalization.parse(value, html=False)
    fields: dict[str, object] = {
        "channel": "email",
        "sender_name": headers.clean(spec.sender_name),
        "sender_address": spec.sender_address.strip(),
        "reply_to": spec.reply_to.strip(),
        "subject": headers.clean(spec.subject),
        "preheader": " ".join(spec.preheader.split()),
        "body_kind": spec.body_kind,
        "body": spec.body,
        "html": compiled.html,
        "text": compiled.text,
        "links": list(compiled.tracked_links),
        "tracks_opens": spec.tracks_opens,
        "tracks_clicks": spec.tracks_clicks,
    }
    # Only where there are some: messages without them keep the hash they always had.
    if spec.headers:
        fields["headers"] = [[name, value.strip()] for name, value in sorted(spec.headers.items())]
    if spec.extras:
        fields["extras"] = dict(spec.extras)
    if spec.bcc:
        fields["bcc"] = spec.bcc
    sha256 = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    return Message(sha256=sha256, **fields)


def check_addresses(spec: ContentSpec) -> None:
    """Raise ContentInvalid unless mail can be sent from the sender and answered at the reply-to address."""
    for address in filter(None, (spec.sender_address.strip() or "-", spec.reply_to.strip())):
        try:
            headers.ascii_address(address)
        except personalization.RenderProblem as problem:
            sentence = problem.message if spec.sender_address.strip() else _("There is no sender. Choose one.")
            raise ContentInvalid(sentence, fields={"sender": sentence}) from problem


def check(spec: ContentSpec) -> list[ContentProblem]:
    """Everything that stands in the way (errors) or deserves a look (warnings), in the order of the page."""
    return [*_check_subject(spec), *_check_preheader(spec), *_check_body(spec), *_check_added(spec)]


def _check_subject(spec: ContentSpec) -> Iterator[ContentProblem]:
    if not spec.subject.strip():
        yield ContentProblem("subject_empty", "error", "subject", _("The subject is empty. Enter a subject."))
    else:
        yield from check_template(spec.subject, "subject", html=False)


def _check_preheader(spec: ContentSpec) -> Iterator[ContentProblem]:
    if spec.preheader.strip():
        yield from check_template(spec.preheader, "preheader", html=True)
    else:
        sentence = _("There is no preheader. Mail apps will show the first words of the message.")
        yield ContentProblem("preheader_missing", "warning", "preheader", sentence)


def _check_body(spec: ContentSpec) -> Iterator[ContentProblem]:
    size = len(spec.body.encode("utf-8", "replace"))
    if size > BODY_LIMIT:
        sentence = _("The message has {size} MB. Use at most 2 MB.").format(size=round(size / 1024 / 1024, 1))
        yield ContentProblem("body_too_long", "error", "body", sentence)
        return
    if not spec.body.strip():
        yield _empty()
        return
    is_code = spec.body_kind != "blocks"
    problems = list(check_template(spec.body, "body", html=True)) if is_code else []
    yield from problems
    if any(p.code == "template_syntax" for p in problems):
        return
    try:
        # Without the preheader, whose problems are its own.
        compiled = compilation.compile_spec(dataclasses.replace(spec, preheader=""))
    except personalization.TemplateProblem as problem:
        yield _syntax(problem, "body")
        return
    yield from _check_compiled(spec, compiled, is_checked=is_code)


def _check_added(spec: ContentSpec) -> Iterator[ContentProblem]:
    """Headers and extras; the field is "headers", "headers.X-Shop" or "extras.order"."""
    parts = (
        ("headers", spec.headers, added_headers.header_problems),
        ("extras", spec.extras, added_headers.extras_problems),
    )
    for part, values, problems in parts:
        found = list(problems(values))
        for name, sentence in found:
            yield ContentProblem("added_invalid", "error", f"{part}.{name}".rstrip("."), sentence)
        for name, value in values.items() if not found else ():
            yield from check_template(value, f"{part}.{name}", html=False)


def _check_compiled(spec: ContentSpec, compiled: compilation.Compiled, *, is_checked: bool) -> Iterator[ContentProblem]:
    problems = list(_check_compiled_template(compiled.html))
    if any(p.code == "template_syntax" for p in problems):
        yield from problems
        return
    if not is_checked:
        yield from problems
    if spec.text is not None:
        yield from check_template(spec.text, "text", html=False)
        if not spec.text.strip():
            sentence = _("The plain text is empty. Write it or let it be generated.")
            yield ContentProblem("text_empty", "warning", "text", sentence)
    yield from _check_text_footer(compiled)
    if _is_empty(spec, compiled):
        yield _empty()
    yield from _check_footer(compiled)
    yield from _check_looks(compiled)


def _check_compiled_template(html: str) -> Iterator[ContentProblem]:
    """What `check_template` finds, without lines: those of compiled HTML say nothing to the author."""
    try:
        personalization.parse(html, html=True)
    except personalization.TemplateProblem as problem:
        problem.line = 0
        yield _syntax(problem, "body")
        return
    for found in check_template(html, "body", html=True):
        yield dataclasses.replace(found, line=None)


def _is_empty(spec: ContentSpec, compiled: compilation.Compiled) -> bool:
    """Whether there is nothing to read or to see, the locked footer apart."""
    if spec.body_kind == "blocks":
        return blocks.is_empty(spec.body)
    if spec.text is not None:
        # What was written as plain text says nothing about the body.
        compiled = compilation.compile_spec(dataclasses.replace(spec, preheader="", text=None))
    text = re.sub(r"\{\{\s*(unsubscribe_url|postal_address|mirror_url)\s*\}\}|\(https?://[^\s()]*\)", "", compiled.text)
    return not re.sub(r"\W+", "", text) and not compiled.n_images


def _empty() -> ContentProblem:
    return ContentProblem("body_empty", "error", "body", _("The message is empty. Add a block."))


def _check_footer(compiled: compilation.Compiled) -> Iterator[ContentProblem]:
    masked = markup.mask(compiled.html)
    targets = [masked.restore(link.url) for link in markup.links(masked.html)]
    if not any(_UNSUBSCRIBE.search(url) for url in targets):
        sentence = _("There is no unsubscribe link. Add the footer block.")
        yield ContentProblem("unsubscribe_missing", "error", "body", sentence)
    uses_address = any(f.name == "postal_address" for f in personalization.parse(compiled.html, html=True).fields())
    if not settings.POSTAL_ADDRESS:
        sentence = _("The footer has no postal address. Add it in Settings.")
        yield ContentProblem("address_missing", "error", "body", sentence)
    elif not uses_address and settings.POSTAL_ADDRESS not in compiled.html:
        sentence = _("The message has no postal address. Add {field} to its footer.").format(
            field="{{ postal_address }}"
        )
        yield ContentProblem("address_missing", "error", "body", sentence)


def _check_text_footer(compiled: compilation.Compiled) -> Iterator[ContentProblem]:
    """Who reads the plain text leaves by it; only where the HTML has a link, since there both are missing."""
    if not _UNSUBSCRIBE.search(compiled.html) or not compiled.text.strip() or _UNSUBSCRIBE.search(compiled.text):
        return
    try:
        personalization.parse(compiled.text, html=False)
    except personalization.TemplateProblem:
        # That is told already, and may be the very link.
        return
    sentence = _("The plain text has no unsubscribe link. Add {field} to it.").format(field="{{ unsubscribe_url }}")
    yield ContentProblem("text_unsubscribe_missing", "error", "text", sentence)


def _check_looks(compiled: compilation.Compiled) -> Iterator[ContentProblem]:
    n_images = compiled.n_images_without_alt
    if n_images:
        sentence = ngettext(
            "{n} image has no alternative text.", "{n} images have no alternative text.", n_images
        ).format(n=n_images)
        yield ContentProblem("alt_missing", "warning", "body", sentence)
    size = len(compiled.html.encode("utf-8", "replace"))
    if size > _CLIPPED_FROM:
        sentence = _("The message is {n} KB. Gmail cuts messages over 102 KB.").format(n=-(-size // 1024))
        yield ContentProblem("too_big", "warning", "body", sentence)
    n_empty = compiled.n_empty_links
    if n_empty:
        sentence = ngettext("{n} link has no address.", "{n} links have no address.", n_empty).format(n=n_empty)
        yield ContentProblem("link_empty", "warning", "body", sentence)
    n_http = sum(1 for url in compiled.links if url.lower().startswith("http:"))
    if n_http:
        sentence = ngettext("{n} link uses http.", "{n} links use http.", n_http).format(n=n_http)
        yield ContentProblem("link_http", "warning", "body", sentence)


def check_template(source: str, field: str, *, html: bool) -> Iterator[ContentProblem]:
    """Syntax, fields that don't exist, and fields that some people lack."""
    try:
        uses = personalization.parse(source, html=html).fields()
    except personalization.TemplateProblem as problem:
        yield _syntax(problem, field)
        return
    known = profiles.known_fields() if uses else {}
    reported: set[str] = set()
    for use in uses:
        if use.name in reported:
            continue
        found = _unknown(use, field, known) or _without_fallback(use, field, known)
        if found:
            reported.add(use.name)
            yield found


def _unknown(use: personalization.Field, field: str, known: dict[str, str]) -> ContentProblem | None:
    root, _dot, rest = use.name.partition(".")
    is_known = root in personalization.GLOBALS
    if root == "profile" and rest:
        is_known = ".".join(use.name.split(".")[:2]) in known.keys() | _ALWAYS_KNOWN
    if root == "campaign" and rest:
        is_known = rest in _OF_CAMPAIGN
    if is_known:
        return None
    sentence = _("“{field}” doesn't exist. Choose a field.").format(field=use.name)
    return ContentProblem("unknown_field", "error", field, sentence, use.line)


def _without_fallback(use: personalization.Field, field: str, known: dict[str, str]) -> ContentProblem | None:
    if use.has_default or use.name not in known:
        return None
    n_people = _people_without(use.name)
    if not n_people:
        return None
    sentence = ngettext(
        "{n} person has no {field} and would see a blank. Add a fallback.",
        "{n} people have no {field} and would see a blank. Add a fallback.",
        n_people,
    ).format(n=f"{n_people:,}", field=use.name.removeprefix("profile."))
    return ContentProblem("fallback_missing", "warning", field, sentence, use.line)


def _people_without(name: str) -> int:
    """Counts the whole audience; kept a minute, since alerts are computed after every autosave."""
    try:
        return int(
            cache.get_or_set(f"coverage:{name.replace(' ', '+')}", lambda: profiles.coverage(name), _COVERAGE_TTL_S)
            or 0
        )
    except RedisError:
        return profiles.coverage(name)


def _syntax(problem: personalization.TemplateProblem, field: str) -> ContentProblem:
    detail = problem.message.rstrip(".")
    if field in {"subject", "preheader"} or "." in field or not problem.line:
        sentence = f"{detail}."
    else:
        sentence = _("Line {n}: {detail}.").format(n=problem.line, detail=detail)
    return ContentProblem("template_syntax", "error", field, sentence, problem.line or None)
