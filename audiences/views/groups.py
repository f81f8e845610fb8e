"""Pages of subscription groups: the list, one group, archiving it; and the groups of one person."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from audiences import subscriptions
from audiences.models import GroupState, Profile, SubscriptionGroup
from lib import texts


@access.requires(roles.VIEW)
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """All groups, archived ones last. Uses are looked up on a group's own page."""
    counts = subscriptions.counts()
    found = sorted(SubscriptionGroup.objects.all(), key=lambda one: (one.archived_at is not None, one.name.lower()))
    rows = []
    for group in found:
        n_yes, n_no = counts.get(group.pk, (0, 0))
        rows.append({"group": group, "n_subscribed": n_yes, "n_unsubscribed": n_no})
    context = {"rows": rows, "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE)}
    return render(request, "audiences/group_list.html", context)


@access.requires(roles.MANAGE_AUDIENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, None, {"default_state": GroupState.UNSUBSCRIBED, "is_public": True})
    typed = _typed(request)
    try:
        group = subscriptions.create(**typed, by=_person(request))
    except subscriptions.GroupInvalid as error:
        return _page(request, None, typed, dict(error.fields))
    messages.success(request, _("Group “{name}” saved.").format(name=group.name))
    return redirect("audiences:groups")


@access.requires(roles.VIEW)
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One group: how it is called and shown, and what is sent under it."""
    group = get_object_or_404(SubscriptionGroup, public_id=public_id)
    if request.method != "POST":
        return _page(
            request, group, {"name": group.name, "description": group.description, "is_public": group.is_public}
        )
    access.check(_person(request), roles.MANAGE_AUDIENCE)
    typed = _typed(request)
    typed.pop("default_state")
    try:
        saved = subscriptions.save(group.pk, **typed, by=_person(request))
    except subscriptions.GroupInvalid as error:
        return _page(request, group, typed, dict(error.fields))
    messages.success(request, _("Group “{name}” saved.").format(name=saved.name))
    return redirect("audiences:groups")


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def archive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Archive a group; with "restore", offer it again. Who uses it is named where that is refused."""
    group = get_object_or_404(SubscriptionGroup, public_id=public_id)
    try:
        if "restore" in request.POST:
            subscriptions.restore(group.pk, by=_person(request))
            messages.success(request, _("Group “{name}” can be chosen again.").format(name=group.name))
        else:
            subscriptions.archive(group.pk, by=_person(request))
            messages.success(request, _("Group “{name}” archived. Who is in it is kept.").format(name=group.name))
    except (subscriptions.GroupInUse, subscriptions.GroupInvalid) as refusal:
        messages.error(request, refusal.message)
    return redirect("audiences:group", public_id=public_id)


@access.requires(roles.VIEW)
@require_http_methods(["GET", "HEAD", "POST"])
def of_profile(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The groups of one person, and how they got there; POST with a group and a state changes one."""
    profile = get_object_or_404(Profile, public_id=public_id)
    if request.method == "POST":
        access.check(_person(request), roles.MANAGE_AUDIENCE)
        group = get_object_or_404(SubscriptionGroup, public_id=_uuid(request.POST.get("group", "")))
        is_in = request.POST.get("state") == GroupState.SUBSCRIBED
        _set(request, profile, group, is_in=is_in)
        return redirect("audiences:profile-subscriptions", public_id=public_id)
    context = {
        "profile": profile,
        "current_tab": "subscriptions",
        "standings": subscriptions.standings(profile.pk),
        "changes": subscriptions.changes(profile.pk),
        "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE),
    }
    return render(request, "audiences/profile_subscriptions.html", context)


def _set(request: HttpRequest, profile: Profile, group: SubscriptionGroup, *, is_in: bool) -> None:
    state = GroupState.SUBSCRIBED if is_in else GroupState.UNSUBSCRIBED
    try:
        subscriptions.set_state(group, [profile.pk], state, source="person", by=_person(request))
    except subscriptions.GroupArchived as refusal:
        messages.error(request, refusal.message)
        return
    sentence = _("Subscribed to “{name}”.") if is_in else _("Unsubscribed from “{name}”.")
    messages.success(request, sentence.format(name=group.name))


def _typed(request: HttpRequest) -> dict[str, Any]:
    sent = request.POST
    return {
        "name": texts.storable(sent.get("name", "")),
        "description": texts.storable(sent.get("description", "")),
        "default_state": sent.get("default_state", ""),
        "is_public": "is_public" in sent,
    }


def _page(
    request: HttpRequest, group: SubscriptionGroup | None, typed: dict[str, Any], problems: dict[str, str] | None = None
) -> HttpResponse:
    problems = problems or {}
    context = {
        "group": group,
        "typed": typed,
        "problems": problems,
        "errors": [{"text": text, "target": f"group-{part}"} for part, text in problems.items()],
        "uses": subscriptions.users_of(group) if group else [],
        "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE),
    }
    return render(request, "audiences/group_detail.html", context, status=422 if problems else 200)


def _uuid(text: str) -> UUID:
    """Any id that is none finds nothing."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
