"""Schedule a campaign with braze-client; print what it returns or raises. Arguments: address, key, campaign, time."""

import json
import sys

from braze.client import BrazeClient, BrazeClientError

address, key, campaign, time = sys.argv[1:]
client = BrazeClient(api_key=key, api_url=address)
people = [{"external_user_id": "python-2", "trigger_properties": {"number": 9}}]
found = {"made": client.campaign_trigger_schedule_create(campaign, {"time": time}, recipients=people)}
try:
    client.campaign_trigger_schedule_create(campaign, {"time": "soon"}, recipients=people)
except BrazeClientError as error:
    found["refused"] = error.args
sys.stdout.write(json.dumps(found))
