"""`python -m benchmarks.preview`: how long a preview takes after an edit, for real emails and for a body of 100 KB.

What the editor does after each pause: the words beside the frame, then the frame, of a body that was never compiled
before; over HTTP, in this process. Prints a table and one JSON line; milliseconds. BENCH_PREVIEWS changes the number of
previews of each body. The real emails are read from ../shared/data/emails and left out where that folder is absent.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks import servers

N_PREVIEWS = int(os.environ.get("BENCH_PREVIEWS", "50"))
N_WARM = 3
BODY_BYTES = 100_000
EMAILS = Path(__file__).resolve().parent.parent.parent / "shared/data/emails"
ROW = (
    "<tr><td><p>Dear {{ profile.first_name | default: 'reader' }}, the new season is here."
    ' <a href="https://shop.test/season?page=%d">See page %d</a> for what we chose for you.</p></td></tr>\n'
)
FOOTER = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>'


def main() -> None:
    bodies = {path.name: path.read_text() for path in sorted(EMAILS.glob("*.html"))} | {"100 KB": _large()}
    with servers.throwaway():
        desk = _Desk()
        figures = {name: servers.quantiles(desk.measure(body)) for name, body in bodies.items()}
    print(f"{'body':24}{'KB':>6}{'p50 ms':>10}{'p95 ms':>10}")
    for name, (p50, p95) in figures.items():
        print(f"{name:24}{len(bodies[name].encode()) // 1024:>6}{p50:>10}{p95:>10}")
    p50, p95 = figures["100 KB"]
    result = {"previews": N_PREVIEWS, "emails": len(bodies) - 1, "p50_ms": p50, "p95_ms": p95}
    print(json.dumps(result | {"slowest_p95_ms": max(p95 for _p50, p95 in figures.values())}))


def _large() -> str:
    rows, n = "", 0
    while len(rows) < BODY_BYTES:
        n += 1
        rows += ROW % (n, n)
    return f"<html><head><style>p {{ margin: 0 }}</style></head><body><table>{rows}</table>{FOOTER}</body></html>"


class _Desk:
    """A marketer with one campaign and ten thousand people to preview as."""

    def __init__(self) -> None:
        import django  # noqa: PLC0415  # after the environment is set

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        from tests import factories  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        self._person = factories.people(*(f"person{n}" for n in range(10_000)))[0]
        marketer = factories.user("Marketer")
        self._at = f"/campaigns/{factories.campaign(marketer).public_id}/preview"
        self._client: Any = Client(headers={"host": "127.0.0.1"})
        self._client.force_login(marketer)

    def measure(self, body: str) -> list[float]:
        return [self._preview(f"{body}<!-- {n} -->") for n in range(N_WARM + N_PREVIEWS)][N_WARM:]

    def _preview(self, body: str) -> float:
        fields = json.dumps({"compose.body_kind": "html", "compose.body": body})
        asked = {"as": str(self._person.public_id), "fields": fields}
        started = time.perf_counter()
        head = self._client.post(f"{self._at}/head/", asked)
        frame = self._client.post(f"{self._at}/html/", asked)
        taken = (time.perf_counter() - started) * 1000
        assert head.status_code == frame.status_code == 200, (head.status_code, frame.status_code)
        assert "KB of 102 KB" in head.text, head.text
        return taken


if __name__ == "__main__":
    main()
