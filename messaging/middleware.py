"""Gives out the images of messages before anything looks at cookies, sessions or languages."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from messaging.views import media_public

_ADDRESS = re.compile(r"/m/([A-Za-z0-9_-]{1,64})/([^/]{1,200})")


class PublicFilesMiddleware:
    """Answers /m/<token>/<name> itself: further in, the answer would vary by cookie and no shared cache keep it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = _ADDRESS.fullmatch(request.path_info)
        return media_public.serve(request, *found.groups()) if found else self.get_response(request)
