"""What the log page Top links shows. Reads only; see also `failures`."""

from dataclasses import dataclass

from django.db import connection

from delivery.models import Delivery


@dataclass(frozen=True)
class Link:
    number: int
    url: str
    n_people: int
    n_clicks: int
    # Of all people who clicked anything; a share of 1.
    share: float


_LINKS = """
SELECT link_no, count(DISTINCT (request_no, profile_id)), count(*)
FROM delivery_event
WHERE opened_month = %s AND delivery_id = %s AND kind = 'clicked' AND NOT is_automatic AND link_no IS NOT NULL
GROUP BY link_no
"""


def links(of: Delivery, *, search: str = "") -> list[Link]:
    """Tracked links of the message with `search` in their address, the most clicked first; links nobody clicked are
    there with 0. Shares are of all clicks."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [of.opened_month, of.pk])
        counts = {number: (people, clicks) for number, people, clicks in cursor.fetchall()}
    total = sum(clicks for _people, clicks in counts.values())
    found = []
    for number, url in enumerate(of.message.links):
        people, clicks = counts.get(number, (0, 0))
        found.append(Link(number, url, people, clicks, clicks / total if total else 0.0))
    found = [link for link in found if search.lower() in link.url.lower()]
    return sorted(found, key=lambda link: (-link.n_people, -link.n_clicks, link.number))
