"""Subscription groups: who is in one, by whom and by which file, and the pages where that is seen and changed."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audiences import estimates, imports, profiles, rules, subscriptions
from audiences.models import GroupState, Profile, ProfileImport, Subscription, SubscriptionChange, SubscriptionGroup
from campaigns import alerts
from lib.errors import NotAllowed
from tests import factories
from tests.audiences.test_imports import import_all, upload

pytestmark = pytest.mark.django_db
IN, OUT = GroupState.SUBSCRIBED, GroupState.UNSUBSCRIBED


@pytest.fixture
def by() -> User:
    return factories.user("Marketer")


def states(group: SubscriptionGroup) -> dict[str, str]:
    return dict(Subscription.objects.filter(group=group).values_list("profile__first_name", "state"))


def test_a_state_is_set_for_mailboxes_once_with_its_history(by: User) -> None:
    group = factories.group()
    first, same, other, nobody = (
        factories.profile(first_name=name, email=email)
        for name, email in (("a", "x@example.test"), ("b", "X@EXAMPLE.test"), ("c", "y@example.test"), ("d", ""))
    )
    with CaptureQueriesContext(connection) as queries:
        n = subscriptions.set_state(group, [first.pk, nobody.pk, 10**9], OUT, source="api", reference="request 1")
    assert n == 3 and len(queries) <= 4
    assert states(group) == {"a": OUT, "b": OUT, "d": OUT}
    assert subscriptions.set_state(group, [same.pk], OUT, source="api") == 0
    assert subscriptions.set_state(group, [same.pk], IN, source="person", by=by) == 2
    history = SubscriptionChange.objects.filter(profile=first).order_by("pk")
    assert list(history.values_list("state", "source", "reference", "by")) == [
        (OUT, "api", "request 1", None), (IN, "person", "", by.pk),
    ]  # fmt: skip
    assert subscriptions.set_state(group, [], OUT, source="api") == 0
    assert not Subscription.objects.filter(profile=other).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_change_one_mailbox_at_once_leave_one_state_and_a_whole_history() -> None:
    group = factories.group()
    people = [factories.profile(email="same@example.test") for _n in range(3)]

    def flip(n: int) -> None:
        try:
            for turn in range(6):
                ids = [people[(n + turn) % 3].pk]
                subscriptions.set_state(group, ids, OUT if (n + turn) % 2 else IN, source="api")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(flip, range(4)))
    assert Subscription.objects.count() == 3
    assert Subscription.objects.values("state").distinct().count() == 1
    for person in people:
        history = SubscriptionChange.objects.filter(profile=person).order_by("pk").values_list("state", flat=True)
        said = list(history)
        assert all(one != other for one, other in itertools.pairwise(said))
        assert said[-1] == Subscription.objects.get(profile=person).state


def test_an_archived_group_takes_nobody_in_but_lets_everybody_out(by: User) -> None:
    group = factories.group()
    person = factories.profile()
    subscriptions.archive(group.pk, by=by)
    group.refresh_from_db()
    with pytest.raises(subscriptions.GroupArchived):
        subscriptions.set_state(group, [person.pk], IN, source="api")
    assert subscriptions.set_state(group, [person.pk], OUT, source="api") == 1
    assert subscriptions.standings(person.pk) == []
    factories.group(name="newsletter")
    with pytest.raises(subscriptions.GroupInvalid):
        subscriptions.restore(group.pk, by=by)


def test_a_group_under_a_live_campaign_is_not_archived(by: User) -> None:
    factories.profile()
    group, free = factories.group(), factories.group(name="Free")
    campaign = factories.published(by, audience__subscription_group=str(group.public_id))
    assert [(use.label, use.is_live) for use in subscriptions.users_of(group)] == [(campaign.name, True)]
    with pytest.raises(subscriptions.GroupInUse, match=campaign.name):
        subscriptions.archive(group.pk, by=by)
    subscriptions.archive(free.pk, by=by)
    with pytest.raises(NotAllowed):
        subscriptions.archive(free.pk, by=factories.user("Viewer"))


def test_an_estimate_and_an_audience_know_the_group(by: User) -> None:
    group = factories.group()
    people = factories.people("in", "out", "gone")
    subscriptions.set_state(group, [people[1].pk, people[2].pk], OUT, source="person")
    profiles.unsubscribe(people[2].pk, source="person")
    doc = {**factories.EVERYBODY, "subscription_group": str(group.public_id)}
    counted = estimates.estimate(doc)
    assert (counted.n_people, counted.n_reachable) == (3, 1)
    assert counted.by_reason == {"unsubscribed": 1, "unsubscribed_group": 1}
    assert rules.describe(doc).endswith("; subscribed to Newsletter")
    assert ("subscribed to Newsletter", False) in estimates.membership(doc, "out@example.test")
    assert ("subscribed to Newsletter", True) in estimates.membership(doc, "in@example.test")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("archived", "The subscription group “Old” was archived. Choose another one."),
        ("00000000-0000-4000-8000-000000000000", "The subscription group doesn't exist. Choose another one."),
        ("nonsense", "The subscription group doesn't exist. Choose another one."),
    ],
)
def test_a_draft_under_a_group_that_is_gone_is_told_so(value: str, message: str, by: User) -> None:
    old = factories.group(name="Old")
    subscriptions.archive(old.pk, by=by)
    factories.profile()
    chosen = str(old.public_id) if value == "archived" else value
    campaign = factories.campaign(by, audience__subscription_group=chosen)
    found = {(one.field, one.message) for one in alerts.compute(campaign, campaign.draft.document)}
    assert found == {("audience.subscription_group", message)}


# --- imports -------------------------------------------------------------------------------------------------


def with_groups(by: User, data: str) -> ProfileImport:
    """Import with the mapping that is guessed; groups are found by their names."""
    return import_all(by, data)


def test_a_column_called_like_a_group_subscribes_and_unsubscribes(by: User) -> None:
    news, offers = factories.group(default_state=OUT), factories.group(name="Special offers")
    data = "email,first_name,Newsletter,special offers\na@x.test,a,yes,no\nb@x.test,b,,oui\nc@x.test,c,NON,\n"
    job = with_groups(by, data)
    assert job.mapping["2"] == {"target": "group", "group": str(news.public_id)}
    assert (job.n_created, job.n_refused) == (3, 0)
    assert states(news) == {"a": IN, "c": OUT}
    assert states(offers) == {"a": OUT, "b": IN}
    change = SubscriptionChange.objects.filter(group=news, profile__first_name="a").get()
    assert (change.source, change.reference, change.by) == ("import", str(job.public_id), by)


def test_a_file_brings_nobody_back_and_a_no_counts_for_the_mailbox(by: User) -> None:
    group = factories.group()
    left = factories.profile(first_name="left", email="left@x.test")
    twin = factories.profile(first_name="twin", email="twin@x.test", external_id="t1")
    factories.profile(first_name="other twin", email="TWIN@x.test", external_id="t2")
    subscriptions.set_state(group, [left.pk], OUT, source="one_click")
    job = with_groups(by, "email,first_name,external_id,Newsletter\nleft@x.test,left,,yes\ntwin@x.test,twin,t1,no\n")
    assert job.n_refused == 0
    assert states(group) == {"left": OUT, "twin": OUT, "other twin": OUT}
    # Whoever gets a mailbox that left has left it too, whatever the file says.
    job = upload(by, "external_id,email,first_name,Newsletter\nnew,left@x.test,new,yes\n")
    imports.start(job.pk, plan=imports.Plan(job.mapping, "external_id", job.encoding), by=by)
    imports.import_runs.run(job.pk)
    assert states(group)["new"] == OUT
    assert SubscriptionChange.objects.filter(profile=twin).count() == 1


def test_a_refused_row_that_says_no_counts_and_nonsense_is_refused(by: User) -> None:
    group = factories.group()
    job = with_groups(by, "email,first_name,Newsletter\na@x.test,a,yes\nA@x.test,a,no\nb@x.test,b,\n")
    assert job.refused_by_reason == {"duplicate": 1}
    assert states(group) == {"a": OUT}
    job = upload(by, "email,Newsletter\nb@x.test,yes\n")
    mapping = {"0": {"target": "email"}, "1": {"target": "group", "group": str(group.public_id)}}
    subscriptions.archive(group.pk, by=by)
    found = imports.problems(job, imports.Plan(mapping, "email", job.encoding))
    assert found == {"column-1": "This subscription group can't be chosen any more."}


def test_a_word_that_is_neither_yes_nor_no_refuses_the_row(by: User) -> None:
    group = factories.group()
    job = upload(by, "email,topic\na@x.test,perhaps\nb@x.test,yes\n")
    mapping = {"0": {"target": "email"}, "1": {"target": "group", "group": str(group.public_id)}}
    imports.start(job.pk, plan=imports.Plan(mapping, "email", job.encoding), by=by)
    imports.import_runs.run(job.pk)
    job.refresh_from_db()
    assert (job.n_created, job.refused_by_reason) == (1, {"bad_group": 1})


# --- pages ---------------------------------------------------------------------------------------------------


def page(answer: Any) -> str:
    return answer.content.decode()


def test_a_group_is_made_renamed_and_archived_on_its_pages(client: Client, by: User) -> None:
    client.force_login(by)
    assert "No subscription groups yet" in page(client.get("/segments/groups/"))
    typed = {"name": " Weekly ", "description": "News", "default_state": "unsubscribed", "is_public": "on"}
    assert client.post("/segments/groups/new/", {**typed, "name": ""}).status_code == 422
    assert client.post("/segments/groups/new/", {**typed, "default_state": "x"}).status_code == 422
    assert client.post("/segments/groups/new/", typed).status_code == 302
    answer = client.post("/segments/groups/new/", {**typed, "name": "WEEKLY", "description": "Kept"})
    assert answer.status_code == 422 and "There is a group with this name already" in page(answer)
    assert 'value="Kept"' in page(answer)
    group = SubscriptionGroup.objects.get()
    assert (group.name, group.default_state, group.is_public) == ("Weekly", OUT, True)
    here = f"/segments/groups/{group.public_id}/"
    client.post(here, {"name": "Weekly news", "description": "", "default_state": "subscribed"})
    group.refresh_from_db()
    assert (group.name, group.default_state, group.is_public) == ("Weekly news", OUT, False)
    client.post(f"{here}archive/")
    assert "Archived" in page(client.get("/segments/groups/")) and "Restore" in page(client.get(here))
    client.post(f"{here}archive/", {"restore": ""})
    assert "Archived" not in page(client.get("/segments/groups/"))


def test_the_list_of_groups_costs_the_same_for_many(client: Client, by: User) -> None:
    client.force_login(by)
    factories.group(name="One")
    client.get("/segments/groups/")
    with CaptureQueriesContext(connection) as few:
        client.get("/segments/groups/")
    for n in range(20):
        factories.group(name=f"Group {n}")
    with CaptureQueriesContext(connection) as many:
        client.get("/segments/groups/")
    assert len(many) == len(few)


def test_the_groups_of_a_person_are_seen_by_all_and_changed_by_marketers(client: Client, by: User) -> None:
    group = factories.group()
    person = factories.profile()
    here = f"/profiles/{person.public_id}/subscriptions/"
    client.force_login(factories.user("Viewer"))
    shown = page(client.get(here))
    assert "never chose" in shown and 'name="state"' not in shown
    assert client.post(here, {"group": str(group.public_id), "state": "unsubscribed"}).status_code == 403
    client.force_login(by)
    client.post(here, {"group": str(group.public_id), "state": "unsubscribed"})
    shown = page(client.get(here))
    assert "Unsubscribed from “Newsletter”." in shown and "by hand" in shown
    assert Subscription.objects.get().state == OUT
    assert client.post(here, {"group": "nonsense"}).status_code == 404
    assert Profile.objects.get().email_consent == "subscribed"
