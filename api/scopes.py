"""What a key may do: one scope for each endpoint, named like the permissions of the reference, its path with dots."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

Text = str | Promise


@dataclass(frozen=True)
class Scope:
    """`sends`: a call can make people get messages, without another person confirming it."""

    name: str
    label: Text
    sends: bool = False


@dataclass(frozen=True)
class Group:
    """Scopes that stand together where a key is made."""

    label: Text
    scopes: tuple[Scope, ...]


GROUPS = (
    Group(
        _("Send messages"),
        (
            Scope("messages.send", _("Send a message now"), sends=True),
            Scope("messages.schedule.create", _("Schedule a message"), sends=True),
            Scope("messages.schedule.update", _("Change a scheduled message"), sends=True),
            Scope("messages.schedule.delete", _("Delete a scheduled message")),
            Scope("messages.schedule_broadcasts", _("List upcoming sends")),
            Scope("transactional.send", _("Send a transactional message"), sends=True),
        ),
    ),
    Group(
        _("Trigger campaigns"),
        (
            Scope("campaigns.trigger.send", _("Trigger a campaign now"), sends=True),
            Scope("campaigns.trigger.schedule.create", _("Schedule a trigger"), sends=True),
            Scope("campaigns.trigger.schedule.update", _("Change a scheduled trigger"), sends=True),
            Scope("campaigns.trigger.schedule.delete", _("Delete a scheduled trigger")),
            Scope("sends.id.create", _("Register a send id")),
            Scope("sends.data_series", _("Read figures of a send id")),
        ),
    ),
    Group(
        pgettext_lazy("API scopes", "Campaigns"),
        (
            Scope("campaigns.list", _("List campaigns")),
            Scope("campaigns.details", _("Read a campaign")),
            Scope("campaigns.data_series", _("Read figures of a campaign")),
            Scope("campaigns.duplicate", _("Duplicate a campaign")),
        ),
    ),
    Group(
        _("People and segments"),
        (
            Scope("users.track", _("Write profiles and events")),
            Scope("users.export.ids", _("Read profiles")),
            Scope("users.delete", _("Delete profiles")),
            Scope("segments.list", _("List segments")),
            Scope("segments.details", _("Read a segment")),
            Scope("subscription.status.get", _("Read subscriptions to groups")),
            Scope("subscription.status.set", _("Change subscriptions to groups")),
        ),
    ),
)
BY_NAME = {scope.name: scope for group in GROUPS for scope in group.scopes}
