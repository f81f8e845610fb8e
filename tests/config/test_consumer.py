"""A worker outlives its broker, whatever it was doing."""

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any

import kombu
import pytest
from celery.worker import consumer as celery_consumer

from config import celery
from config.consumer import Consumer
from config.local import ports, valkey


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[str, Popen[bytes]]]:
    """One to kill."""
    instance = valkey.Instance(tmp_path, ports.free(), keeps_data=False)
    server = valkey.start(instance)
    try:
        deadline = time.monotonic() + 20
        while not valkey.is_ready(instance):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield instance.url(0), server
    finally:
        server.kill()
        server.wait()


def listening(kind: Any, url: str, name: str) -> Any:
    """A consumer that took a message and has not acknowledged it."""
    connection = kombu.Connection(url)
    queue = connection.SimpleQueue(name, no_ack=False)
    queue.put({"one": 1})
    taken = queue.get(timeout=5)
    assert taken.payload == {"one": 1}
    # All that is left of it when the first look at a channel raises, as it does in a worker that waits for messages.
    connection.collect = lambda **_named: connection._do_close_transport()
    # Whatever comes of it is not for the end of the tests.
    queue.channel.qos._on_collect.cancel()
    made = kind.__new__(kind)
    made.app, made.connection, made.qos_global = celery.app, connection, True
    made.taken = taken
    made.prefetch_multiplier, made.pool = 1, SimpleNamespace(num_processes=1)
    return made


@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
def test_losing_the_broker_does_not_end_a_worker_with_a_task_at_hand(broker: tuple[str, Popen[bytes]]) -> None:
    url, server = broker
    theirs, ours = listening(celery_consumer.Consumer, url, "theirs"), listening(Consumer, url, "ours")
    server.kill()
    server.wait()
    lost = OSError("the broker went away")
    # Once these no longer fail, config.consumer isn't needed.
    with pytest.raises(AttributeError, match="hostname"):
        theirs.on_connection_error_after_connected(lost)
    with pytest.raises(AttributeError):
        theirs.taken.requeue()
    ours.on_connection_error_after_connected(lost)
    # The process that had it is killed now.
    ours.taken.requeue()
    assert ours.connection is None
    assert f"{Consumer.__module__}:{Consumer.__qualname__}" == celery.app.conf.worker_consumer
