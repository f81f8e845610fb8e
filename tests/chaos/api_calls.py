"""Outside programs of a chaos run: they call the API, repeat with the same Idempotency-Key what was not answered, and
write down every answer.

A run asks for so many messages. Of twenty calls eight trigger a campaign, three bring their own message, two have a
file with them, two are counted under a campaign that reaches everybody once, two go to a whole audience, two are for
another time, one is a webhook and one tells what a person did; four of them name fifty people, nine in a large run.
Nobody is named in two calls, so that whoever gets a message, and how often, says what became of which call; but for the
pairs of counted ones, which name the same people at about the same time.
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
# The attribute by which an audience is found: the number of its call.
BATCH = "batch"
_MANY, _SOME, _AUDIENCE = 50, 5, 20
# What each of twenty calls is.
_KINDS = (
    *(
        "trigger",
        "trigger",
        "trigger with file",
        "send",
        "trigger",
        "webhook",
        "trigger",
        "send",
        "schedule",
        "trigger",
    ),
    *("segment", "send", "counted", "counted", "trigger", "send with file", "trigger", "local", "audience", "track"),
)
# Which of them name so many; the second in large runs, where few go to an audience: it is looked for among everybody.
_LONG, _LONGER = {1, 6, 11, 16}, {0, 1, 4, 6, 9, 11, 14, 16, 18}
_LARGE = 20_000
_TO_AUDIENCE = frozenset({"segment", "audience"})
_N_PEOPLE = {"webhook": _SOME, "local": _SOME, "counted": _SOME} | dict.fromkeys(_TO_AUDIENCE, _AUDIENCE)
# Places that are ahead of us by hours, so that whatever time a call names is over there, and nobody waits a minute.
_AHEAD = ("Pacific/Kiritimati", "Asia/Tokyo")
_FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'
_BODY = "<p>Hello {{ profile.first_name }}</p>"
_TRIGGER, _SEND = "/campaigns/trigger/send", "/messages/send"
_SCHEDULE, _TRACK = "/campaigns/trigger/schedule/create", "/users/track"
_PATHS = {
    **dict.fromkeys(("trigger", "trigger with file", "audience"), _TRIGGER),
    **dict.fromkeys(("send", "send with file", "webhook", "counted", "segment"), _SEND),
    **dict.fromkeys(("schedule", "local"), _SCHEDULE),
    "track": _TRACK,
}


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
    """One thing to be done once. Whom it names is f"c{number}-{0…n_people-1}", and of a pair all but one
    f"s{number of the first}-{0…}".
    """

    number: int
    kind: str
    n_people: int
    # Gives up after its first attempt, whatever comes of it; comes again after it was done.
    is_impatient: bool = False
    comes_again: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def path(self) -> str:
        return _PATHS[self.kind]

    @property
    def shared(self) -> list[str]:
        """Whom the other one of a pair names too."""
        if self.kind != "counted":
            return []
        return [f"s{self.number - self.number % 2}-{n}" for n in range(self.n_people - 1)]

    @property
    def names(self) -> list[str]:
        return [f"c{self.number}-{n}" for n in range(self.n_people - len(self.shared))] + self.shared

    @property
    def acks(self) -> list[Attempt]:
        return [one for one in self.attempts if 200 <= one.status < 300]

    @property
    def makes_somebody(self) -> bool:
        """Whether the first person it names is made by it."""
        return self.path == _TRACK or (self.kind == "trigger" and self.number % 10 in {0, 9})

    @property
    def is_to_audience(self) -> bool:
        return self.kind in _TO_AUDIENCE

    @property
    def file(self) -> bytes:
        """What goes with its messages; b"" for nothing."""
        return file(self.number) if self.kind.endswith("with file") else b""


def file(number: int) -> bytes:
    """What lies under the address of a call's file."""
    return f"The file of call {number}.\n".encode() * 400


def script(n_messages: int, *, only: str = "") -> list[Call]:
    """Calls until `n_messages` are asked for. `only`: "plain" ones for one person each, and now; or kinds."""
    calls: list[Call] = []
    is_large = n_messages >= _LARGE
    long = _LONGER if is_large else _LONG
    kinds = _KINDS if not only else ("trigger",) * 19 + ("track",) if only == "plain" else tuple(only.split(","))
    while n_messages > 0:
        number = len(calls)
        kind = kinds[number % len(kinds)]
        if is_large and kind in _TO_AUDIENCE and number % 100 >= len(kinds):
            kind = "trigger"
        n_people = _N_PEOPLE.get(kind, _MANY if number % 20 in long and not only else 1)
        is_impatient = number % 10 == 4 and only in {"", "plain"}
        call = Call(number, kind, n_people, is_impatient, number % 7 == 0 and not is_impatient)
        calls.append(call)
        # Whom a pair shares is written to once.
        n_messages -= n_people - (len(call.shared) if number % 2 else 0)
    return calls


