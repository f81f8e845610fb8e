"""How a Celery worker listens to the broker; loaded by workers only, by its name in the settings."""

from celery.worker import consumer


class Consumer(consumer.Consumer):
    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Leave unacknowledged messages to their timeout when the broker is lost.

        kombu 5.7 would give them back over the connection that was just lost, raise AttributeError, and end the worker
        together with its pool: each person on the wire would be unknown because a broker restarted.
        """
        transport = getattr(self.connection, "transport", None)
        for channel in tuple(getattr(transport, "channels", None) or ()):
            channel.do_restore = False
        super().on_connection_error_after_connected(exc)
