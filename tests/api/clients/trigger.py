"""Trigger a campaign with edx-braze-client, and print what it returns or raises. Arguments: address, key, campaign."""

import json
import sys

from braze.client import BrazeClient
from braze.exceptions import BrazeBadRequestError, BrazeNotFoundError, BrazeUnauthorizedError

address, key, campaign = sys.argv[1:]
client = BrazeClient(api_key=key, api_url=address, app_id="shop")
# Its own callers name people by the numbers of their accounts.
people = [
    {"external_user_id": "python-1", "trigger_properties": {"number": 8}},
    {"external_user_id": 4711},
    {"external_user_id": "new-1", "send_to_existing_only": False, "attributes": {"email": "new-1@example.test"}},
]
found = {"sent": client.send_campaign_message(campaign, recipients=people, trigger_properties={"number": 7})}
# By address it first asks who that is.
by_address = {"emails": ["mail-1@example.test"], "trigger_properties": {"number": 6}}
found["by address"] = client.send_campaign_message(campaign, **by_address)
# A receipt: this client asks for everybody, also for those who unsubscribed, unless it is told otherwise.
receipt = {"subject": "Your receipt", "body": "<p>Paid.</p>", "from_email": "Shop <hello@shop.test>"}
found["receipt"] = client.send_email(["left-1@example.test"], **receipt)
one = [{"external_user_id": "python-1"}]
stranger = BrazeClient(api_key="wrong", api_url=address, app_id="shop")
for name, call in (
    ("unknown", lambda: client.send_campaign_message("00000000-0000-0000-0000-000000000000", recipients=one)),
    ("wrong key", lambda: stranger.send_campaign_message(campaign, recipients=one)),
    ("canvas", lambda: client.send_canvas_message("c-1", recipients=one)),
):
    try:
        call()
    except (BrazeBadRequestError, BrazeNotFoundError, BrazeUnauthorizedError) as error:
        found[name] = {"raised": type(error).__name__, **json.loads(str(error))}
sys.stdout.write(json.dumps(found))
