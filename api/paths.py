"""Which path is which endpoint, grouped as the documentation shows them: paths as in the reference, without a slash at
their end. api.urls serves them and api.schema describes them; a new endpoint stands here only."""

from dataclasses import dataclass

from django.urls import URLPattern, path

from api.views import (
    campaigns,
    figures,
    messages,
    segments,
    sends,
    subscriptions,
    tracking,
    transactional,
    triggers,
    users,
)


@dataclass(frozen=True)
class Group:
    """Endpoints that belong together. `slug` is part of addresses in the documentation."""

    slug: str
    label: str
    patterns: tuple[URLPattern, ...]


GROUPS = (
    Group(
        "triggers",
        "Trigger campaigns",
        (
            path("campaigns/trigger/send", triggers.TriggerNow.as_view(), name="trigger-send"),
            path("campaigns/trigger/schedule/create", triggers.CreateSchedule.as_view(), name="trigger-create"),
            path("campaigns/trigger/schedule/update", triggers.UpdateSchedule.as_view(), name="trigger-update"),
            path("campaigns/trigger/schedule/delete", triggers.DeleteSchedule.as_view(), name="trigger-delete"),
            path(
                "transactional/v1/campaigns/<str:campaign_id>/send",
                transactional.SendTransactional.as_view(),
                name="transactional-send",
            ),
        ),
    ),
    Group(
        "messages",
        "Messages",
        (
            path("messages/send", messages.SendNow.as_view(), name="messages-send"),
            path("messages/schedule/create", messages.CreateSchedule.as_view(), name="messages-create"),
            path("messages/schedule/update", messages.UpdateSchedule.as_view(), name="messages-update"),
            path("messages/schedule/delete", messages.DeleteSchedule.as_view(), name="messages-delete"),
            path("messages/scheduled_broadcasts", messages.ListUpcoming.as_view(), name="messages-upcoming"),
        ),
    ),
    Group(
        "sends",
        "Send ids",
        (
            path("sends/id/create", sends.CreateSendId.as_view(), name="sends-id-create"),
            path("sends/data_series", figures.SendSeries.as_view(), name="sends-data-series"),
        ),
    ),
    Group(
        "campaigns",
        "Campaigns",
        (
            path("campaigns/list", campaigns.ListCampaigns.as_view(), name="campaigns-list"),
            path("campaigns/details", campaigns.CampaignDetails.as_view(), name="campaigns-details"),
            path("campaigns/data_series", figures.CampaignSeries.as_view(), name="campaigns-data-series"),
            path("campaigns/duplicate", campaigns.DuplicateCampaign.as_view(), name="campaigns-duplicate"),
        ),
    ),
    Group(
        "users",
        "People",
        (
            path("users/track", tracking.TrackUsers.as_view(), name="users-track"),
            path("users/export/ids", users.ExportUsers.as_view(), name="users-export-ids"),
            path("users/delete", users.DeleteUsers.as_view(), name="users-delete"),
        ),
    ),
    Group(
        "segments",
        "Segments",
        (
            path("segments/list", segments.ListSegments.as_view(), name="segments-list"),
            path("segments/details", segments.SegmentDetails.as_view(), name="segments-details"),
        ),
    ),
    Group(
        "subscriptions",
        "Subscription groups",
        (
            path("subscription/status/get", subscriptions.GetStatus.as_view(), name="subscription-get"),
            path("subscription/status/set", subscriptions.SetStatus.as_view(), name="subscription-set"),
            path("v2/subscription/status/set", subscriptions.SetStatuses.as_view(), name="subscription-set-many"),
        ),
    ),
)
ENDPOINTS = tuple(pattern for group in GROUPS for pattern in group.patterns)
