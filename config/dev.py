"""Pages for people who work on Chappe; not there in production."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render


def components(request: HttpRequest) -> HttpResponse:
    """Every component in every state, for looking at and for the accessibility tests."""
    if settings.IS_PRODUCTION:
        raise Http404
    return render(request, "dev/components.html", {})
