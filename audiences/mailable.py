"""Whether the law and the mailbox let us write to somebody by email; the one place that decides it.

Estimates, preparation and each sending window use the same piece of SQL, so they can't disagree.
"""

from audiences.fragments import Fragment

NO_ADDRESS = "no_address"
INVALID_ADDRESS = "invalid_address"
UNSUBSCRIBED = "unsubscribed"
QUARANTINED = "quarantined"
# In the order in which the first that applies is the reason.
REASONS = (NO_ADDRESS, INVALID_ADDRESS, UNSUBSCRIBED, QUARANTINED)


def reason() -> Fragment:
    """SQL over alias `p`: the first of REASONS that applies, NULL when the person can get email."""
    return Fragment(
        "CASE WHEN p.email = '' THEN 'no_address'"
        " WHEN p.email_key = '' THEN 'invalid_address'"
        " WHEN p.email_consent = 'unsubscribed' THEN 'unsubscribed'"
        " WHEN EXISTS (SELECT 1 FROM audiences_quarantineentry q"
        " WHERE q.address_key = p.email_key AND q.released_at IS NULL) THEN 'quarantined' END"
    )
