from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts import demo, throttling
from accounts.models import User
from tests import factories

pytestmark = pytest.mark.django_db
SIGN_IN = "/accounts/sign-in/"
WRONG = "The email address or the password is wrong."


@pytest.fixture(autouse=True)
def _no_failures_counted() -> None:
    cache.clear()


def sign_in(client: Client, email: str, password: str, **extra: Any) -> Any:
    return client.post(SIGN_IN, {"username": email, "password": password, **extra})


def test_a_person_signs_in_and_lands_where_they_wanted(client: Client) -> None:
    user = factories.user("Viewer")
    assert client.get("/me/").headers["Location"] == f"{SIGN_IN}?next=/me/"
    answer = sign_in(client, f" {user.email.upper()}", factories.PASSWORD, next="/me/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/me/")
    assert client.get("/me/").status_code == 200
    assert client.get(f"{SIGN_IN}?next=/me/").headers["Location"] == "/me/"


def test_another_site_is_not_a_place_to_go_on_to(client: Client) -> None:
    user = factories.user("Viewer")
    answer = sign_in(client, user.email, factories.PASSWORD, next="https://evil.test/")
    assert answer.headers["Location"] == reverse("campaigns:home")


@pytest.mark.parametrize("case", ["unknown", "wrong password", "inactive", "empty password"])
def test_a_refusal_does_not_say_which_part_is_wrong(client: Client, case: str) -> None:
    user = factories.user("Viewer", is_active=case != "inactive")
    email = "nobody-at-all@chappe.test" if case == "unknown" else user.email
    password = {"wrong password": "wrong", "empty password": ""}.get(case, factories.PASSWORD)
    answer = sign_in(client, email, password)
    assert answer.status_code == 200
    assert WRONG in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_after_ten_failures_even_the_right_password_waits(client: Client) -> None:
    user, other = factories.user("Viewer"), factories.user("Viewer")
    for _attempt in range(throttling.MAX_FAILURES):
        assert WRONG in sign_in(client, user.email, "wrong").content.decode()
    assert (
        "Too many attempts. Try again in 15 minutes."
        in sign_in(client, user.email, factories.PASSWORD).content.decode()
    )
    assert (
        client.post(
            SIGN_IN, {"username": user.email, "password": factories.PASSWORD}, REMOTE_ADDR="10.1.1.1"
        ).status_code
        == 302
    )
    client.logout()
    assert sign_in(client, other.email, factories.PASSWORD).status_code == 302


def test_a_sign_in_clears_the_count(client: Client) -> None:
    user = factories.user("Viewer")
    for _round in range(2):
        for _attempt in range(throttling.MAX_FAILURES - 1):
            sign_in(client, user.email, "wrong")
        assert sign_in(client, user.email, factories.PASSWORD).status_code == 302
        client.logout()


def test_one_network_cannot_try_many_people(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MAX_FAILURES_OF_NETWORK", 4)
    user = factories.user("Viewer")
    for n in range(4):
        sign_in(client, f"nobody{n}@chappe.test", "wrong")
    assert "Too many attempts" in sign_in(client, user.email, factories.PASSWORD).content.decode()


@pytest.mark.parametrize(
    ("forwarded_for", "n_proxies", "address"),
    [
        ("", 0, "10.0.0.1"),
        ("203.0.113.9", 0, "10.0.0.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_where_somebody_comes_from(forwarded_for: str, n_proxies: int, address: str) -> None:
    assert throttling.network_address("10.0.0.1", forwarded_for, n_proxies=n_proxies) == address


def test_people_sign_in_while_the_cache_is_away(client: Client, settings: Any) -> None:
    user = factories.user("Viewer")
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    assert WRONG in sign_in(client, user.email, "wrong").content.decode()
    assert sign_in(client, user.email, factories.PASSWORD).status_code == 302


def test_sign_out_is_a_post(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    assert client.get("/accounts/sign-out/").status_code == 405
    assert client.get("/me/").status_code == 200
    assert client.post("/accounts/sign-out/").headers["Location"] == SIGN_IN
    assert client.get("/me/").status_code == 302


def test_demo_people_are_offered_only_while_they_exist(client: Client, settings: Any) -> None:
    assert b"chappe-demo" not in client.get(SIGN_IN).content
    User.objects.create_user(demo.ACCOUNTS[1].email, demo.PASSWORD, name="Milo Marketer")
    page = client.get(SIGN_IN).content.decode()
    assert "marketer@chappe.test" in page and "operator@chappe.test" not in page
    settings.IS_PRODUCTION = True
    assert b"marketer@chappe.test" not in client.get(SIGN_IN).content


def test_the_admin_has_no_door_of_its_own_without_a_throttle(client: Client) -> None:
    answer = client.post("/admin/login/?next=/admin/delivery/", {"username": "a@b.test", "password": "x"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SIGN_IN}?next=/admin/delivery/")
    client.force_login(factories.user("Marketer"))
    assert client.get("/admin/", follow=True).status_code == 403
    client.force_login(factories.user("Admin"))
    assert client.get("/admin/login/").headers["Location"] == "/admin/"
