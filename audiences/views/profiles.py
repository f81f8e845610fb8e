"""Pages of people: the list, one person, and what can be done with one."""

from uuid import UUID

from django.contrib import messages
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import access, roles
from accounts.models import User
from audiences import profiles, quarantine_words
from audiences.models import AttributeDefinition, AttributeType, Profile
from lib import texts
from lib.errors import DomainError

PAGE = 50
# Below this many people the list says the exact number; above, what PostgreSQL's statistics say.
_EXACT_BELOW = 100_000


@access.requires(roles.VIEW)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """People, newest first, or those a search finds: an exact address or id, or the beginning of an address or name."""
    query = request.GET.get("q", "").strip()[:320]
    context: dict[str, object] = {"query": query, "can_import": request.user.has_perm(roles.MANAGE_AUDIENCE)}
    if query:
        context["people"] = profiles.find(query, PAGE)
    else:
        people, older, newer = _page(request.GET.get("after", ""), request.GET.get("before", ""))
        context |= {"people": people, "older": older, "newer": newer, "n_people": _n_people()}
    template = "audiences/_profile_table.html" if request.headers.get("HX-Request") else "audiences/profile_list.html"
    return render(request, template, context)


def _page(after: str, before: str) -> tuple[list[Profile], UUID | None, UUID | None]:
    """One page by key, and the keys of the next and the previous page; keys are public ids of people on the page."""
    key = _uuid(after or before)
    edge = Profile.objects.filter(public_id=key).values_list("pk", flat=True).first() if key else None
    if before and edge:
        found = list(Profile.objects.filter(pk__gt=edge).order_by("pk")[: PAGE + 1])
        people, has_newer, has_older = found[:PAGE][::-1], len(found) > PAGE, True
    else:
        rows = Profile.objects.filter(pk__lt=edge) if edge else Profile.objects.all()
        found = list(rows.order_by("-pk")[: PAGE + 1])
        people, has_newer, has_older = found[:PAGE], bool(edge), len(found) > PAGE
    older = people[-1].public_id if people and has_older else None
    newer = people[0].public_id if people and has_newer else None
    return people, older, newer


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _n_people() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = 'audiences_profile'::regclass")
        (n_about,) = cursor.fetchone()
    return int(n_about) if n_about >= _EXACT_BELOW else Profile.objects.count()


@access.requires(roles.VIEW)
@require_GET
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    profile = get_object_or_404(Profile, public_id=public_id)
    return render(request, "audiences/profile_detail.html", _overview(request, profile))


def _overview(request: HttpRequest, profile: Profile) -> dict[str, object]:
    types = dict(AttributeDefinition.objects.filter(name__in=profile.attributes).values_list("name", "type"))
    entry = profiles.quarantined(profile.email_key)
    return {
        "profile": profile,
        "current_tab": "overview",
        "attributes": [
            (name.replace("_", " "), value, types.get(name, AttributeType.TEXT))
            for name, value in sorted(profile.attributes.items())
        ],
        "changes": profile.consent_changes.select_related("by").order_by("-at", "-id")[:50],
        "quarantine": entry,
        "reason": quarantine_words.label(entry.reason) if entry else "",
        "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE),
        "can_release": request.user.has_perm(roles.RELEASE),
    }


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def unsubscribe(request: HttpRequest, public_id: UUID) -> HttpResponse:
    profile = get_object_or_404(Profile, public_id=public_id)
    if profiles.unsubscribe(profile.pk, source="person", by=_person(request)):
        messages.success(request, _("Unsubscribed. No marketing email goes to this address any more."))
    return redirect("audiences:profile", public_id=public_id)


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def resubscribe(request: HttpRequest, public_id: UUID) -> HttpResponse:
    profile = get_object_or_404(Profile, public_id=public_id)
    if profiles.resubscribe(profile.pk, source="person", by=_person(request)):
        messages.success(request, _("Subscribed again."))
    return redirect("audiences:profile", public_id=public_id)


@access.requires(roles.RELEASE)
@require_http_methods(["GET", "POST"])
def release(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take the person's address out of quarantine, with a reason that is kept."""
    profile = get_object_or_404(Profile, public_id=public_id)
    entry = profiles.quarantined(profile.email_key)
    if entry is None:
        messages.info(request, _("This address is not in quarantine."))
        return redirect("audiences:profile", public_id=public_id)
    context: dict[str, object] = {
        "profile": profile,
        "quarantine": entry,
        "reason": quarantine_words.label(entry.reason),
        "note": texts.storable(request.POST.get("note", "")),
    }
    if request.method == "POST":
        try:
            profiles.release(entry, _person(request), str(context["note"]))
        except DomainError as problem:
            if "note" not in problem.fields:
                raise
            return render(
                request, "audiences/profile_release.html", {**context, "problem": problem.message}, status=422
            )
        messages.success(request, _("Released. This address gets email again."))
        return redirect("audiences:profile", public_id=public_id)
    return render(request, "audiences/profile_release.html", context)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
