"""Django's admin under the product's name. Rooms register their own models in their admin.py."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class ChappeAdminSite(admin.AdminSite):
    """The site for administrators and support; campaigns are edited and sent in the product, never here."""

    site_title = "Chappe"
    site_header = "Chappe"
    index_title = _("Administration")
    # The logo's link and "View site" lead into the product.
    site_url = "/"


class ChappeAdminConfig(AdminConfig):
    """django.contrib.admin with our site as `admin.site`."""

    default_site = "config.admin_site.ChappeAdminSite"
