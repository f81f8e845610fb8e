"""What the list does with several campaigns, over HTTP: asked when it must be, told when something else matches."""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns import lifecycle, listing, tags
from campaigns.models import Campaign, Draft
from tests import factories

pytestmark = pytest.mark.django_db
LIST = "/campaigns/"


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def desk(client: Client, marketer: User) -> Client:
    client.force_login(marketer)
    return client


def ids(*campaigns: Campaign) -> list[str]:
    return [str(campaign.public_id) for campaign in campaigns]


def archived() -> set[str]:
    return set(Campaign.objects.filter(archived_at__isnull=False).values_list("name", flat=True))


def undo_of(page: str) -> str:
    found = re.search(r'action="(/campaigns/unarchive/[^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


def every(marketer: User, **params: str) -> dict[str, str]:
    """What the list sends for "select all that match"."""
    matched = listing.matching_ids(marketer, params)
    return {"scope": "all", "n": str(len(matched)), "seen": listing.fingerprint(matched), **params}


def test_those_that_can_all_be_archived_are_not_asked_about(desk: Client, marketer: User) -> None:
    made = [factories.campaign(marketer, name=f"C{n}") for n in range(3)]
    other = factories.campaign(marketer, name="Other")
    back = f"{LIST}?q=c&sort=name"
    answer = desk.post(reverse("campaigns:archive-many"), {"id": ids(*made), "back": back}, follow=True)
    assert answer.redirect_chain == [(back, 302)]
    page = answer.content.decode()
    assert "3 campaigns archived." in page
    assert archived() == {"C0", "C1", "C2"}
    lifecycle.archive(other.pk, by=marketer)
    restored = desk.post(undo_of(page), HTTP_REFERER=f"http://testserver{back}", follow=True)
    assert restored.redirect_chain == [(back, 302)]
    assert "3 campaigns restored." in restored.content.decode()
    assert archived() == {"Other"}


def test_some_that_cant_be_archived_are_asked_about_with_the_reason(desk: Client, marketer: User) -> None:
    mine = [factories.campaign(marketer, name=f"Mine {n}") for n in range(2)]
    theirs = factories.campaign(factories.user("Operator", name="Ona Operator"), name="Theirs")
    posted = {"id": ids(*mine, theirs)}
    asked = desk.post(reverse("campaigns:archive-many"), posted, HTTP_HX_REQUEST="true").content.decode()
    assert "Archive 2 of 3 campaigns?" in asked
    assert "Theirs is a campaign of Ona Operator. Its owner or an operator can archive it." in asked
    assert all(f'value="{one}"' in asked for one in posted["id"])
    assert archived() == set()
    assert "Archive 2 of 3 campaigns?" in desk.post(reverse("campaigns:archive-many"), posted).content.decode()
    page = desk.post(reverse("campaigns:archive-many"), posted | {"confirmed": "1"}, follow=True).content.decode()
    assert "2 campaigns archived." in page
    assert archived() == {"Mine 0", "Mine 1"}


def test_when_none_can_be_archived_there_is_nothing_to_press(desk: Client) -> None:
    theirs = factories.campaign(factories.user("Operator"), name="Theirs")
    asked = desk.post(reverse("campaigns:archive-many"), {"id": ids(theirs)}, HTTP_HX_REQUEST="true").content.decode()
    assert "This campaign can&#x27;t be archived." in asked
    assert 'class="btn primary"' not in asked


def test_everything_that_matches_is_asked_about_once_and_then_archived(desk: Client, marketer: User) -> None:
    for n in range(30):
        factories.campaign(marketer, name=f"Spring {n}")
    factories.campaign(marketer, name="Winter")
    shown = desk.get(LIST, {"q": "spring"}).content.decode()
    assert "Select all 30 that match" in shown
    posted = every(marketer, q="spring", tab="all")
    assert f'name="seen" value="{posted["seen"]}"' in shown
    asked = desk.post(reverse("campaigns:archive-many"), posted, HTTP_HX_REQUEST="true").content.decode()
    assert "Archive 30 campaigns?" in asked
    assert archived() == set()
    done = desk.post(reverse("campaigns:archive-many"), posted | {"confirmed": "1"}, HTTP_HX_REQUEST="true")
    assert (done.status_code, done["HX-Redirect"]) == (204, LIST)
    page = desk.get(LIST).content.decode()
    assert "30 campaigns archived." in page
    assert len(archived()) == 30
    desk.post(undo_of(page))
    assert archived() == set()


def test_when_something_else_matches_by_now_nothing_is_done(desk: Client, marketer: User) -> None:
    one, two = factories.campaign(marketer, name="Spring 1"), factories.campaign(marketer, name="Spring 2")
    posted = every(marketer, q="spring", tab="all") | {"confirmed": "1"}
    lifecycle.archive(two.pk, by=marketer)
    told = desk.post(reverse("campaigns:archive-many"), posted)
    assert told.status_code == 409
    assert "1 campaign matches now, not 2. Nothing was changed." in told.content.decode()
    factories.campaign(marketer, name="Spring 3")
    told = desk.post(reverse("campaigns:archive-many"), posted)
    assert "Other campaigns match now. Nothing was changed." in told.content.decode()
    assert archived() == {"Spring 2"}
    assert Campaign.objects.get(pk=one.pk).archived_at is None


@pytest.mark.parametrize("token", ["", "x", "1 2026-01-01:forged"])
def test_an_undo_that_nobody_was_given_undoes_nothing(desk: Client, marketer: User, token: str) -> None:
    lifecycle.archive(factories.campaign(marketer, name="Old").pk, by=marketer)
    assert desk.post(reverse("campaigns:unarchive-many") + f"?token={token}").status_code == 409
    assert archived() == {"Old"}


def test_an_undo_is_of_the_person_it_was_given_to(desk: Client, marketer: User) -> None:
    made = factories.campaign(marketer, name="Old")
    undo = undo_of(desk.post(reverse("campaigns:archive-many"), {"id": ids(made)}, follow=True).content.decode())
    other = Client()
    other.force_login(factories.user("Operator"))
    assert other.post(undo).status_code == 409
    assert archived() == {"Old"}


def test_one_archived_from_the_list_leads_back_to_it_and_so_does_its_undo(desk: Client, marketer: User) -> None:
    made = factories.campaign(marketer, name="Autumn sale")
    at = {"public_id": made.public_id}
    back = f"{LIST}?tab=drafts"
    for name in ("archive", "unarchive"):
        answer = desk.post(reverse(f"campaigns:{name}", kwargs=at), HTTP_REFERER=f"http://testserver{back}")
        assert answer["Location"] == back
    detail = reverse("campaigns:detail", kwargs=at)
    assert desk.post(reverse("campaigns:archive", kwargs=at), HTTP_REFERER=detail)["Location"] == LIST
    assert desk.post(reverse("campaigns:unarchive", kwargs=at), HTTP_REFERER=detail)["Location"] == detail


@pytest.mark.parametrize("back", ["https://evil.test/campaigns/?q=1", "//evil.test", "javascript:alert(1)", "/me/"])
def test_only_our_own_list_is_gone_back_to(desk: Client, marketer: User, back: str) -> None:
    made = factories.campaign(marketer)
    answer = desk.post(reverse("campaigns:archive-many"), {"id": ids(made), "back": back})
    assert answer["Location"].split("?")[0] == LIST


def test_a_tag_is_added_to_several_and_taken_away(desk: Client, marketer: User) -> None:
    made = [factories.campaign(marketer, name=f"C{n}") for n in range(2)]
    Campaign.objects.filter(pk=made[1].pk).update(tags=[f"t{n}" for n in range(20)])
    posted = {"id": ids(*made), "tag": " Black  Friday "}
    page = desk.post(reverse("campaigns:tag-many"), posted, follow=True).content.decode()
    assert "Tag “Black Friday” added to 1 campaign." in page
    assert "C1 has 20 tags already. Remove one first." in page
    assert Campaign.objects.get(pk=made[0].pk).tags == ["Black Friday"]
    page = desk.post(reverse("campaigns:tag-many"), posted | {"do": "remove"}, follow=True).content.decode()
    assert "Tag “Black Friday” removed from 1 campaign." in page
    assert Campaign.objects.get(pk=made[0].pk).tags == []
    assert desk.post(reverse("campaigns:tag-many"), {"id": ids(*made), "tag": " "}).status_code == 422


def test_a_tag_for_everything_that_matches_is_asked_about(desk: Client, marketer: User) -> None:
    for n in range(3):
        factories.campaign(marketer, name=f"Spring {n}")
    posted = every(marketer, q="spring", tab="drafts") | {"tag": "news"}
    asked = desk.post(reverse("campaigns:tag-many"), posted, HTTP_HX_REQUEST="true").content.decode()
    assert "Add “news” to 3 campaigns?" in asked
    assert tags.known() == []
    desk.post(reverse("campaigns:tag-many"), posted | {"confirmed": "1"})
    assert tags.known() == [("news", 3)]


def test_one_copy_opens_and_several_come_into_the_list(desk: Client, marketer: User) -> None:
    made = [factories.campaign(marketer, name=f"C{n}") for n in range(2)]
    answer = desk.post(reverse("campaigns:duplicate-many"), {"id": ids(made[0])}, follow=True)
    assert "/edit/compose/" in answer.redirect_chain[0][0]
    assert "This is a copy. The schedule was not copied" in answer.content.decode()
    page = desk.post(reverse("campaigns:duplicate-many"), {"id": ids(*made)}, follow=True).content.decode()
    assert "2 campaigns duplicated. Schedules were not copied." in page
    assert Draft.objects.count() == 5


def test_too_many_are_not_duplicated(desk: Client, marketer: User) -> None:
    for n in range(26):
        factories.campaign(marketer, name=f"C{n}")
    posted = every(marketer, tab="all") | {"confirmed": "1"}
    told = desk.post(reverse("campaigns:duplicate-many"), posted)
    assert told.status_code == 409
    assert Campaign.objects.count() == 26


def test_the_tags_of_one_campaign_are_changed_in_a_dialog(desk: Client, marketer: User) -> None:
    made = factories.campaign(marketer, name="Autumn sale")
    to = reverse("campaigns:tags", kwargs={"public_id": made.public_id})
    tags.add([factories.campaign(marketer).pk], tag="spring", by=marketer)
    asked = desk.get(to, HTTP_HX_REQUEST="true").content.decode()
    assert "Tags of Autumn sale" in asked and 'value="spring"' in asked
    part = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "campaign-tag-editor"}
    changed = desk.post(to, {"add": "Black Friday"}, **part).content.decode()
    assert "q=%22tag%3ABlack+Friday%22" in changed and 'hx-swap-oob="true"' in changed
    assert "The tag is empty. Enter a tag." in desk.post(to, {"add": ""}, **part).content.decode()
    assert Campaign.objects.get(pk=made.pk).tags == ["Black Friday"]
    assert desk.post(to, {"remove": "Black Friday"}).status_code == 302
    assert Campaign.objects.get(pk=made.pk).tags == []
    Campaign.objects.filter(pk=made.pk).update(tags=[f"t{n}" for n in range(20)])
    assert "at most 20 tags" in desk.post(to, {"add": "one more"}, **part).content.decode()
