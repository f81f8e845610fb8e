"""Asking foreign servers: which addresses are never contacted, and what becomes of each kind of answer."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from messaging import outward
from tests import http_server
from tests.http_server import Asked, Reply, Site

PUBLIC = [
    "93.184.216.34",
    "1.1.1.1",
    "2606:2800:220:1::1",
    "2a00:1450:4007:80e::200e",
    "::ffff:93.184.216.34",
]
CLOSED = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:224.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:a00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert outward.is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_other_addresses_are_not(address: str) -> None:
    assert not outward.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "//shop.test/",
        "shop.test",
        "",
        "https://",
        "https://user:secret@shop.test/",
        "https://user@shop.test/",
        "https://shop.test:99999/",
        "https://shop.test:8443/",
        "http://[::1",
        "http://[::1]/",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://shop.test/\r\nX-More: yes",
        "https://shop.test/\0",
        "https://sh op.test/",
    ],
)
def test_what_is_refused_at_sight(url: str) -> None:
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.check(url)
    assert caught.value.code == outward.REFUSED
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url", ["https://shop.test/a?b=c", "http://shop.test:80/", "https://1.1.1.1/", "https://é.test"]
)
def test_what_may_be_asked(url: str) -> None:
    outward.check(url)


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    with http_server.running() as site:
        settings.OUTWARD_HOSTS = frozenset({f"127.0.0.1:{site.port}", f"localhost:{site.port}"})
        yield site


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
    ],
)
def test_nothing_of_our_own_network_is_contacted(site: Site, settings: Any, host: str) -> None:
    settings.OUTWARD_HOSTS = frozenset()
    # A port that is usual, so that it is the address that is refused.
    for port in (site.port, 80):
        with pytest.raises(outward.OutwardProblem) as caught:
            outward.send("GET", f"http://{host}:{port}/")
        assert caught.value.code == outward.REFUSED
    assert site.asked == []


def test_one_address_that_is_not_public_is_enough(site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the name is resolved once: another answer a moment later changes nothing."""
    settings.OUTWARD_HOSTS = frozenset()
    given: list[list[str]] = [["93.184.216.34", "127.0.0.1"], ["93.184.216.34"]]
    n = _resolve(monkeypatch, lambda: given.pop(0))
    with pytest.raises(outward.OutwardProblem):
        outward.send("GET", "http://rebinds.test/")
    assert n() == 1
    # The next one is public, is taken for good, and the guard of the tests keeps us from it.
    with pytest.raises(RuntimeError, match=r"93\.184\.216\.34"):
        outward.send("GET", "http://rebinds.test/", timeout=0.5)
    assert n() == 2


def test_the_name_stays_in_host_while_the_address_is_the_judged_one(
    site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTWARD_HOSTS = frozenset({f"hooks.internal:{site.port}"})
    n = _resolve(monkeypatch, lambda: ["127.0.0.1"])
    assert outward.send("GET", f"http://Hooks.internal:{site.port}/a b?c=é").status == 200
    assert site.asked[0].headers["host"] == f"hooks.internal:{site.port}"
    assert site.asked[0].path == "/a%20b?c=%C3%A9"
    assert n() == 1


def test_a_listed_host_opens_no_other_port(site: Site, settings: Any) -> None:
    settings.OUTWARD_HOSTS = frozenset({"127.0.0.1"})
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.send("GET", site.url)
    assert caught.value.code == outward.REFUSED
    assert outward.send("GET", site.url, anywhere=True).status == 200


def test_what_is_sent_and_what_comes_back(site: Site) -> None:
    site.answers = lambda _asked, _n: Reply(201, {"Content-Type": "Text/Plain; charset=utf-8", "X-Id": "7"}, b"made")
    answer = outward.send("PUT", f"{site.url}/x", {"X-Own": "1", "Content-Type": "a/b"}, b"hello")
    assert (answer.status, answer.body, answer.content_type, answer.is_cut) == (201, b"made", "text/plain", False)
    assert answer.headers["x-id"] == "7"
    outward.send("GET", site.url, {"user-agent": "Mine"})
    assert site.asked[1].headers["user-agent"] == "Mine"
    asked = site.asked[0]
    assert (asked.method, asked.path, asked.body) == ("PUT", "/x", b"hello")
    assert asked.headers["user-agent"] == "Chappe"
    assert asked.headers["x-own"] == "1"
    assert asked.headers["content-length"] == "5"


BROKEN: list[tuple[Reply, str]] = [
    (Reply(hangs_up=True), outward.NO_ANSWER),
    (Reply(drips=True), outward.NO_ANSWER),
    (Reply(delay_s=2), outward.NO_ANSWER),
]


@pytest.mark.parametrize(("reply", "code"), BROKEN)
def test_no_answer(site: Site, reply: Reply, code: str) -> None:
    site.answers = lambda _asked, _n: reply
    started = time.monotonic()
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.send("POST", f"{site.url}/secret", body=b"x", timeout=0.4)
    assert caught.value.code == code
    assert caught.value.message.startswith("127.0.0.1 ")
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://no-such-host.invalid/", outward.UNREACHABLE),
        ("http://127.0.0.1:{closed}/", outward.UNREACHABLE),
        ("https://127.0.0.1:{open}/", outward.UNREACHABLE),
    ],
)
def test_no_connection(site: Site, settings: Any, url: str, code: str) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = one.getsockname()[1]
    settings.OUTWARD_HOSTS |= {f"127.0.0.1:{closed}"}
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.send("GET", url.format(closed=closed, open=site.port), timeout=1)
    assert caught.value.code == code


