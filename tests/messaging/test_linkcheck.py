"""Checking links against a real web server on loopback: what is told, what is left alone, what is never contacted."""

import contextlib
import datetime as dt
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from messaging import linkcheck
from messaging.models import LinkCheck

pytestmark = pytest.mark.django_db


class _Site(http.server.BaseHTTPRequestHandler):
    """/404, /500 … answer that status; /to/… redirects there; /get-only refuses HEAD; /loop leads to itself."""

    asked: list[tuple[str, str]] = []

    def _answer(self) -> None:
        self.asked.append((self.command, self.path))
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            return self._send(302, path.removeprefix("/to"))
        if path == "/drip":
            return self._drip()
        if path == "/loop":
            return self._send(302, "/loop")
        if path == "/away":
            return self._send(302, "ftp://127.0.0.1/")
        if path == "/get-only":
            return self._send(405 if self.command == "HEAD" else 200)
        return self._send(int(path[1:]) if path[1:].isdigit() else 200)

    do_GET = do_HEAD = _answer  # noqa: N815  # the names are the library's

    def _send(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        """A head of which a byte comes every 50 ms, for a minute or until nobody listens."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        with contextlib.suppress(OSError):
            for _n in range(1_200):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def site(settings: Any) -> Iterator[str]:
    """The address of a running site; private addresses are allowed."""
    settings.LINK_CHECK_PRIVATE = True
    _Site.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/404", 404),
        ("/410", 410),
        ("/500", 500),
        ("/get-only", 200),
        ("/to/200", 200),
        ("/to/to/404", 404),
        ("/loop", None),
        ("/away", None),
        ("/404?a=b c&d=é", 404),
    ],
)
def test_status(site: str, path: str, status: int | None) -> None:
    assert linkcheck.status(site + path) == status


def test_what_does_not_answer_has_no_status(site: str) -> None:
    port = site.rpartition(":")[2]
    for url in (
        "http://127.0.0.1:9/",
        f"https://127.0.0.1:{port}/",
        "http://no-such-host.invalid/",
        "http://[::1",
        f"http://user@127.0.0.1:{port}/",
    ):
        assert linkcheck.status(url) is None, url


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
)
def test_addresses_that_are_not_public_are_never_contacted(site: str, settings: Any, host: str) -> None:
    settings.LINK_CHECK_PRIVATE = False
    assert linkcheck.status(f"http://{host}:{site.rpartition(':')[2]}/404") is None
    assert _Site.asked == []


@pytest.mark.timeout(30)
def test_a_server_that_never_ends_its_answer_is_left(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkcheck, "_ANSWER_S", 0.3)
    started = time.perf_counter()
    assert linkcheck.status(f"{site}/drip") is None
    assert time.perf_counter() - started < 5


def test_only_links_that_are_gone_are_told(site: str) -> None:
    urls = [site + path for path in ("/404", "/", "/403", "/429", "/500", "/503", "/410")]
    assert linkcheck.broken(urls) == []
    linkcheck.want([*urls, "https://shop.test/{{ profile.id }}", "mailto:lea@shop.test"])
    assert LinkCheck.objects.count() == len(urls)
    assert linkcheck.check_waiting() == len(urls)
    assert [(one.url.removeprefix(site), one.status) for one in linkcheck.broken(urls)] == [
        ("/404", 404),
        ("/500", 500),
        ("/410", 410),
    ]
    assert linkcheck.check_waiting() == 0


def test_a_link_is_asked_again_after_a_day_and_forgotten_after_a_week(site: str) -> None:
    linkcheck.want([f"{site}/404"])
    linkcheck.check_waiting()
    linkcheck.want([f"{site}/404"])
    assert linkcheck.check_waiting() == 0
    later = timezone.now() + dt.timedelta(hours=25)
    with time_machine.travel(later, tick=False):
        linkcheck.want([f"{site}/404"])
        assert linkcheck.check_waiting() == 1
    with time_machine.travel(later + dt.timedelta(days=6), tick=False):
        linkcheck.drop_forgotten()
        assert LinkCheck.objects.count() == 1
    with time_machine.travel(later + dt.timedelta(days=8), tick=False):
        assert linkcheck.broken([f"{site}/404"]) == []
        linkcheck.drop_forgotten()
    assert not LinkCheck.objects.exists()
