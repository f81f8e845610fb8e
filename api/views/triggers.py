"""Triggering campaigns: now, at a time, and taking it back."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from api import asking, attaching, limiting, shapes, told_again
from api import recipients as named
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from campaigns import planning, triggering
from delivery import requests
from messaging import attachments

CAMPAIGN = "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"
SCHEDULE = "c4a1e6f0-b2d9-4f7e-a3c5-d6e7f8091a2b"
DISPATCH = "c4a1e6f0b2d94f7ea3c5d6e7f8091a2b"
# What an answer may have besides: a look that something deserves, and that nothing is sent.
NOTICE: dict[str, Any] = {"notice": "The campaign is paused."}
NOTICED: dict[str, Any] = {**NOTICE, "sent": False}
# The day of schedules in the examples.
SOON = "2027-01-15"
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
    audience = shapes.Properties(required=False, help_text=asking.AUDIENCE)
    recipients = named.Recipients(help_text="Up to 50 people.")
    attachments = shapes.Many(
        attaching.Attachment(), most=attachments.MOST, required=False, help_text=f"{attaching.HELP} Not with broadcast."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("attachments") and attrs["broadcast"]:
            raise serializers.ValidationError({"attachments": ["They go to people named, not with broadcast."]})
        return attrs


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
    may_answer = {"send_id": "autumn-sale", **NOTICED}

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        return None if entered.get("recipients") else limiting.BROADCASTS

    def before(self, entered: dict[str, Any]) -> Callable[[], None] | None:
        return attaching.of_trigger(entered)

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            answer = triggering.trigger(
                str(entered["campaign_id"]), called(call, entered), is_broadcast=entered["broadcast"]
            )
        return Answer(told_again.answer(answer))


class TriggerLater(Trigger):
    attachments = shapes.Many(shapes.Properties(), required=False, help_text="Not offered here: refused.")
    schedule = named.Schedule(help_text="When it is sent; at most 366 days ahead.")

    def validate_attachments(self, given: list[Any]) -> list[Any]:
        if given:
            raise serializers.ValidationError("Attachments go with /campaigns/trigger/send only.")
        return given


class CreateSchedule(Endpoint):
    """Send a campaign to people at a time.

    Who gets it is decided when the time has come, by the version that is live then; with in_local_time when the first
    place on Earth reaches it, and each person then waits for the clock of their own time zone.
    """

    scope = "campaigns.trigger.schedule.create"
    takes = TriggerLater
    asks = {**_ASKS, "schedule": {"time": f"{SOON}T09:00:00Z"}}
    answers = {"dispatch_id": DISPATCH, "schedule_id": SCHEDULE}
    may_answer = {"send_id": "autumn-sale", **NOTICED}

    def counts_too(self, entered: dict[str, Any]) -> limiting.Pool | None:
        return limiting.BROADCASTS if "audience" in entered else None

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            when = planning.read(entered["schedule"])
            answer = triggering.trigger(
                str(entered["campaign_id"]), called(call, entered, when=when), is_broadcast=entered["broadcast"]
            )
        return Answer({**told_again.answer(answer), "schedule_id": str(answer.request.public_id)})


class ScheduledTrigger(shapes.Shape):
    campaign_id = shapes.PublicId()
    schedule_id = shapes.PublicId(help_text="Of the call that made it.")


class RescheduledTrigger(ScheduledTrigger):
    schedule = named.Schedule(help_text="Replaces the first one whole.")


class UpdateSchedule(Endpoint):
    """Give a scheduled trigger another time. Nothing else of it can change.

    Once the first time zones have begun, it is for the people who still wait, and notice says how many.
    """

    scope = "campaigns.trigger.schedule.update"
    takes = RescheduledTrigger
    asks = {"campaign_id": CAMPAIGN, "schedule_id": SCHEDULE, "schedule": {"time": f"{SOON}T10:00:00Z"}}
    may_answer = NOTICE

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            n_moved = planning.update(str(entered["campaign_id"]), str(entered["schedule_id"]), entered["schedule"])
        return Answer(changed(n_moved))


class DeleteSchedule(Endpoint):
    """Delete a scheduled trigger: its time passes, and nothing is sent.

    Once the first time zones have begun, nothing is sent to the people who still wait, and notice says how many.
    """

    scope = "campaigns.trigger.schedule.delete"
    takes = ScheduledTrigger
    asks = {"campaign_id": CAMPAIGN, "schedule_id": SCHEDULE}
    may_answer = NOTICE

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        with asking.placed():
            n_left = planning.delete(str(entered["campaign_id"]), str(entered["schedule_id"]))
        return Answer(changed(n_left))


def called(call: Call, entered: dict[str, Any], *, when: planning.When | None = None) -> requests.Call:
    """The call of a Trigger. Raises Refused."""
    return requests.Call(
        recipients=asking.recipients(entered.get("recipients", ())),
        audience=asking.audience(entered, at=when.nominal if when else None),
        trigger=entered.get("trigger_properties", {}),
        send_id=asking.send_id(entered),
        key_label=asking.label(call.key),
        key_id=call.key.public_id,
        due_at=when.due_at if when else None,
        local_time=when.local_time if when else "",
        files=entered.get(attaching.FILES, ()),
    )


def changed(n: int | None) -> dict[str, Any]:
    """What the caller of a change reads where local times have begun; `n`: whom it still reached."""
    if n is None:
        return {}
    return {"notice": f"The time had come in the first time zones. This holds for the {n} people who still waited."}
