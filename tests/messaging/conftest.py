"""A mail catcher and a name server that run for one test."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from django.db import connections

from messaging import catcher


@pytest.fixture
def caught_mail(transactional_db: None) -> Iterator[int]:
    """The real catcher on a free port, storing in the test's database from a thread of its own; gives the port."""
    server = catcher.Catcher()
    server.start()

    def run() -> None:
        try:
            server.run()
        finally:
            connections.close_all()

    writer = threading.Thread(target=run)
    writer.start()
    yield server.port
    server.stop()
    writer.join(timeout=10)
    assert not writer.is_alive()


Zone = dict[str, list[str]]


@pytest.fixture
def zone(settings: Any) -> Iterator[Zone]:
    """TXT records by name, as the name server that is asked has them; a name with None is not answered for."""
    records: Zone = {}
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    settings.DNS_URL = f"dns://127.0.0.1:{server.getsockname()[1]}"

    def serve() -> None:
        while True:
            try:
                wire, peer = server.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name.to_text(omit_final_dot=True)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AA
            if name in records:
                # A character-string has at most 255 bytes; longer texts are several of them.
                texts = [
                    " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255)) for text in records[name]
                ]
                answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *texts))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            server.sendto(answer.to_wire(), peer)

    threading.Thread(target=serve, daemon=True).start()
    yield records
    server.close()
