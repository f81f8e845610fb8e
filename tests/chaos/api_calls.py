"""Outside programs of a chaos run: they call the API, repeat with the same Idempotency-Key what was not answered, and
write down every answer.

A run asks for so many messages. Of twenty calls thirteen trigger a campaign, four bring their own message, two are for
a time a few seconds ahead, and one tells what a person did; four of them name fifty people, nine in a large run. Nobody
is named in two calls, so that whoever gets a message, and how often, says what became of which call.
"""

import datetime as dt
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

N_CLIENTS = 6
# A client waits so long for an answer, and repeats a call for so long before it gives up.
TIMEOUT_S, PATIENCE_S = 1.5, 60.0
_AGAIN_S = 0.1
# How far ahead calls are scheduled.
_AHEAD_S = 4.0
_MANY = 50
# Which of twenty calls name so many; the second in large runs.
_LONG, _LONGER = {1, 6, 11, 16}, {1, 4, 6, 9, 11, 13, 14, 16, 18}
_LARGE = 20_000
_BODY = "<p>Hello {{ profile.first_name }}</p>"
_TRIGGER, _SEND = "/campaigns/trigger/send", "/messages/send"
_SCHEDULE, _TRACK = "/campaigns/trigger/schedule/create", "/users/track"


@dataclass(frozen=True)
class Attempt:
    """One answer; `status` 0: the connection ended without one."""

    status: int
    kind: str = ""
    body: bytes = b""
    retry_after: str = ""
    is_replayed: bool = False


@dataclass
class Call:
    """One thing to be done once. Whom it names is f"c{number}-{0…n_people-1}"."""

    number: int
    path: str
    n_people: int
    # Gives up after its first attempt, whatever comes of it; comes again after it was done.
    is_impatient: bool = False
    comes_again: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [f"c{self.number}-{n}" for n in range(self.n_people)]

    @property
    def acks(self) -> list[Attempt]:
        return [one for one in self.attempts if 200 <= one.status < 300]

    @property
    def makes_somebody(self) -> bool:
        """Whether the first person it names is made by it."""
        return self.path == _TRACK or (self.path == _TRIGGER and self.number % 5 == 0)


def script(n_messages: int, *, is_plain: bool = False) -> list[Call]:
    """Calls until `n_messages` are asked for. `is_plain`: only for one person each, and now."""
    calls: list[Call] = []
    long = _LONG if n_messages < _LARGE else _LONGER
    while n_messages > 0:
        place = len(calls) % 20
        path = (
            _TRACK if place == 19 else _SCHEDULE if place in {8, 17} else _SEND if place in {3, 7, 11, 15} else _TRIGGER
        )
        n_people = _MANY if place in long else 1
        if is_plain:
            path, n_people = _TRACK if place == 19 else _TRIGGER, 1
        number = len(calls)
        calls.append(
            Call(
                number, path, n_people, is_impatient=number % 10 == 4, comes_again=number % 7 == 0 and number % 10 != 4
            )
        )
        n_messages -= n_people if path != _TRACK else 1
    return calls


class Clients:
    """Threads that make all calls, until `until` (time.monotonic) if it is not 0. `port` on loopback."""

    until = 0.0
    # No more calls are begun while so many are done: none may be left when the last strikes come.
    n_allowed = float("inf")

    def __init__(self, port: int, token: str, calls: list[Call], *, campaign_id: str, domain: str) -> None:
        self._port, self._token = port, token
        self._campaign_id, self._domain = campaign_id, domain
        self._waiting: Iterator[Call] = iter(calls)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _number in range(N_CLIENTS)]
        self.n_done = 0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def are_done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        while True:
            while self.n_done >= self.n_allowed:
                time.sleep(0.01)
            with self._lock:
                call = next(self._waiting, None)
            if call is None or (self.until and time.monotonic() > self.until):
                connection.close()
                return
            self._do(call, connection)
            with self._lock:
                self.n_done += 1

    def _do(self, call: Call, connection: http.client.HTTPConnection) -> None:
        body, until = json.dumps(self._body(call)).encode(), time.monotonic() + PATIENCE_S
        n_wanted = 2 if call.comes_again else 1
        while len(call.acks) < n_wanted and time.monotonic() < until:
            call.attempts.append(self._ask(call, connection, body))
            last = call.attempts[-1]
            if call.is_impatient or (400 <= last.status < 500 and last.status != 409):
                return
            if not 200 <= last.status < 300:
                time.sleep(_AGAIN_S)

    def _ask(self, call: Call, connection: http.client.HTTPConnection, body: bytes) -> Attempt:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"call {self._domain} {call.number}",
        }
        try:
            connection.request("POST", call.path, body, headers)
            answer = connection.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return Attempt(0)
        return Attempt(
            answer.status,
            answer.getheader("Content-Type", ""),
            read,
            answer.getheader("Retry-After", ""),
            answer.getheader("Idempotent-Replayed") == "true",
        )

    def _body(self, call: Call) -> dict[str, Any]:
        if call.path == _TRACK:
            name = call.names[0]
            now = dt.datetime.now(dt.UTC).isoformat()
            return {
                "attributes": [{"external_id": name, "first_name": "Nia", "visits": {"inc": 1}}],
                "events": [{"external_id": name, "name": "visited", "time": now}],
            }
        if call.path == _SEND:
            email = {"from": "Example Shop <hello@shop.test>", "subject": f"Order {call.number % 3}", "body": _BODY}
            return {"external_user_ids": call.names, "messages": {"email": email}}
        named: list[dict[str, Any]] = [{"external_user_id": name} for name in call.names]
        if call.makes_somebody:
            attributes = {"email": f"{call.names[0]}@{self._domain}", "first_name": "Nia"}
            named[0] |= {"send_to_existing_only": False, "attributes": attributes}
        asked: dict[str, Any] = {
            "campaign_id": self._campaign_id,
            "trigger_properties": {"number": call.number},
            "recipients": named,
        }
        if call.path == _SCHEDULE:
            at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_AHEAD_S)
            asked["schedule"] = {"time": at.isoformat()}
        return asked
