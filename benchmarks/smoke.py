"""The whole job against a running `make run`, over HTTP only: import, write, publish, confirm, send, open, click.

Prints one JSON line and ends with 1 and a sentence when a figure does not add up. `CHAPPE_URL` names another address
than the one of PORT, `SMOKE_PEOPLE` another number of recipients.
"""

import csv
import dataclasses
import html
import http.cookiejar
import io
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from typing import Any

BASE = os.environ.get("CHAPPE_URL") or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
N_PEOPLE = int(os.environ.get("SMOKE_PEOPLE") or 2000)
# Rows of the file that preparation must leave out: without an address, and with a mailbox that is there already.
N_WITHOUT_ADDRESS, N_SAME_ADDRESS = 7, 5
N_OPENED, N_CLICKED = 20, 8
# Seconds after the last hand-over; a click that comes within two is a security scanner's and is counted apart.
BEFORE_CLICKING_S = 3
PASSWORD = "chappe-demo"
# Seconds; generous, so that a slow machine is not a failure.
PATIENCE_S = 300.0

BODY = """<html><body><p>Hello {{ profile.first_name | default: 'there' }},</p>
<p><a href="https://shop.test/sale?from=smoke">See the sale</a></p>
<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"""


class Failed(Exception):
    """The job can't go on, or a figure is wrong; the sentence says which."""


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    url: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """One signed-in person: cookies, CSRF, forms and uploads, with the standard library only."""

    def __init__(self, address: str) -> None:
        self._jar = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar)).open
        self.get("/accounts/sign-in/")
        answer = self.post("/accounts/sign-in/", {"username": address, "password": PASSWORD})
        if "/accounts/sign-in/" in answer.url:
            raise Failed(f"{address} can't sign in. Is the demo loaded?")

    def get(self, path: str, *, accept: str = "text/html") -> Answer:
        return self._ask(urllib.request.Request(_url(path), headers={"Accept": accept}))

    def post(self, path: str, fields: Mapping[str, str | list[str]]) -> Answer:
        data = urllib.parse.urlencode(fields, doseq=True).encode()
        return self._ask(urllib.request.Request(_url(path), data=data, headers=self._headers()))

    def post_json(self, path: str, value: object) -> Answer:
        headers = self._headers() | {"Content-Type": "application/json", "Accept": "application/json"}
        return self._ask(urllib.request.Request(_url(path), data=json.dumps(value).encode(), headers=headers))

    def upload(self, path: str, *, field: str, name: str, content: bytes) -> Answer:
        boundary = secrets.token_hex(16)
        part = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: text/csv'
        head = f"--{boundary}\r\n{part}\r\n\r\n"
        data = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = self._headers() | {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._ask(urllib.request.Request(_url(path), data=data, headers=headers))

    def _headers(self) -> dict[str, str]:
        token = next((cookie.value for cookie in self._jar if cookie.name == "csrftoken"), "") or ""
        return {"X-CSRFToken": token, "Referer": BASE}

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with self._open(request, timeout=60) as answer:
                return Answer(answer.status, answer.url, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.url, error.read(), error.headers)


def _url(path: str) -> str:
    return path if path.startswith("http") else BASE + path


def people(run: str) -> bytes:
    """The file: N_PEOPLE who can be sent to, and some who can't."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["external_id", "email", "first_name", "smoke_run"])
    for n in range(N_PEOPLE):
        rows.writerow([f"{run}-{n}", f"person{n}@{run}.test", f"First{n}", run])
    for n in range(N_WITHOUT_ADDRESS):
        rows.writerow([f"{run}-none-{n}", "", f"None{n}", run])
    for n in range(N_SAME_ADDRESS):
        rows.writerow([f"{run}-same-{n}", f"PERSON{n}@{run}.test", f"Same{n}", run])
    return out.getvalue().encode()


def wait(what: str, ready: Callable[[], Any]) -> Any:
    """What `ready` returns once it is true; fails after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.25)
    raise Failed(f"{what} took more than {PATIENCE_S:.0f} s.")


