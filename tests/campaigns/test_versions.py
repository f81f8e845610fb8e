"""Publishing freezes exactly what was shown; a version never changes."""

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import AuditEntry
from campaigns import document as documents
from campaigns import drafts, lifecycle, versions
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft, DraftSnapshot
from lib.errors import NotAllowed
from messaging.models import Message
from tests import factories

pytestmark = pytest.mark.django_db


def publish(made: Campaign, **over):  # type: ignore[no-untyped-def]
    draft = Draft.objects.get(campaign=made)
    return versions.publish(draft.pk, **{"base_revision": draft.revision, "by": made.owner, **over})


def test_publish_freezes_the_draft_and_makes_it_live() -> None:
    factories.profile()
    made = factories.campaign()
    document = made.draft.document
    version = publish(made, note=" First one ")
    made = Campaign.objects.get(pk=made.pk)
    assert (made.state, made.live_version, version.number, version.note) == (
        CampaignState.PUBLISHED,
        version,
        1,
        "First one",
    )
    assert (version.document, version.sha256) == (document, documents.sha256(document))
    assert version.message.subject == "Autumn sale"
    assert "https://shop.test/sale" in version.message.links
    assert not Draft.objects.exists()
    snapshot = DraftSnapshot.objects.get()
    assert (snapshot.cause, snapshot.document) == ("replaced", document)
    entry = AuditEntry.objects.get(action="campaign.published")
    assert (entry.actor, entry.detail) == (made.owner, {"version": 1, "note": "First one"})


def test_publishing_the_draft_of_a_live_campaign_makes_the_next_version() -> None:
    made = factories.published()
    draft = drafts.modify(made.pk, by=made.owner)
    Draft.objects.filter(pk=draft.pk).update(
        document=documents.apply(draft.document, {"compose.subject": "Winter sale"})
    )
    second = publish(made)
    first = CampaignVersion.objects.get(number=1)
    assert (second.number, second.message.subject, first.message.subject) == (2, "Winter sale", "Autumn sale")
    assert Campaign.objects.get(pk=made.pk).live_version == second


def test_equal_content_shares_its_message() -> None:
    first, second = factories.published(), factories.published()
    assert first.live_version.message == second.live_version.message
    assert Message.objects.count() == 1


def test_publish_is_refused_with_every_blocking_alert() -> None:
    made = factories.campaign(compose__subject="", compose__body="{% if %}")
    with pytest.raises(versions.PublishBlocked) as caught:
        publish(made)
    assert {"subject_empty", "template_syntax"} <= {alert.id for alert in caught.value.alerts}
    assert caught.value.status == 422
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.DRAFT
    assert Draft.objects.filter(campaign=made).exists()
    assert not CampaignVersion.objects.exists()


def test_publish_is_refused_on_an_old_revision_and_after_a_publication() -> None:
    factories.profile()
    made = factories.campaign()
    draft = made.draft
    with pytest.raises(drafts.DraftConflict):
        publish(made, base_revision=0)
    publish(made)
    with pytest.raises(drafts.DraftGone):
        versions.publish(draft.pk, base_revision=draft.revision, by=made.owner)
    assert str(made.owner) in drafts.gone(made).message
    assert "version 1" in drafts.gone(made).message
    assert CampaignVersion.objects.count() == 1


@pytest.mark.parametrize("role", ["Viewer", ""])
def test_publish_needs_the_right_to_edit(role: str) -> None:
    factories.profile()
    made = factories.campaign()
    with pytest.raises(NotAllowed):
        publish(made, by=factories.user(role))
    assert not CampaignVersion.objects.exists()


def test_publish_of_a_stopped_campaign_leaves_it_stopped() -> None:
    made = factories.published()
    lifecycle.stop(made.pk, by=factories.user("Operator"))
    drafts.modify(made.pk, by=made.owner)
    publish(made)
    assert Campaign.objects.get(pk=made.pk).state == CampaignState.STOPPED


def test_a_version_is_immutable_by_every_route() -> None:
    made = factories.published()
    version = CampaignVersion.objects.get(pk=made.live_version_id)

    def by_orm() -> None:
        version.note = "changed"
        version.save(update_fields=["note"])

    def by_sql(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    routes = [
        by_orm,
        version.delete,
        lambda: CampaignVersion.objects.update(note="changed"),
        lambda: CampaignVersion.objects.all().delete(),
        lambda: CampaignVersion.objects.bulk_update([version], ["note"]),
        lambda: by_sql("UPDATE campaigns_campaignversion SET note = 'changed'"),
        lambda: by_sql("DELETE FROM campaigns_campaignversion"),
        lambda: by_sql("UPDATE messaging_message SET subject = 'changed'"),
    ]
    for route in routes:
        with pytest.raises(DatabaseError), transaction.atomic():
            route()
    assert CampaignVersion.objects.get().note == ""
