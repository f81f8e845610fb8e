"""`manage.py receive_bounce` reads one mail from standard input: for a mail server's pipe. See docs/operations.md.

Exit codes are those of sysexits.h: 0 when the mail was handled, 75 (EX_TEMPFAIL) when it must be given again, because
PostgreSQL is away or something is wrong here. It is safe to give the same mail twice.
"""

import logging
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError

from delivery import return_mail

logger = logging.getLogger(__name__)
# More than any report needs; the rest of a larger mail is not read.
_MOST_BYTES = 20 * 1024 * 1024


class Command(BaseCommand):
    help = "Handles one bounce, complaint or unsubscribe mail from standard input."
    # Checks would cost more than the mail.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """None: everything is in the mail."""

    def handle(self, *_args: Any, **_options: Any) -> None:
        source = sys.stdin.buffer.read(_MOST_BYTES)
        try:
            result = return_mail.handle(source)
        except (OperationalError, InterfaceError, return_mail.TryAgain) as error:
            self.stderr.write(f"Not handled now: {error}")
            sys.exit(os.EX_TEMPFAIL)
        except Exception:
            logger.exception("a mail could not be handled")
            sys.exit(os.EX_TEMPFAIL)
        self.stdout.write(result)
