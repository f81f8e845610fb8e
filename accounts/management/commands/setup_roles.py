"""`manage.py setup_roles`: the four roles with exactly their permissions. Safe to repeat; run after migrate."""

from django.core.management.base import BaseCommand

from accounts import roles


class Command(BaseCommand):
    help = "Creates the roles Viewer, Marketer, Operator and Admin, or brings them up to date."

    def handle(self, *args: object, **options: object) -> None:
        roles.sync()
        if int(str(options.get("verbosity", 1))) > 0:
            self.stdout.write(f"Roles are up to date: {', '.join(roles.ROLES)}.")
