"""Why a prepared send of a campaign may not be confirmed any more, as far as the campaign and its sender are concerned.

What the list itself rests on is judged by delivery.staleness. Pages show both before anybody presses; campaigns.sends
checks again under the campaign's lock.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import document as documents
from campaigns import schedules
from campaigns.models import Campaign, CampaignSend, CampaignState
from messaging import domains, headers, senders


@dataclass(frozen=True)
class Staleness:
    """Why a prepared send can't be confirmed any more: `code` "" when it can."""

    code: str = ""
    message: str = ""


def of(campaign: Campaign, send: CampaignSend) -> Staleness:
    """The first thing that stands against confirming `send`. Two queries at the most, for the sender."""
    if campaign.archived_at:
        return Staleness("archived", _("%(name)s is archived. Unarchive it first.") % {"name": campaign.name})
    if campaign.state == CampaignState.STOPPED:
        return Staleness("stopped", _("%(name)s is stopped. Resume it first.") % {"name": campaign.name})
    live = campaign.live_version
    if live is None or live.pk != send.version_id:
        number = live.number if live else 0
        return Staleness("published_again", _("The campaign was published again (version %(n)d).") % {"n": number})
    until = deadline(send)
    if until is not None and until <= timezone.now():
        return Staleness("too_late", _("The time to confirm this send is over, so it is skipped."))
    return of_sender(send)


def of_sender(send: CampaignSend) -> Staleness:
    """Whether the message still says truly who it is from: its copy of the sender, and that sender's domain."""
    message = send.delivery.message
    chosen = senders.find(documents.normalise(send.version.document)["compose"]["sender"])
    if chosen is not None and chosen.archived_at:
        sentence = _("The sender “%(name)s” was archived. Choose another one and publish again.")
        return Staleness("sender_archived", sentence % {"name": chosen.name})
    now = (headers.clean(chosen.name), chosen.address.strip(), chosen.reply_to.strip()) if chosen else None
    if chosen is None or now != (message.sender_name, message.sender_address, message.reply_to):
        sentence = _("The sender “%(name)s” was changed. Publish again to send from it.")
        return Staleness("sender_changed", sentence % {"name": chosen.name if chosen else message.sender_name})
    if settings.VERIFIED_DOMAINS_ONLY and not domains.is_verified(message.sender_address):
        sentence = _("The domain %(name)s isn't verified any more. An admin can check it in Settings.")
        return Staleness("domain", sentence % {"name": domains.of_address(message.sender_address)})
    return Staleness()


def deadline(send: CampaignSend) -> dt.datetime | None:
    """Until when a planned send of a repeating campaign can be confirmed; None for any other send."""
    section = documents.normalise(send.version.document)["delivery"]
    if section["kind"] != "repeat":
        return None
    return send.occurrence_at + schedules.confirm_within(section)
