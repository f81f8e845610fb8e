"""The SMTP client against a real server on loopback: every stage, every fault, one honest outcome."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from messaging import handover, smtp, verdicts
from messaging.handover import Server
from messaging.smtp import Result, Timeouts
from tests import smtp_server

FAST = Timeouts(connect=2, greeting=0.5, command=0.5, body=0.5, dot=0.5)
BIG = b"x" * 76 + b"\r\n"


class Envelope(NamedTuple):
    mail_from: bytes
    rcpt_to: bytes
    data: bytes


@pytest.fixture
def remote() -> Iterator[smtp_server.Server]:
    server = smtp_server.Server(smtp_server.Script())
    yield server
    server.stop()


def local(port: int, **fields: object) -> Server:
    defaults: dict[str, object] = {
        "host": "127.0.0.1", "port": port, "security": "none", "username": "", "password": "",
        "n_connections": 1, "rate_per_minute": None,
    }  # fmt: skip
    return Server(**{**defaults, **fields})  # type: ignore[arg-type]


def envelope(name: str, *, body: bytes = b"hello\r\n") -> Envelope:
    data = b"Subject: x\r\n\r\n" + body + b".\r\n"
    return Envelope(b"bounce@shop.test", f"{name}@example.test".encode(), data)


def send(remote: smtp_server.Server, *names: str, body: bytes = b"hello\r\n", **fields: object) -> list[smtp.Handover]:
    return smtp.send_one(local(remote.port, **fields), [envelope(name, body=body) for name in names], timeouts=FAST)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("name", "result", "code"),
    [
        ("fine", Result.ACCEPTED, ""),
        ("rcpt550-", Result.REFUSED, "550 5.1.1"),
        ("rcpt450-", Result.DEFERRED, "450 4.1.1"),
        ("data554-", Result.REFUSED, "554 5.1.1"),
        ("data451-", Result.DEFERRED, "451 4.1.1"),
        ("dot451-", Result.DEFERRED, "451 4.1.1"),
        ("dot552-", Result.REFUSED, "552 5.1.1"),
        ("dot421-", Result.DEFERRED, "421 4.1.1"),
        ("rcpt421-", Result.DEFERRED, "421 4.1.1"),
        ("rcpt354-", Result.DEFERRED, ""),
        ("data250-", Result.DEFERRED, ""),
        ("dot354-", Result.UNKNOWN, ""),
        ("droprcpt-", Result.DEFERRED, ""),
        ("dropdata-", Result.DEFERRED, ""),
        ("dropdot-", Result.UNKNOWN, ""),
        ("stallrcpt-", Result.DEFERRED, ""),
        ("stalldata-", Result.DEFERRED, ""),
        ("stalldot-", Result.UNKNOWN, ""),
        ("garbagercpt-", Result.DEFERRED, ""),
        ("garbagedata-", Result.DEFERRED, ""),
        ("garbagedot-", Result.UNKNOWN, ""),
    ],
)
def test_each_fault_has_one_outcome_and_spares_the_neighbours(
    remote: smtp_server.Server, pipelining: bool, name: str, result: Result, code: str
) -> None:
    remote.script.pipelining = pipelining
    before, faulty, after = send(remote, "before", name, "after")
    assert (faulty.result, faulty.code) == (result, code)
    assert (before.result, after.result) == (Result.ACCEPTED, Result.ACCEPTED)
    assert remote.recipients.count("before@example.test") == remote.recipients.count("after@example.test") == 1
    is_there = remote.recipients.count(f"{name}@example.test")
    assert is_there == (1 if result in (Result.ACCEPTED, Result.UNKNOWN) else 0)


@pytest.mark.parametrize(
    ("name", "result", "code"),
    [
        ("body552-", Result.REFUSED, "552 5.1.1"),
        ("body451-", Result.DEFERRED, "451 4.1.1"),
        ("body421-", Result.DEFERRED, "421 4.1.1"),
        ("longbody-", Result.DEFERRED, ""),
    ],
)
def test_an_answer_in_the_middle_of_a_large_message_counts(
    remote: smtp_server.Server, name: str, result: Result, code: str
) -> None:
    outcome, after = send(remote, name, "after", body=BIG * 200_000)
    # A server that hangs up with data unread may take its own answer back (a reset); then it is a lost connection.
    assert (outcome.result, outcome.code) in {(result, code), (Result.DEFERRED, "")}
    assert after.result is Result.ACCEPTED
    assert remote.recipients == ["after@example.test"]


@pytest.mark.parametrize("name", ["dropbody-", "stallbody-"])
def test_a_large_message_cut_off_before_its_dot_was_not_sent(remote: smtp_server.Server, name: str) -> None:
    (outcome,) = send(remote, name, body=BIG * 200_000)
    assert outcome.result is Result.DEFERRED
    assert remote.recipients == []


def test_a_large_message_arrives_whole(remote: smtp_server.Server) -> None:
    (outcome,) = send(remote, "fine", body=BIG * 100_000)
    assert outcome.result is Result.ACCEPTED
    assert len(remote.accepted[0][1]) == len(b"Subject: x\r\n\r\n" + BIG * 100_000)


def test_a_server_that_contradicts_itself_gets_no_empty_message(remote: smtp_server.Server) -> None:
    remote.script.faults = {"mail": "550 5.7.1 no", "rcpt": "250 ok", "data": "354 go"}
    assert send(remote, "one")[0].code == "550 5.7.1"
    remote.script.faults = {"rcpt": "354 what", "data": "354 go"}
    assert send(remote, "two")[0].result is Result.DEFERRED
    assert remote.recipients == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("550 5.1.1 no such user", "550 5.1.8"),
        ("550 5.1.7 bad sender", "550 5.1.7"),
        ("550 5.7.1 no", "550 5.7.1"),
        ("552 5.3.4 too large", "552 5.3.4"),
        ("451 4.3.0 later", "451 4.3.0"),
    ],
)
def test_an_answer_to_mail_is_never_about_a_recipient(remote: smtp_server.Server, answer: str, code: str) -> None:
    remote.script.mail = [answer]
    first, second = send(remote, "one", "two")
    assert (first.code, first.reply) == (code, handover.AT_MAIL + answer)
    assert verdicts.of_reply(first.code, first.reply).kind is not verdicts.Kind.HARD
    assert second.result is Result.ACCEPTED


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_being_asked_to_sign_in_is_nobodys_outcome(remote: smtp_server.Server, pipelining: bool, stage: str) -> None:
    remote.script.pipelining = pipelining
    remote.script.faults = {stage: "530 5.7.0 authentication required"}
    outcomes = send(remote, "one", "two")
    assert {outcome.result for outcome in outcomes} == {Result.NOT_TRIED}
    assert not any(command == "DATA" for command in remote.commands if not pipelining)
    assert remote.recipients == []


@pytest.mark.parametrize("pipelining", [True, False])
def test_too_many_recipients_asks_for_a_new_connection(remote: smtp_server.Server, pipelining: bool) -> None:
    remote.script.pipelining = pipelining
    remote.script.rcpt = ["250 ok", "452 4.5.3 too many recipients"]
    assert {outcome.result for outcome in send(remote, "one", "two", "three")} == {Result.ACCEPTED}
    assert sorted(remote.recipients) == ["one@example.test", "three@example.test", "two@example.test"]
    assert sum(command.startswith("EHLO") for command in remote.commands) == 2


def test_the_words_of_a_long_answer_are_kept_on_one_line(remote: smtp_server.Server) -> None:
    remote.script.answers = {"one": ("rcpt", "550-5.1.1 no such user\r\n550-5.1.1 see https://a.test\r\n550 5.1.1 bye")}
    (outcome,) = send(remote, "one")
    assert outcome.code == "550 5.1.1"
    assert outcome.reply == "550-5.1.1 no such user 550-5.1.1 see https://a.test 5.1.1 bye"


def test_421_at_mail_is_the_connections_fault(remote: smtp_server.Server) -> None:
    remote.script.mail = ["421 busy"]
    assert {outcome.result for outcome in send(remote, "one", "two")} == {Result.ACCEPTED}
    assert sorted(remote.recipients) == ["one@example.test", "two@example.test"]


def test_what_a_broken_connection_gave_back_goes_over_the_others_at_once(
    remote: smtp_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_BACKOFF", (20.0,))
    # Slow enough at MAIL that the other connections are there and idle when it breaks.
    remote.script.faults = {"mail": "stall"}
    started = time.monotonic()
    source = smtp._List([envelope("one")])

    async def run() -> None:
        pool = smtp.Pool(local(remote.port, n_connections=4), source, out_of_order=source.give_up, timeouts=FAST)
        pool.start()
        while not any(command.startswith("MAIL") for command in remote.commands) or pool.n_live < 4:
            await asyncio.sleep(0.01)
        remote.script.faults = {}
        await source.done.wait()
        await pool.close()

    asyncio.run(run())
    assert [outcome.result for outcome in source.outcomes.values()] == [Result.ACCEPTED]
    assert time.monotonic() - started < 10


def test_connections_that_end_after_each_message_lose_nobody(remote: smtp_server.Server) -> None:
    remote.script.close_after = 1
    outcomes = send(remote, *(f"p{i}" for i in range(6)))
    assert len(remote.recipients) == len(set(remote.recipients))
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert len(remote.recipients) == 6


def test_without_ehlo_it_says_helo(remote: smtp_server.Server) -> None:
    remote.script.helo_only = True
    (outcome,) = send(remote, "fine")
    assert outcome.result is Result.ACCEPTED
    assert any(command.startswith("HELO ") for command in remote.commands)


def test_size_and_utf8_are_respected(remote: smtp_server.Server) -> None:
    remote.script.size = 100
    assert send(remote, "fine", body=BIG * 10)[0].code == "too_large"
    assert send(remote, "fine")[0].result is Result.ACCEPTED
    assert send(remote, "zoé")[0].code == "invalid_address"
    remote.script.smtputf8 = True
    assert send(remote, "zoé")[0].result is Result.ACCEPTED
    assert any("SMTPUTF8" in command for command in remote.commands)


@pytest.mark.parametrize("name", ["a\r\nRCPT TO:<evil@example.test>", "a>b", "a\0b"])
def test_an_address_can_not_inject_commands(remote: smtp_server.Server, name: str) -> None:
    (outcome,) = send(remote, name)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "invalid_address")
    assert not any("evil" in command for command in remote.commands)


@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
def test_signing_in(remote: smtp_server.Server, auth: str) -> None:
    remote.script.auth = auth
    assert send(remote, "fine", username="u", password="p")[0].result is Result.ACCEPTED
    remote.script.password_ok = False
    probe = smtp.probe(local(remote.port, username="u", password="hush"), timeouts=FAST)
    assert probe.trouble is not None and probe.trouble.kind == "auth" and probe.trouble.is_lasting
    assert "535 5.7.8" in probe.trouble.reply
    assert not any("hush" in line or "aHVzaA" in line for line in probe.lines)


@pytest.mark.parametrize(
    ("fields", "kind", "lasting"),
    [
        ({"greeting": "421 too busy"}, "greeting", False),
        ({"greeting": "554 go away"}, "greeting", True),
        ({"greeting": "hello there"}, "lost", False),
    ],
)
def test_trouble_of_the_server_is_nobodys_outcome(
    remote: smtp_server.Server, fields: dict[str, object], kind: str, lasting: bool
) -> None:
    for name, value in fields.items():
        setattr(remote.script, name, value)
    (outcome,) = send(remote, "fine")
    assert outcome.result is Result.NOT_TRIED
    trouble = smtp.probe(local(remote.port), timeouts=FAST).trouble
    assert trouble is not None and (trouble.kind, trouble.is_lasting) == (kind, lasting)


def test_nobody_listening() -> None:
    server = smtp_server.Server(smtp_server.Script())
    server.stop()
    (outcome,) = smtp.send_one(local(server.port), [envelope("fine")], timeouts=FAST)
    assert outcome.result is Result.NOT_TRIED
    trouble = smtp.probe(local(server.port), timeouts=FAST).trouble
    assert trouble is not None and trouble.kind == "connect" and "connection refused" in trouble.message


def test_starttls_is_never_skipped(remote: smtp_server.Server) -> None:
    (outcome,) = send(remote, "fine", security="starttls")
    assert outcome.result is Result.NOT_TRIED
    assert not any(command.startswith("MAIL") for command in remote.commands)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_checks_the_certificate(
    remote: smtp_server.Server, certificate: Path, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    remote.script.tls, remote.script.implicit_tls = context, security == "tls"
    server = local(remote.port, security=security, host="127.0.0.1")
    trouble = smtp.probe(server, timeouts=FAST).trouble
    assert trouble is not None and trouble.kind == "tls" and "certificate" in trouble.message
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    assert smtp.probe(server, timeouts=FAST).trouble is None
    (outcome,) = smtp.send_one(server, [envelope("fine")], timeouts=FAST)
    assert outcome.result is Result.ACCEPTED


def test_several_connections_send_everybody_once(remote: smtp_server.Server) -> None:
    remote.script.delay_s = 0.01
    outcomes = send(remote, *(f"p{i}" for i in range(200)), n_connections=8)
    assert {outcome.result for outcome in outcomes} == {Result.ACCEPTED}
    assert sorted(remote.recipients) == sorted(f"p{i}@example.test" for i in range(200))
