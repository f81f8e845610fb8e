from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from lib.errors import DomainError


class DomainErrorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DomainError):
            return JsonResponse({"code": exception.code, "message": exception.message}, status=exception.status)
        return None
