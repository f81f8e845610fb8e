"""Keeps standing deliveries small: shards that are done are added up in one, whose counters say what they said.

A standing delivery gets a shard with each request, and its figures are sums over shards. The one they are folded into
has the number 0, which no other shard of a standing delivery has, and no people: those are in the send log. One
statement, so that no figure ever sees a shard twice or not at all. By the tick; safe to repeat and to kill.
"""

from django.db import connection

from delivery.models import Delivery

# Fewer are left as they are.
_LEAST = 200
_MOST = 20_000
_CROWDED = """
SELECT d.id FROM delivery_delivery d WHERE d.is_standing AND d.state IN ('sending', 'paused')
    AND (SELECT count(*) FROM delivery_shard s WHERE s.delivery_id = d.id AND s.number > 0 AND s.state = 'done') >= %s
"""
_COUNTERS = ("n_sent", "n_failed", "n_not_sent", "n_unknown", "n_cancelled")
_FOLD = f"""
WITH gone AS (
    DELETE FROM delivery_shard s USING (
        SELECT id FROM delivery_shard WHERE delivery_id = %(delivery)s AND state = 'done' AND number > 0
        ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
    ) old WHERE s.id = old.id
    RETURNING s.n_ids - s.n_retried AS n_ids, {", ".join(f"s.{name}" for name in _COUNTERS)}
)
INSERT INTO delivery_shard (delivery_id, number, attempt, request_no, ids, n_ids, n_authorised, state, due_at, fence,
    n_retried, lease_owner, {", ".join(_COUNTERS)})
SELECT %(delivery)s, 0, 1, 0, '{{}}', sum(n_ids), sum(n_ids), 'done', now(), 0, 0, '',
    {", ".join(f"sum({name})" for name in _COUNTERS)}
FROM gone HAVING count(*) > 0
ON CONFLICT (delivery_id, number) DO UPDATE SET
    n_ids = delivery_shard.n_ids + excluded.n_ids, n_authorised = delivery_shard.n_authorised + excluded.n_authorised,
    {", ".join(f"{name} = delivery_shard.{name} + excluded.{name}" for name in _COUNTERS)}
"""


def fold_all() -> None:
    """Fold every standing delivery that has many shards that are done."""
    with connection.cursor() as cursor:
        cursor.execute(_CROWDED, [_LEAST])
        crowded = [delivery_id for (delivery_id,) in cursor.fetchall()]
    for delivery_id in crowded:
        fold(Delivery.objects.get(pk=delivery_id))


def fold(delivery: Delivery) -> None:
    """Fold the oldest shards of one standing delivery that are done."""
    assert delivery.is_standing
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, {"delivery": delivery.pk, "most": _MOST})
