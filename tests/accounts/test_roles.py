import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from accounts import access, audit, roles
from accounts.models import AuditEntry, User
from lib.errors import NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
OURS = (
    roles.VIEW,
    roles.EDIT,
    roles.START,
    roles.MANAGE_AUDIENCE,
    roles.EXPORT,
    roles.RELEASE,
    roles.MANAGE_TRANSPORTS,
)
MATRIX = {"": "", "Viewer": "1", "Marketer": "12 4", "Operator": "123456", "Admin": "1234567"}


@pytest.mark.parametrize("role", list(MATRIX))
def test_each_role_has_exactly_its_permissions(role: str) -> None:
    user = factories.user(role)
    for number, permission in enumerate(OURS, start=1):
        is_allowed = str(number) in MATRIX[role]
        assert user.has_perm(permission) is is_allowed, permission
        if is_allowed:
            access.check(user, permission)
        else:
            with pytest.raises(NotAllowed, match=f"This needs the {roles.role_with(permission)} role."):
                access.check(user, permission)


def test_setup_roles_mends_what_was_changed_and_may_run_twice() -> None:
    Group.objects.get(name="Viewer").permissions.set(Group.objects.get(name="Admin").permissions.all())
    Group.objects.get(name="Marketer").delete()
    for _run in range(2):
        call_command("setup_roles", verbosity=0)
    assert not factories.user("Viewer").has_perm(roles.START)
    assert factories.user("Marketer").has_perm(roles.EDIT)
    assert Group.objects.count() == 4


def test_a_right_taken_away_counts_at_once() -> None:
    user = factories.user("Operator")
    access.check(user, roles.START)
    user.groups.clear()
    with pytest.raises(NotAllowed):
        access.check(access.fresh(user), roles.START)


def admin_client(client: Client, role: str = "Admin") -> User:
    user = factories.user(role)
    client.force_login(user)
    return user


def test_an_admin_adds_a_person_and_gives_a_role(client: Client) -> None:
    admin = admin_client(client)
    sent = {
        "email": "New@chappe.test",
        "name": "New",
        "usable_password": "true",
        "password1": factories.PASSWORD,
        "password2": factories.PASSWORD,
    }
    assert client.post("/admin/accounts/user/add/", sent).status_code == 302
    new = User.objects.get(email="new@chappe.test")
    group = Group.objects.get(name="Operator")
    sent = {
        "email": new.email,
        "name": "New",
        "is_active": "on",
        "groups": [group.pk],
        "theme": "system",
        "is_superuser": "on",
    }
    assert client.post(f"/admin/accounts/user/{new.pk}/change/", sent).status_code == 302
    new = User.objects.get(pk=new.pk)
    assert new.has_perm(roles.START) and not new.is_superuser
    entries = audit.timeline("user", str(new.public_id))
    assert [(entry.action, entry.actor) for entry in entries] == [("admin.changed", admin), ("admin.added", admin)]


def test_nobody_is_deleted_and_the_audit_trail_is_read_only(client: Client) -> None:
    admin = admin_client(client)
    entry = audit.record("thing.happened", subject=("thing", "1"), by=admin)
    assert client.get("/admin/accounts/auditentry/").status_code == 200
    assert client.get("/admin/accounts/auditentry/?q=1").status_code == 200
    assert client.get(f"/admin/accounts/auditentry/{entry.pk}/change/").status_code == 200
    assert client.get("/admin/accounts/auditentry/add/").status_code == 403
    for path in (f"auditentry/{entry.pk}", f"user/{factories.user().pk}"):
        assert client.post(f"/admin/accounts/{path}/delete/", {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_an_admin_cannot_take_over_a_superuser(client: Client) -> None:
    admin_client(client)
    root = User.objects.create_superuser("root@chappe.test", factories.PASSWORD, name="Root")
    assert (
        client.post(
            f"/admin/accounts/user/{root.pk}/password/", {"password1": "x" * 20, "password2": "x" * 20}
        ).status_code
        == 403
    )
    assert client.post(f"/admin/accounts/user/{root.pk}/change/", {"email": "mine@chappe.test"}).status_code == 403
    root.refresh_from_db()
    assert root.check_password(factories.PASSWORD) and root.email == "root@chappe.test"


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer", "Operator"])
def test_django_admin_is_for_admins(client: Client, role: str) -> None:
    admin_client(client, role)
    assert client.get("/admin/").status_code == 302


def test_a_frame_of_somebody_signed_out_says_so_inside_the_frame(client: Client) -> None:
    answer = client.get("/campaigns/starters/blank/", headers={"sec-fetch-dest": "iframe"})
    assert answer.status_code == 401
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in answer["Content-Security-Policy"]
