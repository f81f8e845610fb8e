"""Autosave over HTTP: the wire of static/js/save.js, and the same form without script."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from campaigns import drafts, sessions
from campaigns.models import Campaign, CampaignState, Draft, DraftSnapshot
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer", name="Milo Marketer")


@pytest.fixture
def campaign(marketer: User) -> Campaign:
    return factories.campaign(marketer)


@pytest.fixture
def desk(client: Client, marketer: User) -> Client:
    client.force_login(marketer)
    return client


def url(name: str, campaign: Campaign, **more: object) -> str:
    return reverse(f"campaigns:{name}", kwargs={"public_id": campaign.public_id, **more})


def save(client: Client, campaign: Campaign, fields: dict[str, Any], *, base: int = 1, **more: Any) -> Any:
    draft = Draft.objects.get(campaign=campaign)
    session = sessions.open_session(draft.pk, by=User.objects.get(pk=client.session["_auth_user_id"]))
    body = {
        "session": str(session.public_id), "base_revision": base, "save_id": str(uuid.uuid4()), "step": "compose",
        "fields": fields, **more,
    }  # fmt: skip
    return client.post(
        url("draft-save", campaign), json.dumps(body), content_type="application/json", HTTP_ACCEPT="application/json"
    )


def test_a_save_answers_with_what_the_page_shows(desk: Client, campaign: Campaign) -> None:
    answer = save(desk, campaign, {"compose.subject": ""})
    assert answer.status_code == 200
    data = answer.json()
    assert data["revision"] == 2
    assert "The subject is empty. Enter a subject." in data["field_alerts"]["compose.subject"]
    assert "has problems" in data["fragments"]["#steps"]
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == ""


@pytest.mark.parametrize(
    ("name", "typed", "stored"),
    [
        ("compose.no_preheader", True, True),
        ("delivery.rate_per_minute", "1 200", 1200),
        ("delivery.rate_per_minute", "fast", "fast"),
        ("delivery.rate_per_minute", "", None),
        ("audience.segments", ["0"], ["0"]),
        ("audience.conditions", '{"match": "all", "rules": []}', {"match": "all", "rules": []}),
        ("audience.conditions", "", None),
    ],
)
def test_form_values_become_values_of_the_document(
    desk: Client, campaign: Campaign, name: str, typed: Any, stored: Any
) -> None:
    assert save(desk, campaign, {name: typed}).status_code == 200
    step, key = name.split(".")
    assert Draft.objects.get(campaign=campaign).document[step][key] == stored


def test_the_second_to_save_is_told_who_and_what(desk: Client, campaign: Campaign) -> None:
    other = factories.user("Operator", name="Ona Operator")
    drafts.save(
        campaign.draft.pk,
        session_id=uuid.uuid4(),
        base_revision=1,
        save_id=uuid.uuid4(),
        fields={"compose.subject": "Theirs", "delivery.rate_per_minute": 5},
        by=other,
    )
    answer = save(desk, campaign, {"compose.subject": "Mine"})
    assert answer.status_code == 409
    data = answer.json()
    assert data["message"].startswith("Ona Operator saved changes at ")
    assert data["values"] == {"compose.subject": "Theirs", "delivery.rate_per_minute": "5"}
    assert data["is_self"] is False
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "Theirs"


def test_a_repeated_save_answers_the_same(desk: Client, campaign: Campaign) -> None:
    save_id, session = str(uuid.uuid4()), None
    answers = []
    for _n in range(2):
        draft = Draft.objects.get(campaign=campaign)
        session = session or str(sessions.open_session(draft.pk, by=campaign.owner).public_id)
        answers.append(save(desk, campaign, {"name": "Renamed"}, save_id=save_id, session=session).json()["revision"])
    assert answers == [2, 2]
    assert Campaign.objects.get(pk=campaign.pk).name == "Renamed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (" ", 422),
        ("[]", 422),
        ("{", 422),
        ('{"fields": {}}', 422),
        ('{"fields": [], "base_revision": 1}', 422),
        ('{"fields": {}, "base_revision": true, "session": "x", "save_id": "y"}', 422),
        ('{"fields": {}, "base_revision": 1, "session": "x", "save_id": "y"}', 422),
        ("[" * 100_000, 422),
    ],
)
def test_nonsense_is_refused_with_a_sentence(desk: Client, campaign: Campaign, body: str, status: int) -> None:
    answer = desk.post(
        url("draft-save", campaign), body, content_type="application/json", HTTP_ACCEPT="application/json"
    )
    assert answer.status_code == status
    assert answer.json()["message"]
    assert Draft.objects.get(campaign=campaign).revision == 1


def test_an_unknown_field_is_refused_whole(desk: Client, campaign: Campaign) -> None:
    answer = save(desk, campaign, {"compose.subject": "New", "compose.colour": "red"})
    assert answer.status_code == 422
    assert Draft.objects.get(campaign=campaign).revision == 1


def test_a_signed_out_tab_is_told_by_401(desk: Client, campaign: Campaign) -> None:
    desk.logout()
    answer = desk.post(
        url("draft-save", campaign), "{}", content_type="application/json", HTTP_ACCEPT="application/json"
    )
    assert answer.status_code == 401


def test_a_tab_of_a_published_draft_hears_what_happened(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    answer = desk.post(
        url("draft-save", campaign), "{}", content_type="application/json", HTTP_ACCEPT="application/json"
    )
    assert answer.status_code == 409
    assert "Milo Marketer published version 1 at" in answer.json()["message"]


def test_a_stopped_campaign_is_saved_and_stays_stopped(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    factories.draft_of(campaign)
    operator = Client()
    operator.force_login(factories.user("Operator"))
    operator.post(url("stop", campaign))
    base = Draft.objects.get(campaign=campaign).revision
    assert save(desk, campaign, {"compose.subject": "While stopped"}, base=base).status_code == 200
    assert Campaign.objects.get(pk=campaign.pk).state == CampaignState.STOPPED


def test_the_form_saves_without_script(desk: Client, campaign: Campaign) -> None:
    posted = {
        "step": "compose", "revision": "1", "compose.subject": "By form", "compose.body": "<p>one</p>\r\n<p>two</p>",
        "compose.body_kind": "html",
    }  # fmt: skip
    answer = desk.post(url("draft-save", campaign), posted)
    assert answer.url == url("edit", campaign, step="compose")
    compose = Draft.objects.get(campaign=campaign).document["compose"]
    assert compose["subject"] == "By form"
    assert compose["body"] == "<p>one</p>\n<p>two</p>"
    assert compose["sender"], "a field that was not on the form stays"


def test_the_form_clears_checkboxes_that_are_not_ticked(desk: Client, campaign: Campaign) -> None:
    desk.post(url("draft-save", campaign), {"step": "tracking", "revision": "1", "tracking.clicks": "on"})
    tracking = Draft.objects.get(campaign=campaign).document["tracking"]
    assert (tracking["opens"], tracking["clicks"]) == (False, True)


def test_the_form_keeps_the_text_of_the_second_to_save(desk: Client, campaign: Campaign) -> None:
    desk.post(url("draft-save", campaign), {"step": "compose", "revision": "1", "compose.subject": "First"})
    answer = desk.post(url("draft-save", campaign), {"step": "compose", "revision": "1", "compose.subject": "Second"})
    assert answer.status_code == 409
    assert "Second" in answer.content.decode()
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "First"


def test_presence_names_others_and_what_they_saved(desk: Client, campaign: Campaign) -> None:
    other = factories.user("Operator", name="Ona Operator")
    theirs = sessions.open_session(campaign.draft.pk, by=other)
    drafts.save(
        campaign.draft.pk,
        session_id=theirs.public_id,
        base_revision=1,
        save_id=uuid.uuid4(),
        fields={"compose.subject": "Theirs"},
        by=other,
    )
    mine = sessions.open_session(campaign.draft.pk, by=campaign.owner)
    body = json.dumps({"session": str(mine.public_id), "revision": 1, "is_idle": False})
    data = desk.post(url("presence", campaign), body, content_type="application/json").json()
    assert data["editors"] == ["Ona Operator"]
    assert "Ona Operator is editing" in data["people_html"]
    assert data["newer"]["values"] == {"compose.subject": "Theirs"}


def test_names_are_escaped_in_presence(desk: Client, campaign: Campaign) -> None:
    other = factories.user("Operator", name="<script>alert(1)</script>")
    sessions.open_session(campaign.draft.pk, by=other)
    mine = sessions.open_session(campaign.draft.pk, by=campaign.owner)
    body = json.dumps({"session": str(mine.public_id), "revision": 1, "is_idle": False})
    data = desk.post(url("presence", campaign), body, content_type="application/json").json()
    assert "<script>" not in data["people_html"]


def test_discard_is_undone(desk: Client, marketer: User) -> None:
    campaign = factories.published(marketer)
    draft = factories.draft_of(campaign)
    save(desk, campaign, {"compose.subject": "Kept in history"}, base=draft.revision)
    desk.post(url("draft-discard", campaign))
    assert not Draft.objects.filter(campaign=campaign).exists()
    assert DraftSnapshot.objects.filter(campaign=campaign, cause="discarded").count() == 1
    desk.post(url("draft-undo", campaign))
    assert Draft.objects.get(campaign=campaign).document["compose"]["subject"] == "Kept in history"


def test_a_name_that_cannot_be_stored_is_mended(desk: Client, campaign: Campaign) -> None:
    assert save(desk, campaign, {"name": "Sale \ud800\x00"}).status_code == 200
    assert Campaign.objects.get(pk=campaign.pk).name == "Sale \ufffd\ufffd"
