"""The four roles as groups with named permissions. Permissions are text here, so that this room knows no other."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.utils.translation import gettext_noop

from accounts.models import User

VIEW = "accounts.view_workspace"
EDIT = "campaigns.edit_campaigns"
START = "delivery.start_deliveries"
MANAGE_AUDIENCE = "audiences.manage_audience"
EXPORT = "delivery.export_logs"
RELEASE = "audiences.release_quarantine"
MANAGE_TRANSPORTS = "messaging.manage_transports"

_MARKETER = (VIEW, EDIT, MANAGE_AUDIENCE)
_OPERATOR = (*_MARKETER, START, EXPORT, RELEASE)
ROLES: dict[str, tuple[str, ...]] = {
    gettext_noop("Viewer"): (VIEW,),
    gettext_noop("Marketer"): _MARKETER,
    gettext_noop("Operator"): _OPERATOR,
    gettext_noop("Admin"): (*_OPERATOR, MANAGE_TRANSPORTS),
}

_ROOMS = ("accounts", "audiences", "messaging", "delivery", "campaigns", "api")


def sync() -> None:
    """Make the four groups hold exactly their permissions; safe to repeat. Run after migrate.

    Raises LookupError if a permission is not in the database, which means that a room was renamed.
    """
    for role, names in ROLES.items():
        wanted = Q()
        for name in names:
            app_label, codename = name.split(".")
            wanted |= Q(content_type__app_label=app_label, codename=codename)
        permissions = list(Permission.objects.filter(wanted))
        if len(permissions) != len(names):
            raise LookupError(f"role {role}: expected {len(names)} permissions, found {len(permissions)}")
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([*permissions, *(_admin_site() if role == "Admin" else [])])


def _admin_site() -> list[Permission]:
    """What Admins may do in Django admin: look at everything of ours, add people and change them."""
    ours = Q(content_type__app_label__in=_ROOMS, codename__startswith="view_")
    people = Q(content_type__app_label="accounts", codename__in=["add_user", "change_user"])
    return list(Permission.objects.filter(ours | people | Q(content_type__app_label="auth", codename="view_group")))


def give(user: User, role: str) -> None:
    """Make `role` the only role of `user`; Admin also opens Django admin."""
    user.groups.set([Group.objects.get(name=role)])
    user.is_staff = role == "Admin"
    user.save(update_fields=["is_staff"])


def name_of(user: User) -> str:
    """The role shown beside a person: the widest one they have, "" for none."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(ROLES) if role in names), "Admin" if user.is_superuser else "")


def is_admin(user: User) -> bool:
    """Whether somebody has the widest role, by their groups, which may be prefetched."""
    return name_of(user) == next(reversed(ROLES))


def role_with(permission: str) -> str:
    """The narrowest role that has `permission`, for refusals."""
    return next((role for role, names in ROLES.items() if permission in names), "Admin")


def holders(permission: str, *, limit: int = 3) -> list[User]:
    """Up to `limit` active people who have `permission` through a group, by name."""
    app_label, codename = permission.split(".")
    return list(
        User.objects.filter(
            is_active=True,
            groups__permissions__content_type__app_label=app_label,
            groups__permissions__codename=codename,
        )
        .distinct()
        .order_by("name")[:limit]
    )
