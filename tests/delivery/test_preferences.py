"""What recipients decide by the links of a message: one topic, some, or everything; what only looks, and what waits."""

from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from audiences import profiles, subscriptions
from audiences.models import Consent, GroupState, Profile, Subscription, SubscriptionChange, SubscriptionGroup
from delivery import tracking
from delivery.models import Delivery, Event
from messaging import links
from tests import factories
from tests.delivery import records
from tests.delivery.test_tracking import BROWSER, database_away

pytestmark = pytest.mark.django_db
IN, OUT = GroupState.SUBSCRIBED, GroupState.UNSUBSCRIBED


@pytest.fixture(autouse=True)
def _clean() -> None:
    cache.clear()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(tracking._SPOOL)


def sent(group: SubscriptionGroup | None = None, **fields: object) -> tuple[Delivery, Profile, str]:
    """A message somebody got, under a group or none, and the address of its page."""
    audience = {**factories.EVERYBODY, "subscription_group": str(group.public_id) if group else ""}
    made = records.delivery(people=1, audience=audience)
    person = factories.profile(**fields)
    records.log(made, person.pk)
    return made, person, f"/u/{links.page_token(made.pk, person.pk)}/"


def consent(person: Profile) -> str:
    return Profile.objects.get(pk=person.pk).email_consent


def said(person: Profile) -> dict[str, str]:
    return dict(Subscription.objects.filter(profile=person).values_list("group__name", "state"))


# What is posted, and what is so afterwards: the consent, and what was said about "Newsletter".
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
POSTS: list[tuple[bool, dict[str, Any], str, dict[str, str]]] = [
    (True, ONE_CLICK, "subscribed", {"Newsletter": OUT}),
    (False, ONE_CLICK, "unsubscribed", {}),
    (True, {"action": "topic"}, "subscribed", {"Newsletter": OUT}),
    (False, {"action": "topic"}, "unsubscribed", {}),
    (True, {"action": "all"}, "unsubscribed", {}),
    (True, {}, "unsubscribed", {}),
    (True, {"action": "nonsense"}, "unsubscribed", {}),
]


@pytest.mark.parametrize(("is_under_group", "form", "expected", "groups"), POSTS)
def test_a_post_leaves_the_topic_of_the_message_or_everything(
    is_under_group: bool, form: dict[str, Any], expected: str, groups: dict[str, str]
) -> None:
    group = factories.group()
    made, person, page = sent(group if is_under_group else None)
    client = Client(enforce_csrf_checks=True)
    for _again in range(2):
        answer = client.post(page, form, headers={"user-agent": BROWSER})
        assert answer.status_code == 200 and not answer.cookies and b"You're unsubscribed" in answer.content
    assert (consent(person), said(person)) == (expected, groups)
    event = Event.objects.get()
    assert (event.kind, event.delivery_id, event.profile_id) == ("unsubscribed", made.pk, person.pk)
    change = SubscriptionChange.objects.first() if groups else person.consent_changes.get()
    assert change is not None
    assert change.source == ("one_click" if form == ONE_CLICK else "unsubscribe_page")
    assert change.reference == f"delivery {made.public_id}"


def test_the_same_words_with_get_change_nothing(client: Client) -> None:
    group = factories.group()
    _made, person, page = sent(group)
    for query in ("", "?List-Unsubscribe=One-Click", "?action=all", "?action=topic", "?action=choose&shown=x"):
        answer = client.get(page + query)
        assert answer.status_code == 200
    shown = answer.content.decode()
    assert "Unsubscribe from “Newsletter” only" in shown and "Unsubscribe from everything" in shown
    assert (consent(person), said(person)) == ("subscribed", {}) and not Event.objects.exists()


@pytest.mark.parametrize(("form", "undo"), [(ONE_CLICK, {"scope": "topic"}), ({"action": "all"}, {"scope": "all"})])
def test_leaving_is_undone_where_it_was_done(client: Client, form: dict[str, str], undo: dict[str, str]) -> None:
    group = factories.group(default_state="unsubscribed")
    _made, person, page = sent(group)
    subscriptions.set_state(group, [person.pk], IN, source="person")
    answer = client.post(page, form).content.decode()
    assert f'name="scope" value="{undo["scope"]}"' in answer
    client.post(page, {"action": "undo", **undo})
    assert consent(person) in {Consent.SUBSCRIBED, Consent.OPTED_IN} and said(person) == {"Newsletter": IN}


