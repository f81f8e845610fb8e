"""What stands against publishing a draft, and what only deserves a look. Recomputed after every save.

Errors block publishing, warnings do not. One sentence per alert, the same in the list and at the field; `field` is the
document's name of the field ("compose.subject"), or a path below it for audiences and links to Settings.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.cache import cache
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from accounts.models import User
from audiences import estimates, rules
from campaigns import checks, schedules
from campaigns import document as documents
from campaigns.models import Campaign, CampaignSend, Draft, DraftSnapshot
from delivery.models import DeliveryState
from lib.errors import DomainError
from messaging import compilation, content, domains, linkcheck, personalization

Alert = checks.Alert
ERROR, WARNING = checks.ERROR, checks.WARNING
_ORDER = {step: n for n, step in enumerate((*documents.STEPS, "review"))}

# Seconds an estimate is reused by alerts, so that typing a subject does not count people again.
_ESTIMATE_KEPT_S = 120
# "Your usual" is the mean of this many last sends; a jump is this many times as much.
_USUAL_OF, _JUMP = 10, 3


def compute(campaign: Campaign, document: documents.Document, *, by: User | None = None) -> list[Alert]:
    """All alerts of `document` (normalised), errors first within each step, steps in the order of the editor.

    With `by`, also what this person may not publish.
    """
    spec = documents.content_spec(document)
    found = [*_content(spec, document), *_sender(document), *_text(document)]
    found += [*checks.delivery(document["delivery"], by=by), *_audience(document)]
    found += [*checks.tracking(document["tracking"]), *_links(spec), *_tested(campaign)]
    return sorted(found, key=lambda alert: (_ORDER.get(alert.step, 9), alert.level != ERROR))


def blocks(found: Iterable[Alert]) -> bool:
    """Whether publishing is refused."""
    return any(alert.level == ERROR for alert in found)


def steps(found: Iterable[Alert]) -> dict[str, str]:
    """The dot of each step: "error", "warning" or "done"; the Review step counts all."""
    dots = dict.fromkeys((*documents.STEPS, "review"), "done")
    for alert in found:
        for step in (alert.step, "review"):
            if dots.get(step) != ERROR:
                dots[step] = alert.level
    return dots


def count(found: Iterable[Alert], level: str) -> int:
    """How many alerts of one level."""
    return sum(alert.level == level for alert in found)


def _content(spec: content.ContentSpec, document: documents.Document) -> Iterator[Alert]:
    has_no_preheader = document["compose"]["no_preheader"]
    for problem in content.check(spec):
        if problem.code == "preheader_missing" and has_no_preheader:
            continue
        field = problem.field if "." in problem.field else f"compose.{problem.field or 'body'}"
        step = field.split(".")[0]
        step = step if step in documents.STEPS else "compose"
        yield Alert(problem.code, problem.level, problem.message, step, field, problem.line)


def _sender(document: documents.Document) -> Iterator[Alert]:
    if not document["compose"]["sender"]:
        yield Alert("sender_missing", ERROR, _("There is no sender. Choose a sender."), "compose", "compose.sender")
        return
    sender = documents.sender(document)
    if sender is None:
        message = _("The sender doesn't exist any more. Choose another sender.")
        yield Alert("sender_gone", ERROR, message, "compose", "compose.sender")
    elif message := domains.problem(sender.address):
        yield Alert("sender_unverified", ERROR, message, "compose", "compose.sender")


def _links(spec: content.ContentSpec) -> Iterator[Alert]:
    """Links whose page is gone, as far as messaging.linkcheck found out; the pages that show links ask it."""
    for one in linkcheck.broken(links(spec)):
        message = _("%(url)s answered %(code)d.") % {"url": one.url[:200], "code": one.status}
        yield Alert("link_broken", WARNING, message, "tracking", "tracking.links")


def links(spec: content.ContentSpec) -> tuple[str, ...]:
    """The http(s) links of a message; none while it can't be read."""
    try:
        # Without the preheader, as content.check compiles it: once for both.
        return compilation.compile_spec(dataclasses.replace(spec, preheader="")).links
    except personalization.TemplateProblem:
        return ()


