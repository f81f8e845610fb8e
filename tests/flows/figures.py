"""The figures of a send as each page shows them, and counted person by person without any of our counting."""

import datetime as dt
import re
from collections import Counter

import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from selectolax.lexbor import LexborHTMLParser as Html

from audiences.models import Profile
from campaigns.models import Campaign
from delivery.models import Delivery
from tests.flows import desk

Figures = dict[str, int]
_PLAIN_COUNT = """
WITH one AS (
    SELECT l.outcome, d.feedback = 'real_time' AS live, d.valid_until < %(now)s AS over,
        EXISTS (SELECT 1 FROM delivery_event e WHERE e.delivery_id = d.id AND e.profile_id = l.profile_id
                AND e.kind = 'bounced' AND e.code LIKE '5%%') AS hard,
        EXISTS (SELECT 1 FROM delivery_event e WHERE e.delivery_id = d.id AND e.profile_id = l.profile_id
                AND e.kind = 'bounced' AND e.code LIKE '4%%') AS soft,
        EXISTS (SELECT 1 FROM delivery_event e WHERE e.delivery_id = d.id AND e.profile_id = l.profile_id
                AND e.kind = 'delivered') AS arrived,
        EXISTS (SELECT 1 FROM delivery_event e WHERE e.delivery_id = d.id AND e.profile_id = l.profile_id
                AND e.kind = 'opened' AND NOT e.is_automatic) AS opened,
        EXISTS (SELECT 1 FROM delivery_event e WHERE e.delivery_id = d.id AND e.profile_id = l.profile_id
                AND e.kind = 'clicked' AND NOT e.is_automatic) AS clicked
    FROM delivery_sendlog l JOIN delivery_delivery d ON d.id = l.delivery_id WHERE d.id = %(id)s
), told AS (
    SELECT *, outcome = 'failed' OR outcome = 'sent' AND (hard OR soft AND NOT arrived AND (live OR over)) AS failed
    FROM one WHERE outcome IN ('sent', 'failed')
)
SELECT count(*), count(*) FILTER (WHERE failed),
    count(*) FILTER (WHERE NOT failed AND (arrived OR NOT live)),
    count(*) FILTER (WHERE opened), count(*) FILTER (WHERE clicked)
FROM told
"""


def counted(delivery: Delivery) -> Figures:
    """The figures, counted person by person from the log and the events."""
    with connection.cursor() as cursor:
        cursor.execute(_PLAIN_COUNT, {"id": delivery.pk, "now": timezone.now()})
        return dict(zip(("sent", "failed", "delivered", "opened", "clicked"), cursor.fetchone(), strict=True))


def on_panel(client: Client, delivery: Delivery) -> Figures:
    """The same from the tiles, after Compute stats."""
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=1), tick=False):
        cache.clear()
        assert desk.press(client, "compute", delivery) == 302
    html = client.get(reverse("delivery:panel", args=[delivery.public_id]), {"state": delivery.state})
    found = {}
    for name in ("to-send", "sent", "delivered", "failed", "opened", "clicked"):
        value = desk.text(html, f"#tile-{name} .tile__value")
        found[name] = int(re.match(r"\d+", desk.text(html, f"#tile-{name} .tile__sub") if "%" in value else value)[0])
    assert found.pop("to-send") == delivery.n_to_send
    return found


def in_histories(client: Client, people: list[Profile]) -> Figures:
    """The same from the Messages tab of everybody."""
    pages = [client.get(reverse("delivery:profile-messages", args=[one.public_id])) for one in people]
    said = [desk.text(page, "tbody") for page in pages if b"<tbody" in page.content]
    status = Counter(next(word for word in ("Not sent", "Sent", "Failed", "Pending") if word in one) for one in said)
    return {
        "sent": status["Sent"] + status["Failed"] + status["Pending"],
        "failed": status["Failed"],
        "delivered": status["Sent"],
        "opened": sum("opened" in one for one in said),
        "clicked": sum("clicked" in one for one in said),
    }


def in_lists(client: Client, campaign: Campaign) -> tuple[list[str], str]:
    """To send, sent and the three rates from the campaign's sends; the row of the list of campaigns."""
    cells = Html(client.get(desk.at("sends", campaign)).content.decode()).css("tbody td.n")
    return [" ".join(cell.text().split()) for cell in cells], desk.text(client.get(reverse("campaigns:list")), "tbody")


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"
