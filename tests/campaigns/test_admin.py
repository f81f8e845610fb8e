"""Django admin finds every campaign thing and changes none."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from campaigns import drafts
from campaigns.models import Campaign, CampaignSend, CampaignVersion, Draft, DraftSnapshot
from tests import factories

pytestmark = pytest.mark.django_db

MODELS = [Campaign, CampaignVersion, Draft, DraftSnapshot, CampaignSend]


@pytest.fixture
def everything() -> Campaign:
    made = factories.published(name="Autumn <b>sale</b>")
    factories.campaign_send(made)
    drafts.modify(made.pk, by=made.owner)
    return made


def url(model: type, name: str, *args: object) -> str:
    return reverse(f"admin:campaigns_{model.__name__.lower()}_{name}", args=args)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_and_pages_open_and_offer_no_change(client: Client, everything: Campaign, model: type) -> None:
    client.force_login(factories.user("Admin"))
    found = client.get(url(model, "changelist"), {"q": str(everything.public_id)})
    assert found.status_code == 200
    assert found.context["cl"].result_count == 1
    one = model.objects.get()
    page = client.get(url(model, "change", one.pk))
    assert page.status_code == 200
    assert b"<b>sale</b>" not in page.content
    assert b'name="_save"' not in page.content
    for refused in (url(model, "add"), url(model, "delete", one.pk)):
        assert client.post(refused, {"post": "yes"}).status_code == 403
    assert client.post(url(model, "change", one.pk), {"name": "changed"}).status_code == 403
    assert model.objects.count() == 1


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer", "Operator"])
def test_only_admins_get_in(client: Client, role: str) -> None:
    client.force_login(factories.user(role))
    assert client.get(url(Campaign, "changelist")).status_code == 302


def test_nothing_of_this_room_is_missing() -> None:
    assert all(admin.site.is_registered(model) for model in MODELS)
