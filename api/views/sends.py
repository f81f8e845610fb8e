"""Send ids."""

from typing import Any

from api import limiting, lookup, send_ids, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer


class NewSendId(shapes.Shape):
    campaign_id = shapes.PublicId(help_text="The API-triggered campaign whose sends are counted together.")
    send_id = shapes.SendIdText(max_length=64, required=False, help_text="Drawn when it is left out.")


class CreateSendId(Endpoint):
    """Register a send id, under which sends of a campaign are counted together.

    Registering the same one again finds it and changes nothing.
    """

    scope = "sends.id.create"
    pool = limiting.SEND_IDS
    takes = NewSendId
    asks = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f", "send_id": "autumn-sale"}
    answers = {"send_id": "autumn-sale"}

    def act(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        campaign = lookup.campaign(entered["campaign_id"], is_api=True)
        made = send_ids.create(campaign, entered.get("send_id", ""), key=call.key)
        return Answer({"send_id": made.send_id})
