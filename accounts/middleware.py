"""Each person's own language and time zone, for the length of a request; and pages that only they keep."""

import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control, patch_vary_headers

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
        answer = self.get_response(request)
        if user.is_authenticated:
            self._keep_private(answer)
        return answer

    @staticmethod
    def _keep_private(answer: HttpResponse) -> None:
        """For caches on the way, and for the browser, which must not show a dialog's fragment where its page was."""
        if not answer.has_header("Cache-Control"):
            patch_cache_control(answer, private=True, no_cache=True)
        patch_vary_headers(answer, ["HX-Request"])

    @staticmethod
    def _activate_zone(name: str) -> None:
        """ZoneInfo keeps what it has read; a name this machine does not know is like no choice."""
        try:
            timezone.activate(zoneinfo.ZoneInfo(name))
        except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
            timezone.deactivate()
