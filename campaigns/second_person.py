"""With "A second person must confirm": somebody else than who published a version lets it go, however it is sent.

For sends that are confirmed, delivery.gate refuses the one who published. A campaign that sends on its own is started
by somebody else; a version published into it later waits with its first send until somebody else has confirmed it.
"""

from django.utils.translation import gettext as _

from accounts import installation
from accounts.models import User
from campaigns.models import Campaign, CampaignSend, CampaignVersion
from delivery import options, refusals


def is_on() -> bool:
    """Whether the installation wants it. One query."""
    return installation.flag(options.SECOND_PERSON)


def check_start(campaign: Campaign, person: User) -> None:
    """Raise SecondPerson when `person` published what would send on its own from now on."""
    version = campaign.live_version
    if version is not None and version.published_by_id == person.pk and is_on():
        raise refusals.SecondPerson(_("You published this version. Someone else must start it."))


def is_released(campaign: Campaign, version: CampaignVersion) -> bool:
    """Whether a send of `version` may go without being confirmed: somebody else started the campaign after it was
    published, or let an earlier send of it go."""
    if not is_on():
        return True
    is_started_after = campaign.activated_at is not None and campaign.activated_at >= version.published_at
    if is_started_after and campaign.activated_by_id != version.published_by_id:
        return True
    let_go = CampaignSend.objects.filter(version=version, delivery__confirmed_at__isnull=False)
    return let_go.exclude(delivery__confirmed_by=version.published_by).exists()