def test_topics_are_chosen_among_those_that_were_shown(client: Client) -> None:
    mine = factories.group(is_public=False)
    offers = factories.group(name="Offers", description="Once a month", default_state="unsubscribed")
    jobs, hidden = factories.group(name="Jobs"), factories.group(name="Hidden", is_public=False)
    archived = factories.group(name="Archived")
    subscriptions.archive(archived.pk, by=factories.user("Marketer"))
    _made, person, page = sent(mine)
    shown = client.get(page).content.decode()
    assert all(word in shown for word in ("Newsletter", "Offers", "Once a month", "Jobs"))
    assert "Hidden" not in shown and "Archived" not in shown
    listed = [str(group.public_id) for group in (mine, offers, hidden, archived)]
    later = factories.group(name="Made later")
    answer = client.post(page, {"action": "choose", "shown": listed, "group": [str(offers.public_id), "nonsense"]})
    assert "Your choices are saved" in answer.content.decode()
    # Jobs and what was made later were not on the page that was sent; hidden ones can't be reached at all.
    assert said(person) == {"Newsletter": OUT, "Offers": IN}
    assert consent(person) == "subscribed" and Event.objects.count() == 1
    assert not Subscription.objects.filter(group__in=[jobs, later, hidden, archived]).exists()


def test_a_message_of_a_group_that_was_archived_leaves_everything(client: Client) -> None:
    group = factories.group()
    _made, person, page = sent(group)
    subscriptions.archive(group.pk, by=factories.user("Marketer"))
    client.post(page, ONE_CLICK)
    assert (consent(person), said(person)) == ("unsubscribed", {})


def test_who_left_everything_is_told_so_and_offered_the_way_back(client: Client) -> None:
    _made, person, page = sent(factories.group())
    profiles.unsubscribe(person.pk, source="import")
    shown = client.get(page).content.decode()
    assert "You're unsubscribed" in shown and 'name="group"' not in shown
    client.post(page, {"action": "undo", "scope": "all"})
    assert consent(person) == "opted_in"


@pytest.mark.parametrize("action", ["", "topic", "all", "choose", "undo"])
def test_forged_links_and_deleted_people_change_nothing(client: Client, action: str) -> None:
    group = factories.group()
    _made, person, page = sent(group)
    bystander = factories.profile()
    for wrong in ("/u/forged/", page[:-3] + "xx/", "/u/AAAA/"):
        assert client.post(wrong, {"action": action}).status_code == 404
        assert client.get(wrong).status_code == 404
    assert (consent(person), said(person)) == ("subscribed", {})
    person.delete()
    assert client.get(page).status_code == 200
    assert client.post(page, {"action": action}).status_code == (404 if action == "undo" else 200)
    assert (consent(bystander), said(bystander)) == ("subscribed", {}) and not Event.objects.exists()


def test_the_page_is_in_the_language_of_the_person(client: Client) -> None:
    _made, _person, page = sent(factories.group(), language="fr_BE")
    assert b'<html lang="fr">' in client.get(page).content


@pytest.mark.django_db(transaction=True)
def test_wishes_wait_while_postgresql_is_away(client: Client) -> None:
    group, offers = factories.group(), factories.group(name="Offers", default_state="unsubscribed")
    _one, first, first_page = sent(group)
    _two, second, second_page = sent(group)
    _three, third, third_page = sent(group)
    choice = {
        "action": "choose",
        "shown": [str(group.public_id), str(offers.public_id)],
        "group": str(offers.public_id),
    }
    with database_away():
        assert "Your choice is noted" in client.post(first_page, ONE_CLICK).content.decode()
        assert client.post(second_page, choice).status_code == 200
        assert client.post(third_page, {"action": "all"}).status_code == 200
        assert client.get(first_page).status_code == 503
        assert client.post(first_page, {"action": "undo", "scope": "topic"}).status_code == 503
    assert said(first) == {} and consent(third) == "subscribed"
    assert tracking.drain_spool() == 3
    assert (said(first), consent(first)) == ({"Newsletter": OUT}, "subscribed")
    assert (said(second), consent(second)) == ({"Newsletter": OUT, "Offers": IN}, "subscribed")
    assert (said(third), consent(third)) == ({}, "unsubscribed")
    assert Event.objects.count() == 3


def test_a_wish_from_before_an_upgrade_means_everything(client: Client) -> None:
    made, person, _page = sent(factories.group())
    old = (
        f'{{"delivery_id": {made.pk}, "profile_id": {person.pk}, "request_no": 0, "kind": "unsubscribed",'
        f' "at": "2026-11-22T12:00:00+00:00", "link_no": null, "is_automatic": false, "detail": "",'
        f' "source": "one_click"}}'
    )
    with redis.Redis.from_url(settings.REDIS_URL) as valkey:
        valkey.rpush(tracking._SPOOL, old)
    assert tracking.drain_spool() == 1
    assert consent(person) == "unsubscribed"
