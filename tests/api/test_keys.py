"""Keys of outside programs: what is stored of one, who may make and end one, and where its calls may come from."""

import logging
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEntry, User
from api import keys, scopes
from api.models import ApiKey
from lib import memory
from lib.errors import NotAllowed
from tests import factories
from tests.api.callers import Caller, make_key

pytestmark = pytest.mark.django_db


def test_a_key_is_shown_once_and_only_its_digest_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    made = make_key("messages.send")
    assert keys.is_shaped(made.token)
    assert not keys.is_shaped(made.token[:-1] + ("a" if made.token[-1] != "a" else "b"))
    assert made.key.prefix == made.token[:15]
    call_command("dumpdata", "api", "accounts.auditentry")
    assert made.token[15:] not in capsys.readouterr().out
    assert keys.find(made.token) == made.key


@pytest.mark.parametrize("token", ["", "chappe_", "chappe_" + "a" * 47, "\ud800", "'; --", "x" * 10_000])
def test_anything_else_is_no_key(token: str) -> None:
    made = make_key()
    assert keys.find(token) is None
    assert keys.find(made.token.swapcase()) is None


def test_making_and_revoking_a_key_are_audited_without_the_key() -> None:
    admin = factories.user("Admin")
    made = make_key("campaigns.list", by=admin)
    keys.revoke(made.key.pk, by=admin)
    first_end = ApiKey.objects.get().revoked_at
    keys.revoke(made.key.pk, by=admin)
    entries = AuditEntry.objects.filter(subject_kind="api_key", subject_id=str(made.key.public_id)).order_by("pk")
    assert [entry.action for entry in entries] == ["api_key.created", "api_key.revoked"]
    assert made.token not in str([entry.detail for entry in entries])
    assert ApiKey.objects.get().revoked_at == first_end


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer", "Operator"])
def test_only_admins_make_and_revoke_keys(role: str) -> None:
    made = make_key()
    person = factories.user(role)
    with pytest.raises(NotAllowed):
        make_key(by=person)
    with pytest.raises(NotAllowed):
        keys.revoke(made.key.pk, by=person)
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "  "}, "name"), ({"name": "x" * 81}, "name"), ({"scopes": ()}, "scopes"),
        ({"scopes": ("messages.send", "everything")}, "scopes"), ({"networks": "10.0.0.0/33"}, "networks"),
        ({"networks": "example.com"}, "networks"), ({"networks": " ".join(["192.0.2.1"] * 51)}, "networks"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_on"),
    ],
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_refused_at_its_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(keys.KeyInvalid) as refused:
        make_key(**changed) if "scopes" not in changed else keys.create(
            keys.Wanted(name="shop", scopes=changed["scopes"]),  # type: ignore[arg-type]
            by=factories.user("Admin"),
        )
    assert list(refused.value.fields) == [field]
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("networks", "address", "is_let_in"),
    [
        ("", "203.0.113.9", True), ("", "nonsense", True), ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.0/24", "192.0.3.1", False), ("192.0.2.7", "192.0.2.7", True), ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.9/24", "192.0.2.1", True), ("192.0.2.0/24", "::ffff:192.0.2.5", True),
        ("2001:db8::/32", "2001:db8::1", True), ("2001:db8::/32", "192.0.2.1", False), ("10.0.0.0/8", "", False),
        ("10.0.0.0/8, 192.0.2.1", "192.0.2.1", True), ("10.0.0.0/8", "nonsense", False),
    ],
)  # fmt: skip
def test_calls_come_from_allowed_networks_only(networks: str, address: str, is_let_in: bool) -> None:
    assert keys.is_from(make_key(networks=networks).key, address) is is_let_in


def test_use_is_written_at_most_once_a_minute(django_assert_num_queries: object) -> None:
    made = make_key()
    keys.mark_used(made.key, address="192.0.2.1")
    found = ApiKey.objects.get()
    assert found.last_used_at is not None and found.last_used_from == "192.0.2.1"
    # Another process that loaded the key before writes nothing more.
    keys.mark_used(made.key, address="192.0.2.2")
    with django_assert_num_queries(0):  # type: ignore[operator]
        keys.mark_used(found, address="192.0.2.3")
    assert ApiKey.objects.get().last_used_from == "192.0.2.1"
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    keys.mark_used(ApiKey.objects.get(), address="192.0.2.4")
    assert ApiKey.objects.get().last_used_from == "192.0.2.4"


def test_scopes_are_unique_and_those_that_send_say_so() -> None:
    names = [scope.name for group in scopes.GROUPS for scope in group.scopes]
    assert len(names) == len(set(names)) == len(scopes.BY_NAME)
    sending = {name for name, scope in scopes.BY_NAME.items() if scope.sends}
    assert {"messages.send", "campaigns.trigger.send", "transactional.send"} <= sending
    assert not sending & {"campaigns.list", "users.track", "messages.schedule.delete"}


