"""What the API says of a campaign, in the reference's names. Reads only."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import Max, Min

from api import lookup
from campaigns import counted
from campaigns import document as documents
from campaigns.models import Campaign, CampaignSend, CampaignState, CampaignVersion, Draft
from delivery.models import Outcome, SendLog
from messaging import compilation

_UNIT_S = {"days": 86_400, "hours": 3_600}
# What happened, as a conversion, in the reference's names.
_CONVERSIONS = {"opened": "Opens Email", "clicked": "Clicks Email"}


def variation_id(campaign: Campaign) -> str:
    """The id of the campaign's one message, the same in all its versions: clients keep it."""
    return counted.variation_id(campaign)


def row(campaign: Campaign) -> dict[str, Any]:
    """One campaign of the list; `campaign` out of lookup.campaigns."""
    return {
        "id": str(campaign.public_id),
        "last_edited": moment(campaign.edited_at),
        "name": campaign.name,
        "is_api_campaign": lookup.is_api(campaign),
        "tags": campaign.tags,
    }


def details(campaign: Campaign, *, of_draft: bool) -> dict[str, Any]:
    """Everything of one campaign; what is live unless its draft is asked for or nothing is."""
    draft = Draft.objects.filter(campaign=campaign).first()
    version = campaign.live_version
    source: Draft | CampaignVersion | None = draft if draft and (of_draft or version is None) else version
    document = documents.normalise(source.document if source else None)
    first, last = _sent(campaign)
    return {
        "created_at": moment(campaign.created_at),
        "updated_at": moment(campaign.edited_at),
        "archived": campaign.archived_at is not None,
        "draft": campaign.state == CampaignState.DRAFT,
        "enabled": campaign.state == CampaignState.ACTIVE,
        "has_post_launch_draft": draft is not None and version is not None,
        "name": campaign.name,
        "description": "",
        "schedule_type": "api_triggered" if document["delivery"]["kind"] == "api" else "time_based",
        "channels": ["email"],
        "first_sent": moment(first),
        "last_sent": moment(last),
        "tags": campaign.tags,
        "teams": [],
        "messages": {variation_id(campaign): _message(document)},
        "conversion_behaviors": _conversions(document["tracking"]),
    }


def _sent(campaign: Campaign) -> tuple[dt.datetime | None, dt.datetime | None]:
    """When it was sent first and last: the start of sends, and of those that requests trigger the messages."""
    sends = CampaignSend.objects.filter(campaign=campaign)
    ordinary = sends.filter(delivery__is_standing=False)
    times = ordinary.aggregate(first=Min("delivery__started_at"), last=Max("delivery__started_at"))
    standing = dict(sends.filter(delivery__is_standing=True).values_list("delivery_id", "delivery__opened_month"))
    if not standing:
        return times["first"], times["last"]
    log = SendLog.objects.filter(opened_month__in=set(standing.values()), delivery_id__in=standing)
    taken = log.filter(outcome=Outcome.SENT).aggregate(first=Min("at"), last=Max("at"))
    known = [at for at in (*times.values(), *taken.values()) if at is not None]
    return min(known, default=None), max(known, default=None)


def moment(at: dt.datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return at.astimezone(dt.UTC).isoformat(timespec="seconds") if at else None


def _message(document: documents.Document) -> dict[str, Any]:
    compose, sender = document["compose"], documents.sender(document)
    return {
        "channel": "email",
        "name": "Email",
        "extras": {},
        "subject": compose["subject"],
        "body": compose["body"],
        "from": f"{sender.name} <{sender.address}>" if sender else "",
        "reply_to": sender.reply_to if sender else "",
        "title": compose["subject"],
        "amp_body": "",
        "preheader": "" if compose["no_preheader"] else compose["preheader"],
        "custom_plain_text": compose["text"] if compose["text_mode"] == "own" else "",
        "should_inline_css": compilation.has_styles_inlined(compose["body_kind"], compose["body"]),
        "should_whitespace_header": False,
        "email_headers": {},
    }


def _conversions(tracking: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in ("conversion", "conversion2"):
        event = tracking[f"{name}_event"]
        within = tracking[f"{name}_within"]
        if not event or not isinstance(within, int):
            continue
        window = within * _UNIT_S.get(tracking[f"{name}_unit"], 86_400)
        known = _CONVERSIONS.get(event)
        kind = {"type": known} if known else {"type": "Performs Custom Event", "custom_event_name": event}
        found.append({**kind, "window": window})
    return found
