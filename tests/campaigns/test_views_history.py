"""History, single versions, kept drafts and restoring over HTTP; nothing but publishing changes what is live."""

import uuid
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns import drafts, lifecycle, sources
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot
from lib.errors import DomainError
from tests import factories
from tests.test_routes import ROUTES, TABLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def desk(client: Client, marketer: User) -> Client:
    client.force_login(marketer)
    return client


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def text_of(client: Client, where: str) -> str:
    answer = client.get(where)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def discarded(campaign: Campaign, **fields: object) -> str:
    """The token of a draft that was discarded."""
    return sources.token(drafts.discard(factories.draft_of(campaign, **fields).pk, by=campaign.owner).pk)


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator", "Admin"])
def test_one_version_shows_what_it_was_what_was_sent_and_what_can_be_done(client: Client, role: str) -> None:
    client.force_login(factories.user(role))
    campaign = factories.published(compose__subject="The first")
    factories.campaign_send(campaign, n_to_send=9892)
    factories.publish_again(campaign, compose__subject="The second")
    factories.draft_of(campaign, compose__subject="The third")
    page = text_of(client, url("version", campaign, number=1))
    assert "The first" in page
    assert "The second" not in page
    assert "Version 2 replaced it" in page
    assert "9,892 emails" in page
    for label in ("With live version 2", "With the current draft"):
        assert label in page
    assert ("Restore as draft" in page) == (role != "Viewer")
    live = text_of(client, url("version", campaign, number=2))
    assert "Nothing was sent with this version." in live
    assert "With the version before, 1" in live
    assert "Restore as draft" not in live