def test_a_key_from_form_to_end(client: Client) -> None:
    client.force_login(factories.user("Admin"))
    assert "No API keys yet" in client.get(reverse("api:keys")).content.decode()
    form = {"public_id": str(uuid4()), "name": "shop-prod", "networks": "192.0.2.0/24", "expires_on": ""}
    refused = client.post(reverse("api:key-new"), form)
    assert refused.status_code == 422 and "Choose at least one thing" in refused.content.decode()
    made = client.post(reverse("api:key-new"), form | {"scopes": ["campaigns.list", "messages.send"]})
    token = re.search(r"chappe_\w{8}_\w{38}", made.content.decode())
    assert token is not None and "no-store" in made["Cache-Control"]
    again = client.post(reverse("api:key-new"), form | {"scopes": ["campaigns.list"]}, follow=True)
    assert "was made already" in again.content.decode() and token[0] not in again.content.decode()
    key = keys.find(token[0])
    assert key is not None and key.scopes == ["messages.send", "campaigns.list"]
    keys.mark_used(key, address="192.0.2.1")
    page = client.get(reverse("api:keys")).content.decode()
    assert "shop-prod" in page and "Can send to people" in page and token[0] not in page
    ending = reverse("api:key-revoke", args=[key.public_id])
    assert client.post(ending, {"typed_name": "shop"}).status_code == 422
    assert ApiKey.objects.get().revoked_at is None
    client.post(ending, {"typed_name": "shop-prod"})
    assert ApiKey.objects.get().revoked_at is not None


def test_the_list_asks_as_often_for_many_keys_as_for_one(client: Client) -> None:
    client.force_login(factories.user("Admin"))
    counts = []
    client.get(reverse("api:keys"))
    for n in (1, 5):
        for _number in range(n):
            make_key()
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("api:keys"))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 9


def test_a_key_of_somebody_who_left_is_refused_until_it_is_taken_over() -> None:
    caller, other = Caller("campaigns.list"), factories.user("Admin", name="Other admin")
    maker = caller.key.created_by
    assert caller.get("/campaigns/list").status_code == 200
    User.objects.filter(pk=maker.pk).update(is_active=False)
    memory.forget()  # a second later
    answer = caller.get("/campaigns/list")
    assert answer.status_code == 401 and "may no longer sign in" in answer.json()["errors"][0]
    client = Client()
    client.force_login(other)
    page = client.get(reverse("api:keys")).content.decode()
    assert "may no longer sign in: calls with this key are refused" in page and "Take over" in page
    client.post(reverse("api:key-take-over", args=[caller.key.public_id]))
    assert caller.get("/campaigns/list").status_code == 200
    keys.take_over(caller.key.pk, by=other)
    assert AuditEntry.objects.filter(action="api_key.taken_over", actor=other).count() == 1
    assert "Take over" not in client.get(reverse("api:keys")).content.decode()
    with pytest.raises(NotAllowed):
        keys.take_over(caller.key.pk, by=factories.user("Operator"))
    keys.revoke(caller.key.pk, by=other, typed_name="shop-prod")
    with pytest.raises(keys.KeyInvalid):
        keys.take_over(caller.key.pk, by=factories.user("Admin"))


def test_a_maker_without_the_role_is_shown() -> None:
    caller, client = Caller("campaigns.list"), Client()
    client.force_login(factories.user("Admin"))
    assert "no longer has the Admin role" not in client.get(reverse("api:keys")).content.decode()
    roles.give(caller.key.created_by, "Viewer")
    assert caller.get("/campaigns/list").status_code == 200
    assert "no longer has the Admin role" in client.get(reverse("api:keys")).content.decode()


def test_whoever_stops_somebody_is_told_of_their_keys(client: Client) -> None:
    key = make_key("campaigns.list", name="erp").key
    leaver, admin = key.created_by, factories.user("Admin", is_staff=True, is_superuser=True)
    client.force_login(admin)
    page = reverse("admin:accounts_user_change", args=[leaver.pk])
    form = client.get(page).context["adminform"].form
    given = {name: value for name, value in form.initial.items() if isinstance(value, str) and name != "password"}
    given |= {"groups": [group.pk for group in leaver.groups.all()], "has_shortcuts": "on"}
    refused = client.post(page, given)
    assert refused.status_code == 200 and "“erp” are refused until" in refused.content.decode()
    assert User.objects.get(pk=leaver.pk).is_active
    assert client.post(page, given | {"is_active": "on"}).status_code == 302, "nobody is stopped"
    assert client.post(page, given | {"knows": "on"}).status_code == 302
    assert not User.objects.get(pk=leaver.pk).is_active


def test_two_keys_work_while_a_program_changes_from_one_to_the_other() -> None:
    old, new = Caller("campaigns.list"), Caller("campaigns.list")
    assert {one.get("/campaigns/list").status_code for one in (old, new)} == {200}
    keys.revoke(old.key.pk, by=old.key.created_by, typed_name="shop-prod")
    assert [one.get("/campaigns/list").status_code for one in (old, new)] == [401, 200]


def test_no_log_has_a_key(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever becomes of a call; also of one that brings its key in the wrong place."""
    caller = Caller("campaigns.list")
    with caplog.at_level(logging.DEBUG):
        caller.get("/campaigns/list")
        caller.get(f"/campaigns/list?api_key={caller.token}")
        caller.post("/users/track", {"api_key": caller.token})
        caller.post("/campaigns/trigger/send", {"campaign_id": caller.token})
    assert caller.token[15:] not in caplog.text


def test_who_may_only_look_at_somebody_is_asked_nothing(client: Client) -> None:
    client.force_login(factories.user("Admin", is_staff=True))
    above = factories.user("Admin", is_superuser=True)
    page = client.get(reverse("admin:accounts_user_change", args=[above.pk]))
    assert page.status_code == 200 and "Stop their programs too" not in page.content.decode()
