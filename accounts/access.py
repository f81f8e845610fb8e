"""Who may call a view, a work function or a task."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from accounts import roles
from accounts.models import User
from lib.errors import NotAllowed

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def check(user: User, permission: str) -> None:
    """Raise NotAllowed, naming role and people, unless `user` is active and has `permission`.

    Work functions call this with a user loaded in the same transaction, so that a right taken away a moment ago counts.
    """
    if user.is_active and user.has_perm(permission):
        return
    people = " ".join(
        [_("{name} can give it.").format(name=u) for u in roles.holders(roles.MANAGE_TRANSPORTS, limit=1)]
    )
    sentence = _("This needs the {role} role.").format(role=_(roles.role_with(permission)))
    raise NotAllowed(f"{sentence} {people}".strip())


def fresh(user: User) -> User:
    """`user` read again from the database, without cached permissions."""
    return User.objects.get(pk=user.pk)


def _framed_notice() -> HttpResponse:
    """For a preview frame whose person was signed out: the sign-in page refuses to be framed."""
    answer = HttpResponse(_("You've been signed out."), status=401, content_type="text/plain; charset=utf-8")
    answer["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'self'; sandbox"
    answer["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def requires(permission: str = roles.VIEW) -> Callable[[View[P]], View[P]]:
    """View decorator: strangers go to sign-in (401 for htmx and JSON), people without `permission` get the 403 page."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if request.headers.get("Sec-Fetch-Dest") == "iframe":
                    return _framed_notice()
                if request.headers.get("HX-Request") or "application/json" in request.headers.get("Accept", ""):
                    return HttpResponse(_("You've been signed out."), status=401)
                return redirect_to_login(request.get_full_path())
            check(request.user, permission)
            return view(request, *args, **kwargs)

        guarded.required_permission = permission  # type: ignore[attr-defined]  # read by tests/test_routes.py
        return guarded

    return decorate
