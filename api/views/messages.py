"""Messages that a call brings itself, without a campaign."""

from typing import Any

from rest_framework import serializers

from api import asking, limiting, shapes
from api.contents import Messages
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.recipients import Alias
from api.views.triggers import DISPATCH
from campaigns import contents
from delivery import requests

ASKS: dict[str, Any] = {
    "external_user_ids": ["customer-17"],
    "messages": {
        "email": {
            "app_id": "shop",
            "from": "Shop <shop@example.com>",
            "subject": "Your order is on its way",
            "body": "<p>Hello {{ profile.first_name }}</p>",
        }
    },
}
_NO_CAMPAIGN = "A message of a call belongs to no campaign. Leave it out, or use /campaigns/trigger/send."


class Content(shapes.Shape):
    broadcast = shapes.Flag(default=False, help_text="true for everybody in the segment or audience, without people.")
    external_user_ids = shapes.Many(
        shapes.Text(max_length=200), required=False, help_text="Up to 50 together with user_aliases."
    )
    user_aliases = shapes.Many(Alias(), required=False)
    segment_id = shapes.PublicId(required=False, help_text="With people: those of them who are in it.")
    audience = shapes.Properties(required=False, help_text="The same; with a segment, who is in both.")
    campaign_id = shapes.Text(required=False, help_text="Not offered: refused.")
    send_id = shapes.Text(required=False, help_text="Not offered: refused.")
    override_frequency_capping = shapes.Flag(default=False, help_text="true: the sending limit does not hold.")
    override_messaging_limits = shapes.Flag(default=False, help_text="The same by another name.")
    recipient_subscription_state = shapes.OneOf(
        ("opted_in", "subscribed", "all"), required=False, help_text="opted_in: only those; all is refused."
    )
    messages = Messages(help_text="There is email only; other channels are refused.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("campaign_id", "send_id"):
            if name in attrs:
                raise serializers.ValidationError({name: [_NO_CAMPAIGN]})
        return attrs


class SendNow(Endpoint):
    """Send a message that the call brings, now.

    Everybody named gets it each time it is sent, if they may be written to; there is no re-eligibility. notice says
    what deserves a look in the message, such as a missing unsubscribe link.
    """

    scope = "messages.send"
    pool = limiting.SENDS
    takes = Content
    asks = ASKS
    answers = {"dispatch_id": DISPATCH}

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        return None if entered.get("external_user_ids") or entered.get("user_aliases") else limiting.BROADCASTS

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        return Answer(told(send(called(call, entered), entered)))


def called(call: Call, entered: dict[str, Any]) -> requests.Call:
    """The call of a Content. Raises Refused."""
    return requests.Call(
        recipients=asking.people(entered),
        audience=asking.audience(entered),
        key_label=asking.label(call.key),
        ignores_cap=entered["override_frequency_capping"] or entered["override_messaging_limits"],
    )


def send(asked: requests.Call, entered: dict[str, Any]) -> contents.Answer:
    with asking.placed():
        return contents.send(
            entered["messages"],
            asked,
            is_broadcast=entered["broadcast"],
            subscription_state=entered.get("recipient_subscription_state", ""),
        )


def told(answer: contents.Answer) -> dict[str, Any]:
    """What the caller reads: the ids, and what deserves a look."""
    found = {"dispatch_id": answer.dispatch_id}
    return {**found, "notice": " ".join(answer.warnings)} if answer.warnings else found
