"""What messages link to: the open pixel, tracked links, unsubscribe, the message as a page. Public and light.

Every address carries a signed token; a wrong one is told so and never redirected. No cookies are read or set here,
so mail programs may POST one-click unsubscribes (RFC 8058) without any.
"""

import base64
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audiences import profiles
from audiences.models import Profile
from delivery import preferences, recipients, tracking
from delivery.models import EventKind
from delivery.preferences import Wish
from messaging import frames, tokens

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# Topics one page can have shown.
_MOST_SHOWN = 400
_LANGUAGES = {code for code, _name in settings.LANGUAGES}


@require_safe
@never_cache
def opened(request: HttpRequest, token: str) -> HttpResponse:
    """Always the same pixel: a wrong token looks like a right one."""
    try:
        hit = tracking.hit(token, EventKind.OPENED, agent=_agent(request), is_head=request.method == "HEAD")
    except tokens.BadToken:
        return HttpResponse(_PIXEL, content_type="image/gif")
    tracking.record(hit)
    return HttpResponse(_PIXEL, content_type="image/gif")


@require_safe
@never_cache
def clicked(request: HttpRequest, token: str, number: int) -> HttpResponse:
    """On to the link of the message, noted; anything else is a page that says so."""
    try:
        hit = tracking.hit(
            token, EventKind.CLICKED, agent=_agent(request), is_head=request.method == "HEAD", link_no=number
        )
        url = tracking.target(hit)
    except tokens.BadToken:
        url = None
    except tracking.AWAY:
        return _later()
    if url is None:
        return _wrong()
    tracking.record(hit)
    answer = HttpResponseRedirect(url)
    answer["Referrer-Policy"] = "no-referrer"
    return answer


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Leave the topic of a message or everything, or choose topics: GET asks, POST does; a scanner that follows the
    link changes nothing."""
    try:
        hit = tracking.page_hit(token, EventKind.UNSUBSCRIBED, agent=_agent(request))
        if not hit.delivery_id:
            return _test()
        person = _person(hit.profile_id)
    except tokens.BadToken:
        return _wrong()
    except tracking.AWAY:
        person = None
        if request.method != "POST":
            return _later()
    with translation.override(_language(person)):
        if request.method != "POST":
            return _choices(hit, person, "ask")
        return _decide(request, hit, person)


@require_safe
def mirror(request: HttpRequest, token: str) -> HttpResponse:
    """The message as this person got it, without tracking."""
    try:
        hit = tracking.page_hit(token, EventKind.OPENED)
        if not hit.delivery_id:
            return _test()
        delivery = recipients.delivery(hit.delivery_id)
    except tokens.BadToken:
        return _wrong()
    except tracking.AWAY:
        return _later()
    if delivery is None:
        return _wrong()
    html = recipients.message_html(delivery, hit.profile_id, hit.request_no, is_theirs=True)
    answer = frames.response(html, allows_links=True)
    answer["X-Robots-Tag"] = "noindex"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _decide(request: HttpRequest, hit: tracking.Hit, person: profiles.Person | None) -> HttpResponse:
    """Do what was asked, and say what is so now. While PostgreSQL is away the wish is kept, and no choice is shown."""
    wish = _wish(request)
    is_undo = request.POST.get("action") == "undo"
    try:
        if is_undo:
            tracking.resubscribe(hit, wish)
        elif not tracking.unsubscribe(hit, wish):
            return _later()
    except Profile.DoesNotExist:
        return _wrong()
    except tracking.AWAY:
        return _later()
    step = "undone" if is_undo else "chosen" if wish.scope == preferences.CHOOSE else "done"
    return _choices(hit, person, step, scope=wish.scope)


def _wish(request: HttpRequest) -> Wish:
    """One click (RFC 8058) leaves the topic of the message, or everything where it has none."""
    sent = request.POST
    if "List-Unsubscribe" in sent:
        return Wish("one_click", preferences.TOPIC)
    if sent.get("action") == preferences.CHOOSE:
        chosen = set(sent.getlist("group"))
        wanted = {shown[:40]: shown in chosen for shown in sent.getlist("shown")[:_MOST_SHOWN]}
        return Wish("unsubscribe_page", preferences.CHOOSE, wanted)
    named = sent.get("scope") if sent.get("action") == "undo" else sent.get("action")
    return Wish("unsubscribe_page", preferences.TOPIC if named == preferences.TOPIC else preferences.ALL)


def _choices(hit: tracking.Hit, person: profiles.Person | None, step: str, *, scope: str = "") -> HttpResponse:
    """The page in one of its steps: ask, done, undone, chosen."""
    try:
        offer = preferences.offer(hit.delivery_id, hit.profile_id) if person else None
    except tracking.AWAY:
        offer = None
    if offer and offer.is_out and step in {"ask", "chosen"}:
        step, scope = "done", preferences.ALL
    topic = offer.topic if offer else None
    context = {
        "step": step,
        "address": person.email if person else "",
        "topic": topic.name if topic else "",
        "scope": preferences.TOPIC if topic and scope == preferences.TOPIC else preferences.ALL,
        # While PostgreSQL is away nobody knows what the topic of the message is.
        "is_noted": offer is None and scope == preferences.TOPIC,
        "is_off_topic": bool(offer and offer.is_off_topic),
        "topics": offer.topics if offer and not offer.is_out else [],
    }
    return _page("unsubscribe", context)


def _person(profile_id: int) -> profiles.Person | None:
    try:
        return profiles.person(profile_id)
    except Profile.DoesNotExist:
        return None


def _language(person: profiles.Person | None) -> str:
    """The person's language where we speak it, else the one their browser asked for."""
    code = (person.language if person else "").lower().replace("_", "-").split("-")[0]
    return code if code in _LANGUAGES else translation.get_language() or settings.LANGUAGE_CODE


def _agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "")


def _wrong() -> HttpResponse:
    context = {"title": _("This link doesn't work"), "text": _("It is incomplete, or it is not one of ours.")}
    return _page("notice", context, HTTPStatus.NOT_FOUND)


def _test() -> HttpResponse:
    """Test messages belong to no delivery: whoever gets one must not unsubscribe the person it was rendered for."""
    context = {"title": _("This is a test message"), "text": _("In the real message this link works for its reader.")}
    return _page("notice", context)


def _later() -> HttpResponse:
    context = {"title": _("Try again in a minute"), "text": _("We can't answer right now. Nothing was changed.")}
    answer = _page("notice", context, HTTPStatus.SERVICE_UNAVAILABLE)
    answer["Retry-After"] = "60"
    return answer


def _page(name: str, context: dict[str, Any], status: int = HTTPStatus.OK) -> HttpResponse:
    # Without the context processors of the shell: they would ask who is signed in.
    context |= {"language": translation.get_language()}
    answer = HttpResponse(render_to_string(f"delivery/public_{name}.html", context), status=status)
    answer["X-Robots-Tag"] = "noindex"
    return answer