def test_a_kept_draft_is_shown_read_only_until_when_it_can_be_restored(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    token = discarded(campaign, compose__subject="An odd idea")
    page = text_of(desk, url("snapshot", campaign, token=token))
    assert "An odd idea" in page
    assert "Can be restored until" in page
    assert "With live version 1" in page
    assert "With the current draft" not in page
    assert desk.get(url("snapshot", factories.published(), token=token)).status_code == 404
    assert desk.get(url("snapshot", campaign, token="1:x")).status_code == 404
    assert desk.get(url("version", campaign, number=7)).status_code == 404


def test_previews_render_the_state_they_name(desk: Client, marketer: User) -> None:
    body = "<p>{word}</p><p><a href='{{{{ unsubscribe_url }}}}'>Unsubscribe</a> {{{{ postal_address }}}}</p>"
    campaign = factories.published(marketer, compose__body=body.format(word="First"))
    factories.publish_again(campaign, compose__body=body.format(word="Second"))
    token = discarded(campaign, compose__body=body.format(word="Discarded"))
    factories.draft_of(campaign, compose__body=body.format(word="Drafted"))
    frame = url("preview", campaign, variant="html")
    expected = {"1": "First", "2": "Second", "live": "Second", "draft": "Drafted", token: "Discarded", "": "Drafted"}
    for key, word in expected.items():
        answer = desk.get(frame, {"version": key})
        assert f"<p>{word}</p>" in answer.content.decode()
        assert "sandbox" in answer["Content-Security-Policy"]
    for key in ("3", "1:x", sources.token(10**9)):
        assert desk.get(frame, {"version": key}).status_code == 404


def test_restoring_over_a_draft_asks_first_and_the_draft_stays_in_history(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer, compose__subject="The first")
    first = CampaignVersion.objects.get(campaign=campaign)
    factories.publish_again(campaign, compose__subject="The second")
    draft = factories.draft_of(campaign, compose__subject="The third", tracking__opens=False)
    where = url("restore-version", campaign, version_id=first.public_id)
    for asked in (desk.get(where), desk.get(where, HTTP_HX_REQUEST="true"), desk.post(where)):
        words = " ".join(asked.content.decode().split())
        assert "This replaces the current draft (2 changes). The current draft stays in History." in words
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "The third"
    assert desk.post(where, {"replaces": str(draft.revision + 1)}).status_code == 200
    assert Draft.objects.get(campaign=campaign).revision == draft.revision
    assert desk.post(where, {"replaces": str(draft.revision)}).url == url("edit", campaign, step="compose")
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "The first"
    kept = DraftSnapshot.objects.get(campaign=campaign, cause="discarded")
    assert kept.document["compose"]["subject"] == "The third"
    assert Campaign.objects.get(pk=campaign.pk).live_version.number == 2
    assert "From version 1" in text_of(desk, url("history", campaign))


def test_a_discarded_draft_comes_back_from_history_without_a_question(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    token = discarded(campaign, compose__subject="An odd idea")
    page = text_of(desk, url("history", campaign))
    where = url("restore-snapshot", campaign, token=token)
    assert f'<form method="post" action="{where}">' in page
    desk.post(where)
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "An odd idea"


def test_any_two_states_are_compared_and_the_choice_needs_no_script(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer, compose__subject="The first")
    factories.publish_again(campaign, compose__subject="The second")
    token = discarded(campaign, compose__subject="An odd idea")
    factories.draft_of(campaign, compose__subject="In the draft")
    assert 'name="a"' in text_of(desk, url("history", campaign))
    for a, b, words in (
        ("1", "draft", ("The first", "In the draft")),
        (token, "2", ("An odd idea", "The second")),
        ("2", token, ("The second", "An odd idea")),
    ):
        chosen = desk.get(url("compare-choose", campaign), {"a": a, "b": b})
        assert chosen.url == url("compare", campaign, a=a, b=b)
        page = text_of(desk, chosen.url)
        assert "1 change in 1 part" in page
        plain = page.replace("<b>", "").replace("</b>", "")
        assert all(word in plain for word in words)
    assert desk.get(url("compare-choose", campaign), {"a": "1", "b": "9"}).status_code == 404
    assert desk.get(url("compare-choose", campaign)).status_code == 404
    assert desk.get(url("compare", factories.published(), a="1", b=token)).status_code == 404
    assert "There are no changes." in text_of(desk, url("compare", campaign, a="2", b="2"))


def test_history_is_narrowed_and_read_on_by_links(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    for n in range(52):
        factories.publish_again(campaign, compose__subject=f"{n}")
    page = text_of(desk, url("history", campaign) + "?kind=versions")
    assert "<strong>Version 53</strong>" in page
    assert "<strong>Version 2</strong>" not in page
    assert "Draft created" not in page
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = text_of(desk, url("history", campaign) + older)
    assert "<strong>Version 1</strong>" in rest
    assert "Show older" not in rest
    odd_ones = ("?kind=nothing", "?before=yesterday", "?before=2026-99-99T00:00:00Z", "?before=2026-01-01T00:00:00")
    # These are no dates in UTC, or in the zone of somebody west of it.
    odd_ones += ("?before=9999-12-31T23:59:59-14:00", "?before=0001-01-01T00:00:00%2B14:00")
    for odd in odd_ones:
        assert "Version 53" in text_of(desk, url("history", campaign) + odd)


def test_history_needs_the_same_queries_for_any_length(
    desk: Client, marketer: User, django_assert_max_num_queries: Any
) -> None:
    campaign = factories.published(marketer)
    for n in range(4):
        factories.publish_again(campaign, compose__subject=f"{n}")
        factories.campaign_send(Campaign.objects.get(pk=campaign.pk), "finished")
        discarded(campaign, compose__preheader=f"{n}")
    factories.draft_of(campaign, compose__subject="New")
    with django_assert_max_num_queries(32):
        text_of(desk, url("history", campaign))


# --- what is live ---------------------------------------------------------------------------------------------


def test_while_a_draft_exists_no_route_but_publish_changes_what_is_live(client: Client) -> None:
    operator = factories.user("Admin")
    client.force_login(operator)
    campaign = factories.published(operator)
    draft = factories.draft_of(campaign, compose__subject="Only in the draft")
    before = CampaignVersion.objects.filter(campaign=campaign).values().get()
    values = {
        "public_id": campaign.public_id,
        "version_id": before["public_id"],
        "token": sources.token(DraftSnapshot.objects.filter(campaign=campaign).latest("pk").pk),
        "variant": "html",
        "delivery_id": factories.campaign_send(campaign).public_id,
        # A request that is not there; those that are answered are told apart in the tests of approvals.
        "request_id": uuid.uuid4(),
    }
    posted = {
        "revision": str(draft.revision), "replaces": str(draft.revision), "session": str(uuid.uuid4()), "name": "Other",
        "compose.subject": "Typed", "subject": "Typed", "version": "live", "to": "a@example.test", "base_version": "1",
    }  # fmt: skip
    client.raise_request_exception = False
    writing = [name for name, (_get, post) in TABLE.items() if name.startswith("campaigns:") and post is not None]
    assert "campaigns:publish" in writing
    for name in sorted(set(writing) - {"campaigns:publish"}):
        with transaction.atomic():
            client.post(reverse(name, kwargs={key: values[key] for key in ROUTES[name]}), posted)
            found = Campaign.objects.get(pk=campaign.pk)
            assert found.live_version_id == before["id"], name
            assert CampaignVersion.objects.filter(campaign=campaign).values().get() == before, name
            transaction.set_rollback(True)


def test_a_send_is_of_what_is_live_whatever_the_draft_says(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer, compose__subject="Live")
    draft = factories.draft_of(campaign, compose__subject="Only in the draft")
    desk.post(url("send-new", campaign))
    (first,) = campaign.sends.select_related("delivery__message", "version")
    assert (first.delivery.message.subject, first.version.number) == ("Live", 1)
    desk.post(url("publish", campaign), {"revision": str(draft.revision)})
    last = campaign.sends.select_related("delivery__message", "version").latest("pk")
    assert (last.delivery.message.subject, last.version.number) == ("Only in the draft", 2)


def test_the_draft_has_no_results_and_leads_to_those_of_the_live_version(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    factories.draft_of(campaign)
    page = text_of(desk, url("edit", campaign, step="review"))
    assert "No results here. This draft hasn't been published." in page
    assert "View live results" in page
    assert 'aria-label="Live v1: view live version"' in page
    fresh = factories.campaign(marketer)
    assert "View live results" not in text_of(desk, url("edit", fresh, step="review"))
    viewer = Client()
    viewer.force_login(factories.user("Viewer"))
    assert "No results here. This draft hasn't been published." in text_of(viewer, url("detail", fresh))


def test_results_lead_to_the_draft_and_to_the_live_version(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    delivery = factories.campaign_send(campaign)
    factories.publish_again(campaign)
    factories.draft_of(campaign, compose__subject="Next")
    for where in (
        url("detail", campaign),
        url("sends", campaign),
        url("send", campaign, delivery_id=delivery.public_id),
        url("history", campaign),
    ):
        page = text_of(desk, where)
        assert 'aria-label="Live v2: view live version"' in page
        assert 'aria-label="Draft: edit draft"' in page
        assert "Edit draft" in page
    assert "Version 2 is live now." in text_of(desk, url("send", campaign, delivery_id=delivery.public_id))
    overview = text_of(desk, url("detail", campaign))
    assert "This is version 2, live since" in overview
    assert "Milo Marketer started a draft" in overview


@pytest.mark.parametrize(
    ("fields", "effect", "button"),
    [
        ({}, "after preparation and confirmation", "Publish and prepare"),
        (
            {
                "delivery__kind": "at",
                "delivery__date": "2100-01-01",
                "delivery__time": "09:00",
                "delivery__zone": "UTC",
            },
            "09:00 UTC, after preparation and confirmation",
            "Publish and prepare",
        ),
    ],
)
def test_publishing_says_from_when_it_counts_and_what_keeps_the_old_version(
    desk: Client, marketer: User, fields: dict[str, object], effect: str, button: str
) -> None:
    campaign = factories.published(marketer)
    factories.campaign_send(campaign, "sending")
    factories.publish_again(campaign)
    factories.draft_of(campaign, compose__subject="Next", **fields)
    page = text_of(desk, url("publish", campaign))
    assert "Publish version 3 of Autumn sale?" in page
    assert effect in page
    assert "1 send keeps version 1 until it ends" in page
    assert button in page


def test_warnings_must_be_ticked_also_without_script(desk: Client, marketer: User) -> None:
    factories.profile()
    campaign = factories.campaign(marketer, compose__preheader="")
    page = text_of(desk, url("publish", campaign))
    n = page.split('name="n_warnings" value="')[1].split('"')[0]
    assert n != "0"
    answer = desk.post(url("publish", campaign), {"revision": "1", "n_warnings": n})
    assert "Tick that you have checked the warnings." in answer.content.decode()
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.DRAFT
    desk.post(url("publish", campaign), {"revision": "1", "n_warnings": n, "checked": "on"})
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.PUBLISHED


def test_publishing_a_stopped_campaign_prepares_nothing(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    lifecycle.stop(campaign.pk, by=factories.user("Operator"))
    draft = factories.draft_of(campaign, compose__subject="Next")
    assert "when the campaign is resumed; it stays stopped" in text_of(desk, url("publish", campaign))
    answer = desk.post(url("publish", campaign), {"revision": str(draft.revision)})
    assert answer.url == url("detail", campaign) + "?published=2"
    assert "Version 2 is live." in text_of(desk, answer.url)
    assert not campaign.sends.exists()


def test_discarding_says_what_is_lost_by_whom_and_until_when_it_comes_back(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    draft = factories.draft_of(campaign, compose__subject="Next", tracking__opens=False)
    other = factories.user("Operator", name="Ona Operator")
    ids = {"session_id": uuid.uuid4(), "save_id": uuid.uuid4()}
    drafts.save(draft.pk, base_revision=draft.revision, fields={"compose.preheader": "New"}, by=other, **ids)
    page = text_of(desk, url("draft-discard", campaign))
    assert "Discard the draft of Autumn sale?" in page
    assert "3 changes since" in page
    assert "by Milo Marketer and Ona Operator." in page
    assert "You can restore the draft from History for 30 days." in page
    assert "3 changes in 2 parts" in text_of(desk, url("changes", campaign))


@pytest.mark.parametrize(
    ("of", "subject", "words"),
    [
        ("", "Autumn sale", "This is a copy of version 1."),
        ("?of=draft", "In the draft", "This is a copy of the draft."),
    ],
)
def test_a_copy_is_of_what_is_live_unless_asked_for_from_the_draft(
    desk: Client, marketer: User, of: str, subject: str, words: str
) -> None:
    campaign = factories.published(marketer)
    factories.draft_of(campaign, compose__subject="In the draft")
    assert "duplicate/?of=draft" in text_of(desk, url("edit", campaign, step="review"))
    assert "duplicate/?of=draft" not in text_of(desk, url("detail", campaign))
    answer = desk.post(url("duplicate", campaign) + of, follow=True)
    assert words in answer.content.decode()
    copy = Campaign.objects.exclude(pk=campaign.pk).get()
    assert Draft.objects.get(campaign=copy).document["compose"]["subject"] == subject


def test_an_archived_campaign_comes_back_without_sending(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    factories.draft_of(campaign, compose__subject="Next")
    desk.post(url("archive", campaign))
    page = desk.get(url("edit", campaign, step="compose"), follow=True).content.decode()
    assert "Restore from archive" in page
    assert "Prepare a send" not in page
    answer = desk.post(url("unarchive", campaign), follow=True)
    assert "Nothing is sent until somebody confirms a send." in answer.content.decode()
    found = Campaign.objects.get(pk=campaign.pk)
    assert (found.state, found.archived_at) == (CampaignState.PUBLISHED, None)
    assert not lifecycle.is_standing(found)
    assert not found.sends.exists()
    assert Draft.objects.filter(campaign=campaign).exists()


@pytest.mark.parametrize("kind", ["repeat", "api"])
def test_what_sends_by_itself_is_stopped_before_the_archive_and_after_it(marketer: User, kind: str) -> None:
    campaign = factories.published(marketer)
    document = CampaignVersion.objects.get(campaign=campaign).document
    version = CampaignVersion.objects.create(
        campaign=campaign,
        number=2,
        document=document | {"delivery": document["delivery"] | {"kind": kind}},
        sha256="x",
        message=campaign.live_version.message,
        published_by=marketer,
    )
    Campaign.objects.filter(pk=campaign.pk).update(live_version=version, state="active")
    operator = factories.user("Operator")
    with pytest.raises(DomainError, match="Stop it first"):
        lifecycle.archive(campaign.pk, by=operator)
    lifecycle.stop(campaign.pk, by=operator)
    lifecycle.archive(campaign.pk, by=operator)
    back = lifecycle.unarchive(campaign.pk, by=operator)
    assert back.state == CampaignState.STOPPED
    assert not lifecycle.is_standing(back)
