"""Where each path goes. Rooms own their pages; this page only says which prefix is whose."""

from django.contrib import admin
from django.urls import include, path

from config import health

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("", include("audiences.urls")),
    path("", include("messaging.urls")),
    path("", include("delivery.urls")),
    path("", include("campaigns.urls")),
]
