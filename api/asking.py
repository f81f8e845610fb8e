"""What a call says, as the rooms below take it: its people, its audience, its send id, and what they refuse, with the
place in the call where it stands."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from api import audiences, envelope, lookup, refusals, send_ids
from api.models import ApiKey
from api.recipients import alias
from api.refusals import Refused
from audiences import identities, rules, updates
from campaigns import contents, planning, targeting, triggering
from delivery import requests
from delivery.requests import MOST_RECIPIENTS, Recipient
from lib.errors import DomainError
from messaging import attachments, content

# What the documentation says of an audience.
AUDIENCE = "AND or OR with a list, custom_attribute, or email_subscription_status. Who is named must be in it too."
# Errors of the rooms below, and the part of a call that each of them is about.
_PLACES: tuple[tuple[type[DomainError], str], ...] = (
    (triggering.CampaignInvalid, "campaign_id"),
    (triggering.NotActive, "campaign_id"),
    (targeting.TargetInvalid, "broadcast"),
    (planning.ScheduleInvalid, "schedule"),
    (requests.ScheduleGone, "schedule_id"),
    (contents.MessageInvalid, "messages"),
    (content.ContentInvalid, "messages.email.reply_to"),
    (rules.RuleProblem, "audience"),
    (attachments.AttachmentInvalid, "attachments"),
)
# How sentences begin that need no place.
_TOLD_ALREADY = ("recipient_", refusals.NO_MESSAGE, refusals.NO_RECIPIENTS)


def recipients(entered: Sequence[Mapping[str, Any]]) -> tuple[Recipient, ...]:
    """Those of api.recipients.Recipients; `placed` tells what is wrong in their attributes."""
    return tuple(recipient(one) for one in entered)


def recipient(one: Mapping[str, Any]) -> Recipient:
    return Recipient(
        _name(one), one.get("trigger_properties", {}), one.get("attributes"), one.get("send_to_existing_only", True)
    )


def people(entered: Mapping[str, Any]) -> tuple[Recipient, ...]:
    """Those of `external_user_ids` and `user_aliases`. Raises Refused for too many."""
    ids = [identities.Name(identities.EXTERNAL_ID, one) for one in entered.get("external_user_ids", ())]
    names = [*ids, *(alias(one) for one in entered.get("user_aliases", ()))]
    if len(names) > MOST_RECIPIENTS:
        raise Refused(refusals.TOO_MANY_USERS, f"external_user_ids: Give at most {MOST_RECIPIENTS}, not {len(names)}.")
    return tuple(Recipient(name) for name in names)


def audience(entered: Mapping[str, Any], *, at: dt.datetime | None = None) -> dict[str, object] | None:
    """Who must be in it, from `audience` and `segment_id`; None for whoever. `at`: when it is sent."""
    found: dict[str, object] = {}
    if "audience" in entered:
        found = audiences.read(entered["audience"], at=at or timezone.now())
    if "segment_id" in entered:
        found["segments"] = [str(lookup.segment(entered["segment_id"]).public_id)]
    return found or None


def campaign_id(entered: Mapping[str, Any]) -> str:
    """The campaign that a message of the call is counted under; "" without."""
    return str(entered["campaign_id"]) if "campaign_id" in entered else ""


def send_id(entered: Mapping[str, Any]) -> str:
    """The registered send id of a campaign's call; "" without. Raises Refused for one that nobody registered."""
    wanted: str = entered.get("send_id", "")
    if wanted and not send_ids.is_known(lookup.campaign(entered["campaign_id"], is_api=True), wanted):
        sentence = "send_id: It is not registered for this campaign. Register it with /sends/id/create."
        raise Refused(refusals.BAD_REQUEST, sentence)
    return wanted


def label(key: ApiKey) -> str:
    """How the activity log calls who asked."""
    return f"{key.name} ({key.prefix}…)"


@contextmanager
def placed(*, recipient: str = "recipients[{}]") -> Iterator[None]:
    """Say of what the rooms below refuse where in the call it stands. Raises Refused."""
    try:
        yield
    except updates.AttributesInvalid as problem:
        told = f"{recipient.format(problem.number)}.attributes.{problem.message}"
        raise Refused(refusals.BAD_REQUEST, told) from problem
    except DomainError as problem:
        place = next((place for kind, place in _PLACES if isinstance(problem, kind)), "")
        told = problem.message.removeprefix(f"{refusals.INVALID_CAMPAIGN}: ")
        if not place or told.startswith((place.partition(".")[0], *_TOLD_ALREADY)):
            raise
        refused = envelope.refusal(problem)
        if told != problem.message:
            told = f"{told[:1].upper()}{told[1:]}"
        sentence = f"{place}: {told}"
        raise Refused(refused.label, sentence, status=refused.status, headers=refused.headers) from problem


def _name(one: Mapping[str, Any]) -> identities.Name:
    if "user_alias" in one:
        return alias(one["user_alias"])
    kind = next(kind for kind in identities.KINDS if kind in one)
    return identities.Name(kind, one[kind], priorities=tuple(one.get("prioritization", ())))
