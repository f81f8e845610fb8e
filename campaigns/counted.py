"""Messages that calls bring and have counted under a campaign: which campaigns can, under which variation, and what
sends them.

Every published campaign that the API triggers counts them. Each is sent by a delivery of the campaign whose message is
the call's, so that figures, re-eligibility, the sending limit, stopping and archiving hold for it like for what the
campaign says itself. Whom it goes to the call says: of the campaign's audience only the subscription group and the
control group hold.
"""

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns import drafts, openings, triggering
from campaigns.models import Campaign
from delivery import lifecycle as delivery_lifecycle
from delivery import requests
from delivery.models import Delivery
from lib.errors import DomainError
from messaging.models import Message

# The part of a call's message that says which variation it is.
FIELD = "message_variation_id"


class VariationInvalid(DomainError):
    """No message of the campaign that this one could be counted as; nothing is stored."""

    code = "variation_invalid"
    status = 400


def variation_id(campaign: Campaign) -> str:
    """The id of the campaign's one message, the same in all its versions: clients keep it."""
    return str(uuid.uuid5(campaign.public_id, "email"))


def unmarked(campaign: Campaign, messages: Mapping[str, object], *, is_needed: bool = True) -> dict[str, object]:
    """`messages` without the ids of their variations, which are those of `campaign`.

    Raises VariationInvalid with code variation_missing (only if `is_needed`), variation_invalid or
    variation_mismatched: one of the campaign's, but in another channel, such as a webhook that takes an email's place.
    """
    found: dict[str, object] = {}
    for channel, message in messages.items():
        if not isinstance(message, Mapping):
            found[channel] = message
            continue
        given, place = message.get(FIELD), f"messages.{channel[:40]}.{FIELD}"
        if given in (None, "") and is_needed:
            sentence = _("%(place)s: Give this field; campaign_id needs it. It is on the campaign's API tab.")
            raise VariationInvalid(sentence % {"place": place}, code="variation_missing")
        if given not in (None, "") and str(given).lower() != variation_id(campaign):
            raise VariationInvalid(_("%(place)s: The campaign has no message with this id.") % {"place": place})
        if channel == "webhook" or (given not in (None, "") and channel != "email"):
            sentence = _("%(place)s: The campaign sends emails.")
            raise VariationInvalid(sentence % {"place": place}, code="variation_mismatched")
        found[channel] = {name: value for name, value in message.items() if name != FIELD}
    return found


def origin(campaign: Campaign, message: Message, *, to_all: bool) -> requests.Origin:
    """What a call with `message` triggers."""
    part = openings.part(message, to_all=to_all)
    return requests.Origin("campaign", str(campaign.public_id), campaign.name, part)


def ensure(wanted: requests.Origin, message: Message) -> str:
    """Open the standing delivery of `message` unless there is one; why nothing is sent, "" when there is one now.

    Locks the campaign where one is opened. Raises triggering.NotActive.
    """
    names = {"origin_kind": wanted.kind, "origin_id": wanted.id, "part": wanted.part}
    standing = Delivery.objects.filter(**names, is_standing=True, closed_at=None)
    if standing.exists():
        return ""
    with transaction.atomic():
        pk = Campaign.objects.values_list("pk", flat=True).get(public_id=wanted.id)
        campaign = drafts.lock_campaign(pk)
        if notice := triggering.notice(campaign):
            return notice
        if not openings.takes_requests(campaign):
            raise triggering.not_active(campaign)
        if not standing.exists():
            assert campaign.live_version is not None, "it takes requests"
            occasion = openings.Occasion(is_standing=True, own=openings.Own(message, wanted.part))
            send = openings.open_one(campaign, campaign.live_version, occasion=occasion)
            delivery_lifecycle.stand(send.delivery_id, by=None)
    return ""
