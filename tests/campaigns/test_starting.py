"""How campaigns start from templates and become templates: copies, never links."""

from dataclasses import replace

import pytest

from campaigns import alerts, drafts, lifecycle, starting
from campaigns import document as documents
from campaigns.models import Campaign, Draft
from lib.errors import DomainError, NotAllowed
from messaging import starters, templates
from messaging.models import Template
from tests import factories

pytestmark = pytest.mark.django_db


def fields_of(template: Template) -> templates.TemplateFields:
    return templates.TemplateFields(
        template.name, template.description, template.subject, template.preheader, template.body_kind, template.body,
        template.text,
    )  # fmt: skip


def test_a_campaign_starts_with_everything_a_template_says() -> None:
    marketer = factories.user("Marketer", time_zone="Europe/Paris")
    sender = factories.sender(is_default=True)
    template = factories.template(body_kind="html", text="Own words")
    campaign = starting.create(template, by=marketer)
    compose = Draft.objects.get(campaign=campaign).document["compose"]
    assert (compose["subject"], compose["preheader"]) == (template.subject, template.preheader)
    assert (compose["body_kind"], compose["body"]) == ("html", template.body)
    assert (compose["text_mode"], compose["text"]) == ("own", "Own words")
    assert compose["sender"] == str(sender.public_id)
    assert Draft.objects.get().document["delivery"]["zone"] == "Europe/Paris"
    assert campaign.started_from == template


def test_an_own_plain_text_of_a_template_is_not_said_to_be_older_than_its_body() -> None:
    factories.sender(is_default=True)
    campaign = starting.create(
        factories.template(text="Own words {{ unsubscribe_url }}"), by=factories.user("Marketer")
    )
    document = documents.normalise(campaign.draft.document)
    assert document["compose"]["text_for"] == documents.body_mark(document)
    assert "text" not in {alert.field.split(".")[-1] for alert in alerts.compute(campaign, document)}


def test_changing_a_template_changes_no_campaign_and_the_other_way_round() -> None:
    marketer, template = factories.user("Marketer"), factories.template()
    campaign = starting.create(template, by=marketer)
    before = Draft.objects.get(campaign=campaign).document
    templates.save(template.pk, base_revision=1, fields=replace(fields_of(template), subject="New"), by=marketer)
    assert Draft.objects.get(campaign=campaign).document == before
    assert Template.objects.get().subject == "New"


def test_an_archived_template_starts_nothing() -> None:
    marketer, template = factories.user("Marketer"), factories.template()
    archived = templates.archive(template.pk, by=marketer)
    with pytest.raises(DomainError, match="is archived"):
        starting.create(archived, by=marketer)
    assert not Campaign.objects.exists()
    assert starting.create(templates.restore(template.pk, by=marketer), by=marketer)


def test_a_starter_is_not_remembered_as_a_template() -> None:
    for starter in (*starters.every(), None):
        assert starting.create(starter, by=factories.user("Marketer")).started_from is None


def test_campaigns_are_counted_with_their_copies_and_without_archived_ones() -> None:
    marketer, used, unused = factories.user("Marketer"), factories.template(), factories.template()
    first = starting.create(used, by=marketer)
    drafts.duplicate(first.pk, by=marketer)
    gone = starting.create(used, by=marketer)
    assert starting.counts([used, unused]) == {used.pk: 3}
    lifecycle.archive(gone.pk, by=marketer)
    assert starting.counts([used, unused]) == {used.pk: 2}
    assert gone not in starting.campaigns_from(used)


@pytest.mark.parametrize(
    ("is_live", "subject"), [(False, "Changed in the draft"), (True, "Autumn sale")], ids=["draft", "live"]
)
def test_a_campaign_becomes_a_template_by_its_draft_or_by_what_is_live(is_live: bool, subject: str) -> None:
    campaign = factories.published()
    factories.draft_of(campaign, compose__subject="Changed in the draft")
    made = starting.save_as_template(campaign.pk, name="Kept", is_live=is_live, by=campaign.owner)
    assert (made.name, made.subject, made.body, made.text) == ("Kept", subject, factories.BODY, None)
    again = starting.create(made, by=campaign.owner)
    assert Draft.objects.get(campaign=again).document["compose"]["body"] == factories.BODY


def test_a_template_keeps_no_preheader_on_purpose_and_an_own_text() -> None:
    campaign = factories.campaign(compose__no_preheader=True, compose__text_mode="own", compose__text="Own")
    made = starting.save_as_template(campaign.pk, name="Kept", is_live=True, by=campaign.owner)
    assert (made.preheader, made.text) == ("", "Own")


def test_who_may_not_edit_makes_no_template_and_no_campaign() -> None:
    campaign, viewer = factories.campaign(), factories.user("Viewer")
    with pytest.raises(NotAllowed):
        starting.save_as_template(campaign.pk, name="Kept", is_live=False, by=viewer)
    with pytest.raises(NotAllowed):
        starting.create(factories.template(), by=viewer)
    assert Campaign.objects.count() == 1
