import pytest
from django.test import Client
from django.utils import timezone

from tests import factories

pytestmark = pytest.mark.django_db


def test_preferences_are_saved_and_used(client: Client) -> None:
    user = factories.user("Viewer")
    client.force_login(user)
    sent = {"name": "Léa", "language": "fr", "time_zone": "Asia/Tokyo", "theme": "dark", "has_shortcuts": ""}
    assert client.post("/me/", sent).status_code == 302
    user.refresh_from_db()
    assert (user.name, user.language, user.time_zone, user.theme, user.has_shortcuts) == (
        "Léa",
        "fr",
        "Asia/Tokyo",
        "dark",
        False,
    )
    page = client.get("/me/").content.decode()
    assert '<html lang="fr" data-theme="dark">' in page
    client.post("/accounts/sign-out/")
    assert 'lang="fr"' in client.get("/accounts/sign-in/").content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("time_zone", "Not/AZone"), ("theme", "pink"), ("language", "xx")]
)
def test_a_bad_preference_is_told_and_nothing_is_stored(client: Client, field: str, value: str) -> None:
    user = factories.user("Viewer", name="Before")
    client.force_login(user)
    sent = {"name": "After", "language": "", "time_zone": "", "theme": "light", field: value}
    answer = client.post("/me/", sent)
    assert answer.status_code == 200 and "There is a problem" in answer.content.decode()
    user.refresh_from_db()
    assert (user.name, user.theme) == ("Before", "system")


def test_theme_and_language_switch_and_go_back_only_to_our_pages(client: Client) -> None:
    user = factories.user("Viewer")
    client.force_login(user)
    assert client.post("/me/theme/", {"theme": "dark", "next": "/me/"}).headers["Location"] == "/me/"
    assert client.post("/me/theme/", {"theme": "light"}, headers={"Accept": "application/json"}).status_code == 204
    assert client.post("/me/language/", {"language": "fr", "next": "https://evil.test/"}).headers["Location"] == "/"
    assert client.post("/me/theme/", {"theme": "pink", "next": "/me/"}).status_code == 302
    user.refresh_from_db()
    assert (user.theme, user.language) == ("light", "fr")
    assert client.get("/me/theme/").status_code == 405


def test_an_unknown_stored_time_zone_is_like_none(client: Client) -> None:
    for zone in ("Not/AZone", "../../etc/passwd", "Europe"):
        client.force_login(factories.user("Viewer", time_zone=zone))
        assert client.get("/me/").status_code == 200


@pytest.mark.parametrize(
    ("chosen", "said", "used"),
    [
        ("", "America%2FNew_York", "America/New_York"),
        ("Asia/Tokyo", "America%2FNew_York", "Asia/Tokyo"),
        ("", "", "UTC"),
        ("", "Not%2FAZone", "UTC"),
        ("", "..%2F..%2Fetc%2Fpasswd", "UTC"),
        ("", "Europe", "UTC"),
        ("", "%00", "UTC"),
    ],
)
def test_without_a_choice_times_are_those_of_the_browser(client: Client, chosen: str, said: str, used: str) -> None:
    client.force_login(factories.user("Viewer", time_zone=chosen))
    client.cookies["time_zone"] = said
    assert client.get("/me/").status_code == 200
    assert timezone.get_current_timezone_name() == used
    Client().get("/accounts/sign-in/")
    assert timezone.get_current_timezone_name() == "UTC", "nobody has the time zone of who came before"
