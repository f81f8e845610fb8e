"""Settings, Sending: the mail server, a connection test with its transcript, and a test mail to oneself."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import access, roles, setting_tabs
from accounts.models import User
from messaging import content, forms, senders, testsend, transports
from messaging.models import Transport


@access.requires(roles.MANAGE_TRANSPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    transport = transports.default()
    if request.method != "POST":
        return _page(request, transport, *_form_of(transport))
    form = forms.TransportForm(request.POST)
    if form.is_valid():
        try:
            transports.save(transport.pk, form.entered(), by=_person(request))
        except transports.TransportInvalid as problem:
            forms.show(form, problem)
        else:
            messages.success(request, _("Mail server saved."))
            return redirect("messaging:settings-sending")
    return _page(request, transport, form, "", status=422)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def test(request: HttpRequest) -> HttpResponse:
    """Connect with what is in the form, saved or not, and show the conversation; a fragment for htmx, else the page."""
    transport = transports.default()
    form = forms.TransportForm(request.POST)
    transcript, problem = None, ""
    if form.is_valid():
        try:
            transcript = transports.check_connection(transports.candidate(transport, form.entered()))
        except transports.TransportInvalid as invalid:
            problem = " ".join(dict.fromkeys(invalid.fields.values())) or invalid.message
            forms.show(form, invalid)
    else:
        problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
    if request.headers.get("HX-Request"):
        context = {"transcript": transcript, "transcript_problem": problem}
        return render(request, "messaging/_transcript.html", context)
    return _page(request, transport, form, "", transcript=transcript, transcript_problem=problem)


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def test_mail(request: HttpRequest) -> HttpResponse:
    """Send one message to the person who asks, through the saved server."""
    user = _person(request)
    results = testsend.send(_test_content(user), to=[user.email], person=None, campaign={"name": _("Test")})
    context = {
        "result": results[0],
        "is_caught": transports.is_catcher(transports.default()),
        "inbox_url": f"{reverse('messaging:inbox')}?delivery={testsend.REF}",
    }
    if request.headers.get("HX-Request"):
        return render(request, "messaging/_test_mail.html", context)
    if results[0].ok:
        messages.success(request, _("Test sent to {address}.").format(address=user.email))
    else:
        messages.error(request, results[0].message)
    return redirect("messaging:settings-sending")


@access.requires(roles.MANAGE_TRANSPORTS)
@require_POST
def use_environment(request: HttpRequest) -> HttpResponse:
    transports.use_environment(transports.default().pk, by=_person(request))
    messages.success(request, _("Mail server saved."))
    return redirect("messaging:settings-sending")


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _form_of(transport: Transport) -> tuple[forms.TransportForm, str]:
    """The form as stored, and what is wrong with what is stored."""
    try:
        return forms.TransportForm(initial=forms.transport_values(transport)), ""
    except transports.TransportInvalid as problem:
        names = ("name", "host", "port", "security", "username", "n_connections", "rate_per_minute", "feedback")
        return forms.TransportForm(initial={name: getattr(transport, name) for name in names}), problem.message


def _page(
    request: HttpRequest, transport: Transport, form: forms.TransportForm, problem: str, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "tabs": setting_tabs.tabs("messaging:settings-sending"),
        "transport": transport,
        "form": form,
        "problem": problem,
        "is_catcher": transports.is_catcher(transport),
        "email": _person(request).email,
        **more,
    }
    return render(request, "messaging/sending.html", context, status=status)


def _test_content(user: User) -> content.ContentSpec:
    sender = senders.default()
    text = _("This is a test from Chappe. The mail server took it, so sends can go out.")
    return content.ContentSpec(
        sender_name=sender.name if sender else "Chappe",
        sender_address=sender.address if sender else user.email,
        reply_to="",
        subject=_("The mail server works"),
        preheader="",
        body_kind="html",
        body=f"<!doctype html><html><body><p>{text}</p></body></html>",
        text=None,
        tracks_opens=False,
        tracks_clicks=False,
    )
