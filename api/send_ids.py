"""Names under which sends of a campaign are counted; registered once, known for ever."""

import secrets

from api.models import ApiKey, SendId
from campaigns.models import Campaign


def create(campaign: Campaign, send_id: str, *, key: ApiKey) -> SendId:
    """The registered name, drawn when `send_id` is "". Registering it again, by anybody, finds it as it is."""
    made, _is_new = SendId.objects.get_or_create(
        campaign=campaign, send_id=send_id or secrets.token_hex(12), defaults={"key": key}
    )
    return made


def is_known(campaign: Campaign, send_id: str) -> bool:
    return SendId.objects.filter(campaign=campaign, send_id=send_id).exists()
