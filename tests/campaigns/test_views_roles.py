"""Who may see and do what on the campaign pages: the four roles and a stranger, on every route of a campaign."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns import sources
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft
from delivery.models import Delivery, DeliveryState
from tests import factories

pytestmark = pytest.mark.django_db

ROLES = ("Viewer", "Marketer", "Operator", "Admin")
SEEN = ("home", "list")
SEEN_OF_ONE = ("detail", "history", "sends")
EDITING = ("draft-save", "draft-discard", "draft-undo", "presence", "publish", "modify", "test")
EDITING += ("send-new", "archive", "unarchive", "duplicate", "delete")
STARTING = ("stop", "resume")


@pytest.fixture
def live() -> Campaign:
    """A published campaign of somebody else, with a draft beside it."""
    campaign = factories.published(factories.user("Admin"))
    factories.draft_of(campaign)
    return campaign


def client_of(role: str) -> tuple[Client, User]:
    client, user = Client(), factories.user(role)
    client.force_login(user)
    return client, user


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def test_a_stranger_is_led_to_sign_in(live: Campaign, client: Client) -> None:
    for name in SEEN:
        assert client.get(reverse(f"campaigns:{name}")).status_code == 302
    for name in SEEN_OF_ONE:
        assert "sign-in" in client.get(url(name, live)).url
    for name in (*EDITING, *STARTING):
        assert "sign-in" in client.post(url(name, live)).url
    assert Draft.objects.filter(campaign=live).exists()


def test_somebody_without_a_role_sees_nothing(live: Campaign) -> None:
    client, _user = client_of("")
    assert client.get(reverse("campaigns:home")).status_code == 403
    assert client.get(url("detail", live)).status_code == 403


@pytest.mark.parametrize("role", ROLES)
def test_everybody_sees_what_is_live(live: Campaign, role: str) -> None:
    client, _user = client_of(role)
    for name in SEEN:
        assert client.get(reverse(f"campaigns:{name}")).status_code == 200
    for name in SEEN_OF_ONE:
        assert client.get(url(name, live)).status_code == 200
    for step in ("compose", "delivery", "audience", "tracking"):
        assert client.get(url("live", live, step=step)).status_code == 200
    for variant in ("html", "dark", "text"):
        response = client.get(url("preview", live, variant=variant) + "?version=live")
        assert response.status_code == 200
        assert "sandbox" in response["Content-Security-Policy"]
        assert "script-src" not in response["Content-Security-Policy"]


@pytest.mark.parametrize("name", EDITING)
def test_a_viewer_can_change_nothing(live: Campaign, name: str) -> None:
    client, _user = client_of("Viewer")
    before = Draft.objects.get(campaign=live).revision
    assert client.post(url(name, live)).status_code == 403
    assert Draft.objects.get(campaign=live).revision == before
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("name", STARTING)
@pytest.mark.parametrize("role", ["Viewer", "Marketer"])
def test_stopping_needs_an_operator(live: Campaign, role: str, name: str) -> None:
    client, _user = client_of(role)
    assert client.post(url(name, live)).status_code == 403
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.PUBLISHED


def test_an_operator_stops_and_resumes(live: Campaign) -> None:
    client, _user = client_of("Operator")
    client.post(url("stop", live))
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.STOPPED
    client.post(url("resume", live))
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.ACTIVE


@pytest.mark.parametrize("role", ["Viewer", "Marketer"])
def test_confirming_needs_an_operator(live: Campaign, role: str) -> None:
    delivery = factories.campaign_send(live, n_targeted=3, n_excluded=1, n_to_send=2, seal="a" * 64)
    client, _user = client_of(role)
    response = client.post(url("confirm", live, delivery_id=delivery.public_id), {"seal": "a" * 64, "n_to_send": "2"})
    assert response.status_code == 403
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PREPARED
    assert Campaign.objects.get(pk=live.pk).state == CampaignState.PUBLISHED


def test_a_viewer_who_opens_the_editor_gets_the_reason(live: Campaign) -> None:
    client, _user = client_of("Viewer")
    response = client.get(url("edit", live, step="compose"), follow=True)
    assert response.redirect_chain[-1][0] == url("detail", live)
    assert "You can view this campaign but not edit it." in response.content.decode()
    assert "Marketer" in response.content.decode()


def test_a_viewer_is_offered_no_buttons(live: Campaign) -> None:
    client, _user = client_of("Viewer")
    page = client.get(url("detail", live)).content.decode()
    for word in ("Modify", "Edit draft", "Duplicate", "Archive", "Prepare a send"):
        assert word not in page
    listed = client.get(reverse("campaigns:list")).content.decode()
    assert "New campaign" not in listed
    assert "data-select" not in listed


def test_restoring_takes_only_what_belongs_to_the_campaign(live: Campaign) -> None:
    other = factories.published(live.owner, name="Another")
    client, _user = client_of("Marketer")
    version = CampaignVersion.objects.get(campaign=other)
    assert client.post(url("restore-version", live, version_id=version.public_id)).status_code == 404
    assert client.post(url("restore-snapshot", live, token="1")).status_code == 404
    forged = sources.token(999999)
    assert client.post(url("restore-snapshot", live, token=forged)).status_code == 404
