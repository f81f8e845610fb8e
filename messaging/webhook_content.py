"""The content of a webhook: what a call says, checked and frozen into an immutable Message.

The address, the values of headers and the body are templates like those of an email, and are never escaped: who writes
JSON quotes what they put into it. Nothing of an email is in such a message.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from lib.errors import DomainError
from messaging import content, outward, personalization
from messaging.models import Message

CHANNEL = "webhook"
METHODS = ("POST", "PUT", "DELETE", "GET")
MOST_URL = 2000
MOST_BODY = 256 * 1024
MOST_HEADERS = 50
MOST_HEADER = 4000
FIELDS = frozenset({"url", "request_method", "request_headers", "body"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
# What HTTP itself sets, what steers a proxy, and what signs.
_OURS = re.compile(
    r"host|content-length|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|proxy-.*|webhook-.*",
    re.IGNORECASE,
)
# Fields that speak of an email.
_OF_EMAIL = frozenset({"unsubscribe_url", "mirror_url"})


class WebhookInvalid(DomainError):
    """The webhook can't be sent; the sentence names its field."""

    code = "message_invalid"
    status = 400


@dataclass(frozen=True)
class Spec:
    """What is sent to where; all texts but the method and the headers' names are templates."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: str


def read(given: Mapping[str, object]) -> Spec:
    """The webhook that a call describes. Raises WebhookInvalid."""
    for name, value in given.items():
        if name not in FIELDS and value not in (None, False, "", [], {}):
            raise WebhookInvalid(
                _("messages.webhook.%(name)s: It isn't offered here. Leave it out.") % {"name": name[:40]}
            )
    spec = Spec(
        url=_text(given, "url", MOST_URL).strip(),
        method=_text(given, "request_method", 10),
        headers=_headers(given.get("request_headers")),
        body=_text(given, "body", MOST_BODY),
    )
    if not spec.url:
        raise WebhookInvalid(_("messages.webhook.url is missing. Give the address to call."))
    if spec.method not in METHODS:
        sentence = _("messages.webhook.request_method must be one of %(names)s.")
        raise WebhookInvalid(sentence % {"names": ", ".join(METHODS)})
    _check(spec)
    return spec


def freeze(spec: Spec) -> Message:
    """The immutable message of `spec`; equal contents give the same row, also when two freeze at once."""
    fields = {"url": spec.url, "method": spec.method, "headers": dict(spec.headers), "body": spec.body}
    text = json.dumps({"channel": CHANNEL, **fields}, sort_keys=True)
    sha256 = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    existing = Message.objects.filter(sha256=sha256).first()
    if existing:
        return existing
    try:
        with transaction.atomic():
            return Message.objects.create(
                sha256=sha256, channel=CHANNEL, webhook=fields, tracks_opens=False, tracks_clicks=False
            )
    except IntegrityError:
        return Message.objects.get(sha256=sha256)


def of(message: Message) -> Spec:
    """What was written for a message of this channel."""
    assert message.webhook is not None
    return Spec(**message.webhook)


def label(message: Message) -> str:
    """How people call it: the method and the host, never the rest of the address, which may hold a secret."""
    spec = of(message)
    host = re.match(r"https?://([^/?#]*)", spec.url, re.IGNORECASE)
    return f"{spec.method} {host[1][:200]}" if host and "{" not in host[1] else spec.method


def problems(message: Message) -> list[content.ContentProblem]:
    """What stops a send of it now, for the last look before one is prepared: fields may have gone since."""
    try:
        _check(of(message))
    except WebhookInvalid as problem:
        return [content.ContentProblem(problem.code, "error", "body", problem.message)]
    return []


def _check(spec: Spec) -> None:
    for field, source in (("url", spec.url), ("body", spec.body), *_sources(spec.headers)):
        for found in content.check_template(source, field, html=False):
            if found.level == "error":
                sentence = _("messages.webhook.%(field)s: %(problem)s")
                raise WebhookInvalid(sentence % {"field": field, "problem": found.message}, code=found.code)
        if _OF_EMAIL & {use.name for use in personalization.parse(source, html=False).fields()}:
            sentence = _("messages.webhook.%(field)s: unsubscribe_url and mirror_url are for emails only.")
            raise WebhookInvalid(sentence % {"field": field})
    if "{{" in spec.url or "{%" in spec.url:
        return
    try:
        outward.check(spec.url)
    except outward.OutwardProblem as problem:
        raise WebhookInvalid(
            _("messages.webhook.%(field)s: %(problem)s") % {"field": "url", "problem": problem.message}
        ) from None


def _sources(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"request_headers.{name}", value) for name, value in headers.items()]


def _text(given: Mapping[str, object], name: str, most: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WebhookInvalid(_("messages.webhook.%(name)s must be a text.") % {"name": name})
    if len(value.encode("utf-8", "surrogatepass")) > most:
        raise WebhookInvalid(_("messages.webhook.%(name)s has more than %(n)d bytes.") % {"name": name, "n": most})
    return value


def _headers(given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise WebhookInvalid(_("messages.webhook.request_headers must be an object of names and texts."))
    if len(given) > MOST_HEADERS:
        raise WebhookInvalid(_("messages.webhook.request_headers has more than %(n)d headers.") % {"n": MOST_HEADERS})
    seen: set[str] = set()
    for name in given:
        place = {"name": str(name)[:60]}
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise WebhookInvalid(_("messages.webhook.request_headers: “%(name)s” is no name of a header.") % place)
        if _OURS.fullmatch(name):
            raise WebhookInvalid(
                _("messages.webhook.request_headers: %(name)s is set by Chappe. Leave it out.") % place
            )
        if name.lower() in seen:
            raise WebhookInvalid(_("messages.webhook.request_headers: %(name)s is there twice.") % place)
        seen.add(name.lower())
    return {name: _header(given, name) for name in given}


def _header(given: Mapping[str, object], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or len(value) > MOST_HEADER or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        sentence = _("messages.webhook.request_headers.%(name)s must be a text of one line, up to %(n)d characters.")
        raise WebhookInvalid(sentence % {"name": name, "n": MOST_HEADER})
    return value
