"""Endpoints of the reference that Chappe does not have: a clear answer instead of a guess by the client."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api import envelope, refusals
from api.refusals import Refused


@csrf_exempt
def canvas(request: HttpRequest, rest: str = "") -> HttpResponse:
    told = "Chappe has no canvases. Trigger a campaign with /campaigns/trigger/send instead."
    return envelope.plain(Refused(refusals.NOT_OFFERED, told, status=400))


@csrf_exempt
def live_activity(request: HttpRequest, rest: str = "") -> HttpResponse:
    told = "Chappe sends email; it has no Live Activities. Nothing was sent."
    return envelope.plain(Refused(refusals.NOT_OFFERED, told, status=400))
