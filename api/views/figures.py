"""Figures over time."""

import datetime as dt
from typing import Any

from django.utils import timezone

from api import campaign_facts, limiting, lookup, refusals, send_ids, shapes
from api.endpoint import Call, Endpoint
from api.envelope import Answer
from api.refusals import Refused
from campaigns.models import Campaign
from delivery import daily
from delivery.models import Delivery

_MOST_DAYS = 100
_UNCOUNTED = (
    "revenue",
    *(f"conversions{number}{how}" for number in ("", "1", "2", "3") for how in ("", "_by_send_time")),
)


class SeriesQuery(shapes.Shape):
    campaign_id = shapes.PublicId()
    length = shapes.Whole(least=1, most=_MOST_DAYS, help_text="Days, at most 100.")
    ending_at = shapes.Moment(required=False, help_text="The last day is the one this time lies in, in UTC. Now.")


class CampaignSeries(Endpoint):
    """Read the figures of a campaign by day, the oldest first.

    Sent, delivered, bounced, unsubscribed and reported as spam count on the UTC day of the hand-over and are at most an
    hour old; opens and clicks count when they happened, those by machines left out. Conversions and revenue are null,
    because Chappe does not count them.
    """

    scope = "campaigns.data_series"
    pool = limiting.DATA_SERIES
    takes = SeriesQuery
    asks = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f", "length": 7}
    answers = {
        "data": [
            {
                "time": "2026-11-25",
                "unique_recipients": 100,
                "messages": {"email": [{"sent": 100, "delivered": 98, "bounces": 2, "unique_opens": 40}]},
            }
        ],
        "counted_at": "2026-11-25T09:00:00+00:00",
    }
    may_be_null = frozenset({"counted_at"})

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        campaign = lookup.campaign(entered["campaign_id"])
        last = entered.get("ending_at", timezone.now()).astimezone(dt.UTC).date()
        found = daily.series(_deliveries(campaign), last=last, n_days=entered["length"])
        rows = [_row(campaign, day) for day in found.days]
        return Answer({"data": rows, "counted_at": campaign_facts.moment(found.counted_at)})


class SendQuery(SeriesQuery):
    send_id = shapes.SendIdText(max_length=64, help_text="Registered for this campaign.")


class SendSeries(Endpoint):
    """Read the figures of a send id by day, the oldest first.

    Counted like those of a campaign, and just now. Requests are kept for a time that is set in Settings; what was asked
    before is not in it.
    """

    scope = "sends.data_series"
    takes = SendQuery
    asks = {"campaign_id": "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f", "send_id": "autumn-sale", "length": 7}
    answers = CampaignSeries.answers
    may_be_null = CampaignSeries.may_be_null

    def look(self, call: Call, entered: dict[str, Any], **kwargs: Any) -> Answer:
        campaign = lookup.campaign(entered["campaign_id"], is_api=True)
        if not send_ids.is_known(campaign, entered["send_id"]):
            sentence = "send_id: It is not registered for this campaign. Register it with /sends/id/create."
            raise Refused(refusals.BAD_REQUEST, sentence)
        origin = ("campaign", str(campaign.public_id))
        last = entered.get("ending_at", timezone.now()).astimezone(dt.UTC).date()
        found = daily.of_send_id(origin, entered["send_id"], last=last, n_days=entered["length"])
        rows = [_row(campaign, day) for day in found.days]
        return Answer({"data": rows, "counted_at": campaign_facts.moment(found.counted_at)})


def _deliveries(campaign: Campaign) -> list[Delivery]:
    """All that were ever started, whichever version they send."""
    started = Delivery.objects.filter(campaign_send__campaign=campaign, started_at__isnull=False)
    return list(started.only("id", "opened_month"))


def _row(campaign: Campaign, day: daily.Day) -> dict[str, Any]:
    message = {
        "variation_name": "Email",
        "variation_api_id": campaign_facts.variation_id(campaign),
        "sent": day.sent,
        "delivered": day.delivered,
        "bounces": day.bounced,
        "opens": day.opened,
        "unique_opens": day.unique_opened,
        "clicks": day.clicked,
        "unique_clicks": day.unique_clicked,
        "unsubscribes": day.unsubscribed,
        "reported_spam": day.complained,
    }
    return {
        "time": day.day.isoformat(),
        "unique_recipients": day.people,
        **dict.fromkeys(_UNCOUNTED),
        "messages": {"email": [message]},
    }
