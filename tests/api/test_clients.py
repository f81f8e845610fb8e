"""Clients that others wrote, unchanged, against a running server: given its address and a key, their mail arrives."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import roles
from api import reference
from api.views import triggers
from audiences import identities
from audiences.models import Profile, ProfileAlias, Subscription
from campaigns import broadcasts, contents, triggering
from campaigns.models import Campaign
from delivery import clock, preparation, sending
from delivery.models import RequestState, TriggerRequest
from delivery.requests import Call, Recipient
from messaging import smtp
from tests import clients, factories, smtp_server
from tests.api import callers

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Path(__file__).parent
FAST = smtp.Timeouts(connect=2, greeting=1, command=1, body=1, dot=1)
MISSING = "is not installed, so its test is SKIPPED. `python -m tests.clients` installs it."


@pytest.fixture
def mail_server(settings: Settings, tmp_path: Path, transactional_db: None) -> Iterator[smtp_server.Server]:
    roles.sync()
    server = smtp_server.Server(smtp_server.Script())
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    settings.CHAPPE_HOME = tmp_path
    yield server
    server.stop()


@dataclass
class Shop:
    """What the calls are about, and where they go. `time` is in an hour."""

    address: str
    token: str
    campaign: Campaign
    time: str
    mail: smtp_server.Server

    def run(self, *command: str, folder: Path, **environment: str) -> Any:
        """The JSON that a program prints, with nothing around it that it did not bring."""
        clean = {"PATH": os.environ["PATH"], "NO_PROXY": "*", **environment}
        done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def deliver(self) -> dict[str, list[str]]:
        """Let everything that waits go now; the subjects that each name got, sorted."""
        TriggerRequest.objects.filter(state=RequestState.SCHEDULED).update(due_at=timezone.now())
        for _round in range(3):
            hints = clock.tick()
            broadcasts.run()
            for delivery_id in {*hints.prepare, *clock.tick().prepare}:
                preparation.run(delivery_id)
            broadcasts.run()
            for delivery_id in clock.tick().drain:
                sending.drain(delivery_id, timeouts=FAST)
        found: dict[str, list[str]] = {}
        for address, data in self.mail.accepted:
            line = next(line for line in data.decode().splitlines() if line.startswith("Subject: "))
            found.setdefault(address.partition("@")[0], []).append(line.removeprefix("Subject: "))
        return {name: sorted(subjects) for name, subjects in found.items()}


@pytest.fixture
def shop(live_server: Any, mail_server: smtp_server.Server) -> Shop:
    factories.sender(name="Shop", address="hello@shop.test", reply_to="answers@shop.test")
    fields = {"kind": "api", "reeligibility": "always"}
    campaign = factories.published(
        factories.user("Operator"),
        compose__subject="Number {{ api_trigger_properties.number }}",
        **{f"delivery__{name}": value for name, value in fields.items()},
    )
    time = (timezone.now() + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Shop(live_server.url, callers.make_key().token, campaign, time, mail_server)


def named(*names: str, **fields: Any) -> None:
    for name in names:
        factories.profile(external_id=name, email=f"{name}@example.test", first_name=name.title(), **fields)


def installed(name: str) -> Path:
    """The folder of a client; skips the test, loudly, where it is missing."""
    if name == clients.JAVASCRIPT and shutil.which("node") is None:
        warnings.warn(clients.NO_NODE, stacklevel=2)
        pytest.skip(clients.NO_NODE)
    if (found := clients.folder(name)) is None:
        warnings.warn(f"{name} {MISSING}", stacklevel=2)
        pytest.skip(f"{name} {MISSING}")
    return found


def python(shop: Shop, client: str, script: str, *more: str) -> Any:
    folder = installed(client)
    # Where `requests` is, which the client asks for.
    path = os.pathsep.join([str(folder), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    program = str(HERE / "clients" / script)
    arguments = (shop.address, shop.token, str(shop.campaign.public_id), *more)
    return shop.run(sys.executable, program, *arguments, folder=folder, PYTHONPATH=path)


def test_a_python_client_triggers_campaigns_and_knows_our_errors(shop: Shop) -> None:
    named("python-1", "4711", "mail-1")
    named("left-1", email_consent="unsubscribed")
    found = python(shop, "edx-braze-client", "trigger.py")
    assert found["sent"]["message"] == "success" and len(found["sent"]["dispatch_id"]) == 32
    told = {name: (one["raised"], one["message"]) for name, one in found.items() if "raised" in one}
    assert told == {
        "unknown": ("BrazeBadRequestError", "Invalid Campaign ID"),
        "wrong key": ("BrazeUnauthorizedError", "Unauthorized"),
        "canvas": ("BrazeBadRequestError", "Not Supported"),
    }
    got = shop.deliver()
    assert got == {
        "python-1": ["Number 8"], "4711": ["Number 7"], "new-1": ["Number 7"], "mail-1": ["Number 6"],
        "left-1": ["Your receipt"],
    }  # fmt: skip


def test_another_python_client_schedules_campaigns(shop: Shop) -> None:
    named("python-2")
    found = python(shop, "braze-client", "schedule.py", shop.time)
    assert (found["made"]["success"], found["made"]["status_code"]) == (True, 201)
    assert found["made"]["schedule_id"]
    label, errors = found["refused"]
    assert label == "Bad Request" and errors[0].startswith("schedule.time: ")
    assert not shop.mail.accepted
    assert shop.deliver() == {"python-2": ["Number 9"]}


def test_a_javascript_client_sends_schedules_and_reads(shop: Shop) -> None:
    folder = installed(clients.JAVASCRIPT)
    factories.attribute("tier")
    named("node-1", "node-2", "node-3", "node-4")
    gold = factories.profile(email="gold@example.test", first_name="Gold", attributes={"tier": "gold"})
    segment, group = factories.segment(members=[gold]), factories.group()
    ids = (str(one.public_id) for one in (shop.campaign, segment, group))
    program = str(HERE / "clients" / "calls.cjs")
    found = shop.run("node", program, shop.address, shop.token, *ids, shop.time, folder=folder)
    wrong = {name: one["message"] for name, one in found.items() if one.get("message") != "success"}
    assert wrong == {"refused": "No message to send", "elsewhere": "Not Found", "wrongKey": "Unauthorized"}
    assert found["sendId"]["send_id"] == found["triggered"]["send_id"] == "autumn"
    assert found["campaigns"]["campaigns"][0]["id"] == str(shop.campaign.public_id)
    assert found["status"]["status"] == {"node-3": "Subscribed", "node-4": "Unsubscribed"}
    assert found["refused"]["status"] == 400 and found["wrongKey"]["status"] == 401
    assert shop.deliver() == {
        "gold": ["Gold, later", "Number 11"],
        "node-1": ["Number 10"],
        "node-2": ["Number 12"],
        "node-3": ["Sent by Node"],
    }


class Curl:
    """Posts the bodies in examples/ with curl, their words in capitals replaced."""

    def __init__(self, shop: Shop, **words: str) -> None:
        self.shop, self.words, self.used = shop, words, set[str]()

    def post(self, path: str, example: str = "", *, status: int = 201, **words: str) -> dict[str, Any]:
        name = example or path.strip("/").replace("/", "-")
        body = (HERE / "examples" / f"{name}.json").read_text()
        for word, value in {**self.words, **words}.items():
            body = body.replace(f'"{word}"', f'"{value}"')
        self.used.add(name)
        return self._run(path, "--json", body, status=status)

    def _run(self, path: str, *more: str, status: int) -> dict[str, Any]:
        key = f"Authorization: Bearer {self.shop.token}"
        told = "%{stderr}%{http_code}"
        command = ["curl", "--silent", "--noproxy", "*", "-w", told, "-H", key, *more, f"{self.shop.address}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert done.stderr == str(status), done.stdout
        return dict(json.loads(done.stdout))


@pytest.mark.skipif(shutil.which("curl") is None, reason="There is no curl")
def test_curl_sends_what_the_reference_describes(shop: Shop) -> None:
    named("curl-1", "curl-3")
    factories.attribute("tier")
    factories.attribute("visits", "number")
    named("gold", attributes={"tier": "gold", "visits": 4})
    alias = factories.profile(email="curl-2@example.test", first_name="Curl-2")
    ProfileAlias.objects.create(profile=alias, label="crm", name="curl-2")
    segment = factories.segment(members=[Profile.objects.get(external_id="curl-3")])
    group, key = factories.group(), str(shop.campaign.public_id)
    curl = Curl(shop, CAMPAIGN=key, SEGMENT=str(segment.public_id), GROUP=str(group.public_id), TIME=shop.time)
    assert curl.post("/messages/send")["message"] == "success"
    moved = curl.post("/messages/schedule/create")["schedule_id"]
    curl.post("/messages/schedule/update", SCHEDULE=moved)
    dropped = curl.post("/messages/schedule/create")["schedule_id"]
    curl.post("/messages/schedule/delete", SCHEDULE=dropped)
    curl.post("/campaigns/trigger/send")
    curl.post("/campaigns/trigger/send", "campaigns-trigger-send-audience")
    moved = curl.post("/campaigns/trigger/schedule/create")["schedule_id"]
    curl.post("/campaigns/trigger/schedule/update", SCHEDULE=moved)
    dropped = curl.post("/campaigns/trigger/schedule/create")["schedule_id"]
    curl.post("/campaigns/trigger/schedule/delete", SCHEDULE=dropped)
    assert curl.post("/sends/id/create")["send_id"] == "winter_2027"
    receipts = [
        curl.post(f"/transactional/v1/campaigns/{key}/send", "transactional-send")["dispatch_id"] for _call in range(2)
    ]
    assert receipts[0] == receipts[1]
    curl.post("/subscription/status/set")
    assert Subscription.objects.get().state == "unsubscribed"
    curl.post("/v2/subscription/status/set")
    assert Subscription.objects.get().state == "subscribed"
    assert curl.used == {path.stem for path in (HERE / "examples").glob("*.json")}
    assert shop.deliver() == {
        "curl-1": ["Number 21", "Number 23", "Number 24", "messages/send for Lea"],
        "curl-2": ["Number 20", "messages/send for Curl-2"],
        "curl-3": ["Number 20", "messages/schedule/update"],
        "curl-new": ["Number 20"],
        "gold": ["Number 22"],
    }


# Each language → the programs that run examples one after the other and print their answers as JSON, one to a line.
RUNNERS = {
    "cURL": ("sh", "-ec", "curl() {{ command curl -sS --fail-with-body --noproxy '*' \"$@\"; echo; }}\n{}"),
    "Python": (
        sys.executable,
        "-c",
        "import json\nprint = lambda one: __import__('sys').stdout.write(json.dumps(one) + '\\n')\n{}",
    ),
    "JavaScript": (
        "node",
        "--input-type=module",
        "-e",
        "console.log = (one) => process.stdout.write(JSON.stringify(one) + '\\n');\n{}",
    ),
}


@pytest.mark.parametrize("language", RUNNERS)
def test_every_example_of_the_documentation_runs_as_it_is_printed(
    shop: Shop, settings: Settings, language: str
) -> None:
    """But for the id of a schedule, which is that of a call before."""
    *program, frame = RUNNERS[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"There is no {program[0]}")
    settings.PUBLIC_URL = shop.address
    factories.segment()
    factories.group()
    found = []
    for entry in (one for section in reference.sections(reference.own_ids()) for one in section.entries):
        code = next(call.code for call in entry.calls if call.label == language)
        if triggers.SCHEDULE in code:
            code = code.replace(triggers.SCHEDULE, scheduled(shop, entry.path))
        found.append(f"{{\n{code}\n}}" if language == "JavaScript" else code)
    key = {"CHAPPE_API_KEY": shop.token, "NO_PROXY": "*", "PATH": os.environ["PATH"]}
    whole = frame.format("\n".join(found))
    done = subprocess.run([*program, whole], env=key, capture_output=True, text=True, timeout=60, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (found[len(answers) - 1], done.stdout.splitlines()[-1:], done.stderr[-500:])
    assert [answer["message"] for answer in answers] == ["success"] * len(found)


def scheduled(shop: Shop, path: str) -> str:
    """A schedule that `path` can change, as its create answers it."""
    at = timezone.now() + dt.timedelta(hours=2)
    call = Call(recipients=(Recipient(identities.Name(identities.EXTERNAL_ID, "u1")),), due_at=at)
    if path.startswith("/campaigns/"):
        return str(triggering.trigger(str(shop.campaign.public_id), call).request.public_id)
    email = {"from": "hello@shop.test", "subject": "Later", "body": "<p>Later</p>"}
    return str(contents.send({"email": email}, call).request.public_id)
