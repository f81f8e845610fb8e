"""What comes in from the outside: pixels, links, unsubscribes, forged tokens, and an absent database."""

import datetime as dt
import email as email_parser
import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from audiences import profiles
from audiences.models import Consent, ConsentChange, Profile
from config.local import ports
from delivery import tracking
from delivery.models import Delivery, Event, EventKind
from messaging import links
from messaging.channels import email
from tests import factories
from tests.delivery import records

pytestmark = pytest.mark.django_db
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"


@pytest.fixture(autouse=True)
def _clean() -> None:
    cache.clear()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(tracking._SPOOL)


def sent(**fields: object) -> tuple[Delivery, Profile, str]:
    """A delivery with one person who got it a while ago, and the token of their message."""
    made = records.delivery(people=1)
    person = factories.profile(**fields)
    records.log(made, person.pk)
    return made, person, links.token(made.pk, person.pk)


def test_the_pixel_is_noted_and_never_cached(client: Client) -> None:
    made, person, token = sent()
    answer = client.get(f"/o/{token}.gif", headers={"user-agent": BROWSER})
    assert answer.status_code == 200 and answer["Content-Type"] == "image/gif" and len(answer.content) <= 43
    assert "no-store" in answer["Cache-Control"] and not answer.cookies
    event = Event.objects.get()
    assert (event.delivery_id, event.profile_id, event.kind) == (made.pk, person.pk, "opened")
    assert event.opened_month == made.opened_month and event.detail == BROWSER and not event.is_automatic


@pytest.mark.parametrize("token", ["x", "AAAAAAAAAAAAAAAAAAAAAA", "é", "a" * 500])
def test_a_forged_pixel_looks_the_same_and_changes_nothing(client: Client, token: str) -> None:
    assert client.get(f"/o/{token}.gif").status_code == 200
    assert not Event.objects.exists()


def test_a_click_leads_to_the_link_of_the_message(client: Client) -> None:
    made, _person, token = sent()
    answer = client.get(f"/c/{token}/0", headers={"user-agent": BROWSER})
    assert answer.status_code == 302 and answer["Location"] == made.message.links[0] == "https://shop.test/sale"
    event = Event.objects.get()
    assert (event.kind, event.link_no, event.is_automatic) == ("clicked", 0, False)


@pytest.mark.parametrize("path", ["/c/{token}/1", "/c/{token}/99999", "/c/forged/0", "/c/{token}x/0"])
def test_a_wrong_link_is_told_and_never_redirected(client: Client, path: str) -> None:
    _made, _person, token = sent()
    answer = client.get(path.format(token=token))
    assert answer.status_code == 404 and b"This link doesn" in answer.content
    assert not Event.objects.exists()


@pytest.mark.parametrize("evil", ["javascript:alert(1)", "//evil.test/", "ftp://evil.test", "data:text/html,x", ""])
def test_only_web_addresses_are_redirected_to(client: Client, evil: str) -> None:
    made, _person, token = sent()
    cache.set(f"delivery-links:{made.pk}", [evil])
    assert client.get(f"/c/{token}/0").status_code == 404


def test_a_query_can_not_change_where_a_link_leads(client: Client) -> None:
    _made, _person, token = sent()
    answer = client.get(f"/c/{token}/0?url=https://evil.test&next=https://evil.test")
    assert answer["Location"] == "https://shop.test/sale"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (BROWSER, False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)", False),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", True),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", True),
        ("Mozilla/5.0", True),
        ("", True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("python-requests/2.32", True),
        ("Mozilla/5.0 (Linux; Android 11; CUBOT X30) Chrome/126.0", False),
    ],
)
def test_programs_are_told_from_people_by_their_user_agent(agent: str, expected: bool) -> None:
    assert tracking.is_automatic(agent) is expected


