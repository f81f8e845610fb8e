"""Each person's own language and time zone, for the length of a request."""

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

# What the browser says its time zone is; set by static/js/zone.js.
ZONE_COOKIE = "time_zone"


class PreferencesMiddleware:
    """Activates what the person chose on /me/. Without a choice it is what their browser says, where it says anything:
    the language by Django's own rules, the time zone by a cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if user.is_authenticated and user.language:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        # For strangers as well: the thread may have served somebody else before.
        chosen = user.time_zone if user.is_authenticated else ""
        self._activate_zone(chosen or unquote(request.COOKIES.get(ZONE_COOKIE, "")))
        return self.get_response(request)

    @staticmethod
    def _activate_zone(name: str) -> None:
        """ZoneInfo keeps what it has read; a name this machine does not know is like no choice."""
        try:
            timezone.activate(zoneinfo.ZoneInfo(name))
        except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
            timezone.deactivate()
