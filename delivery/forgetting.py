"""What requests keep of somebody who was erased: that somebody was named, and what became of it. Not the name, and none
of the trigger properties that were about them alone. Scheduled requests name them no more, so that nobody is made anew
when the time comes.

A request that is being taken at the same moment is left to the clearing of every night.
"""

from django.db import connection

from audiences import addresses, erasure, identities
from audiences.erasure import Trace
from audiences.identities import Name
from audiences.models import Profile, ProfileAlias
from delivery.models import RequestState, TriggerRequest

# Found by the send log where nothing was queued: refused rows have no index of their own.
_REQUESTS = """
    SELECT r.request_id FROM delivery_requestrecipient r WHERE r.reason = '' AND r.profile_id = ANY(%(ids)s)
    UNION SELECT l.request_no FROM delivery_sendlog l WHERE l.profile_id = ANY(%(ids)s) AND l.request_no > 0
"""
_NAMES = f"""
UPDATE delivery_requestrecipient r SET name = '', trigger = NULL
WHERE r.request_id IN ({_REQUESTS}) AND r.profile_id = ANY(%(ids)s) AND (r.name <> '' OR r.trigger IS NOT NULL)
"""
# Those of whole audiences say nothing about one person. How a call came is of no use once it has its recipients, but
# for their local time; what it says to all of several people stays for the others.
_COMMON = f"""
UPDATE delivery_triggerrequest q SET call = CASE WHEN q.call ? 'local_time'
        THEN jsonb_build_object('local_time', q.call->'local_time') ELSE '{{}}' END, trigger = CASE WHEN EXISTS (
        SELECT 1 FROM delivery_requestrecipient r LEFT JOIN audiences_profile p ON p.id = r.profile_id
        WHERE r.request_id = q.id AND (r.profile_id IS NULL OR (p.id IS NOT NULL AND p.id <> ALL(%(ids)s)))
    ) THEN q.trigger ELSE '{{}}' END
WHERE q.id IN ({_REQUESTS}) AND NOT q.is_audience AND (q.trigger <> '{{}}' OR q.call <> '{{}}')
    AND q.state NOT IN ('scheduled', 'taken')
"""
# Whoever was named before anybody knew them, by names as `_named` compares them.
_UNKNOWN = """
UPDATE delivery_requestrecipient r SET name = '', trigger = NULL
WHERE r.profile_id IS NULL AND lower(r.name) = ANY(%(lower)s) AND EXISTS (
    SELECT 1 FROM unnest(%(kinds)s::text[], %(shown)s::text[]) AS w(kind, name)
    WHERE w.kind = r.named_by AND w.name IN (r.name, CASE w.kind WHEN 'email' THEN lower(r.name) END))
RETURNING r.request_id
"""
_COMMON_OF_UNKNOWN = """
UPDATE delivery_triggerrequest q SET call = '{}', trigger = '{}'
WHERE q.id = ANY(%s) AND NOT q.is_audience AND q.state NOT IN ('scheduled', 'taken')
    AND NOT EXISTS (SELECT 1 FROM delivery_requestrecipient r WHERE r.request_id = q.id AND r.name <> '')
"""
_WAITING = """
EXISTS (SELECT 1 FROM jsonb_array_elements(delivery_triggerrequest.call->'recipients') AS one
    WHERE lower(one->>'text') = ANY(%s))
"""


def register() -> None:
    """Called once when Django starts."""
    erasure.register(clear)


def clear(trace: Trace) -> None:
    """Clear the requests that name these people. In the caller's transaction; safe to repeat."""
    ids = list(trace.ids)
    with connection.cursor() as cursor:
        for statement in (_NAMES, _COMMON):
            cursor.execute(statement, {"ids": ids})
    if names := _names(ids):
        _forget_unknown(names)
        texts = sorted({name.text.lower() for name in names})
        waiting = TriggerRequest.objects.filter(state=RequestState.SCHEDULED, is_audience=False)
        waiting = waiting.extra(where=[_WAITING], params=[texts])  # a constant
        for request in waiting.select_for_update(no_key=True, skip_locked=True).order_by("pk"):
            _leave_out(request, names)


def _forget_unknown(names: set[Name]) -> None:
    shown = [name.shown for name in names]
    values = {"lower": [one.lower() for one in shown], "kinds": [name.kind for name in names], "shown": shown}
    with connection.cursor() as cursor:
        cursor.execute(_UNKNOWN, values)
        if requests := sorted({request_id for (request_id,) in cursor.fetchall()}):
            cursor.execute(_COMMON_OF_UNKNOWN, [requests])


def _leave_out(request: TriggerRequest, names: set[Name]) -> None:
    left = [one for one in request.call["recipients"] if _named(one["kind"], one["text"], one["label"]) not in names]
    request.call = {**request.call, "recipients": left}
    if not left:
        request.trigger = {}
    request.save(update_fields=["call", "trigger"])


def _names(ids: list[int]) -> set[Name]:
    """Every name that a call could give these people; none when they are gone.

    An address stands for all who have it: it is left while somebody else does.
    """
    people = list(Profile.objects.filter(pk__in=ids))
    keys = {one.email_key for one in people}
    others = set(Profile.objects.filter(email_key__in=keys).exclude(pk__in=ids).values_list("email_key", flat=True))
    found = {_named(identities.BRAZE_ID, str(one.public_id)) for one in people}
    found |= {_named(identities.EXTERNAL_ID, one.external_id) for one in people if one.external_id}
    found |= {_named(identities.EMAIL, key) for key in keys - others if key}
    aliases = ProfileAlias.objects.filter(profile_id__in=ids).values_list("name", "label")
    return found | {_named(identities.ALIAS, name, label) for name, label in aliases}


def _named(kind: str, text: str, label: str = "") -> Name:
    """A name as it is compared: addresses by their mailbox."""
    return Name(kind, addresses.key(text) if kind == identities.EMAIL else text, label)
