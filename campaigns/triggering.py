"""A call asks a campaign to send: which campaign, whether it sends at all, and the request that comes of it.

An active campaign takes the request (delivery.requests). A stopped or archived one accepts it with a notice and sends
nothing, so that a program that goes on asking is not broken by a pause; any other is refused. Called by the API with
what it has read; the key that asks was checked there.
"""

import uuid
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils.translation import gettext as _

from audiences import rules
from campaigns import document as documents
from campaigns import schedules, targeting
from campaigns.models import Campaign, CampaignState
from delivery import people, requests
from delivery.models import RequestState, TriggerRequest
from lib import memory
from lib.errors import DomainError
from messaging.channels import email

# What campaigns are called, of those that could be triggered; whether one still can be, its standing delivery says.
_origins: memory.Memory[requests.Origin] = memory.Memory()


class CampaignInvalid(DomainError):
    """No campaign that this call could trigger."""

    code = "invalid_campaign"
    status = 400


class NotActive(DomainError):
    """The campaign was never started, so that nobody has decided that it may send."""

    code = "not_active"
    status = 400


@dataclass(frozen=True)
class Answer:
    """What the caller is told. `notice`: why nothing is sent; "" when it was taken."""

    request: TriggerRequest
    notice: str = ""

    @property
    def dispatch_id(self) -> str:
        return self.request.public_id.hex


def trigger(campaign_id: str, call: requests.Call, *, is_broadcast: bool = False) -> Answer:
    """Take the call for a campaign; when it returns, the request is durable.

    Raises CampaignInvalid, NotActive, targeting.TargetInvalid, updates.AttributesInvalid, rules.RuleProblem,
    attachments.AttachmentInvalid; then nothing is stored and nothing is sent.
    """
    origin = _origins.get(campaign_id, lambda: _origin(find(campaign_id)))
    targeting.decide(
        len(call.recipients), has_audience=call.audience is not None, is_broadcast=is_broadcast, has_campaign=True
    )
    people.check(call)
    if call.audience is not None:
        # Now, and not when a worker finds that it means nothing.
        rules.compile_audience(dict(call.audience))
    if call.files and (version := find(campaign_id).live_version):
        email.check_size(version.message, call.files)
    take = requests.plan if call.due_at else requests.take if call.recipients else requests.take_audience
    for _once in range(2):
        request = take(origin, call)
        if request is not None:
            return Answer(request)
        # Its delivery is closed: by a stop, or by a version that was just published and whose own is open by now.
        campaign = find(campaign_id)
        if why := notice(campaign):
            return Answer(ignore(origin, call, why), why)
        if campaign.state != CampaignState.ACTIVE:
            break
    raise not_active(campaign)


def find(campaign_id: str) -> Campaign:
    """The API-triggered campaign with this id. Raises CampaignInvalid."""
    try:
        key = uuid.UUID(campaign_id)
    except ValueError:
        raise CampaignInvalid(_("Invalid Campaign ID: this is no id.")) from None
    campaign = Campaign.objects.select_related("live_version").filter(public_id=key).first()
    version = campaign.live_version if campaign else None
    if campaign is None or version is None:
        raise CampaignInvalid(_("Invalid Campaign ID: no published campaign has it."))
    if not schedules.is_triggered(documents.normalise(version.document)["delivery"]):
        raise CampaignInvalid(_("Invalid Campaign ID: this campaign isn't triggered by the API."))
    return campaign


def _origin(campaign: Campaign) -> requests.Origin:
    return requests.Origin("campaign", str(campaign.public_id), campaign.name)


def notice(campaign: Campaign) -> str:
    """Why a call is accepted and nothing sent; "" when it would be sent, or is refused."""
    if campaign.archived_at:
        return _("The campaign is archived. Unarchive the campaign to ensure trigger requests will take effect.")
    if campaign.state == CampaignState.STOPPED:
        return _("The campaign is paused. Resume the campaign to ensure trigger requests will take effect.")
    return ""


def not_active(campaign: Campaign) -> NotActive:
    sentence = _("The campaign “%(name)s” isn't active. Activate it, then trigger it again.")
    return NotActive(sentence % {"name": campaign.name})


@transaction.atomic
def ignore(origin: requests.Origin, call: requests.Call, why: str) -> TriggerRequest:
    """Keep a call that was accepted and sends nothing."""
    ignored = replace(call, due_at=None)
    return requests.record(origin, ignored, state=RequestState.IGNORED, note=why)