def zones(calls: list[Call]) -> dict[str, str]:
    """In which zone those are whose time a call names; in a large run some have to wait for it."""
    places = _AHEAD if len(calls) < _LARGE // _MANY else (*_AHEAD, "")
    return {
        name: places[n % len(places)] for call in calls if call.kind == "local" for n, name in enumerate(call.names)
    }


@dataclass(frozen=True)
class Target:
    """What calls name besides people. `hooks`: the address under which webhooks and files are; `segments`: of each call
    to one, its id.
    """

    domain: str
    campaign_id: str
    counted_id: str
    variation_id: str
    hooks: str
    segments: dict[int, str]


class Clients:
    """Threads that make all calls, until `until` (time.monotonic) if it is not 0. `port` on loopback."""

    until = 0.0
    # No more calls are begun while so many are done: none may be left when the last strikes come.
    n_allowed = float("inf")

    def __init__(self, port: int, token: str, calls: list[Call], target: Target) -> None:
        self._port, self._token, self._target = port, token, target
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
            "Idempotency-Key": f"call {self._target.domain} {call.number}",
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
            return _told(call)
        return self._of_message(call) if call.path == _SEND else self._of_campaign(call)

    def _of_message(self, call: Call) -> dict[str, Any]:
        if call.kind == "webhook":
            url = f"{self._target.hooks}/hooks/{{{{ profile.external_id }}}}"
            webhook = {"url": url, "request_method": "POST", "body": f'{{"number": {call.number}}}'}
            return {"external_user_ids": call.names, "messages": {"webhook": webhook}}
        subject = f"Order {call.number % 3}"
        email: dict[str, Any] = {"from": "Example Shop <hello@shop.test>", "subject": subject, "body": _BODY}
        asked: dict[str, Any] = {"external_user_ids": call.names, "messages": {"email": email}}
        if call.file:
            email["attachments"] = self._files(call)
        if call.kind == "counted":
            asked["campaign_id"], email["message_variation_id"] = self._target.counted_id, self._target.variation_id
        if call.kind == "segment":
            del asked["external_user_ids"]
            asked |= {"segment_id": self._target.segments[call.number], "broadcast": True}
            email["body"] += _FOOTER
        return asked

    def _of_campaign(self, call: Call) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "campaign_id": self._target.campaign_id,
            "trigger_properties": {"number": call.number},
        }
        if call.kind == "audience":
            attribute = {"custom_attribute_name": BATCH, "comparison": "equals", "value": call.number}
            return asked | {"broadcast": True, "audience": {"custom_attribute": attribute}}
        named: list[dict[str, Any]] = [{"external_user_id": name} for name in call.names]
        if call.makes_somebody:
            attributes = {"email": f"{call.names[0]}@{self._target.domain}", "first_name": "Nia"}
            named[0] |= {"send_to_existing_only": False, "attributes": attributes}
        asked["recipients"] = named
        if call.file:
            asked["attachments"] = self._files(call)
        now = dt.datetime.now(dt.UTC)
        if call.kind == "schedule":
            asked["schedule"] = {"time": (now + dt.timedelta(seconds=_AHEAD_S)).isoformat()}
        elif call.kind == "local":
            # A whole minute that is not over when the call is repeated for a while.
            at = (now + dt.timedelta(seconds=90)).replace(second=0, microsecond=0, tzinfo=None)
            asked["schedule"] = {"time": at.isoformat(), "in_local_time": True}
        return asked

    def _files(self, call: Call) -> list[dict[str, str]]:
        return [{"file_name": "order.txt", "url": f"{self._target.hooks}/files/{call.number}"}]


def _told(call: Call) -> dict[str, Any]:
    name = call.names[0]
    now = dt.datetime.now(dt.UTC).isoformat()
    return {
        "attributes": [{"external_id": name, "first_name": "Nia", "visits": {"inc": 1}}],
        "events": [{"external_id": name, "name": "visited", "time": now}],
    }
