"""The campaign pages over HTTP: creating, previewing, publishing, the list, and what each state shows."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns.models import Campaign, CampaignSend, CampaignState, Draft
from delivery.models import Delivery, DeliveryState
from messaging import starters
from tests import factories

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


@pytest.mark.parametrize("starter", [one.slug for one in starters.every()])
def test_picking_a_starter_creates_the_draft_and_opens_compose(desk: Client, starter: str) -> None:
    sender = factories.sender(is_default=True)
    answer = desk.post(reverse("campaigns:new"), {"starter": starter}, follow=True)
    campaign = Campaign.objects.get()
    assert answer.redirect_chain == [(url("edit", campaign, step="compose"), 302)]
    assert campaign.name.startswith("Untitled campaign, ")
    document = Draft.objects.get().document
    assert document["compose"]["sender"] == str(sender.public_id)
    assert document["compose"]["body"]
    assert desk.get(reverse("campaigns:starter", args=[starter])).status_code == 200


def test_every_step_opens_for_an_empty_and_a_full_draft(desk: Client, marketer: User) -> None:
    full = factories.campaign(marketer)
    desk.post(reverse("campaigns:new"), {"starter": "none"})
    for campaign in (full, Campaign.objects.exclude(pk=full.pk).get()):
        for step in ("compose", "delivery", "audience", "tracking", "review"):
            assert desk.get(url("edit", campaign, step=step)).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compose.subject", '"><script>alert(1)</script>'),
        ("compose.body", "</textarea><script>alert(1)</script>"),
        ("name", "</script><script>alert(1)</script>"),
    ],
)
def test_what_people_type_is_never_markup_of_the_page(desk: Client, marketer: User, name: str, value: str) -> None:
    campaign = factories.campaign(marketer)
    draft = Draft.objects.get(campaign=campaign)
    step, _dot, key = name.partition(".")
    if key:
        draft.document[step][key] = value
        draft.save(update_fields=["document"])
    else:
        Campaign.objects.filter(pk=campaign.pk).update(name=value)
    for page in ("compose", "review"):
        assert "<script>alert(1)" not in desk.get(url("edit", campaign, step=page)).content.decode()


def test_the_preview_shows_what_is_typed_as_the_chosen_person(desk: Client, marketer: User) -> None:
    campaign = factories.campaign(marketer)
    lea = factories.profile(first_name="Lea")
    typed = {"compose.subject": "For {{ profile.first_name }}", "compose.body": "<p>Dear {{ profile.first_name }}</p>"}
    posted = {"as": str(lea.public_id), "fields": json.dumps(typed)}
    assert "Dear Lea" in desk.post(url("preview", campaign, variant="html"), posted).content.decode()
    head = desk.post(url("preview-head", campaign), posted).content.decode()
    assert 'data-preview-subject="For Lea"' in head and ">For Lea<" in head
    assert Draft.objects.get(campaign=campaign).revision == 1


def test_a_broken_template_is_told_with_its_line(desk: Client, marketer: User) -> None:
    campaign = factories.campaign(marketer)
    posted = {"fields": json.dumps({"compose.body": "<p>one</p>\n<p>{% if %}</p>"})}
    head = desk.post(url("preview-head", campaign), posted).content.decode()
    assert "Line 2:" in head
    frame = desk.post(url("preview", campaign, variant="html"), posted)
    assert frame.status_code == 200
    assert "sandbox" in frame["Content-Security-Policy"]


@pytest.mark.parametrize("fields", ["", "[]", "{", '{"compose.colour": 1}', '{"compose.subject": "\\u0000"}'])
def test_a_preview_of_nonsense_is_no_error(desk: Client, marketer: User, fields: str) -> None:
    campaign = factories.campaign(marketer)
    assert desk.post(url("preview-head", campaign), {"fields": fields}).status_code == 200


@pytest.mark.parametrize("to", ["", "not an address", "a@b.test " * 1 + " ".join(f"a{n}@b.test" for n in range(11))])
def test_a_test_needs_addresses(desk: Client, marketer: User, to: str) -> None:
    campaign = factories.campaign(marketer)
    answer = desk.post(url("test", campaign), {"to": to}, HTTP_HX_REQUEST="true")
    assert answer.status_code == 422
    assert Draft.objects.get(campaign=campaign).tested_at is None


def test_publishing_prepares_the_send(desk: Client, marketer: User) -> None:
    factories.profile()
    campaign = factories.campaign(marketer)
    answer = desk.post(url("publish", campaign), {"revision": "1", "note": "First"})
    delivery = Delivery.objects.get()
    assert answer.url == url("send", campaign, delivery_id=delivery.public_id) + "?published=1"
    assert delivery.state == DeliveryState.PREPARING
    published = Campaign.objects.get(pk=campaign.pk)
    assert published.state == CampaignState.PUBLISHED
    assert published.live_version.note == "First"
    page = desk.get(answer.url).content.decode()
    assert "Version 1 is live." in page
    assert "data-focus-here" in page
    assert (
        "is live."
        not in desk.get(url("send", campaign, delivery_id=delivery.public_id) + "?published=2").content.decode()
    )


@pytest.mark.parametrize("revision", ["", "one", "-1", "9" * 5_000])
def test_a_revision_that_is_none_publishes_nothing(desk: Client, marketer: User, revision: str) -> None:
    campaign = factories.campaign(marketer)
    for name in ("publish", "draft-save"):
        assert desk.post(url(name, campaign), {"revision": revision}).status_code in {302, 409}
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.DRAFT


def test_publishing_with_errors_leads_to_them(desk: Client, marketer: User) -> None:
    campaign = factories.campaign(marketer, compose__subject="")
    asked = desk.get(url("publish", campaign), HTTP_HX_REQUEST="true")
    assert asked["HX-Redirect"] == url("edit", campaign, step="review") + "?blocked"
    page = desk.get(asked["HX-Redirect"]).content.decode()
    assert "<title>Error: " in page
    assert "The subject is empty. Enter a subject." in page
    assert desk.post(url("publish", campaign), {"revision": "1"}).url == asked["HX-Redirect"]
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.DRAFT


@pytest.mark.parametrize("revision", ["0", "7", "", "x"])
def test_publishing_what_was_not_shown_is_refused(desk: Client, marketer: User, revision: str) -> None:
    factories.profile()
    campaign = factories.campaign(marketer)
    answer = desk.post(url("publish", campaign), {"revision": revision}, follow=True)
    assert "Not published." in answer.content.decode()
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.DRAFT


def test_modify_asks_and_cancelling_creates_no_draft(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    asked = desk.get(url("modify", campaign), HTTP_HX_REQUEST="true").content.decode()
    assert "Create a draft of version 1?" in asked
    assert "Version 1 stays live until you publish." in asked
    assert not Draft.objects.filter(campaign=campaign).exists()
    assert desk.post(url("modify", campaign)).url == url("edit", campaign, step="compose")
    assert Draft.objects.filter(campaign=campaign).exists()


def test_an_operator_confirms_and_a_second_one_hears_who_did(marketer: User) -> None:
    campaign = factories.published(marketer)
    delivery = factories.campaign_send(
        campaign, n_targeted=3, n_excluded=1, n_to_send=2, seal="a" * 64, prepared_at=factories.timezone.now()
    )
    first, second = Client(), Client()
    first.force_login(factories.user("Operator", name="Ona Operator"))
    second.force_login(factories.user("Operator", name="Otto Operator"))
    to = url("confirm", campaign, delivery_id=delivery.public_id)
    posted = {"seal": "a" * 64, "n_to_send": "2", "key": str(uuid.uuid4()), "typed": "2"}
    assert first.get(to).status_code == 200
    assert first.post(to, posted).url == url("send", campaign, delivery_id=delivery.public_id)
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.CONFIRMED
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.ACTIVE
    late = second.post(to, posted | {"key": str(uuid.uuid4())})
    assert late.status_code == 409 and "Ona Operator already confirmed this send" in late.content.decode()


def test_a_forged_count_is_refused(marketer: User) -> None:
    campaign = factories.published(marketer)
    delivery = factories.campaign_send(campaign, n_targeted=3, n_excluded=1, n_to_send=2, seal="a" * 64)
    client = Client()
    client.force_login(factories.user("Operator"))
    to = url("confirm", campaign, delivery_id=delivery.public_id)
    key, typed = str(uuid.uuid4()), {"typed": "2"}
    for posted in (
        {"seal": "b" * 64, "n_to_send": "2", "key": key} | typed,
        {"seal": "a" * 64, "n_to_send": "1", "key": key, "typed": "1"},
        {"seal": "a" * 64, "n_to_send": "2"} | typed,
        {},
    ):
        assert client.post(to, posted).status_code in {409, 422}
        assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PREPARED


def test_the_list_has_its_states_in_words(desk: Client, marketer: User) -> None:
    empty = desk.get(reverse("campaigns:list")).content.decode()
    assert "Create your first campaign" in empty
    factories.campaign(marketer, name="Autumn sale")
    assert "Autumn sale" in desk.get(reverse("campaigns:list")).content.decode()
    nothing = desk.get(reverse("campaigns:list"), {"q": "sumer"}).content.decode()
    assert "No campaign matches “sumer”." in nothing
    unknown = desk.get(reverse("campaigns:list"), {"q": "colour:red"}).content.decode()
    assert "Unknown filter: colour" in unknown
    for tab, words in (
        ("attention", "Nothing needs attention."),
        ("scheduled", "No scheduled campaigns."),
        ("live", "No live campaigns."),
        ("sent", "No sent campaigns."),
        ("archived", "No archived campaigns."),
    ):
        page = desk.get(reverse("campaigns:list"), {"tab": tab}).content.decode()
        assert words in page and "See all campaigns" in page


def test_archived_matches_are_offered(desk: Client, marketer: User) -> None:
    old = factories.campaign(marketer, name="Sumer")
    desk.post(url("archive", old))
    page = desk.get(reverse("campaigns:list"), {"q": "sumer"}).content.decode()
    assert "Search archived too (1)" in page
    assert "Sumer" in desk.get(reverse("campaigns:list"), {"q": "sumer", "tab": "archived"}).content.decode()


def test_the_tabs_come_alone_for_a_list_come_back_to(desk: Client, marketer: User) -> None:
    factories.campaign(marketer, name="Autumn sale")
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "campaign-tabs"}
    part = desk.get(reverse("campaigns:list"), {"q": "autumn"}, **headers).content.decode()
    assert "Drafts" in part and "q=autumn" in part
    assert "Autumn sale" not in part


def test_a_viewer_finds_no_box_and_no_button(marketer: User) -> None:
    factories.campaign(marketer, name="Autumn sale")
    client = Client()
    client.force_login(factories.user("Viewer"))
    page = client.get(reverse("campaigns:list")).content.decode()
    assert "Autumn sale" in page
    assert "data-select" not in page and 'id="bulk"' not in page and "page-head__actions" not in page


def test_the_list_answers_htmx_with_its_part(desk: Client, marketer: User) -> None:
    factories.campaign(marketer)
    part = desk.get(reverse("campaigns:list"), HTTP_HX_REQUEST="true", HTTP_HX_TARGET="campaigns")
    assert "<html" not in part.content.decode()
    assert 'hx-swap-oob="true"' in part.content.decode()
    assert "HX-Target" in part["Vary"]


def test_the_list_needs_the_same_queries_for_any_number_of_rows(
    desk: Client, marketer: User, django_assert_max_num_queries: Any
) -> None:
    for n in range(12):
        factories.campaign(marketer, name=f"Campaign {n}")
    with django_assert_max_num_queries(16):
        desk.get(reverse("campaigns:list"))


def test_rows_that_move_are_asked_for_until_they_end(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    delivery = factories.campaign_send(campaign, "preparing", n_estimated=100, n_prepared=40)
    assert f"rows/?ids={campaign.public_id}" in desk.get(reverse("campaigns:list")).content.decode()
    asked = f"{reverse('campaigns:list-rows')}?ids={campaign.public_id},nonsense"
    assert "Preparing 40%" in desk.get(asked).content.decode()
    CampaignSend.objects.filter(delivery=delivery).delete()
    assert desk.get(asked).status_code == 286


def test_duplicating_says_what_was_not_copied(desk: Client, marketer: User) -> None:
    campaign = factories.published(
        marketer,
        delivery__kind="at",
        delivery__date="2100-01-01",
        delivery__time="09:00",
        delivery__zone="Europe/Paris",
    )
    answer = desk.post(url("duplicate", campaign), follow=True)
    page = answer.content.decode()
    assert "This is a copy of version 1. The schedule was not copied, so it will send once confirmed." in page
    copied = Campaign.objects.exclude(pk=campaign.pk).get()
    assert copied.name == f"Copy of {campaign.name}"


def test_only_a_campaign_that_was_never_published_is_deleted(desk: Client, marketer: User) -> None:
    draft, live = factories.campaign(marketer), factories.published(marketer)
    desk.post(url("delete", draft))
    assert not Campaign.objects.filter(pk=draft.pk).exists()
    assert desk.post(url("delete", live)).status_code == 409
    assert Campaign.objects.filter(pk=live.pk).exists()


def test_home_ticks_its_checklist_and_lists_my_drafts(desk: Client, marketer: User) -> None:
    page = desk.get(reverse("campaigns:home")).content.decode()
    assert "Send your first campaign" in page
    assert "make manage ARGS=demo" in page
    factories.campaign(marketer, name="Black Friday teaser")
    factories.profile()
    page = desk.get(reverse("campaigns:home")).content.decode()
    assert "Black Friday teaser" in page
    assert "make manage ARGS=demo" not in page


def test_home_tells_an_operator_what_waits(marketer: User) -> None:
    campaign = factories.published(marketer, name="Weekly digest")
    factories.campaign_send(campaign, n_targeted=3, n_excluded=1, n_to_send=2, seal="a" * 64)
    operator = Client()
    operator.force_login(factories.user("Operator"))
    page = operator.get(reverse("campaigns:home")).content.decode()
    assert "Weekly digest" in page
    assert "is ready to be confirmed" in page


def test_history_restores_a_version_as_draft(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer, compose__subject="The first")
    first = campaign.live_version
    draft = factories.draft_of(campaign, compose__subject="The second")
    desk.post(url("publish", campaign), {"revision": str(draft.revision)})
    desk.post(url("restore-version", campaign, version_id=first.public_id))
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "The first"
    assert Campaign.objects.get(pk=campaign.pk).live_version.number == 2
    assert "Restore as draft" in desk.get(url("history", campaign)).content.decode()


def test_code_becomes_blocks_and_blocks_become_code(desk: Client, marketer: User) -> None:
    campaign = factories.campaign(marketer)
    to = reverse("campaigns:convert")
    html = "<p>Hello {{ profile.first_name }}</p>"
    blocks = desk.post(to, {"kind": "html", "to": "blocks", "body": html}).json()["body"]
    assert json.loads(blocks) == [{"type": "html", "html": html}]
    back = desk.post(to, {"kind": "blocks", "to": "html", "body": blocks}).json()["body"]
    assert html in back
    fresh = desk.post(to, {"kind": "html", "to": "blocks", "body": " "}).json()["body"]
    assert [block["type"] for block in json.loads(fresh)] == ["header", "text", "footer"]
    broken = desk.post(to, {"kind": "mjml", "to": "blocks", "body": "<mjml><mj-body></mjml>"})
    assert broken.status_code == 422
    assert broken.json()["message"]
    assert Draft.objects.get(campaign=campaign).revision == 1


def test_the_preview_is_light_or_dark_whatever_the_screen_is(desk: Client, marketer: User) -> None:
    body = "<html><head><style>@media (prefers-color-scheme: dark) { p { color: #eee } }</style></head><p>Hi</p></html>"
    campaign = factories.campaign(marketer, compose__body=body)
    light = desk.get(url("preview", campaign, variant="html")).content.decode()
    dark = desk.get(url("preview", campaign, variant="dark")).content.decode()
    assert "prefers-color-scheme" not in light + dark
    assert "@media not all" in light
    assert "@media all" in dark
