"""Deliveries with a written log, for tests of what is read from it; no worker and no server is needed."""

import datetime as dt
import uuid
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from audiences.models import Profile
from delivery import partitions
from delivery.models import Delivery, DeliveryState, EventKind, Exclusion, Outcome, Shard, ShardState
from messaging import transports, verdicts
from tests import factories

START = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def delivery(*, state: str = DeliveryState.SENDING, people: int = 0, by: User | None = None, **fields: Any) -> Delivery:
    """A delivery in `state` with that many people to send to; sealed unless it is new."""
    month = partitions.month_of(fields.pop("started_at", None) or START)
    partitions.ensure(month)
    now = timezone.now()
    has_started = state in {"sending", "paused", "finished", "stopped"}
    is_confirmed = has_started or state == "confirmed"
    values: dict[str, Any] = {
        "origin_kind": "test",
        "origin_id": str(uuid.uuid4()),
        "label": "Autumn sale, version 4",
        "state": state,
        "message": fields.get("message") or factories.message(),
        "transport": transports.default(),
        "audience": {"segments": [], "segments_match": "any", "conditions": None, "exclude": [], "limit": None},
        "opened_month": month,
        "opened_by": by,
        "owner": by,
        "n_targeted": people,
        "n_excluded": 0,
        "n_to_send": people,
        "seal": "" if state in {"new", "preparing"} else "a" * 64,
        "prepared_at": now - dt.timedelta(minutes=10),
        "prepared_by": by,
        "confirmed_at": now - dt.timedelta(minutes=6) if is_confirmed else None,
        "confirmed_by": by if is_confirmed else None,
        "start_at": now - dt.timedelta(minutes=5) if has_started else now + dt.timedelta(seconds=8),
        "started_at": now - dt.timedelta(minutes=5) if has_started else None,
        "progressed_at": now if has_started else None,
        "valid_until": now + dt.timedelta(days=3) if has_started else None,
        "paused_at": now if state == "paused" else None,
        "paused_by": by if state == "paused" else None,
        "pause_cause": "person" if state == "paused" else "",
        "ended_at": now if state in {"finished", "stopped"} else None,
        "ended_by": by if state == "stopped" else None,
    }
    return Delivery.objects.create(**{**values, **fields})


def log(of: Delivery, profile_id: int, outcome: str = Outcome.SENT, **fields: Any) -> None:
    """One row of the send log; `at` is some minutes ago unless given."""
    values: dict[str, Any] = {
        "opened_month": of.opened_month,
        "delivery_id": of.pk,
        "request_no": 0,
        "profile_id": profile_id,
        "outcome": str(outcome),
        "at": timezone.now() - dt.timedelta(minutes=4),
        "address": f"person{profile_id}@example.test",
        "n_attempts": 1,
        "code": "",
        "detail": "",
    }
    _insert("delivery_sendlog", values | fields)


def event(of: Delivery, profile_id: int, kind: str = EventKind.OPENED, **fields: Any) -> None:
    """One event; a bounce that names no verdict is judged by the answer in its `detail`, as when it is reported."""
    if kind == EventKind.BOUNCED and "verdict" not in fields:
        answer = str(fields.get("detail") or "550 5.1.1 No such user")
        judged = verdicts.of_reply(answer.partition(" ")[0], answer)
        fields = {"code": answer.partition(" ")[0], "verdict": judged.kind, "reason": judged.reason} | fields
    values: dict[str, Any] = {
        "opened_month": of.opened_month,
        "delivery_id": of.pk,
        "request_no": 0,
        "profile_id": profile_id,
        "kind": str(kind),
        "at": timezone.now() - dt.timedelta(minutes=2),
        "link_no": None,
        "is_automatic": False,
        "detail": "",
    }
    _insert("delivery_event", values | fields)


def attempt(of: Delivery, profile_id: int, *, number: int = 1, **fields: Any) -> None:
    values: dict[str, Any] = {
        "opened_month": of.opened_month,
        "delivery_id": of.pk,
        "request_no": 0,
        "profile_id": profile_id,
        "shard_id": number,
        "attempt": number,
        "at": timezone.now() - dt.timedelta(minutes=6 - number),
        "result": "deferred",
        "code": "452 4.2.2",
        "reply": "452 4.2.2 Mailbox full",
    }
    _insert("delivery_attempt", values | fields)


def shard(of: Delivery, ids: list[int], **fields: Any) -> Shard:
    number = of.shards.count() + 1
    values: dict[str, Any] = {"state": ShardState.DONE, "due_at": START, "n_ids": len(ids), "n_authorised": len(ids)}
    return Shard.objects.create(**{**values, "delivery": of, "number": number, "ids": ids, **fields})


def exclude(of: Delivery, person: Profile, reason: str = "unsubscribed") -> None:
    """One exclusion; the sums of `of` move with it."""
    Exclusion.objects.create(delivery=of, profile_id=person.pk, reason=reason)
    counts = dict(of.excluded_by_reason)
    counts[reason] = counts.get(reason, 0) + 1
    of.excluded_by_reason = counts
    of.n_excluded = (of.n_excluded or 0) + 1
    of.n_targeted = (of.n_targeted or 0) + 1
    of.save(update_fields=["excluded_by_reason", "n_excluded", "n_targeted"])


def _insert(table: str, values: dict[str, Any]) -> None:
    columns = ", ".join(values)
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))
