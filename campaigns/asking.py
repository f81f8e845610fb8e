"""Requests to confirm a send in words: who is waited for, how one ended, and the mails about it.

A mail names campaign, count and time and leads to the page; nothing in it sends, because mail scanners follow links.
Each is written in the language and the time zone of who gets it, in the transaction that makes it true.
"""

import contextlib
import zoneinfo
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import installation, roles
from accounts.models import User
from campaigns.models import ConfirmationRequest, RequestStatus
from delivery import headlines, moments, options
from messaging import notices

# People who get a mail when anyone may confirm.
_MOST_TOLD = 50
# People named on the page.
_MOST_NAMED = 3


def confirmers(author_id: int | None, *, limit: int = _MOST_TOLD) -> list[User]:
    """Who may confirm what `author_id` published, by name. Two queries."""
    people = roles.holders(roles.START, limit=limit + 1)
    if installation.flag(options.SECOND_PERSON):
        people = [person for person in people if person.pk != author_id]
    return people[:limit]


def names(people: Sequence[User], *, last: str) -> str:
    """ "A", "A or B", "A, B or others": `last` is "or" or "and" in the reader's language."""
    named = [str(person) for person in people[:_MOST_NAMED]]
    if len(people) > _MOST_NAMED:
        named = [*named[:-1], _("others")]
    return f" {last} ".join(part for part in (", ".join(named[:-1]), named[-1] if named else "") if part)


def waited_for(request: ConfirmationRequest) -> str:
    """Who can answer, in a few words: "Ona Operator", or "Ona Operator or Ada Admin"."""
    if request.to is not None:
        return str(request.to)
    people = confirmers(request.send.delivery.author_id, limit=_MOST_NAMED + 1)
    return names(people, last=_("or")) or _("anyone who can confirm")


def when(request: ConfirmationRequest) -> str:
    """The time that was chosen, with its zone; or that it starts when it is confirmed."""
    delivery = request.send.delivery
    return moments.when(delivery.scheduled_at, delivery.scheduled_zone) or _("Once confirmed")


def emails(n: int) -> str:
    """9,892 emails"""
    return ngettext("%(n)s email", "%(n)s emails", n) % {"n": number_format(n, force_grouping=True)}


def outcome(request: ConfirmationRequest) -> str:
    """How it ended, in a sentence; "" while it is open."""
    by = {"name": request.answered_by or _("Chappe"), "n": request.closed_number or 0}
    sentences = {
        RequestStatus.CONFIRMED: _("%(name)s confirmed the send."),
        RequestStatus.CHANGES: _("%(name)s asked for changes."),
        RequestStatus.DECLINED: _("%(name)s declined."),
        RequestStatus.WITHDRAWN: _("%(name)s withdrew the request."),
        RequestStatus.CLOSED: _closed(request.closed_why),
    }
    return sentences.get(RequestStatus(request.status), "") % by


def tell_asked(request: ConfirmationRequest, *, is_reminder: bool = False) -> None:
    """Mail to who was asked: that person, or everybody who may confirm."""
    people = [request.to] if request.to else confirmers(request.send.delivery.author_id)
    stamp = request.reminded_at if is_reminder else request.requested_at
    for person in people:
        if person.pk == request.requested_by_id:
            continue
        with _as(person):
            about = {"name": request.requested_by, "campaign": request.send.campaign.name}
            subject = _("Confirm %(campaign)s?") % about
            if is_reminder:
                subject = _("Reminder: confirm %(campaign)s?") % about
            lead = _("%(name)s asks you to confirm a send.") % about
            body = "\n".join(
                [lead, "", *_facts(request), "", _("Look at it, then confirm, ask for changes or decline:")]
            )
            key = f"{request.public_id}:{stamp:%Y%m%d%H%M%S%f}"
            notices.send(
                to=person, subject=f"{subject} {emails(request.n_to_send)}", body=body, url=page(request), key=key
            )


def tell_ended(request: ConfirmationRequest) -> None:
    """Mail to who asked."""
    with _as(request.requested_by):
        subject = f"{request.send.campaign.name}: {outcome(request)}"
        lines = [outcome(request)]
        if request.answer:
            lines += ["", f"“{request.answer}”"]
        body = "\n".join([*lines, "", *_facts(request)])
        key = f"{request.public_id}:ended"
        notices.send(to=request.requested_by, subject=subject, body=body, url=page(request), key=key)


def page(request: ConfirmationRequest) -> str:
    """The address of the request."""
    return reverse("campaigns:approval", args=[request.public_id])


def _facts(request: ConfirmationRequest) -> list[str]:
    delivery = request.send.delivery
    facts = [
        (_("Campaign"), delivery.label),
        (_("To send"), emails(request.n_to_send)),
        (_("When"), when(request)),
        (_("Needed by"), headlines.stamp(request.needed_by)),
        (_("Note"), request.note),
    ]
    return [_("%(label)s: %(value)s") % {"label": label, "value": value} for label, value in facts if value]


def _closed(why: str) -> str:
    return {
        "published": _("Closed: %(name)s published version %(n)d."),
        "prepared": _("Closed: %(name)s prepared the list again."),
        "discarded": _("Closed: %(name)s dropped the send."),
        "stopped": _("Closed: %(name)s stopped the campaign."),
        "archived": _("Closed: %(name)s archived the campaign."),
    }.get(why, _("Closed."))


@contextlib.contextmanager
def _as(person: User) -> Iterator[None]:
    """Language and time zone of `person`, where they chose one."""
    zone = person.time_zone if person.time_zone in zoneinfo.available_timezones() else settings.TIME_ZONE
    with translation.override(person.language or settings.LANGUAGE_CODE), timezone.override(zone):
        yield
