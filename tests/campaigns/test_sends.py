"""Opening, confirming and cancelling a send moves campaign and delivery together, or neither."""

import datetime as dt

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEntry
from audiences import segments
from campaigns import drafts, lifecycle, registration, sends, staleness
from campaigns.models import Campaign, CampaignSend, CampaignState
from delivery import lifecycle as delivery_lifecycle
from delivery import origins, preparation
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed
from messaging.models import Sender, SenderDomain
from tests import factories

pytestmark = pytest.mark.django_db


def prepared(made: Campaign) -> Delivery:
    delivery = sends.open_send(made.pk, by=made.owner)
    preparation.run(delivery.pk)
    delivery.refresh_from_db(fields=["seal", "n_to_send"])
    return Delivery.objects.get(pk=delivery.pk)


def confirm(made: Campaign, delivery: Delivery, **over: object) -> Delivery:
    given = {"by": factories.user("Operator"), "seal": delivery.seal, "n_to_send": delivery.n_to_send, **over}
    return sends.confirm(made.pk, delivery.pk, **given)  # type: ignore[arg-type]


def test_open_send_pins_the_live_version_and_starts_preparing() -> None:
    made = factories.published(
        delivery__reeligibility="after",
        delivery__validity_hours=48,
        delivery__rate_per_minute=600,
        delivery__kind="at",
        delivery__date="2199-03-05",
        delivery__time="09:00",
        delivery__zone="Europe/Paris",
    )
    delivery = sends.open_send(made.pk, by=made.owner)
    send = CampaignSend.objects.get()
    assert (send.campaign, send.version, send.delivery) == (made, made.live_version, delivery)
    assert delivery.state == DeliveryState.PREPARING
    assert (delivery.message, delivery.audience) == (made.live_version.message, made.live_version.document["audience"])
    assert (delivery.validity_s, delivery.re_eligible_after_s, delivery.rate_per_minute) == (172_800, 604_800, 600)
    assert (delivery.scheduled_at, delivery.scheduled_zone) == (
        dt.datetime(2199, 3, 5, 8, tzinfo=dt.UTC),
        "Europe/Paris",
    )
    assert (delivery.origin_kind, delivery.origin_id, delivery.label) == (
        "campaign",
        str(made.public_id),
        "Autumn sale, version 1",
    )
    assert delivery.n_estimated == 1
    assert Campaign.objects.get().state == CampaignState.PUBLISHED


def test_open_send_again_prepares_the_same_send_again() -> None:
    made = factories.published()
    first = sends.open_send(made.pk, by=made.owner)
    assert sends.open_send(made.pk, by=made.owner).pk == first.pk
    preparation.run(first.pk)
    again = sends.open_send(made.pk, by=made.owner)
    assert (again.pk, again.state) == (first.pk, DeliveryState.PREPARING)
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("state", ["preparing", "prepared"])
def test_open_send_of_a_newer_version_discards_the_older_preparation(state: str) -> None:
    made = factories.published()
    old = sends.open_send(made.pk, by=made.owner)
    if state == "prepared":
        preparation.run(old.pk)
    version = factories.publish_again(made)
    new = sends.open_send(made.pk, by=made.owner)
    assert Delivery.objects.get(pk=old.pk).state == DeliveryState.CANCELLED
    assert (new.state, new.message) == (DeliveryState.PREPARING, version.message)
    assert sends.current(made) == new


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("draft", "not_published"),
        ("stopped", "stopped"),
        ("archived", "archived"),
        ("sending", "send_open"),
        ("refreshed", "send_open"),
    ],
)
def test_open_send_is_refused(state: str, code: str) -> None:
    made = factories.campaign() if state == "draft" else factories.published()
    if state == "stopped":
        lifecycle.stop(made.pk, by=factories.user("Operator"))
    if state == "archived":
        lifecycle.archive(made.pk, by=made.owner)
    if state == "sending":
        factories.campaign_send(made, DeliveryState.SENDING)
    if state == "refreshed":
        factories.campaign_send(made, DeliveryState.PREPARED, refreshing_from=1)
    before = Delivery.objects.count()
    with pytest.raises(DomainError) as caught:
        sends.open_send(made.pk, by=made.owner)
    assert (caught.value.code, Delivery.objects.count()) == (code, before)


def test_confirm_moves_delivery_and_campaign_together() -> None:
    made = factories.published()
    delivery = prepared(made)
    assert confirm(made, delivery).state == DeliveryState.CONFIRMED
    assert Campaign.objects.get().state == CampaignState.ACTIVE
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"delivery.confirmed", "campaign.activated"}


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer"])
def test_confirm_needs_the_right_to_start(role: str) -> None:
    made = factories.published()
    delivery = prepared(made)
    with pytest.raises(NotAllowed):
        confirm(made, delivery, by=factories.user(role))
    assert Delivery.objects.get().state == DeliveryState.PREPARED
    assert Campaign.objects.get().state == CampaignState.PUBLISHED


SENDERS: dict[str, tuple[dict[str, object], str]] = {
    "archived": ({"archived_at": timezone.now()}, "sender_archived"),
    "renamed": ({"name": "Another Shop"}, "sender_changed"),
    "another address": ({"address": "other@shop.test"}, "sender_changed"),
    "answers elsewhere": ({"reply_to": "help@shop.test"}, "sender_changed"),
    "made the default": ({"is_default": True}, ""),
}