def _text(document: documents.Document) -> Iterator[Alert]:
    compose = document["compose"]
    if compose["text_mode"] != "own" or compose["text_for"] == documents.body_mark(document):
        return
    if compose["text"].strip() != _generated(document).strip():
        yield Alert("text_stale", WARNING, _("The plain text is older than the message."), "compose", "compose.text")


def _generated(document: documents.Document) -> str:
    """The text that would be made from the message; "" while it can't be read."""
    spec = dataclasses.replace(documents.content_spec(document), text=None, preheader="")
    try:
        return compilation.compile_spec(spec).text
    except personalization.TemplateProblem:
        return ""


def _audience(document: documents.Document) -> Iterator[Alert]:
    section = document["audience"]
    problems = rules.validate(section)
    is_empty = not section["segments"] and not section["conditions"]
    for problem in problems:
        code = "audience_empty" if is_empty and problem.path in {"", "segments"} else "audience_invalid"
        field = f"audience.{problem.path}" if problem.path else "audience.segments"
        yield Alert(code, ERROR, problem.message, "audience", field)
    if problems:
        return
    n_reachable = _estimate(section)
    if n_reachable == 0:
        # Who matches when a campaign sends on its own is another matter than who matches now.
        level = WARNING if document["delivery"]["kind"] in schedules.STANDING else ERROR
        yield Alert("audience_zero", level, _("Nobody matches right now."), "audience", "audience.segments")
    elif n_reachable:
        yield from _size_jump(n_reachable)


def _size_jump(n: int) -> Iterator[Alert]:
    sizes: list[int] = list(
        # What single requests asked for says nothing about the size of a send.
        CampaignSend.objects.filter(
            delivery__state=DeliveryState.FINISHED, delivery__n_to_send__gt=0, delivery__is_standing=False
        )
        .order_by("-pk")
        .values_list("delivery__n_to_send", flat=True)[:_USUAL_OF]  # type: ignore[arg-type]  # none is null
    )
    if len(sizes) < 3:
        return
    times = n / (sum(sizes) / len(sizes))
    if times >= _JUMP:
        parts = {"n": number_format(n, force_grouping=True), "x": round(times)}
        message = _("This goes to %(n)s people, %(x)d times your usual.") % parts
        yield Alert("size_jump", WARNING, message, "audience", "audience.segments")


def _tested(campaign: Campaign) -> Iterator[Alert]:
    """Only the message counts: a test sent before the audience changed is still a test of this message."""
    draft = Draft.objects.filter(campaign=campaign, tested_revision__isnull=False).only("tested_revision").first()
    if draft is None:
        return
    later = DraftSnapshot.objects.filter(campaign=campaign, cause="saved", revision__gt=draft.tested_revision)
    changed = {name for names in later.values_list("changed_fields", flat=True) for name in names}
    if any(name.startswith("compose.") for name in changed):
        yield Alert("test_stale", WARNING, _("The message changed since your last test."), "compose", "test")


def _estimate(section: dict[str, Any]) -> int | None:
    """How many can get it, kept for a moment by the audience; None when it can't be counted in time."""
    mark = hashlib.sha256(json.dumps(section, sort_keys=True).encode()).hexdigest()
    key = f"campaigns.alerts.{mark}"
    try:
        kept = cache.get(key)
    except RedisError:
        kept = None
    if kept is not None:
        return int(kept)
    try:
        n = estimates.estimate(section).n_reachable
    except DomainError:
        return None
    try:
        # A zero is not kept: the next import may change it, and people wait for that.
        if n:
            cache.set(key, n, _ESTIMATE_KEPT_S)
    except RedisError:
        pass
    return n
