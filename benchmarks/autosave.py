"""`python -m benchmarks.autosave`: the round trip of an autosave of a draft with a 100 KB body, over HTTP.

What the editor does, against the web server as production runs it: a changed subject, and a changed body (Done in the
message editor). Prints a table and one JSON line; milliseconds. BENCH_SAVES changes the number of saves of each kind.
"""

import http.client
import json
import os
import time
import uuid
from urllib.parse import urlsplit

from benchmarks import servers

N_SAVES = int(os.environ.get("BENCH_SAVES", "200"))
N_WARM = 10
BODY_BYTES = 100_000
PARAGRAPH = (
    "<tr><td style=\"padding:12px 24px\"><p>Dear {{ profile.first_name | default: 'reader' }}, the new season "
    'is here. <a href="https://shop.test/season?page=%d">See page %d</a> for what we chose for you.</p></td></tr>\n'
)
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'


def main() -> None:
    with servers.throwaway():
        made = _make()
        with servers.web() as address:
            editor = _Editor(address, *made)
            figures = {kind: editor.measure(kind) for kind in ("subject", "body")}
    print(f"{'save of':10}{'p50 ms':>10}{'p95 ms':>10}")
    for kind, (p50, p95) in figures.items():
        print(f"{kind:10}{p50:>10}{p95:>10}")
    result: dict[str, float] = {"saves": N_SAVES, "body_bytes": BODY_BYTES}
    for kind, (p50, p95) in figures.items():
        result |= {f"{kind}_p50_ms": p50, f"{kind}_p95_ms": p95}
    print(json.dumps(result))


def _body() -> str:
    rows, n = "", 0
    while len(rows) < BODY_BYTES:
        n += 1
        rows += PARAGRAPH % (n, n)
    return f"<html><head><style>p {{ margin: 0 }}</style></head><body><table>{rows}</table>{FOOTER}</body></html>"


def _make() -> tuple[str, str, str]:
    """Ten thousand people and a campaign of a marketer who is signed in: its id, its body, the session's key."""
    import django  # noqa: PLC0415  # after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from tests import factories  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    factories.people(*(f"person{n}" for n in range(10_000)))
    marketer = factories.user("Marketer")
    body = _body()
    campaign = factories.campaign(marketer, compose__body=body)
    client = Client()
    client.force_login(marketer)
    return str(campaign.public_id), body, client.cookies["sessionid"].value


class _Editor:
    """One open tab."""

    def __init__(self, address: str, campaign: str, body: str, session: str) -> None:
        self._body = body
        self._path = f"/campaigns/{campaign}/draft/save/"
        self._server = http.client.HTTPConnection(urlsplit(address).netloc)
        self._server.request("GET", f"/campaigns/{campaign}/edit/compose/", headers={"Cookie": f"sessionid={session}"})
        answer = self._server.getresponse()
        page = answer.read().decode()
        assert answer.status == 200, answer.status
        csrf = answer.headers["Set-Cookie"].partition("csrftoken=")[2].partition(";")[0]
        config = json.loads(page.partition('id="editor-config" type="application/json">')[2].partition("</script>")[0])
        self._tab, self._revision = config["session"], config["revision"]
        self._headers = {
            "Cookie": f"sessionid={session}; csrftoken={csrf}",
            "X-CSRFToken": csrf,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def measure(self, kind: str) -> tuple[float, float]:
        taken = [self._save(kind, n) for n in range(N_WARM + N_SAVES)]
        return servers.quantiles(taken[N_WARM:])

    def _save(self, kind: str, n: int) -> float:
        changed = f"Sale number {n}" if kind == "subject" else f"{self._body}<!-- {n} -->"
        fields = {f"compose.{kind}": changed}
        asked = {"session": self._tab, "base_revision": self._revision, "save_id": str(uuid.uuid4()), "step": "compose"}
        started = time.perf_counter()
        self._server.request("POST", self._path, json.dumps({**asked, "fields": fields}), self._headers)
        answer = self._server.getresponse()
        data = json.loads(answer.read())
        taken = (time.perf_counter() - started) * 1000
        assert answer.status == 200, data
        assert data["revision"] == self._revision + 1, "the save changed nothing"
        self._revision = data["revision"]
        return taken


if __name__ == "__main__":
    main()
