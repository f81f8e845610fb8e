"""`manage.py demo`: a made-up shop to look around in. Safe to repeat: what is loaded already stays."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from audiences.models import Profile
from campaigns.demo import shop
from campaigns.models import Campaign

_SMALL, _LARGE = 2_000, 100_000
# Everything a demo fills. Versions, messages and logs refuse DELETE, so that only TRUNCATE empties them.
_TABLES = (
    "campaigns_campaign",
    "delivery_delivery",
    "delivery_sendlog",
    "delivery_attempt",
    "delivery_event",
    # Ids begin anew: an old report must not be taken for one about a new send.
    "delivery_inboundevent",
    "messaging_message",
    "messaging_caughtmessage",
    "audiences_profile",
    "audiences_segment",
    "audiences_subscriptiongroup",
    "audiences_profileimport",
    "audiences_quarantineentry",
    "audiences_addresserror",
    "accounts_auditentry",
)


class Command(BaseCommand):
    help = "Load demo accounts, profiles, segments, groups and five campaigns. Refused in production."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--small", action="store_true", help=f"{_SMALL:,} profiles, in seconds")
        parser.add_argument("--profiles", type=int, metavar="N", help=f"number of profiles, {_LARGE:,} unless told")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="first delete all profiles, segments, groups, campaigns, sends and logs",
        )

    def handle(self, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The demo is never loaded in production (CHAPPE_ENV=production).")
        n_profiles = options["profiles"] or (_SMALL if options["small"] else _LARGE)
        if not 100 <= n_profiles <= 10_000_000:
            raise CommandError("--profiles takes a number from 100 to 10,000,000.")
        if options["reset"]:
            _empty()
        elif Profile.objects.exists() or Campaign.objects.exists():
            shop.accounts()
            self.stdout.write("There are profiles or campaigns already, so only the demo accounts were checked.")
            self.stdout.write("`demo --reset` deletes all of them and loads the demo anew.")
            return
        started = time.monotonic()
        shop.make(n_profiles)
        seconds = time.monotonic() - started
        self.stdout.write(
            f"Demo loaded: {n_profiles:,} profiles and {Campaign.objects.count()} campaigns in {seconds:.1f} s."
        )


def _empty() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # Foreign keys are checked at commit; TRUNCATE refuses while a check is pending.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY CASCADE")