@pytest.mark.parametrize("case", SENDERS)
def test_a_list_is_not_confirmed_when_its_sender_changed(case: str) -> None:
    fields, code = SENDERS[case]
    made = factories.published()
    delivery = prepared(made)
    Sender.objects.update(**fields)
    send = CampaignSend.objects.select_related("delivery", "version", "campaign__live_version").get()
    assert staleness.of(send.campaign, send).code == code
    if not code:
        assert confirm(made, delivery).state == DeliveryState.CONFIRMED
        return
    with pytest.raises(DomainError) as caught:
        confirm(made, delivery)
    assert (caught.value.code == "stale" and "Example Shop" in caught.value.message) or case == "renamed"
    assert Delivery.objects.get().state == DeliveryState.PREPARED


@pytest.mark.parametrize("is_needed", [False, True])
def test_a_list_is_not_confirmed_when_its_domain_must_be_verified(settings: Settings, is_needed: bool) -> None:
    made = factories.published()
    delivery = prepared(made)
    settings.VERIFIED_DOMAINS_ONLY = is_needed
    if is_needed:
        with pytest.raises(DomainError, match="isn't verified any more"):
            confirm(made, delivery)
        SenderDomain.objects.create(domain="shop.test", verified_at=timezone.now())
    assert confirm(made, delivery).state == DeliveryState.CONFIRMED


@pytest.mark.parametrize("change", ["published again", "other seal", "other count", "stopped", "archived"])
def test_confirm_is_refused_when_the_page_is_out_of_date(change: str) -> None:
    made = factories.published()
    delivery = prepared(made)
    over: dict[str, object] = {}
    if change == "published again":
        factories.publish_again(made)
    elif change == "other seal":
        over = {"seal": "0" * 64}
    elif change == "other count":
        over = {"n_to_send": 7}
    else:
        move = lifecycle.stop if change == "stopped" else lifecycle.archive
        move(made.pk, by=factories.user("Operator"))
    state = Campaign.objects.get().state
    with pytest.raises(DomainError) as caught:
        confirm(made, delivery, **over)
    assert caught.value.code == "stale"
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.PREPARED
    assert Campaign.objects.get().state == state
    if change == "published again":
        assert caught.value.message == "The campaign was published again (version 2)."


def test_second_confirmation_is_told_who_and_when() -> None:
    made, first = factories.published(), factories.user("Operator")
    delivery = prepared(made)
    confirm(made, delivery, by=first)
    with pytest.raises(DomainError) as caught:
        confirm(made, delivery)
    assert caught.value.code == "already_confirmed"
    assert str(first) in caught.value.message


def test_cancel_gives_the_campaign_back() -> None:
    made = factories.published()
    delivery = prepared(made)
    confirm(made, delivery)
    assert sends.cancel(made.pk, delivery.pk, by=made.owner).state == DeliveryState.PREPARED
    assert Campaign.objects.get().state == CampaignState.PUBLISHED
    assert confirm(made, Delivery.objects.get()).state == DeliveryState.CONFIRMED


def test_cancel_is_for_the_owner_and_operators() -> None:
    made = factories.published()
    delivery = prepared(made)
    confirm(made, delivery)
    with pytest.raises(NotAllowed):
        sends.cancel(made.pk, delivery.pk, by=factories.user("Marketer"))
    assert Delivery.objects.get().state == DeliveryState.CONFIRMED
    assert Campaign.objects.get().state == CampaignState.ACTIVE


def test_publishing_while_a_send_runs_leaves_that_send_alone() -> None:
    made = factories.published()
    delivery = prepared(made)
    confirm(made, delivery)
    delivery_lifecycle.start_now(delivery.pk, by=factories.user("Operator"))
    factories.publish_again(made)
    running = Delivery.objects.get()
    assert (running.state, running.message.subject) == (DeliveryState.SENDING, "Autumn sale")
    with pytest.raises(DomainError):
        sends.open_send(made.pk, by=made.owner)


def test_a_send_of_another_campaign_is_not_found() -> None:
    made, other = factories.published(), factories.published()
    delivery = prepared(other)
    with pytest.raises(CampaignSend.DoesNotExist):
        confirm(made, delivery)


def test_rooms_below_are_told_about_campaigns() -> None:
    segment = factories.segment({"match": "all", "rules": [{"field": "profile.email", "op": "is_set"}]})
    made = factories.published(audience__segments=[str(segment.public_id)])
    drafts.modify(made.pk, by=made.owner)
    delivery = sends.open_send(made.pk, by=made.owner)
    assert origins.url(delivery) == f"/campaigns/{made.public_id}/deliveries/{delivery.public_id}/"
    (use,) = registration.segment_uses(segment)
    assert (use.label, use.is_live) == ("Autumn sale", True)
    with pytest.raises(segments.SegmentInUse):
        segments.delete(segment.pk, by=factories.user("Operator"))
    Campaign.objects.update(archived_at=timezone.now())
    assert registration.segment_uses(segment) == []
