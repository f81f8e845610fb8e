"""Django's admin under the product's name."""

from django.contrib.admin.apps import AdminConfig


class ChappeAdminConfig(AdminConfig):
    pass
