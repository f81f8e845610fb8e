"""`python -m benchmarks.api`: how many triggers a second the API accepts, and what a call takes.

Under one web server, as production runs it, in turns and several rounds:

- `plain`: an ordinary Django view that reads JSON and inserts one row (benchmarks/plain_urls.py),
- `single` and `fifty`: /campaigns/trigger/send with 1 and with 50 recipients, each of them somebody else, of a campaign
  with re-eligibility off, so that everybody is looked up, judged, claimed, queued and committed,
- `open`: the tracking endpoint, a pixel of somebody else each time; `track`: /users/track with one event.

First with BENCH_AT_ONCE calls at once (8), for calls a second, then one after the other, for what a call takes alone.
Afterwards it is counted that each accepted recipient waits in a shard once. The last line is one JSON object.
"""
# ruff: noqa: PLC0415

import json
import os
import statistics
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import callers, servers

ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 5)
AT_ONCE = int(os.environ.get("BENCH_AT_ONCE") or 8)
N_CALLS = int(os.environ.get("BENCH_CALLS") or 600)
_N_FIFTY = max(1, N_CALLS // 10)
_N_WARM = 50
_PER_ROUND = N_CALLS + 50 * _N_FIFTY
_TABLE = (
    "CREATE TABLE bench_plain_row (id bigserial PRIMARY KEY, received_at timestamptz NOT NULL, body jsonb NOT NULL)"
)
_PEOPLE = """
INSERT INTO audiences_profile (public_id, external_id, email, email_key, first_name, last_name, phone, country, city,
    language, time_zone, attributes, email_consent, is_test, created_at, updated_at)
SELECT gen_random_uuid(), 'customer-' || n, 'person' || n || '@bench.example', 'person' || n || '@bench.example',
    'First' || n %% 977, 'Last' || n %% 1999, '', 'FR', '', 'fr', 'Europe/Paris', '{}', 'subscribed', FALSE, now(),
    now()
FROM generate_series(1, %s) n
"""
_KINDS = ("plain", "single", "fifty", "open", "track")


def main() -> None:
    with servers.throwaway():
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.plain_settings"
        world = _World(*_make())
        with servers.web() as address:
            port = urlsplit(address).port
            assert port is not None
            for kind in _KINDS:
                callers.call(port, world.requests(kind, _N_WARM), at_once=AT_ONCE, status=world.status(kind))
            rounds = [_round(port, world) for _number in range(ROUNDS)]
        world.check()
    result = _summed(rounds)
    for kind in _KINDS:
        one = result[kind]
        print(f"{kind:8}" + "".join(f"{name} {value:<10}" for name, value in one.items()))
    print(json.dumps(result))


def _round(port: int, world: "_World") -> dict[str, tuple[callers.Taken, callers.Taken]]:
    found = {}
    for kind in _KINDS:
        n = _N_FIFTY if kind == "fifty" else N_CALLS
        many = callers.call(port, world.requests(kind, n), at_once=AT_ONCE, status=world.status(kind))
        alone = callers.call(port, world.requests(kind, max(20, n // 6)), at_once=1, status=world.status(kind))
        found[kind] = (many, alone)
    return found


def _summed(rounds: list[dict[str, tuple[callers.Taken, callers.Taken]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"rounds": ROUNDS, "at_once": AT_ONCE}
    for kind in _KINDS:
        many, alone = [one[kind][0] for one in rounds], [one[kind][1] for one in rounds]
        found[kind] = {"per_s": round(statistics.median(one.per_second for one in many), 1)}
        for name, some in (("", many), ("alone_", alone)):
            for part in (50, 95, 99):
                of_rounds = [one.quantile(part / 100) for one in some]
                found[kind][f"{name}p{part}_ms"] = round(statistics.median(of_rounds), 2)
    rates = [{kind: one[kind][0].per_second for kind in _KINDS} for one in rounds]
    found["single_to_plain"] = round(statistics.median(one["single"] / one["plain"] for one in rates), 2)
    found["single_to_open"] = round(statistics.median(one["single"] / one["open"] for one in rates), 2)
    found["fifty_to_single_recipients"] = round(
        statistics.median(50 * one["fifty"] / one["single"] for one in rates), 1
    )
    return found


def _make() -> tuple[str, str, int]:
    """People, an active campaign that is triggered by the API, a key: (campaign, token, delivery)."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from delivery.models import Delivery
    from tests import factories
    from tests.api.callers import make_key

    call_command("migrate", verbosity=0)
    call_command("setup_roles", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(_PEOPLE, [(_N_WARM * 51) + ROUNDS * 2 * _PER_ROUND + 5000])
        cursor.execute("VACUUM ANALYZE")
    campaign = factories.published(factories.user("Operator"), delivery__kind="api")
    made = make_key("campaigns.trigger.send", "users.track")
    return str(campaign.public_id), made.token, Delivery.objects.get(is_standing=True).pk


class _World:
    """Who is called and with what; every recipient is somebody who was not named before."""

    def __init__(self, campaign: str, token: str, delivery_id: int) -> None:
        self._campaign, self._token, self._delivery_id = campaign, token, delivery_id
        self._next, self._n_named = 0, 0

    def status(self, kind: str) -> bytes:
        return b"200" if kind == "open" else b"201"

    def requests(self, kind: str, n: int) -> Iterator[bytes]:
        """Made before the first is sent, so that making them costs no call anything."""
        return iter([self._request(kind) for _number in range(n)])

    def check(self) -> None:
        """Everybody who was accepted waits for the message once."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*), count(DISTINCT one) FROM delivery_shard, unnest(ids) AS one")
            found = cursor.fetchone()
        assert found == (self._n_named, self._n_named), (found, self._n_named)

    def _request(self, kind: str) -> bytes:
        if kind == "plain":
            return callers.request("POST", "/bench/plain", body=self._trigger(self._names(1)))
        if kind == "open":
            from messaging import links

            return callers.request("GET", f"/o/{links.token(self._delivery_id, self._somebody())}.gif")
        if kind == "track":
            event = {"external_id": f"customer-{self._somebody()}", "name": "bought", "time": "2026-01-15T09:00:00Z"}
            body = json.dumps({"events": [event]}).encode()
            return callers.request("POST", "/users/track", token=self._token, body=body)
        n = 50 if kind == "fifty" else 1
        self._n_named += n
        body = self._trigger(self._names(n, is_new=True))
        return callers.request("POST", "/campaigns/trigger/send", token=self._token, body=body)

    def _trigger(self, names: list[str]) -> bytes:
        recipients = [{"external_user_id": name, "trigger_properties": {"order": name}} for name in names]
        call = {"campaign_id": self._campaign, "trigger_properties": {"shop": "Lyon"}, "recipients": recipients}
        return json.dumps(call).encode()

    def _names(self, n: int, *, is_new: bool = False) -> list[str]:
        if not is_new:
            return [f"customer-{self._somebody()}"] * n
        self._next += n
        return [f"customer-{self._next - n + number + 1}" for number in range(n)]

    def _somebody(self) -> int:
        return 1 + self._n_named % 1000


if __name__ == "__main__":
    main()
