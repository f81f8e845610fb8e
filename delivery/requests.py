"""Requests: somebody outside asks for messages to people they name. Taken in one transaction, before they are told so.

`take` finds the open standing delivery of an origin, writes the request and its people, decides about each of them, and
queues those who may have it. Once it returned, the request is in PostgreSQL, and everything that follows is found there
again by the tick. People who may not have it are accepted, get nothing, and stand in the send log with the reason.

Locks: the standing delivery (shared, so that requests don't wait for each other but closing waits for them), profiles,
mailboxes where there is a sending limit, claims; each kind in the order of ids.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from audiences import identities, updates
from delivery import claims, judging, queueing, reasons
from delivery.models import Delivery, RequestRecipient, RequestState, TriggerRequest

# One call names no more.
MOST_RECIPIENTS = 50


@dataclass(frozen=True)
class Origin:
    """What is triggered: kind and id as in Delivery, and how people call it."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True)
class Recipient:
    """One person that a call names. `trigger`: their own properties. `attributes` are written before the message; who
    doesn't exist is made with them unless `existing_only`."""

    name: identities.Name
    trigger: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, object] | None = None
    existing_only: bool = True


@dataclass(frozen=True)
class Call:
    """What one call asks for. `audience`: a document of audiences.rules; with recipients they must be in it too.

    `due_at` None: at once. `ignores_cap`: the sending limit does not hold for it.
    """

    recipients: tuple[Recipient, ...] = ()
    audience: Mapping[str, object] | None = None
    trigger: Mapping[str, object] = field(default_factory=dict)
    send_id: str = ""
    external_send_id: str = ""
    key_label: str = ""
    due_at: dt.datetime | None = None
    ignores_cap: bool = False

    def __post_init__(self) -> None:
        assert len(self.recipients) <= MOST_RECIPIENTS


def take(origin: Origin, call: Call) -> TriggerRequest | None:
    """Accept `call` for the open standing delivery of `origin`; None when there is none, and then nothing is stored.

    Recipients must have passed `updates.check`. Raises what audiences.rules raises; then nothing is stored either.
    """
    with transaction.atomic():
        delivery = lock_standing(origin)
        if delivery is None:
            return None
        request = record(origin, call, delivery=delivery)
        fill(request, delivery, call)
    return request


def take_audience(origin: Origin, call: Call) -> TriggerRequest | None:
    """The same for a call that names nobody: one row, which a worker turns into a delivery of its own."""
    with transaction.atomic():
        if lock_standing(origin) is None:
            return None
        return record(origin, call, state=RequestState.TAKEN)


def plan(origin: Origin, call: Call) -> TriggerRequest | None:
    """The same for a call with a time: kept as it was said until then."""
    with transaction.atomic():
        if lock_standing(origin) is None:
            return None
        return record(origin, call, state=RequestState.SCHEDULED)


def record(
    origin: Origin,
    call: Call,
    *,
    delivery: Delivery | None = None,
    state: RequestState = RequestState.QUEUED,
    note: str = "",
) -> TriggerRequest:
    """The row of a request, whatever becomes of it."""
    now = timezone.now()
    return TriggerRequest.objects.create(
        origin_kind=origin.kind,
        origin_id=origin.id,
        label=origin.label[:255],
        delivery=delivery,
        state=state,
        note=note,
        trigger=dict(call.trigger),
        is_audience=not call.recipients,
        send_id=call.send_id,
        external_send_id=call.external_send_id,
        key_label=call.key_label[:120],
        received_at=now,
        due_at=call.due_at,
        handled_at=now if state in {RequestState.QUEUED, RequestState.IGNORED} else None,
    )


def lock_standing(origin: Origin) -> Delivery | None:
    """The open standing delivery of an origin, shared until the transaction ends: it can't be closed meanwhile."""
    found = Delivery.objects.raw(
        "SELECT * FROM delivery_delivery WHERE origin_kind = %s AND origin_id = %s AND is_standing"
        " AND closed_at IS NULL AND state IN ('sending', 'paused') FOR SHARE",
        [origin.kind, origin.id],
    )
    for _once in range(2):
        # One that was closed while we waited for it may have made way for another.
        for delivery in found.iterator():
            return delivery
    return None


def fill(request: TriggerRequest, delivery: Delivery, call: Call) -> None:
    """Decide about everybody `call` names and queue those who may have it, in the caller's transaction."""
    ids = _people(call.recipients)
    judged = judging.judge(
        delivery, [one for one in ids if one is not None], narrowed=call.audience, ignores_cap=call.ignores_cap
    )
    claimed = claims.claim(delivery, request.pk, [one.id for one in judged.values() if not one.reason])
    late = claims.eligible_from(delivery, [o.id for o in judged.values() if not o.reason and o.id not in claimed])
    rows, seen = [], set[int]()
    for position, (recipient, profile_id) in enumerate(zip(call.recipients, ids, strict=True)):
        reason, detail = _verdict(profile_id, judged, late, seen)
        own = {**call.trigger, **recipient.trigger} if recipient.trigger else None
        rows.append(
            RequestRecipient(
                request=request,
                position=position,
                named_by=recipient.name.kind,
                name=recipient.name.shown[:320],
                profile_id=profile_id,
                trigger=own,
                reason=reason,
                detail=detail[:200],
            )
        )
    RequestRecipient.objects.bulk_create(rows)
    queued = [judged[row.profile_id] for row in rows if row.profile_id and not row.reason]
    refused = [(judged[row.profile_id], row) for row in rows if _is_logged(row, judged)]
    queueing.queue(delivery, request.pk, queued)
    queueing.refuse(delivery, request.pk, [(one, row.reason, row.detail) for one, row in refused])
    request.n_named, request.n_queued = len(rows), len(queued)
    request.n_refused = request.n_named - request.n_queued
    request.save(update_fields=["n_named", "n_queued", "n_refused"])


def _people(recipients: Sequence[Recipient]) -> list[int | None]:
    """Who is named, with their attributes written and those made who are to be made; None for somebody unknown."""
    ids = identities.find([one.name for one in recipients])
    # In one order for all requests: two of them never wait for each other.
    known = sorted((pk, n) for n, pk in enumerate(ids) if pk is not None and recipients[n].attributes)
    for profile_id, n in known:
        updates.write(profile_id, recipients[n].attributes or {})
    new = [n for n, pk in enumerate(ids) if pk is None and not recipients[n].existing_only]
    for n in sorted(new, key=lambda n: (recipients[n].name.kind, recipients[n].name.text)):
        ids[n] = updates.create(recipients[n].name, recipients[n].attributes or {})
    return ids


def _verdict(
    profile_id: int | None, judged: Mapping[int, judging.Judged], late: Mapping[int, str], seen: set[int]
) -> tuple[str, str]:
    """Why this one gets nothing, ("", "") for who gets it. The first mention of somebody is the one that counts."""
    if profile_id is None or profile_id not in judged:
        return reasons.NOBODY, ""
    if profile_id in seen:
        return reasons.NAMED_TWICE, ""
    seen.add(profile_id)
    if judged[profile_id].reason:
        return judged[profile_id].reason, judged[profile_id].detail
    return (reasons.NOT_ELIGIBLE_AGAIN, late[profile_id]) if profile_id in late else ("", "")


def _is_logged(row: RequestRecipient, judged: Mapping[int, Any]) -> bool:
    """Whether a refused row belongs in the send log: somebody we know, once."""
    return bool(row.reason) and row.reason != reasons.NAMED_TWICE and row.profile_id in judged
