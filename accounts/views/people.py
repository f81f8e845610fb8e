"""Signing in and out, and what each person chooses for themselves."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, demo, forms, session_ages
from accounts.models import Theme, User


class SignIn(auth_views.LoginView):
    """The sign-in page; people who are signed in go on to where they wanted."""

    template_name = "accounts/sign_in.html"
    authentication_form = forms.SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **context: object) -> dict[str, object]:
        return super().get_context_data(**context, demo_accounts=demo.present())


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    return auth_views.LogoutView.as_view()(request)


@access.requires()
@require_POST
def stay(request: HttpRequest) -> JsonResponse:
    """The session lasts its whole age again."""
    return JsonResponse({"signed_out_in_s": session_ages.extend(request.session)})


@access.requires()
@require_http_methods(["GET", "HEAD", "POST"])
def me(request: HttpRequest) -> HttpResponse:
    form = forms.PreferencesForm(request.POST or None, instance=_person(request))
    if request.method == "POST" and form.is_valid():
        user = form.save(commit=False)
        user.save(update_fields=list(form.fields))
        with translation.override(user.language or None):
            messages.success(request, _("Preferences saved."))
        return _with_language(redirect("accounts:me"), user.language)
    return render(request, "accounts/me.html", {"form": form})


@access.requires()
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Store the theme; scripts get 204, forms go back to their page."""
    user = _person(request)
    if request.POST.get("theme") in Theme.values:
        user.theme = request.POST["theme"]
        user.save(update_fields=["theme"])
    return HttpResponse(status=204) if "json" in request.headers.get("Accept", "") else _back(request)


@access.requires()
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    user, code = _person(request), request.POST.get("language", "")
    if code not in dict(settings.LANGUAGES):
        return _back(request)
    user.language = code
    user.save(update_fields=["language"])
    return _with_language(_back(request), code)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """To the page the form was on, when that is ours."""
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(url if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL))


def _with_language(response: HttpResponse, code: str) -> HttpResponse:
    """Keep the language on this device as well, for the sign-in page."""
    if code:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 24 * 3600, samesite="Lax", secure=settings.IS_PRODUCTION
        )
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response
