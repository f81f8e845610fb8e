"""The four demo people, one per role, with one password. Only where the demo was loaded, never in production."""

from dataclasses import dataclass

from django.conf import settings

from accounts.models import User

PASSWORD = "chappe-demo"


@dataclass(frozen=True)
class DemoAccount:
    """One demo sign-in, as the sign-in page and the start of the local run show it."""

    email: str
    name: str
    role: str
    password: str = PASSWORD


ACCOUNTS = (
    DemoAccount("viewer@chappe.test", "Vera Viewer", "Viewer"),
    DemoAccount("marketer@chappe.test", "Milo Marketer", "Marketer"),
    DemoAccount("operator@chappe.test", "Ona Operator", "Operator"),
    DemoAccount("admin@chappe.test", "Ada Admin", "Admin"),
)


def present() -> list[DemoAccount]:
    """The demo people who can sign in here; none in production."""
    if settings.IS_PRODUCTION:
        return []
    emails = [account.email for account in ACCOUNTS]
    there = set(User.objects.filter(email__in=emails, is_active=True).values_list("email", flat=True))
    return [account for account in ACCOUNTS if account.email in there]
