"""Triggering campaigns: now, at a time, and taking it back."""

from typing import Any

from rest_framework import serializers

from api import asking, limiting, shapes
from api import recipients as named
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from campaigns import triggering
from delivery import requests

CAMPAIGN = "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"
DISPATCH = "c4a1e6f0b2d94f7ea3c5d6e7f8091a2b"
_ASKS: dict[str, Any] = {
    "campaign_id": CAMPAIGN,
    "trigger_properties": {"shop": "Lyon"},
    "recipients": [
        {"external_user_id": "customer-17", "trigger_properties": {"shop": "Paris"}},
        {
            "external_user_id": "customer-99",
            "send_to_existing_only": False,
            "attributes": {"email": "nia@example.com", "first_name": "Nia"},
        },
    ],
}


class Trigger(shapes.Shape):
    campaign_id = shapes.PublicId(help_text="An API-triggered campaign.")
    send_id = shapes.SendIdText(max_length=64, required=False, help_text="Registered with /sends/id/create.")
    trigger_properties = shapes.Properties(required=False, help_text="For everybody. At most 50 KB.")
    broadcast = shapes.Flag(default=False, help_text="true for everybody in the audience, without recipients.")
    audience = shapes.Properties(required=False, help_text="Who must be in it, besides the campaign's own audience.")
    recipients = named.Recipients(help_text="Up to 50 people.")
    attachments = shapes.Many(shapes.Properties(), required=False, help_text="Not offered: refused.")

    def validate_attachments(self, given: list[Any]) -> list[Any]:
        if given:
            raise serializers.ValidationError("Chappe sends no attachments. Link to the file instead.")
        return given


class TriggerNow(Endpoint):
    """Send a campaign to people now.

    Everybody named gets it who is in the campaign's audience, may be written to, and is eligible; the others are
    accepted and get nothing. Trigger properties are read in the message as api_trigger_properties. A stopped or
    archived campaign accepts the call with a notice and sends nothing.
    """

    scope = "campaigns.trigger.send"
    pool = limiting.SENDS
    takes = Trigger
    asks = _ASKS
    answers = {"dispatch_id": DISPATCH}

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        return None if entered.get("recipients") else limiting.BROADCASTS

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            answer = triggering.trigger(
                str(entered["campaign_id"]), called(call, entered), is_broadcast=entered["broadcast"]
            )
        return Answer(told(answer))


def called(call: Call, entered: dict[str, Any]) -> requests.Call:
    """The call of a Trigger. Raises Refused."""
    return requests.Call(
        recipients=asking.recipients(entered.get("recipients", ())),
        audience=asking.audience(entered),
        trigger=entered.get("trigger_properties", {}),
        send_id=asking.send_id(entered),
        key_label=asking.label(call.key),
    )


def told(answer: triggering.Answer) -> dict[str, Any]:
    """What the caller reads: the ids, and a notice when nothing is sent."""
    found: dict[str, Any] = {"dispatch_id": answer.dispatch_id}
    if answer.request.send_id:
        found["send_id"] = answer.request.send_id
    return {**found, "notice": answer.notice, "sent": False} if answer.notice else found
