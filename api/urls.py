from django.urls import URLPattern, path, re_path

from api.paths import ENDPOINTS
from api.views import campaign_tab, developers, keys, postbacks, refused

app_name = "api"
_PAGES: list[URLPattern] = [
    path("settings/api-keys/", keys.index, name="keys"),
    path("settings/api-keys/new/", keys.new, name="key-new"),
    path("settings/api-keys/<uuid:public_id>/revoke/", keys.revoke, name="key-revoke"),
    path("settings/api-keys/<uuid:public_id>/take-over/", keys.take_over, name="key-take-over"),
    path("settings/webhooks/events/", postbacks.index, name="postbacks"),
    path("settings/webhooks/events/redeliver/", postbacks.redeliver, name="postback-redeliver"),
    path("campaigns/<uuid:public_id>/api/", campaign_tab.show, name="campaign-tab"),
    path("campaigns/<uuid:public_id>/api/try/", campaign_tab.trial, name="campaign-try"),
    path("developers/", developers.reference, name="developers"),
    path("api/schema", developers.schema, name="schema"),
]
# Endpoints of the reference that are not offered; without names, because nothing leads there.
_REFUSED: list[URLPattern] = [
    re_path(r"^canvas/(?P<rest>.+)$", refused.canvas),
    re_path(r"^messages/live_activity/(?P<rest>.+)$", refused.live_activity),
]
urlpatterns: list[URLPattern] = [*_PAGES, *ENDPOINTS, *_REFUSED]
