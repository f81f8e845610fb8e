"""The frame in which a message is shown: it may look as it likes and can do nothing."""

from django.http import HttpResponse

from messaging import markup

_POLICY = (
    "default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'; font-src http: https: data:; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)


def response(html: str, *, allows_links: bool = False, shows_images: bool = True, status: int = 200) -> HttpResponse:
    """An HTML message as the content of a sandboxed frame: no scripts, no forms, no origin; links only where allowed,
    and then in a new tab. Without images it looks as in mail apps that load none: alternative texts in their places.
    """
    policy = _POLICY if shows_images else _POLICY.replace("img-src data: http: https:", "img-src 'none'")
    if allows_links:
        policy += " allow-popups allow-popups-to-escape-sandbox"
        html = _opening_links_outside(html)
    framed = HttpResponse(html, status=status, content_type="text/html; charset=utf-8")
    framed["Content-Security-Policy"] = policy
    framed["X-Frame-Options"] = "SAMEORIGIN"
    framed["Referrer-Policy"] = "no-referrer"
    framed["Cache-Control"] = "no-store"
    return framed


def _opening_links_outside(html: str) -> str:
    base = '<base target="_blank">'
    return markup.after_head_start(html, base) or markup.after_body_start(html, base)
