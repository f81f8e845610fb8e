"""`manage.py purge_logs [--dry-run]`: what retention removes each hour, now; or what it would, and what stays."""

from django.core.management.base import BaseCommand, CommandParser

from delivery import removal


class Command(BaseCommand):
    help = "Removes the rows of old sends, as Settings, Data says. Figures stay. Safe to repeat and to interrupt."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")

    def handle(self, *args: object, **options: object) -> None:
        is_dry = bool(options["dry_run"])
        lines = removal.due() if is_dry else removal.run()
        for line in lines:
            said = f"stays: {line.why_kept}" if line.why_kept else ("would be removed" if is_dry else "removed")
            self.stdout.write(f"{line.what}: about {line.n_rows:,} rows, {line.n_bytes / 1e6:,.1f} MB: {said}")
        if not lines:
            self.stdout.write("Nothing is old enough.")