def test_nothing_leaves_when_the_last_word_is_no(site: Site) -> None:
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.send("POST", site.url, body=b"x", may_send=lambda: False)
    assert caught.value.code == outward.LATE
    assert site.asked == []


@pytest.mark.parametrize("value", ["a\r\nX-B: 2", "a\nb", "Łódź"])
def test_a_header_that_can_not_be_sent_sends_nothing(site: Site, value: str) -> None:
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.send("POST", site.url, {"X-A": value}, b"x")
    assert caught.value.code == outward.REFUSED
    assert site.asked == []


def test_of_a_long_answer_only_so_much_is_read(site: Site) -> None:
    site.answers = lambda _asked, _n: Reply(200, {}, b"x" * 300_000)
    answer = outward.send("POST", site.url, most_bytes=1000)
    assert (answer.status, len(answer.body), answer.is_cut) == (200, 1000, True)
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.fetch(site.url, most_bytes=299_999, timeout=2)
    assert caught.value.code == outward.TOO_LARGE
    assert len(outward.fetch(site.url, most_bytes=300_000, timeout=2).body) == 300_000


def test_half_a_file_is_no_file_and_a_status_counts_without_its_body(site: Site) -> None:
    site.answers = lambda _asked, _n: Reply(200, {}, b"half", n_missing=4)
    assert outward.send("POST", site.url).status == 200
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.fetch(site.url, most_bytes=1000, timeout=2)
    assert caught.value.code == outward.NO_ANSWER


FETCHED: list[tuple[Callable[[Asked, int], Reply], str]] = [
    (lambda _a, n: Reply(302, {"Location": f"/{n}"}) if n < 3 else Reply(body=b"x"), ""),
    (lambda _a, n: Reply(302, {"Location": f"/{n}"}), outward.BAD_STATUS),
    (lambda _a, _n: Reply(302, {"Location": "http://169.254.169.254/"}), outward.REFUSED),
    (lambda _a, _n: Reply(302, {"Location": "file:///etc/passwd"}), outward.REFUSED),
    (lambda _a, _n: Reply(302, {"Location": "http://127.0.0.1:1/"}), outward.REFUSED),
    (lambda _a, _n: Reply(302), outward.BAD_STATUS),
    (lambda _a, _n: Reply(404), outward.BAD_STATUS),
    (lambda _a, _n: Reply(204), outward.BAD_STATUS),
    # Nobody asked for that, and what was in it would go out under a name that says something else.
    (lambda _a, _n: Reply(200, {"Content-Encoding": "gzip"}, b"x"), outward.BAD_STATUS),
    (lambda _a, _n: Reply(200, {"Content-Encoding": "Identity"}, b"x"), ""),
]


@pytest.mark.parametrize(("answers", "code"), FETCHED)
def test_fetch(site: Site, answers: Callable[[Asked, int], Reply], code: str) -> None:
    site.answers = answers
    if not code:
        assert outward.fetch(site.url, most_bytes=10, timeout=2).body == b"x"
        return
    with pytest.raises(outward.OutwardProblem) as caught:
        outward.fetch(site.url, most_bytes=10, timeout=2)
    assert caught.value.code == code


def test_a_password_for_one_host_is_told_to_no_other(site: Site) -> None:
    away = f"http://localhost:{site.port}/"
    site.answers = lambda _asked, n: (Reply(302, {"Location": "/same"}), Reply(302, {"Location": away}), Reply())[n]
    outward.fetch(site.url, most_bytes=10, timeout=2, headers={"Authorization": "Basic eDp5"})
    assert ["authorization" in asked.headers for asked in site.asked] == [True, True, False]


def test_send_follows_no_redirect(site: Site) -> None:
    site.answers = lambda _asked, _n: Reply(307, {"Location": "/other"})
    assert outward.send("POST", site.url, body=b"x").status == 307
    assert len(site.asked) == 1


def _resolve(monkeypatch: pytest.MonkeyPatch, answers: Callable[[], list[str]]) -> Callable[[], int]:
    """Let names resolve to what `answers` gives; numbers stay what they are. Returns how often a name was asked."""
    real, asked = socket.getaddrinfo, [0]

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host.endswith((".test", ".internal")):
            asked[0] += 1
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers()]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return lambda: asked[0]
