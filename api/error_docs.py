"""What the documentation says of each error: why it comes and what ends it. Answers lead here by `docs`."""

from dataclasses import dataclass

from api import envelope, refusals


@dataclass(frozen=True)
class Told:
    """One error; `code` is its anchor."""

    label: str
    status: int
    cause: str
    fix: str

    @property
    def code(self) -> str:
        return envelope.code(self.label)


# In the order of statuses. The labels are those of the reference where it has one.
ERRORS = (
    Told(
        refusals.BAD_REQUEST,
        400,
        "A field is missing, has another type, or does not go with another one; or the body is no JSON object.",
        "Each line of errors names the field and what to put there.",
    ),
    Told(
        refusals.NO_RECIPIENTS,
        400,
        "The call names nobody, and says of nobody else that they are meant.",
        "Name people, a segment or an audience; for everybody, send broadcast: true.",
    ),
    Told(
        refusals.NO_MESSAGE,
        400,
        "messages has no message, or only for channels that are not here.",
        "Give messages.email or messages.webhook.",
    ),
    Told(
        refusals.INVALID_CAMPAIGN,
        400,
        "There is no campaign with this id, it was never published, or it is not sent by API.",
        "Take the id from the API tab of the campaign, or from /campaigns/list; publish the campaign.",
    ),
    Told(
        refusals.NO_VARIANT,
        400,
        "The call has a campaign_id, and a message without message_variation_id.",
        "Give each message the id from the campaign's API tab, or from /campaigns/details.",
    ),
    Told(
        refusals.INVALID_VARIANT,
        400,
        "The campaign has no message with this message_variation_id.",
        "Take the id from the campaign's API tab, or from /campaigns/details.",
    ),
    Told(
        refusals.OTHER_TYPE,
        400,
        "The message_variation_id is that of a message of another channel.",
        "Use the id with a message of its own channel.",
    ),
    Told(
        refusals.INVALID_SEGMENT,
        400,
        "There is no segment with this id, or it was deleted.",
        "Take the id from /segments/list.",
    ),
    Told(
        refusals.INVALID_SCHEDULE,
        400,
        "It was sent, deleted, or belongs to another campaign.",
        "Nothing is left to change. Create another schedule.",
    ),
    Told(
        refusals.INVALID_GROUP,
        400,
        "There is no subscription group with this id.",
        "Take the id from the page of the subscription group.",
    ),
    Told(
        refusals.TOO_MANY_USERS,
        400,
        "The call names more people than one call may.",
        "Name at most 50 people in one call, and make several calls.",
    ),
    Told(
        refusals.TOO_LONG,
        400,
        "The call has more items than one call may.",
        "Give at most 75 attributes, 75 events and 75 purchases in one call.",
    ),
    Told(refusals.TOO_MANY_IDS, 400, "The call has more ids than one call may.", "Name at most 50 in one call."),
    Told(
        refusals.NO_CAMPAIGN,
        400,
        "The address has the id of no campaign.",
        "Take the id from the API tab of the campaign, or from /campaigns/list.",
    ),
    Told(
        refusals.NOT_TRANSACTIONAL, 400, "The campaign is sent in another way.", "Use a campaign that is sent by API."
    ),
    Told(
        refusals.PAUSED,
        400,
        "Somebody stopped the campaign. Nothing was sent.",
        "Start the campaign again, then repeat the call.",
    ),
    Told(
        refusals.ARCHIVED,
        400,
        "Somebody archived the campaign. Nothing was sent.",
        "Unarchive the campaign and start it, then repeat the call.",
    ),
    Told(
        refusals.NOT_OFFERED,
        400,
        "Chappe does not have this endpoint of the reference.",
        "The line in errors names what to use instead.",
    ),
    Told(
        refusals.UNAUTHORIZED,
        401,
        "There was no key, no whole key, one that has ended, or one of somebody who may no longer sign in.",
        "Send a whole, valid key in the header Authorization: Bearer …, never in the address.",
    ),
    Told(
        refusals.ACCESS_DENIED,
        403,
        "The key lacks the permission of this endpoint, came from an address that is not allowed, or went over http.",
        "Create a key with this permission, call from an allowed address, or use https.",
    ),
    Told(refusals.NOT_FOUND, 404, "There is no such path.", "Check the path; it has no slash at its end."),
    Told(refusals.NOT_ALLOWED, 405, "The endpoint has another method.", "Use the method that the header Allow names."),
    Told(
        refusals.CONFLICT,
        409,
        "The same call is under way, or what it is about was changed meanwhile.",
        "Wait for the seconds in Retry-After and repeat the call, or read its errors.",
    ),
    Told(refusals.TOO_LARGE, 413, "The body has more than 4 MB.", "Split the call."),
    Told(
        refusals.UNSUPPORTED,
        415,
        "The body is a form or something else by its Content-Type.",
        "Send JSON, with Content-Type: application/json.",
    ),
    Told(
        refusals.OTHER_BODY,
        422,
        "The Idempotency-Key came with another body or path in the last 24 hours.",
        "Use a new Idempotency-Key for each thing to do.",
    ),
    Told(
        refusals.RATE_LIMITED,
        429,
        "All keys together made more calls than Settings, API limits, allow.",
        "Repeat the call after the seconds in Retry-After.",
    ),
    Told(
        refusals.BROKEN,
        500,
        "Something broke on our side. Nothing was done.",
        "Repeat the call with the same Idempotency-Key. If it comes again, tell your admin the error id.",
    ),
    Told(
        refusals.AWAY,
        503,
        "The database does not answer, or took too long. Nothing was done.",
        "Repeat the call with the same Idempotency-Key after Retry-After.",
    ),
)
