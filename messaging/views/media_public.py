"""The public address of an image, for mail apps and caches: no sign-in, no cookie, no session, no language."""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from messaging import media

# A file never changes under its address; a mistake in what is told here can't be taken back for a year.
_CACHED = "public, max-age=31536000, immutable"
_POLICY = "default-src 'none'; sandbox"


@require_safe
def serve(request: HttpRequest, token: str, name: str) -> HttpResponse:
    """The image as it is stored. `name` is for people: after a rename the old address still works."""
    file = media.served(token)
    if file is None:
        return _harmless(HttpResponse("Not found\n", status=404, content_type="text/plain"), cached="no-store")
    etag = f'"{file.sha256[:32]}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        unchanged["ETag"] = etag
        return _harmless(unchanged, cached=_CACHED)
    is_head = request.method == "HEAD"
    answer = HttpResponse(b"" if is_head else media.content(file), content_type=file.content_type)
    answer["Content-Length"] = str(file.n_bytes)
    answer["Content-Disposition"] = "inline"
    answer["ETag"] = etag
    return _harmless(answer, cached=_CACHED)


def _harmless(answer: HttpResponse, *, cached: str) -> HttpResponse:
    """Whatever somebody smuggled into a file, no browser runs it or takes it for a page."""
    answer["Content-Security-Policy"] = _POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer["Cache-Control"] = cached
    return answer
