"""One of everything, for tests that walk over all routes or all pages."""

import zlib
from dataclasses import dataclass

from django.utils import timezone

from accounts.models import User
from api import keys
from api.models import ApiKey
from audiences import imports
from audiences.models import Profile, ProfileImport, Segment, SubscriptionGroup
from campaigns import approvals, drafts, sends
from campaigns.models import Campaign, ConfirmationRequest
from delivery import preparation, refused_calls, requests
from delivery.models import Delivery, Outcome, RefusedCall, SendLog, TriggerRequest
from messaging import webhooks
from messaging.models import CaughtMessage, MediaFile, Sender, Template, WebhookSecret
from tests import factories

SOURCE = b"From: a@shop.test\r\nTo: b@example.test\r\nSubject: Hello\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"


@dataclass(frozen=True)
class World:
    """`campaign` has a live version, a prepared send whose confirmation was requested, and a draft beside it; `fresh`
    was never published."""

    owner: User
    profile: Profile
    segment: Segment
    group: SubscriptionGroup
    profile_import: ProfileImport
    sender: Sender
    campaign: Campaign
    fresh: Campaign
    delivery: Delivery
    caught: CaughtMessage
    template: Template
    media: MediaFile
    request: ConfirmationRequest
    key: ApiKey
    call: TriggerRequest
    refused: RefusedCall
    webhook_secret: WebhookSecret


def make() -> World:
    """The whole world, in one transaction of the caller."""
    owner = factories.user("Marketer")
    person = factories.profile()
    segment = factories.segment(members=[person])
    sender = factories.sender(name="World sender", address="world@shop.test")
    campaign = factories.published(owner)
    delivery = sends.open_send(campaign.pk, by=owner)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    SendLog.objects.create(
        opened_month=delivery.opened_month,
        delivery=delivery,
        request_no=0,
        profile_id=person.pk,
        outcome=Outcome.SENT,
        at=timezone.now(),
        address=person.email,
        n_attempts=1,
        code="",
        detail="250 ok",
    )
    factories.user("Operator", name="Somebody who can confirm")
    request = approvals.ask(campaign.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=owner)
    drafts.modify(campaign.pk, by=owner)
    fresh = factories.campaign(owner, name="Never published")
    return World(
        owner=owner,
        profile=person,
        segment=segment,
        group=factories.group(name="World news"),
        profile_import=imports.receive([b"email\na@example.test\n"], file_name="people.csv", by=owner),
        sender=sender,
        campaign=Campaign.objects.get(pk=campaign.pk),
        fresh=fresh,
        delivery=delivery,
        caught=CaughtMessage.objects.create(
            envelope_from="a@shop.test",
            envelope_to="b@example.test",
            subject="Hello",
            delivery_ref=str(delivery.public_id),
            n_bytes=len(SOURCE),
            source=zlib.compress(SOURCE),
        ),
        template=factories.template(owner),
        media=factories.media(),
        request=request,
        key=keys.create(keys.Wanted(name="World", scopes=("campaigns.list",)), by=factories.user("Admin")).key,
        call=requests.record(requests.Origin("campaign", str(campaign.public_id), campaign.name), requests.Call()),
        refused=refused_calls.keep(refused_calls.Refusal("POST", "/users/track", 400, "bad_request")),
        webhook_secret=webhooks.add(by=factories.user("Admin")).row,
    )