def test_a_click_right_after_hand_over_and_a_head_request_are_automatic(client: Client) -> None:
    made = records.delivery(people=2)
    for profile_id, ago in ((1, 1), (2, 10)):
        records.log(made, profile_id, at=timezone.now() - dt.timedelta(seconds=ago))
        client.get(f"/c/{links.token(made.pk, profile_id)}/0", headers={"user-agent": BROWSER})
    client.head(f"/c/{links.token(made.pk, 2)}/0", headers={"user-agent": BROWSER})
    seen = list(Event.objects.order_by("id").values_list("profile_id", "is_automatic"))
    assert seen == [(1, True), (2, False), (2, True)]


def test_following_the_unsubscribe_link_only_asks(client: Client) -> None:
    made, person, _token = sent(language="fr")
    page = links.page_token(made.pk, person.pk)
    for ask in (client.get, client.head, client.options):
        ask(f"/u/{page}/", headers={"user-agent": BROWSER})
    answer = client.get(f"/u/{page}/")
    person.refresh_from_db()
    assert person.email in answer.content.decode() and b'<html lang="fr">' in answer.content
    assert person.email_consent == Consent.SUBSCRIBED and not Event.objects.exists() and not answer.cookies
    assert b"<script" not in answer.content


@pytest.mark.parametrize("form", [{"List-Unsubscribe": "One-Click"}, {}])
def test_a_post_unsubscribes_once_without_cookies_or_csrf(form: dict[str, str]) -> None:
    made, person, _token = sent()
    page = links.page_token(made.pk, person.pk)
    stranger = Client(enforce_csrf_checks=True)
    for _again in range(2):
        answer = stranger.post(f"/u/{page}/", form)
        assert answer.status_code == 200 and not answer.cookies and b"Undo" in answer.content
    person.refresh_from_db()
    assert person.email_consent == Consent.UNSUBSCRIBED
    assert Event.objects.filter(kind=EventKind.UNSUBSCRIBED).count() == 1
    change = ConsentChange.objects.get(profile=person)
    assert change.source == ("one_click" if form else "unsubscribe_page") and str(made.public_id) in change.reference


def test_unsubscribing_can_be_undone(client: Client) -> None:
    made, person, _token = sent()
    page = links.page_token(made.pk, person.pk)
    client.post(f"/u/{page}/")
    client.post(f"/u/{page}/", {"action": "undo"})
    person.refresh_from_db()
    assert person.email_consent != Consent.UNSUBSCRIBED


def test_a_forged_unsubscribe_changes_nothing(client: Client) -> None:
    made, person, _token = sent()
    page = links.page_token(made.pk, person.pk)
    tampered = ("A" if page[0] != "A" else "B") + page[1:]
    assert client.post(f"/u/{tampered}/").status_code == 404
    person.refresh_from_db()
    assert person.email_consent == Consent.SUBSCRIBED


@pytest.mark.parametrize("path", ["/u/{token}/", "/v/{token}/"])
def test_who_saw_a_pixel_or_a_message_id_cannot_act_for_the_reader(client: Client, path: str) -> None:
    """Those carry another token than the pages that show the message and change consent."""
    _made, person, token = sent()
    for answer in (client.post(path.format(token=token)), client.get(path.format(token=token))):
        assert answer.status_code in (404, 405)
    assert Profile.objects.get(pk=person.pk).email_consent == Consent.SUBSCRIBED


def test_the_links_of_a_test_message_change_nothing(client: Client) -> None:
    person = factories.profile()
    page = links.page_token(0, person.pk)
    for answer in (client.post(f"/u/{page}/"), client.get(f"/u/{page}/"), client.get(f"/v/{page}/")):
        assert answer.status_code == 200 and b"This is a test message" in answer.content
    person.refresh_from_db()
    assert person.email_consent == Consent.SUBSCRIBED


