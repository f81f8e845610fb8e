from django.urls import path, register_converter

from accounts import installation
from accounts.views import installation as installation_views
from accounts.views import people as views


class SettingsPageConverter:
    """The slug of a registered page of Settings; any other is somebody else's address."""

    regex = "[a-z-]+"

    def to_python(self, value: str) -> str:
        if installation.page(value) is None:
            raise ValueError(value)
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(SettingsPageConverter, "settings_page")
app_name = "accounts"
urlpatterns = [
    path("accounts/sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("accounts/stay/", views.stay, name="stay"),
    path("accounts/sign-out/", views.sign_out, name="sign-out"),
    path("me/", views.me, name="me"),
    path("me/theme/", views.theme, name="theme"),
    path("me/language/", views.language, name="language"),
    path("settings/<settings_page:slug>/", installation_views.page, name="installation"),
]
