"""What is checked of a published message before a send of it is prepared: the last look, at what is really sent.

The rules of messaging.content, which hold while it is written, are asked again, since senders, fields and settings may
have changed since it was published; beside them stand those that only the compiled message can answer.
"""

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from messaging import content, domains, markup, personalization
from messaging.compilation import ContentSpec
from messaging.content import ContentProblem
from messaging.models import Message

# A chosen preheader is no reason to stop or to warn anybody at this point, nor are images without a text.
_LEFT_TO_THE_EDITOR = frozenset({"preheader_missing", "alt_missing", "link_http"})
_IMAGE = re.compile(r"<img\b[^>]*(?<![\w-])alt\s*=\s*[\"'](?!\s*[\"'])", re.IGNORECASE)
# What a template writes here is a text, as far as anybody can tell before.
_LIQUID = re.compile(r"<!--lq\d+qx-->")
_ANCHOR_END = re.compile(r"</a\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_HREF = re.compile(r"(?<![\w-])href\s*=", re.IGNORECASE)


def check(message: Message) -> list[ContentProblem]:
    """Everything that stops a send (errors) or deserves a look (warnings). Queries senders' domains and fields."""
    asked = [one for one in content.check(spec_of(message)) if one.code not in _LEFT_TO_THE_EDITOR]
    # A text that was generated says everything a second time.
    found = list({(one.code, one.message.rpartition(":")[2]): one for one in reversed(asked)}.values())[::-1]
    if any(one.level == "error" for one in found):
        return [*_check_sender(message), *found]
    return [*_check_sender(message), *found, *_check_links(message)]


def spec_of(message: Message) -> ContentSpec:
    """What was written for a frozen message; its UTM parameters are in its links already."""
    return ContentSpec(
        sender_name=message.sender_name,
        sender_address=message.sender_address,
        reply_to=message.reply_to,
        subject=message.subject,
        preheader=message.preheader,
        body_kind=message.body_kind,
        body=message.body,
        text=message.text,
        tracks_opens=message.tracks_opens,
        tracks_clicks=message.tracks_clicks,
    )


def _check_sender(message: Message) -> Iterator[ContentProblem]:
    if sentence := domains.problem(message.sender_address):
        yield ContentProblem("sender_unverified", "error", "sender", sentence)


def _check_links(message: Message) -> Iterator[ContentProblem]:
    """Links nobody can read, and links that no template can be made of."""
    n_blank = sum(not is_readable for is_readable in _labels(markup.mask(message.html).html))
    if n_blank:
        sentence = ngettext("{n} link has no text.", "{n} links have no text.", n_blank).format(n=n_blank)
        yield ContentProblem("link_label_missing", "warning", "body", sentence)
    for url in message.links:
        try:
            personalization.parse(url, html=False)
        except personalization.TemplateProblem as problem:
            sentence = _("The link {url} can't be written: {problem}").format(url=url[:120], problem=problem.message)
            yield ContentProblem("link_syntax", "error", "body", sentence)


def _labels(masked_html: str) -> Iterator[bool]:
    """For each link whether it has words, or an image with an alternative text. An <a> without end is passed over."""
    for name, start, end in markup.tags(masked_html):
        closing = _ANCHOR_END.search(masked_html, end) if name == "a" else None
        if name == "a" and closing is None:
            return
        if closing is not None and _HREF.search(masked_html, start, end):
            inner = _LIQUID.sub("text", masked_html[end : closing.start()])
            yield bool(_TAG.sub("", inner).replace("&nbsp;", " ").strip() or _IMAGE.search(inner))
