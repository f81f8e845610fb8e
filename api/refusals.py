"""What the API says when it does not do what was asked: the labels and statuses that clients of the reference know.

Nothing was done and nothing is sent when one of these is raised. Sentences are English whatever language anybody's
browser wants: programs read them, and people compare them with the documentation.
"""

from collections.abc import Mapping

# https://www.braze.com/docs/api/errors/ has the labels; "Conflict" and the larger statuses are ours.
BAD_REQUEST = "Bad Request"
NO_RECIPIENTS = "No Recipients"
NO_MESSAGE = "No message to send"
INVALID_CAMPAIGN = "Invalid Campaign ID"
NO_VARIANT = "Message Variant Unspecified"
INVALID_VARIANT = "Invalid Message Variant"
OTHER_TYPE = "Mismatched Message Type"
INVALID_SEGMENT = "Invalid Segment ID"
INVALID_SCHEDULE = "Invalid Schedule ID"
INVALID_GROUP = "Invalid Subscription Group ID"
TOO_MANY_USERS = "The max number of external_ids and aliases per request was exceeded"
TOO_LONG = "Max Input Length Exceeded"
TOO_MANY_IDS = "The max number of ids per request was exceeded"
# What the reference says at its transactional endpoint.
NO_CAMPAIGN = "Campaign does not exist"
NOT_TRANSACTIONAL = "The campaign is not a transactional campaign. Only transactional campaigns may use this endpoint"
PAUSED = "The campaign is paused. Resume the campaign in order for trigger requests to take effect."
ARCHIVED = "The campaign is archived. Unarchive the campaign in order for trigger requests to take effect."
UNAUTHORIZED = "Unauthorized"
ACCESS_DENIED = "Access Denied"
NOT_FOUND = "Not Found"
NOT_ALLOWED = "Method Not Allowed"
CONFLICT = "Conflict"
TOO_LARGE = "Payload Too Large"
UNSUPPORTED = "Unsupported Media Type"
OTHER_BODY = "Idempotency Key Reused"
RATE_LIMITED = "Rate Limited"
NOT_OFFERED = "Not Supported"
BROKEN = "Internal Server Error"
AWAY = "Service Unavailable"
# The text of the reference, which has a key of its own.
MALFORMED = (
    "\nProblem:\n  message body does not match declared format\nResolution:\n  when specifying application/json as "
    "content-type, you must pass valid application/json in the request's 'body' "
)
LABELS = {
    400: BAD_REQUEST, 401: UNAUTHORIZED, 403: ACCESS_DENIED, 404: NOT_FOUND, 405: NOT_ALLOWED, 409: CONFLICT,
    413: TOO_LARGE, 415: UNSUPPORTED, 422: BAD_REQUEST, 429: RATE_LIMITED, 503: AWAY,
}  # fmt: skip

# Codes of errors of the rooms below that the reference has a label for; others are told by their status.
OF_DOMAIN = {
    "invalid_campaign": INVALID_CAMPAIGN,
    "no_message": NO_MESSAGE,
    "no_recipients": NO_RECIPIENTS,
    "schedule_gone": INVALID_SCHEDULE,
    "too_many_recipients": TOO_MANY_IDS,
    "variation_invalid": INVALID_VARIANT,
    "variation_mismatched": OTHER_TYPE,
    "variation_missing": NO_VARIANT,
}


class Refused(Exception):
    """A fatal error: `label` is the answer's `message`, `sentences` its `errors`, each "where: what to do"."""

    def __init__(
        self, label: str, *sentences: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(label, *sentences)
        self.label = label
        self.sentences = sentences
        self.status = status
        self.headers = dict(headers or {})


class Malformed(Refused):
    """The body is no JSON object."""

    def __init__(self, sentence: str) -> None:
        super().__init__(BAD_REQUEST, sentence)


def unauthorized(sentence: str) -> Refused:
    return Refused(UNAUTHORIZED, sentence, status=401, headers={"WWW-Authenticate": 'Bearer realm="Chappe API"'})


def denied(sentence: str) -> Refused:
    return Refused(ACCESS_DENIED, sentence, status=403)
