"""Looking up the subscription group that something is sent under. What happens to groups is in audiences.subscriptions.

Apart, because audiences.rules asks it and may not know of the pages and users of groups.
"""

from audiences import fields as field_lists
from audiences.mailable import Terms
from audiences.models import SubscriptionGroup


def active() -> list[SubscriptionGroup]:
    """Groups that can be chosen, by name."""
    return list(SubscriptionGroup.objects.filter(archived_at=None).order_by("name"))


def find(public_id: str) -> SubscriptionGroup | None:
    """The group with this public id, also an archived one; None for anything else. No query for "" and nonsense."""
    if not field_lists.is_public_id(public_id):
        return None
    return SubscriptionGroup.objects.filter(public_id=public_id).first()


def of(audience: object) -> SubscriptionGroup | None:
    """The group an audience document names, also an archived one."""
    return find(str(audience.get("subscription_group") or "")) if isinstance(audience, dict) else None


def terms(group: SubscriptionGroup | None, *, reaches_unsubscribed: bool = False) -> Terms | None:
    """What audiences.mailable asks about a group, or leaves out."""
    if reaches_unsubscribed:
        return Terms(reaches_unsubscribed=True)
    return Terms(group.pk, group.default_state) if group else None
