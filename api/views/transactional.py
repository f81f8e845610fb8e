"""One message to one person, such as a receipt, with the caller's own name for it."""

import datetime as dt
import re
import uuid
from typing import Any

from rest_framework import serializers

from api import asking, campaign_facts, lookup, posting, refusals, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.recipients import Alias
from api.refusals import Refused
from api.views.triggers import CAMPAIGN, DISPATCH
from campaigns import triggering
from campaigns.models import Campaign, CampaignState
from delivery import reasons, requests
from delivery.models import Outcome, SendLog, TriggerRequest

# How long the same external_send_id means the same message.
_ONCE_IN = dt.timedelta(hours=24)
_EXTERNAL = re.compile(r"[a-zA-Z0-9_+/=-]+")
_STATUS = {Outcome.SENT: "sent", Outcome.UNKNOWN: "sent"}


class ExternalId(shapes.Text):
    """Up to 200 letters, digits and - _ + / =."""

    def to_internal_value(self, data: Any) -> str:
        found = super().to_internal_value(data)
        if not _EXTERNAL.fullmatch(found):
            raise serializers.ValidationError("Use letters, digits and - _ + / = only.")
        return found


class OneRecipient(shapes.Shape):
    external_user_id = shapes.UserId(required=False, help_text="Your own id of the person.")
    user_alias = Alias(required=False)
    attributes = shapes.Properties(required=False, help_text="Written first; who is unknown is made with them.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("external_user_id" in attrs) == ("user_alias" in attrs):
            raise serializers.ValidationError("Give exactly one of external_user_id, user_alias.")
        attrs["send_to_existing_only"] = "user_alias" in attrs or not attrs.get("attributes")
        return attrs


class Transactional(shapes.Shape):
    external_send_id = ExternalId(max_length=200, required=False, help_text="The same one sends once in 24 hours.")
    trigger_properties = shapes.Properties(required=False, help_text="At most 50 KB.")
    recipient = OneRecipient(help_text="One person.")


class SendTransactional(Endpoint):
    """Send an API-triggered campaign to one person, once for each external_send_id in 24 hours.

    status is queued, sent or aborted; metadata.reason says why it was aborted. A stopped or archived campaign refuses
    the call. What becomes of the message is posted to the address that admins set in Settings, Webhooks.
    """

    scope = "transactional.send"
    pool = None
    takes = Transactional
    asks = {
        "external_send_id": "receipt-2026-117",
        "trigger_properties": {"total": "19.90"},
        "recipient": {"external_user_id": "customer-17", "attributes": {"email": "nia@example.com"}},
    }
    answers = {
        "dispatch_id": DISPATCH,
        "status": "queued",
        "metadata": {
            "campaign_api_id": CAMPAIGN,
            "external_send_id": "receipt-2026-117",
            "received_at": "2026-11-25T09:00:00+00:00",
        },
    }
    may_be_null = frozenset({"external_send_id"})

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        campaign = _campaign(kwargs["campaign_id"])
        asked = requests.Call(
            recipients=(asking.recipient(entered["recipient"]),),
            trigger=entered.get("trigger_properties", {}),
            external_send_id=entered.get("external_send_id", ""),
            key_label=asking.label(call.key),
            key_id=call.key.public_id,
        )
        return Answer(_told(campaign, _earlier(campaign, asked) or _triggered(campaign, asked)))


def _campaign(text: str) -> Campaign:
    try:
        key = uuid.UUID(text) if len(text) <= len(CAMPAIGN) else None
    except ValueError:
        key = None
    found = lookup.campaigns().filter(public_id=key).first() if key else None
    if found is None:
        raise Refused(refusals.NO_CAMPAIGN, "campaign_id: There is no campaign with this id.")
    if not lookup.is_api(found):
        raise Refused(refusals.NOT_TRANSACTIONAL, "campaign_id: This campaign is not sent by API. Choose another one.")
    return found


def _earlier(campaign: Campaign, asked: requests.Call) -> TriggerRequest | None:
    """What was already taken under this external_send_id."""
    if not asked.external_send_id:
        return None
    origin = requests.Origin("campaign", str(campaign.public_id), campaign.name)
    return requests.earlier(origin, asked.external_send_id, within=_ONCE_IN)


def _triggered(campaign: Campaign, asked: requests.Call) -> TriggerRequest:
    if campaign.archived_at is not None:
        raise Refused(refusals.ARCHIVED, f"campaign_id: {refusals.ARCHIVED}")
    if campaign.state == CampaignState.STOPPED:
        raise Refused(refusals.PAUSED, f"campaign_id: {refusals.PAUSED}")
    with asking.placed(recipient="recipient"):
        answer = triggering.trigger(str(campaign.public_id), asked)
    if answer.notice:
        # It was stopped just now; nothing of the call is kept.
        raise Refused(refusals.PAUSED, f"campaign_id: {answer.notice}")
    posting.note(answer.request)
    return answer.request


def _told(campaign: Campaign, request: TriggerRequest) -> dict[str, Any]:
    metadata = {
        "campaign_api_id": str(campaign.public_id),
        "external_send_id": request.external_send_id or None,
        "received_at": campaign_facts.moment(request.received_at),
    }
    person = request.recipients.get()
    status, reason = ("aborted", reasons.whole_sentence(person.reason, person.detail)) if person.reason else ("", "")
    if not status:
        status, reason = _outcome(request, person.profile_id)
    found = {"dispatch_id": request.public_id.hex, "status": status, "metadata": metadata}
    return {**found, "metadata": {**metadata, "reason": reason}} if reason else found


def _outcome(request: TriggerRequest, profile_id: int | None) -> tuple[str, str]:
    """What became of the message, and why not if it was given up."""
    assert request.delivery is not None and profile_id is not None
    log = SendLog.objects.filter(opened_month=request.delivery.opened_month, delivery=request.delivery)
    row = log.filter(request_no=request.pk, profile_id=profile_id).first()
    if row is None:
        return "queued", ""
    status = _STATUS.get(Outcome(row.outcome), "aborted")
    return status, row.detail if status == "aborted" else ""