def must(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Failed(otherwise)


def import_people(marketer: Browser, run: str) -> str:
    """Upload the file, let the guesses stand, key by external id, into a new list; the list's id."""
    upload = marketer.upload("/profiles/import/", field="file", name=f"{run}.csv", content=people(run))
    page = upload.url
    must("/profiles/import/" in page and page.rstrip("/") != _url("/profiles/import"), "The upload was refused.")
    fields = _form(upload.text, f"{urllib.parse.urlsplit(page).path}start/")
    fields |= {"key": "external_id", "list": "new", "new_list": f"Smoke {run}", "start": "1"}
    marketer.post(f"{page}start/", fields)
    wait("The import", lambda: "X-Reload" in marketer.get(f"{page}progress/").headers)
    found = re.search(r"/segments/([0-9a-f-]{36})/", marketer.get(page).text)
    must(found is not None, "The import made no list.")
    assert found is not None
    return found.group(1)


def write_and_publish(marketer: Browser, run: str, segment: str) -> str:
    """A campaign from the blank starter, saved by the autosave's own request, then published; the path of its send."""
    editor = marketer.post("/campaigns/new/", {"starter": "blank"})
    campaign = urllib.parse.urlsplit(editor.url).path.split("/edit/")[0]
    config = json.loads(_between(editor.text, '<script id="editor-config" type="application/json">', "</script>"))
    save = {
        "session": config["session"],
        "base_revision": config["revision"],
        "save_id": f"{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}",
        "step": "compose",
        "fields": {
            "name": f"Smoke {run}",
            "compose.subject": "Hello {{ profile.first_name }}",
            "compose.preheader": "The sale has begun",
            "compose.body_kind": "html",
            "compose.body": BODY,
            "audience.segments": [segment],
        },
    }
    saved = marketer.post_json(f"{campaign}/draft/save/", save)
    must(saved.status == 200, f"The draft was not saved: {saved.status} {saved.text[:200]}")
    again = marketer.post_json(f"{campaign}/draft/save/", save)
    must(again.json()["revision"] == saved.json()["revision"], "Repeating a save made another revision.")
    page = marketer.post(f"{campaign}/publish/", {"revision": str(saved.json()["revision"])})
    path = urllib.parse.urlsplit(page.url).path
    must("/deliveries/" in path, f"Publishing led to {path}.")
    return path


def confirm(marketer: Browser, operator: Browser, path: str, panel: str) -> dict[str, Any]:
    """Wait for the seal, see the marketer refused, confirm as the operator, twice."""
    ready = wait("The preparation", lambda: _figures(operator, panel, {"prepared", "failed"}))
    must(ready["state"] == "prepared", f"The preparation failed: {ready['failure']}")
    n = str(ready["to_send"])
    fields = {"seal": ready["seal"], "n_to_send": n, "typed": n, "key": str(uuid.uuid4())}
    must(marketer.post(f"{path}confirm/", fields).status == 403, "The marketer was not refused at confirm.")
    operator.post(f"{path}confirm/", fields)
    operator.post(f"{path}confirm/", fields)
    operator.post(f"/deliveries/{path.split('/')[4]}/start-now/", {})
    return dict(ready)


def open_and_click(operator: Browser, delivery: str) -> None:
    """As a mail program does: load the picture of some messages, follow the link of fewer."""
    listing = operator.get(f"/inbox/?delivery={delivery}").text
    messages = list(dict.fromkeys(re.findall(r"/inbox/([0-9a-f-]{36})/", listing)))[:N_OPENED]
    must(len(messages) == N_OPENED, f"The Inbox lists {len(messages)} messages of this send.")
    time.sleep(BEFORE_CLICKING_S)
    for number, message in enumerate(messages):
        source = html.unescape(operator.get(f"/inbox/{message}/html/").text)
        pixel = re.search(r'src="([^"]*/o/[^"]+\.gif)"', source)
        link = re.search(r'href="([^"]*/c/[^"]+)"', source)
        must(pixel is not None and link is not None, "A message has no pixel or no tracked link.")
        assert pixel is not None and link is not None
        mail = urllib.request.build_opener(_NoRedirect)
        mail.addheaders = [("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0")]
        mail.open(pixel.group(1), timeout=30).read()
        if number < N_CLICKED:
            mail.open(link.group(1), timeout=30).read()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The links lead to shops that are not there; the redirect itself is what counts."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        must(headers["Location"].startswith("https://shop.test/sale"), f"A link leads to {headers['Location']}.")
        return fp


def _figures(who: Browser, panel: str, states: set[str]) -> dict[str, Any] | None:
    figures: dict[str, Any] = who.get(panel, accept="application/json").json()
    return figures if figures["state"] in states else None


def _between(text: str, start: str, end: str) -> str:
    must(start in text, f"The page has no {start}.")
    return text.split(start, 1)[1].split(end, 1)[0]


def _form(text: str, action: str) -> dict[str, str]:
    """Names and values of the selects and inputs of the form that posts to `action`, as the browser would send them."""
    form = _between(text, f'action="{action}"', "</form>")
    fields = {
        name: html.unescape(value) for name, value in re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
    }
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(
            r'<option value="([^"]*)"', options
        )
        fields[name] = chosen.group(1) if chosen else ""
    return fields


def job() -> dict[str, Any]:
    """The figures of the whole job. Raises Failed at the first thing that is wrong."""
    began = time.monotonic()
    run = f"smoke{secrets.token_hex(4)}"
    marketer, operator = Browser("marketer@chappe.test"), Browser("operator@chappe.test")
    path = write_and_publish(marketer, run, import_people(marketer, run))
    delivery = path.split("/")[4]
    panel = f"/deliveries/{delivery}/panel/"
    confirm(marketer, operator, path, panel)
    wait("Sending", lambda: _figures(operator, panel, {"finished", "failed", "stopped"}))
    received = wait("The mail", lambda: _received(operator, delivery))
    open_and_click(operator, delivery)
    operator.post(f"/deliveries/{delivery}/compute/", {})
    figures = wait("Counting", lambda: _counted(operator, panel))
    result = {
        **{name: figures[name] for name in ("targeted", "excluded", "to_send", "sent", "not_sent", "unknown")},
        **{name: figures[name] for name in ("delivered", "opened", "clicked")},
        "received_by_smtp": len(received),
        "duplicates": len(received) - len(set(received)),
        "seconds": round(time.monotonic() - began, 1),
    }
    check(result, figures)
    return result


def _received(operator: Browser, delivery: str) -> list[str]:
    rows = list(csv.DictReader(io.StringIO(operator.get(f"/inbox/export.csv?delivery={delivery}").text)))
    return [row["envelope_to"] for row in rows] if len(rows) >= N_PEOPLE else []


def _counted(operator: Browser, panel: str) -> dict[str, Any] | None:
    figures: dict[str, Any] = operator.get(panel, accept="application/json").json()
    return figures if figures["opened"] >= N_OPENED and figures["clicked"] >= N_CLICKED else None


def check(result: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """Every sum that must hold, with the sentence for when it doesn't."""
    wanted = {
        "targeted": N_PEOPLE + N_WITHOUT_ADDRESS + N_SAME_ADDRESS,
        "excluded": N_WITHOUT_ADDRESS + N_SAME_ADDRESS,
        "to_send": N_PEOPLE,
        "sent": N_PEOPLE,
        "delivered": N_PEOPLE,
        "received_by_smtp": N_PEOPLE,
        "opened": N_OPENED,
        "clicked": N_CLICKED,
        "not_sent": 0,
        "unknown": 0,
        "duplicates": 0,
    }
    for name, value in wanted.items():
        must(result[name] == value, f"{name} is {result[name]}, not {value}: {json.dumps(result)}")
    parts = ("waiting", "retrying", "sent", "not_sent", "cancelled", "unknown")
    must(sum(figures[part] for part in parts) == figures["to_send"], "The parts don't add up to what was to send.")


def main() -> int:
    try:
        print(json.dumps(job()))
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    except urllib.error.URLError as error:
        sys.stderr.write(
            f"{BASE} doesn't answer ({error.reason}). Start it with make run, or name it with CHAPPE_URL.\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
