from django.urls import URLPattern, path, re_path

from api.views import campaigns, keys, refused, segments, sends, subscriptions

app_name = "api"
_PAGES: list[URLPattern] = [
    path("settings/api-keys/", keys.index, name="keys"),
    path("settings/api-keys/new/", keys.new, name="key-new"),
    path("settings/api-keys/<uuid:public_id>/revoke/", keys.revoke, name="key-revoke"),
]
# Known to programs of other people: paths as in the reference, without a slash at their end.
ENDPOINTS: list[URLPattern] = [
    path("sends/id/create", sends.CreateSendId.as_view(), name="sends-id-create"),
    path("campaigns/list", campaigns.ListCampaigns.as_view(), name="campaigns-list"),
    path("campaigns/details", campaigns.CampaignDetails.as_view(), name="campaigns-details"),
    path("campaigns/duplicate", campaigns.DuplicateCampaign.as_view(), name="campaigns-duplicate"),
    path("segments/list", segments.ListSegments.as_view(), name="segments-list"),
    path("segments/details", segments.SegmentDetails.as_view(), name="segments-details"),
    path("subscription/status/get", subscriptions.GetStatus.as_view(), name="subscription-get"),
    path("subscription/status/set", subscriptions.SetStatus.as_view(), name="subscription-set"),
    path("v2/subscription/status/set", subscriptions.SetStatuses.as_view(), name="subscription-set-many"),
]
# Endpoints of the reference that are not offered; without names, because nothing leads there.
_REFUSED: list[URLPattern] = [
    re_path(r"^canvas/(?P<rest>.+)$", refused.canvas),
    re_path(r"^messages/live_activity/(?P<rest>.+)$", refused.live_activity),
]
urlpatterns: list[URLPattern] = [*_PAGES, *ENDPOINTS, *_REFUSED]
