"""Messages that a call brings itself, without a campaign."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from api import asking, attaching, campaign_facts, limiting, shapes
from api import recipients as named
from api.contents import Messages
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.recipients import Alias
from api.views.triggers import CAMPAIGN, DISPATCH, NOTICE, NOTICED, SCHEDULE, SOON, changed
from campaigns import contents, planning, upcoming
from delivery import requests

FROM = "Shop <shop@example.com>"
LATER = "2027-02-01"
ASKS: dict[str, Any] = {
    "external_user_ids": ["customer-17"],
    "messages": {
        "email": {
            "app_id": "shop",
            "from": FROM,
            "subject": "Your order is on its way",
            "body": "<p>Hello {{ profile.first_name }}</p>",
        }
    },
}
_NO_CAMPAIGN = "It belongs to a campaign. Give campaign_id too, or leave it out."


class Content(shapes.Shape):
    broadcast = shapes.Flag(default=False, help_text="true for everybody in the segment or audience, without people.")
    external_user_ids = shapes.Many(
        shapes.UserId(), required=False, help_text="Up to 50 together with user_aliases.", **named.AT_MOST
    )
    user_aliases = shapes.Many(Alias(), required=False, **named.AT_MOST)
    segment_id = shapes.PublicId(required=False, help_text="Who is named must be in it too.")
    audience = shapes.Properties(required=False, help_text=asking.AUDIENCE)
    campaign_id = shapes.PublicId(
        required=False, help_text="An API-triggered campaign that it is counted under; its re-eligibility holds."
    )
    send_id = shapes.SendIdText(
        max_length=64, required=False, help_text="Registered for that campaign with /sends/id/create."
    )
    override_frequency_capping = shapes.Flag(default=False, help_text="true: the sending limit does not hold.")
    override_messaging_limits = shapes.Flag(default=False, help_text="The same by another name.")
    recipient_subscription_state = shapes.OneOf(
        ("opted_in", "subscribed", "all"),
        required=False,
        help_text="opted_in: only those. all: people who unsubscribed too, where they are named; never quarantine.",
    )
    messages = Messages(help_text="One email or one webhook; other channels are refused.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "send_id" in attrs and "campaign_id" not in attrs:
            raise serializers.ValidationError({"send_id": [_NO_CAMPAIGN]})
        return attrs


class SendNow(Endpoint):
    """Send a message that the call brings, now.

    Everybody named gets it each time it is sent, if they may be written to. With campaign_id it is counted under that
    campaign, each message needs its message_variation_id, and the campaign's re-eligibility, subscription group and
    control group hold; a stopped or archived one sends nothing and says so. notice also says what deserves a look in
    the message, such as a missing unsubscribe link.
    """

    scope = "messages.send"
    pool = limiting.SENDS
    takes = Content
    asks = ASKS
    answers = {"dispatch_id": DISPATCH}
    may_answer = {"send_id": "autumn-sale", **NOTICED}

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        return None if entered.get("external_user_ids") or entered.get("user_aliases") else limiting.BROADCASTS

    def before(self, entered: dict[str, Any]) -> Callable[[], None] | None:
        return attaching.of_message(entered)

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        return Answer(told(send(called(call, entered), entered)))


class Later(Content):
    schedule = named.Schedule(help_text="When it is sent; at most 366 days ahead.")


class CreateSchedule(Endpoint):
    """Send a message that the call brings at a time.

    Who gets it is decided when the time has come; with in_local_time when the first place on Earth reaches it, and each
    person then waits for the clock of their own time zone.
    """

    scope = "messages.schedule.create"
    takes = Later
    asks = {**ASKS, "schedule": {"time": f"{SOON}T09:00:00Z"}}
    answers = {"dispatch_id": DISPATCH, "schedule_id": SCHEDULE}
    may_answer = {"send_id": "autumn-sale", **NOTICED}

    def before(self, entered: dict[str, Any]) -> Callable[[], None] | None:
        return attaching.of_message(entered)

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            when = planning.read(entered["schedule"])
        answer = send(called(call, entered, when=when), entered)
        return Answer({**told(answer), "schedule_id": str(answer.request.public_id)})


class ScheduledMessage(shapes.Shape):
    schedule_id = shapes.PublicId(help_text="Of the call that made it.")


class RescheduledMessage(ScheduledMessage):
    schedule = named.Schedule(required=False, help_text="Replaces the first one whole.")
    messages = Messages(required=False, help_text="Replaces the message.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "schedule" not in attrs and "messages" not in attrs:
            raise serializers.ValidationError("Give schedule, messages or both.")
        return attrs


class UpdateSchedule(Endpoint):
    """Give a scheduled message another time, other content, or both. Whom it is for can't change.

    Once the first time zones have begun, another time is for the people who still wait, and notice says how many.
    """

    scope = "messages.schedule.update"
    takes = RescheduledMessage
    asks = {"schedule_id": SCHEDULE, "schedule": {"time": f"{SOON}T10:00:00Z"}}
    may_answer = NOTICE

    def before(self, entered: dict[str, Any]) -> Callable[[], None] | None:
        return attaching.of_message(entered)

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            warnings, n_moved = planning.rewrite(
                str(entered["schedule_id"]),
                schedule=entered.get("schedule"),
                messages=entered.get("messages"),
                files=entered.get(attaching.FILES, ()),
            )
        return Answer({"notice": " ".join(warnings)} if warnings else changed(n_moved))


class DeleteSchedule(Endpoint):
    """Delete a scheduled message: its time passes, and nothing is sent.

    Once the first time zones have begun, nothing is sent to the people who still wait, and notice says how many.
    """

    scope = "messages.schedule.delete"
    takes = ScheduledMessage
    asks = {"schedule_id": SCHEDULE}
    may_answer = NOTICE

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            n_left = planning.delete("", str(entered["schedule_id"]))
        return Answer(changed(n_left))


class UpcomingQuery(shapes.Shape):
    end_time = shapes.Moment(help_text="From now to this time; a day is its midnight in UTC.")


class ListUpcoming(Endpoint):
    """List the campaigns that are going to be sent by themselves, each with its next time.

    What was scheduled by API is not in it.
    """

    scope = "messages.schedule_broadcasts"
    takes = UpcomingQuery
    asks = {"end_time": f"{LATER}T00:00:00Z"}
    answers = {
        "scheduled_broadcasts": [
            {
                "name": "Autumn sale",
                "id": CAMPAIGN,
                "type": "Campaign",
                "tags": ["sale"],
                "next_send_time": "2027-01-15T09:00:00+00:00",
                "schedule_type": "Europe/Paris",
            }
        ]
    }

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        return Answer({"scheduled_broadcasts": [_upcoming(one) for one in upcoming.until(entered["end_time"])]})


def _upcoming(one: upcoming.Upcoming) -> dict[str, Any]:
    return {
        "name": one.campaign.name,
        "id": str(one.campaign.public_id),
        "type": "Campaign",
        "tags": one.campaign.tags,
        "next_send_time": campaign_facts.moment(one.at),
        "schedule_type": "local_time_zones" if one.is_local else one.zone,
    }


def called(call: Call, entered: dict[str, Any], *, when: planning.When | None = None) -> requests.Call:
    """The call of a Content. Raises Refused."""
    return requests.Call(
        recipients=asking.people(entered),
        audience=asking.audience(entered, at=when.nominal if when else None),
        send_id=asking.send_id(entered),
        key_label=asking.label(call.key),
        key_id=call.key.public_id,
        due_at=when.due_at if when else None,
        local_time=when.local_time if when else "",
        files=entered.get(attaching.FILES, ()),
        ignores_cap=entered["override_frequency_capping"] or entered["override_messaging_limits"],
    )


def send(asked: requests.Call, entered: dict[str, Any]) -> contents.Answer:
    with asking.placed():
        return contents.send(
            entered["messages"],
            asked,
            is_broadcast=entered["broadcast"],
            subscription_state=entered.get("recipient_subscription_state", ""),
            campaign_id=asking.campaign_id(entered),
        )


def told(answer: contents.Answer) -> dict[str, Any]:
    """What the caller reads: the ids, why nothing is sent, and what deserves a look."""
    found: dict[str, Any] = {"dispatch_id": answer.dispatch_id}
    if answer.request.send_id:
        found["send_id"] = answer.request.send_id
    if answer.notice:
        return {**found, "notice": answer.notice, "sent": False}
    return {**found, "notice": " ".join(answer.warnings)} if answer.warnings else found
