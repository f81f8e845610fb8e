"""How a Celery worker listens to the broker; loaded by workers only, by its name in the settings."""

from typing import Any

from celery.worker import consumer


class Consumer(consumer.Consumer):
    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """When the broker is lost, leave to its timeout what was taken from it and isn't acknowledged.

        kombu 5.7 would give it back, now or when the task ends, over the connection that was lost; that raises
        AttributeError and ends the worker with its pool: each person on the wire would be unknown because a broker
        restarted.
        """
        transport = getattr(self.connection, "transport", None)
        for channel in tuple(getattr(transport, "channels", None) or ()):
            channel.do_restore = False
            channel.basic_ack = channel.basic_reject = _nothing
        super().on_connection_error_after_connected(exc)


def _nothing(*_arguments: Any, **_named: Any) -> None: ...
