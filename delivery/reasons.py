"""Why somebody was left out or got nothing: codes for programs, sentences for people, in their fixed order.

EXCLUSIONS are found by preparation: one per person, the first that applies, in this order. The duplicate comes last, so
that the one of two profiles that is kept is always one who may get the message. What an exclusion's `detail` holds is
for programs (see `detail`); people read its words in their own language and time zone.
REQUESTS are found, besides those, when a request names somebody.
NOT_SENT are found later, when a person's window comes or when a send ends.
"""

import datetime as dt

from django.conf import settings
from django.utils import formats, timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

NO_ADDRESS = "no_address"
INVALID_ADDRESS = "invalid_address"
UNSUBSCRIBED = "unsubscribed"
UNSUBSCRIBED_GROUP = "unsubscribed_group"
QUARANTINED = "quarantined"
EXCLUDED_SEGMENT = "excluded_segment"
NOT_ELIGIBLE_AGAIN = "not_eligible_again"
FREQUENCY_CAP = "frequency_cap"
CONTROL_GROUP = "control_group"
AUDIENCE_LIMIT = "audience_limit"
DUPLICATE_ADDRESS = "duplicate_address"

EXCLUSIONS: dict[str, str | Promise] = {
    NO_ADDRESS: _("No email address"),
    INVALID_ADDRESS: _("Invalid email address"),
    UNSUBSCRIBED: _("Unsubscribed"),
    UNSUBSCRIBED_GROUP: _("Unsubscribed from the group"),
    QUARANTINED: _("In quarantine"),
    EXCLUDED_SEGMENT: _("In an excluded segment"),
    NOT_ELIGIBLE_AGAIN: _("Had it before and isn't eligible again"),
    FREQUENCY_CAP: _("Above the sending limit"),
    CONTROL_GROUP: _("In the control group"),
    AUDIENCE_LIMIT: _("Above the audience limit"),
    DUPLICATE_ADDRESS: _("Same address as another profile"),
}

# Only in requests, which name people one by one.
NOT_IN_AUDIENCE = "not_in_audience"
NOBODY = "nobody"
NAMED_TWICE = "named_twice"

REQUESTS: dict[str, str | Promise] = {
    NOT_IN_AUDIENCE: _("Not in the audience"),
    NOBODY: _("Nobody has this name"),
    NAMED_TWICE: _("Named twice in the request"),
}

GONE = "gone"
EXPIRED = "expired"
QUIET_HOURS = "quiet_hours"
STOPPED = "stopped"
ABORTED = "aborted"
RENDER_ERROR = "render_error"
TOO_LARGE = "too_large"
WORKER_LOST = "worker_lost"

NOT_SENT: dict[str, str | Promise] = {
    NO_ADDRESS: _("The email address was removed after preparation."),
    INVALID_ADDRESS: _("The email address was changed to an invalid one after preparation."),
    UNSUBSCRIBED: _("Unsubscribed after preparation."),
    UNSUBSCRIBED_GROUP: _("Unsubscribed from the group after preparation."),
    QUARANTINED: _("Put in quarantine after preparation."),
    GONE: _("The profile was deleted after preparation."),
    EXPIRED: _("The validity period ended first."),
    QUIET_HOURS: _("It was their turn in their quiet hours."),
    STOPPED: _("The send was stopped first."),
    ABORTED: _("The message aborted itself for this person."),
    RENDER_ERROR: _("The message couldn't be written for this person."),
    TOO_LARGE: _("The message was too large for this person."),
    WORKER_LOST: _("The connection or the worker ended before the server answered. It may have been sent."),
}


def exclusion_sentence(code: str) -> str:
    """The words for an exclusion reason; the code itself when it is none of ours."""
    return str(EXCLUSIONS.get(code) or REQUESTS.get(code, code))


def detail(code: str, stored: str) -> str:
    """The words for the stored detail of an exclusion, "" where it says nothing more than the reason.

    Stored are: the group's name; the moment (ISO 8601) from which a person is eligible again; the messages they had,
    the hours and the limit.
    """
    if not stored:
        return ""
    if code == UNSUBSCRIBED_GROUP:
        return gettext("Unsubscribed from {group}").format(group=stored)
    if code == NOT_ELIGIBLE_AGAIN:
        moment = timezone.localtime(dt.datetime.fromisoformat(stored))
        day = formats.date_format(moment, pgettext("date format", "j M"))
        return gettext("Not eligible again until {time}").format(time=f"{day} {formats.date_format(moment, 'H:i')}")
    if code == FREQUENCY_CAP:
        n, hours, most = (int(part) for part in stored.split())
        sentence = ngettext(
            "Had {n} message in {hours} h (limit {most})", "Had {n} messages in {hours} h (limit {most})", n
        )
        return sentence.format(n=n, hours=hours, most=most)
    return stored


def whole_sentence(code: str, stored: str) -> str:
    """Why one person was left out, in one sentence: the detail where there is one, else the reason."""
    return detail(code, stored) or exclusion_sentence(code)


def not_sent_sentence(code: str) -> str:
    """The words for a not-sent reason; the code itself when it is none of ours."""
    return str(NOT_SENT.get(code, code))


def told(code: str, stored: str) -> str:
    """What a log has stored, in the reader's language when it is the sentence of `code`.

    Whoever sends or stops writes that sentence in a language of their own.
    """
    for words in (known[code] for known in (NOT_SENT, EXCLUSIONS, REQUESTS) if code in known):
        for language, _name in settings.LANGUAGES:
            with translation.override(language):
                is_sentence = stored == str(words)
            if is_sentence:
                return str(words)
    return stored
