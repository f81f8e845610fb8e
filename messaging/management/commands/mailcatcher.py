"""`manage.py mailcatcher`: run the local mail catcher until it is told to stop."""

import signal
from argparse import ArgumentParser
from types import FrameType

from django.core.management.base import BaseCommand, CommandError

from messaging import catcher


class Command(BaseCommand):
    help = "Receive mail on this machine and show it in the inbox; nothing is delivered to anybody."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=1025, help="TCP port (default: 1025)")

    def handle(self, *args: object, host: str, port: int, **options: object) -> None:
        server = catcher.Catcher(host=host, port=port)
        try:
            server.start()
        except OSError as error:
            raise CommandError(f"Port {port} on {host} can't be used: {error.strerror or error}.") from error

        def stop(number: int, frame: FrameType | None) -> None:
            server.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.stdout.write(f"Mail catcher on {host}:{server.port}")
        server.run()
