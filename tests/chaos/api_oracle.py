"""What must be true of calls whatever happened to them: the answers against the database, and both against the sink.

Every function returns sentences about what is wrong; none is good. They read with SQL of their own.
"""

import hashlib
import json
from collections import Counter, defaultdict
from typing import Any

from tests.chaos.api_calls import Attempt, Call
from tests.chaos.oracle import Database, Journal

_TRACK = "/users/track"


def answers(calls: list[Call]) -> list[str]:
    """Each is a success, a repeatable refusal in the API's form, or a connection that ended."""
    strange: Counter[str] = Counter()
    for call in calls:
        for one in call.attempts:
            if told := _strange(one, call):
                strange[told] += 1
        bodies = {one.body for one in call.acks}
        if len(bodies) > 1 or any(not one.is_replayed for one in call.acks[1:]):
            strange[f"another answer to the same key: {sorted(bodies)[0][:80]!r}"] += 1
    return [f"{n} answers: {told}" for told, n in strange.most_common(5)]


def _strange(one: Attempt, call: Call) -> str:
    if one.status == 0:
        return ""
    try:
        found: Any = json.loads(one.body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "message" not in found or not one.kind.startswith("application/json"):
        return f"{one.status} without the envelope: {one.body[:200]!r}"
    if 200 <= one.status < 300:
        return "" if found["message"] == "success" else f"{one.status} {found['message']}"
    if not found.get("errors"):
        return f"{one.status} without errors: {one.body[:200]!r}"
    if one.status in {409, 503}:
        return "" if one.retry_after else f"{one.status} without Retry-After"
    if one.status == 400 and "schedule.time has passed" in str(found["errors"]):
        return ""
    return f"{one.status} to {call.path}: {found['errors']}"


_REQUESTS = """
SELECT min(split_part(r.name, '-', 1)), replace(q.public_id::text, '-', ''), q.n_named, count(*),
    count(*) FILTER (WHERE r.reason = ''), q.state, (
        SELECT coalesce(min(encode(sha256(f.data), 'hex')), '') FROM delivery_requestattachment a
        JOIN messaging_attachedfile f ON f.id = a.file_id WHERE a.request_id = q.id
    )
FROM delivery_triggerrequest q JOIN delivery_requestrecipient r ON r.request_id = q.id GROUP BY q.id
UNION ALL
SELECT coalesce('c' || (q.trigger ->> 'number'), split_part(s.name, ' ', 1)), replace(q.public_id::text, '-', ''),
    q.n_named, q.n_named, q.n_queued, q.state, ''
FROM delivery_triggerrequest q LEFT JOIN audiences_segment s ON s.public_id::text = q.call #>> '{audience,segments,0}'
WHERE q.is_audience
"""
_HALVES = """
SELECT count(*) FROM delivery_triggerrequest q WHERE NOT is_audience AND (state NOT IN ('scheduled', 'queued')
    OR (state = 'queued' AND NOT EXISTS (SELECT 1 FROM delivery_requestrecipient r WHERE r.request_id = q.id)))
"""


def effects(database: Database, calls: list[Call]) -> list[str]:
    """Each call that was answered has one request with everybody it names; each other one has that or nothing."""
    wrong: Counter[str] = Counter()
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, *facts in database.execute(_REQUESTS).fetchall():
        found[str(name)].append(tuple(facts))
    for call in calls:
        if call.path != _TRACK:
            wrong.update(_of_request(call, found[f"c{call.number}"]))
    wrong.update(_of_tracking(database, [call for call in calls if call.path == _TRACK]))
    if n := database.execute(_HALVES).fetchone()[0]:  # type: ignore[index]
        wrong["requests without their people"] = int(str(n))
    return [f"{n} × {told}" for told, n in wrong.items()]


def _of_request(call: Call, requests: list[tuple[Any, ...]]) -> list[str]:
    if call.acks and not requests:
        return ["a call was answered with success and is not there"]
    if len(requests) > 1:
        return ["a call is there more than once"]
    if requests and not call.acks and any(400 <= one.status < 500 for one in call.attempts[-1:]):
        return ["a call was refused and is there"] if call.attempts[-1].status != 409 else []
    if not requests:
        return []
    dispatch_id, n_named, n_rows, n_queued, state, file = requests[0]
    # Of a pair the other one may have everybody but one.
    n_least = call.n_people - len(call.shared)
    if state != "taken" and ({n_named, n_rows} != {call.n_people} or not n_least <= n_queued <= n_named):
        return [f"{call.n_people} were named, {n_named} are counted, {n_rows} are there, {n_queued} queued"]
    if any(json.loads(one.body).get("dispatch_id") != dispatch_id for one in call.acks):
        return ["the answer has another dispatch_id than the request"]
    if file != _hash(call):
        return ["a request has another file than its call, or none"]
    return []


def _hash(call: Call) -> str:
    return hashlib.sha256(call.file).hexdigest() if call.file else ""


_TRACKED = """
SELECT p.external_id, p.attributes ->> 'visits', count(e.id)
FROM audiences_profile p LEFT JOIN audiences_profileevent e ON e.profile_id = p.id
WHERE p.external_id = ANY(%s) GROUP BY p.id
"""


def _of_tracking(database: Database, calls: list[Call]) -> list[str]:
    rows = database.execute(_TRACKED, ([call.names[0] for call in calls],)).fetchall()
    found = {str(name): (visits, n_events) for name, visits, n_events in rows}
    wrong = []
    for call in calls:
        done = found.get(call.names[0])
        if done is None and call.acks:
            wrong.append("what was told of a person was answered with success and is not there")
        elif done not in {None, ("1", 1)}:
            wrong.append(f"what was told of a person once counts as {done}")
    return wrong


_OUTCOMES = """
SELECT p.external_id, l.outcome FROM delivery_sendlog l JOIN audiences_profile p ON p.id = l.profile_id
"""


def arrivals(
    database: Database, calls: list[Call], seen: Journal, *, domain: str, most_unknown: int
) -> tuple[list[str], Counter[str]]:
    """Everybody of a request has one outcome; who is sent to got it once, who is unknown at most once, others never.

    Also how many of the people of acknowledged calls have which outcome, "" for none.
    """
    logged = _logged(database, calls)
    hooked = {name for call in calls if call.kind == "webhook" for name in call.names}
    acked = {name for call in calls if call.acks and call.path != _TRACK for name in call.names}
    counts = Counter(",".join(logged.get(name, [])) for name in acked)
    wrong = []
    if bad := set(counts) - {"sent", "unknown"}:
        wrong.append(f"{sum(counts[one] for one in bad)} of answered calls have outcomes {sorted(bad)}")
    if twice := [address for address, n in seen.n.items() if n > 1]:
        wrong.append(f"{len(twice)} got it twice, such as {twice[0]}")
    mailed = {name: outcomes for name, outcomes in logged.items() if name not in hooked}
    if lost := [n for n, outcomes in mailed.items() if outcomes == ["sent"] and seen.n[f"{n}@{domain}"] != 1]:
        wrong.append(f"{len(lost)} are logged as sent and it did not arrive once, such as {lost[0]}")
    if unlogged := [a for a in seen.n if not {"sent", "unknown"} & set(mailed.get(a.partition("@")[0], []))]:
        wrong.append(f"{len(unlogged)} arrived and are not logged, such as {unlogged[0]}")
    if counts["unknown"] > most_unknown:
        wrong.append(f"{counts['unknown']} are unknown, at most {most_unknown} can be")
    files = {f"{name}@{domain}": _hash(call) for call in calls for name in call.names if call.file}
    if bare := [a for a in seen.n if seen.files.get(a, "") != files.get(a, "")]:
        wrong.append(f"{len(bare)} arrived without their file or with another, such as {bare[0]}")
    return wrong, counts


def _logged(database: Database, calls: list[Call]) -> dict[str, list[str]]:
    """By name the outcomes in the log; of whom a pair shares, without the refusals by the one that came too late."""
    logged: dict[str, list[str]] = defaultdict(list)
    for name, outcome in database.execute(_OUTCOMES).fetchall():
        logged[str(name)].append(str(outcome))
    pairs = Counter(name for call in calls for name in call.shared)
    for name in pairs:
        if len(set(logged.get(name, ())) - {"not_sent"}) == 1 and len(logged[name]) <= pairs[name]:
            logged[name] = [one for one in logged[name] if one != "not_sent"]
    return logged


def webhooks(database: Database, calls: list[Call], called: dict[str, list[tuple[str, bool]]]) -> list[str]:
    """Whoever is logged as sent was answered 200 once, who is unknown at most once, all under one webhook-id."""
    logged = {str(name): str(outcome) for name, outcome in database.execute(_OUTCOMES).fetchall()}
    wrong: Counter[str] = Counter()
    for name in [name for call in calls if call.kind == "webhook" for name in call.names]:
        n_taken, outcome = sum(is_taken for _id, is_taken in called.get(name, [])), logged.get(name, "")
        if n_taken > 1:
            wrong["webhooks were taken twice"] += 1
        if len({webhook_id for webhook_id, _taken in called.get(name, [])}) > 1:
            wrong["webhooks were repeated under another webhook-id"] += 1
        if (outcome == "sent") != (n_taken == 1) and outcome != "unknown":
            wrong[f"webhooks are logged as {outcome!r} and were taken {n_taken} times"] += 1
    ids = [webhook_id for name, tries in called.items() for webhook_id in {one for one, _taken in tries}]
    if len(set(ids)) != len(ids) or "" in ids:
        wrong["webhooks have the id of another, or none"] += 1
    return [f"{n} {told}" for told, n in wrong.items()]


def n_open(database: Database) -> int:
    """How many people, requests and shards still wait; negative when more was logged than asked for.

    The log keeps earlier runs, whose deliveries are gone.
    """
    statement = """
    SELECT (SELECT count(*) FROM delivery_triggerrequest WHERE state IN ('scheduled', 'taken'))
        + (SELECT count(*) FROM delivery_shard WHERE state IN ('waiting', 'leased')),
        (SELECT coalesce(sum(n_named), 0) FROM delivery_triggerrequest)
        - (SELECT count(*) FROM delivery_sendlog WHERE delivery_id IN (SELECT id FROM delivery_delivery))
    """
    row = database.execute(statement).fetchone()
    n_under_way, n_people = (int(str(one)) for one in row or ())
    # What is under way may be too much already: added up it could look like nothing.
    return n_under_way + max(0, n_people) if n_under_way else n_people
