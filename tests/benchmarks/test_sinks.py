"""The sinks of `make bench` count right: each message, each recipient once, those seen twice."""

import smtplib
import socket
import ssl
from collections.abc import Iterator

import pytest

from benchmarks import sinks


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sinks.Sinks:
    return sinks.Sinks(tmp_path_factory.mktemp("sinks"))


def conversation(made: sinks.Sinks, kind: str) -> Iterator[smtplib.SMTP]:
    port = made.ports[kind]
    if kind == sinks.TLS:
        context = ssl.create_default_context(cafile=str(made.certificate))
        yield smtplib.SMTP_SSL("127.0.0.1", port, timeout=5, context=context)
    else:
        yield smtplib.SMTP("127.0.0.1", port, timeout=5)


@pytest.mark.parametrize("kind", [sinks.CHEAP, sinks.PYTHON, sinks.TLS])
def test_a_sink_counts_messages_recipients_and_duplicates(made: sinks.Sinks, kind: str) -> None:
    with made.running(kind, expected=4) as received:
        for client in conversation(made, kind):
            for number in (1, 2, 1_000_000, 2):
                client.sendmail("a@example.test", [f"person{number}@example.test"], "Subject: x\r\n\r\n..\r\n.x\r\n")
            client.quit()
    assert (received.messages, received.recipients, received.duplicates) == (4, 3, 1)
    assert received.bytes > 4 * 20


@pytest.mark.parametrize("kind", [sinks.CHEAP, sinks.PYTHON])
def test_a_sink_takes_pipelined_pieces_of_any_size(made: sinks.Sinks, kind: str) -> None:
    one = b"MAIL FROM:<a@x>\r\nRCPT TO:<person%d@x>\r\nDATA\r\n%s\r\n.\r\n"
    bodies = (b"short", b"a" * 600_000, b"dots\r\n..\r\n", b"last")
    said = b"EHLO me\r\n" + b"".join(one % (number, body) for number, body in enumerate(bodies)) + b"QUIT\r\n"
    with made.running(kind, expected=4) as received, socket.create_connection(("127.0.0.1", made.ports[kind])) as to:
        to.settimeout(5)
        for at in range(60):
            to.sendall(said[at : at + 1])
        to.sendall(said[60:])
        heard = b"".join(iter(lambda: to.recv(65536), b""))
    assert (received.messages, received.recipients, received.duplicates) == (4, 4, 0)
    assert heard.count(b"\r\n") == 1 + 3 + 4 * 4 + 1


@pytest.mark.skipif(not sinks.program("smtp-sink"), reason="smtp-sink is not installed (Debian: postfix)")
@pytest.mark.parametrize(("n", "expected", "counted"), [(3, 3, True), (2, 3, False), (4, 3, False)])
def test_smtp_sink_tells_exactly_the_expected_number(made: sinks.Sinks, n: int, expected: int, counted: bool) -> None:
    with made.running(sinks.POSTFIX, expected=expected) as received:
        for client in conversation(made, sinks.POSTFIX):
            for number in range(n):
                try:
                    client.sendmail("a@example.test", [f"person{number}@example.test"], "Subject: x\r\n\r\nx\r\n")
                except smtplib.SMTPServerDisconnected:
                    break
            client.close()
    assert (received.messages == expected) is counted
