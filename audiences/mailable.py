"""Whether the law and the mailbox let us write to somebody by email; the one place that decides it.

Estimates, preparation and each sending window use the same piece of SQL, so they can't disagree.
"""

from dataclasses import dataclass

from audiences.fragments import Fragment
from audiences.models import GroupState

NO_ADDRESS = "no_address"
INVALID_ADDRESS = "invalid_address"
UNSUBSCRIBED = "unsubscribed"
UNSUBSCRIBED_GROUP = "unsubscribed_group"
QUARANTINED = "quarantined"
# In the order in which the first that applies is the reason.
REASONS = (NO_ADDRESS, INVALID_ADDRESS, UNSUBSCRIBED, UNSUBSCRIBED_GROUP, QUARANTINED)


@dataclass(frozen=True)
class Terms:
    """The subscription group something is sent under, as SQL needs it: its key, and what silence means; 0 without one.

    `reaches_unsubscribed`: a message that people need, such as a receipt. It goes to who left, from everything or from
    a group; never to an address in quarantine, where those are that complained.
    """

    group_id: int = 0
    default_state: str = ""
    reaches_unsubscribed: bool = False


def reason(terms: Terms | None = None) -> Fragment:
    """SQL over alias `p`: the first of REASONS that applies, NULL when the person can get email.

    Has no parameters, so that windows can prepare it once; without a group it asks nothing about groups.
    """
    unsubscribed = f" WHEN p.email_consent = 'unsubscribed' THEN 'unsubscribed'{_left(terms)}"
    return Fragment(
        "CASE WHEN p.email = '' THEN 'no_address'"
        " WHEN p.email_key = '' THEN 'invalid_address'"
        f"{'' if terms is not None and terms.reaches_unsubscribed else unsubscribed}"
        " WHEN EXISTS (SELECT 1 FROM audiences_quarantineentry q"
        " WHERE q.address_key = p.email_key AND q.released_at IS NULL) THEN 'quarantined' END"
    )


def _left(terms: Terms | None) -> str:
    if terms is None or not terms.group_id:
        return ""
    said = f"SELECT 1 FROM audiences_subscription m WHERE m.group_id = {int(terms.group_id)} AND m.profile_id = p.id"
    if terms.default_state == GroupState.SUBSCRIBED:
        gone = f"EXISTS ({said} AND m.state = 'unsubscribed')"
    else:
        gone = f"NOT EXISTS ({said} AND m.state = 'subscribed')"
    return f" WHEN {gone} THEN '{UNSUBSCRIBED_GROUP}'"