def test_the_addresses_in_a_message_are_the_ones_answered_here(client: Client) -> None:
    made, person, _token = sent()
    program = email.compile(made.message, delivery_id=made.pk, delivery_ref=str(made.public_id), campaign={})
    stuffed = program.render(profiles.person(person.pk)).data
    received = stuffed.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    source = email_parser.message_from_bytes(received, policy=default)
    html = source.get_body(("html",)).get_content()  # type: ignore[union-attr]
    paths = re.findall(re.escape(settings.PUBLIC_URL) + r"(/[ocuv]/[^\"'<> ]+)", html)
    assert {path[1] for path in paths} == {"o", "c", "u"}
    answers = {path[1]: client.get(path, headers={"user-agent": BROWSER}) for path in paths}
    assert answers["c"]["Location"] == "https://shop.test/sale"
    assert answers["o"].status_code == answers["u"].status_code == 200
    one_click = re.search(r"<http[^>]+(/u/[^>]+)>", str(source["List-Unsubscribe"]))
    assert one_click is not None and source["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    client.post(one_click[1], {"List-Unsubscribe": "One-Click"})
    assert set(Event.objects.values_list("kind", flat=True)) == {"opened", "clicked", "unsubscribed"}


def test_the_mirror_page_shows_the_message_in_a_sandbox(client: Client) -> None:
    made, person, _token = sent(first_name="Léa")
    page = links.page_token(made.pk, person.pk)
    answer = client.get(f"/v/{page}/")
    assert "Hello Léa" in answer.content.decode()
    assert "sandbox" in answer["Content-Security-Policy"] and "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Robots-Tag"] == "noindex" and not Event.objects.exists()
    assert f"/u/{page}/" in answer.content.decode()


def test_an_event_of_a_delivery_that_is_gone_is_dropped(client: Client) -> None:
    assert client.get(f"/o/{links.token(987654, 1)}.gif").status_code == 200
    assert not Event.objects.exists()


@contextmanager
def database_away() -> Iterator[None]:
    """PostgreSQL as it is while it restarts: nobody listens."""
    address = connection.settings_dict
    kept = {name: address[name] for name in ("HOST", "PORT")}
    connection.close()
    address |= {"HOST": "127.0.0.1", "PORT": ports.free()}
    try:
        yield
    finally:
        connection.close()
        address |= kept


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_while_postgresql_is_away(client: Client) -> None:
    made, person, token = sent()
    page = links.page_token(made.pk, person.pk)
    client.get(f"/c/{token}/0", headers={"user-agent": BROWSER})
    with database_away():
        assert client.get(f"/o/{token}.gif", headers={"user-agent": BROWSER}).status_code == 200
        assert client.get(f"/c/{token}/0", headers={"user-agent": BROWSER})["Location"] == "https://shop.test/sale"
        assert client.post(f"/u/{page}/").status_code == 200
        assert tracking.drain_spool() == 0
        asked = client.get(f"/u/{page}/")
        assert asked.status_code == 503 and asked["Retry-After"]
    at_return = timezone.now()
    assert Event.objects.count() == 1

    assert tracking.drain_spool() == 3
    assert tracking.drain_spool() == 0
    person.refresh_from_db()
    assert person.email_consent == Consent.UNSUBSCRIBED
    kinds = Event.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["clicked", "opened", "clicked", "unsubscribed"]
    assert all(event.at < at_return for event in Event.objects.all()), "events keep their own time"


@pytest.mark.django_db(transaction=True)
def test_links_of_a_message_that_nobody_knows_are_asked_for_later(client: Client) -> None:
    _made, _person, token = sent()
    with database_away():
        assert client.get(f"/c/{token}/0").status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_waiting_unsubscription_of_a_deleted_person_does_not_block_the_others(client: Client) -> None:
    made, person, _token = sent()
    page = links.page_token(made.pk, person.pk)
    _other, _someone, second = sent()
    with database_away():
        client.post(f"/u/{page}/")
        client.get(f"/o/{second}.gif", headers={"user-agent": BROWSER})
    person.delete()
    assert tracking.drain_spool() == 2
    assert Event.objects.get().kind == "opened"
