"""Where each path goes. Rooms own their pages; this page only says which prefix is whose."""

from django.contrib import admin
from django.urls import include, path

from config import dev

urlpatterns = [
    path("admin/", admin.site.urls),
    path("dev/components/", dev.components, name="dev-components"),
    path("", include("accounts.urls")),
    path("", include("audiences.urls")),
    path("", include("messaging.urls")),
    path("", include("delivery.urls")),
    path("", include("campaigns.urls")),
    path("", include("api.urls")),
]

handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.broken"
