"""Forms of people: sign-in, preferences, and adding somebody in Django admin."""

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AdminUserCreationForm, AuthenticationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import leaving, throttling
from accounts.models import Theme, User


class SignInForm(AuthenticationForm):
    """Address and password; one sentence for every way in which they can be wrong."""

    error_messages = {
        "invalid_login": _("The email address or the password is wrong."),
        "inactive": _("The email address or the password is wrong."),
        "blocked": _("Too many attempts. Try again in 15 minutes."),
    }

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        email, ip = str(self.cleaned_data.get("username", "")), _network_address(self.request)
        if throttling.is_blocked(email, ip):
            raise ValidationError(self.error_messages["blocked"], code="blocked")
        try:
            cleaned = super().clean()
        except ValidationError:
            throttling.count_failure(email, ip)
            raise
        throttling.forget(email, ip)
        return cleaned


def _network_address(request: HttpRequest) -> str:
    peer, forwarded_for = str(request.META.get("REMOTE_ADDR", "")), request.headers.get("X-Forwarded-For", "")
    return throttling.network_address(peer, forwarded_for, n_proxies=settings.TRUSTED_PROXIES)


def _time_zones() -> list[tuple[str, Any]]:
    return [
        ("", _("Same as my browser")),
        *((zone, zone.replace("_", " ")) for zone in sorted(zoneinfo.available_timezones())),
    ]


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    """What each person chooses for themselves."""

    name = forms.CharField(label=_("Name"), max_length=120)
    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=[("", _("Same as my browser")), *settings.LANGUAGES]
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=_time_zones)
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme.choices)
    has_shortcuts = forms.BooleanField(label=_("Keyboard shortcuts with single keys"), required=False)

    class Meta:
        model = User
        fields = ["name", "language", "time_zone", "theme", "has_shortcuts"]


class AddUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """A new person in Django admin."""

    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class ChangeUserForm(UserChangeForm):  # type: ignore[type-arg]
    """Asks before it takes away "may sign in" from somebody whose programs would stop."""

    knows = forms.BooleanField(
        label=_("Stop their programs too"),
        required=False,
        help_text=_("Needed only when somebody may no longer sign in and has API keys that are in use."),
    )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        is_leaving = "is_active" in self.changed_data and not found.get("is_active")
        lost = leaving.consequences(self.instance) if is_leaving and not found.get("knows") else []
        if lost:
            self.add_error("is_active", [*lost, _("Take the keys over first, or tick “Stop their programs too”.")])
        return found
