"""What calls of the API are compared with: an ordinary view that reads JSON and creates one row, beside all others."""

import json

from django.db import models
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as product


class PlainRow(models.Model):
    """Made by `benchmarks.api` in its throwaway database."""

    received_at = models.DateTimeField(default=timezone.now)
    body = models.JSONField()

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_plain_row"
        managed = False


@csrf_exempt
def insert(request: HttpRequest) -> JsonResponse:
    row = PlainRow.objects.create(body=json.loads(request.body))
    return JsonResponse({"message": "success", "id": row.pk}, status=201)


urlpatterns = [path("bench/plain", insert), *product]
