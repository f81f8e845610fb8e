"""Django's admin under the product's name. Rooms register their own models in their admin.py."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class ChappeAdminSite(admin.AdminSite):
    """The site for administrators and support; campaigns are edited and sent in the product, never here."""

    site_title = "Chappe"
    site_header = "Chappe"
    index_title = _("Administration")
    # The logo's link and "View site" lead into the product.
    site_url = "/"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Everybody signs in at the product's own door, which slows down guessing."""
        index = reverse("admin:index")
        if not request.user.is_authenticated:
            wanted = urlencode({"next": request.GET.get("next") or index}, safe="/")
            return redirect(f"{resolve_url(settings.LOGIN_URL)}?{wanted}")
        if not self.has_permission(request):
            raise PermissionDenied
        return redirect(index)


class ChappeAdminConfig(AdminConfig):
    """django.contrib.admin with our site as `admin.site`."""

    default_site = "config.admin_site.ChappeAdminSite"
