from django.urls import URLPattern, path

from api.views import keys

app_name = "api"
_PAGES: list[URLPattern] = [
    path("settings/api-keys/", keys.index, name="keys"),
    path("settings/api-keys/new/", keys.new, name="key-new"),
    path("settings/api-keys/<uuid:public_id>/revoke/", keys.revoke, name="key-revoke"),
]
urlpatterns: list[URLPattern] = [*_PAGES]
