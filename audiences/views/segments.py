"""Pages of segments: the list, and one segment with its rule or its people."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts import access, roles
from accounts.models import User
from audiences import rules, segments
from audiences.models import Profile, Segment, SegmentKind
from lib import texts

EMPTY: dict[str, object] = {"match": "all", "rules": []}
SHOWN_MEMBERS = 20


@access.requires(roles.VIEW)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    found = Segment.objects.filter(deleted_at=None).select_related("owner").order_by("name")
    rows = [{"segment": segment, "uses": segments.users_of(segment), "words": _words(segment)} for segment in found]
    context = {
        "rows": rows,
        "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE),
        "has_people": Profile.objects.exists(),
    }
    return render(request, "audiences/segment_list.html", context)


def _words(segment: Segment) -> str:
    return rules.describe_group(segment.rule) if segment.kind == SegmentKind.RULE and segment.rule else ""


@access.requires(roles.MANAGE_AUDIENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, None, "", EMPTY)
    name, rule = texts.storable(request.POST.get("name", "")), _rule(request)
    try:
        segment = segments.create(name=name, rule=rule, by=_person(request))
    except segments.SegmentInvalid as error:
        return _page(request, None, name, rule, dict(error.fields))
    messages.success(request, _("Segment “{name}” saved.").format(name=segment.name))
    return redirect("audiences:segment", public_id=segment.public_id)


@access.requires(roles.VIEW)
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One segment; saving it, or saving what was changed as a new one ("as_new")."""
    segment = get_object_or_404(Segment, public_id=public_id, deleted_at=None)
    if request.method != "POST":
        return _page(request, segment, segment.name, segment.rule or EMPTY)
    access.check(_person(request), roles.MANAGE_AUDIENCE)
    name, rule = texts.storable(request.POST.get("name", "")), _rule(request)
    try:
        if "as_new" in request.POST:
            saved = segments.create(name=name, rule=rule, by=_person(request))
        else:
            kept = rule if segment.kind == SegmentKind.RULE else None
            saved = segments.save(segment.pk, name=name, rule=kept, by=_person(request))
    except segments.SegmentInvalid as error:
        return _page(request, segment, name, rule, dict(error.fields))
    messages.success(request, _("Segment “{name}” saved.").format(name=saved.name))
    return redirect("audiences:segment", public_id=saved.public_id)


@access.requires(roles.MANAGE_AUDIENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Ask, then delete; what uses the segment is listed instead of a button."""
    segment = get_object_or_404(Segment, public_id=public_id, deleted_at=None)
    if request.method == "POST":
        segments.delete(segment.pk, by=_person(request))
        messages.success(request, _("Segment “{name}” deleted.").format(name=segment.name))
        return redirect("audiences:segments")
    return render(request, "audiences/segment_delete.html", {"segment": segment, "uses": segments.users_of(segment)})


def _rule(request: HttpRequest) -> dict[str, object]:
    try:
        rule = texts.json_of(request.POST.get("rule", ""))
    except (ValueError, RecursionError):
        return EMPTY
    return rule if isinstance(rule, dict) else EMPTY


def _page(
    request: HttpRequest,
    segment: Segment | None,
    name: str,
    rule: dict[str, object],
    problems: dict[str, str] | None = None,
) -> HttpResponse:
    problems = problems or {}
    uses = segments.users_of(segment) if segment else []
    is_list = segment is not None and segment.kind == SegmentKind.LIST
    members = (
        Profile.objects.filter(pk__in=segment.members.order_by("-pk").values("profile_id")[:SHOWN_MEMBERS])
        if is_list and segment
        else []
    )
    context = {
        "segment": segment,
        "is_list": is_list,
        "name": name,
        "rule": json.dumps(rule),
        "fields": [] if is_list else rules.fields(),
        "sentence": rules.describe_group(rule) if rule.get("rules") else "",
        "members": members,
        "uses": uses,
        "n_live": sum(use.is_live for use in uses),
        "problems": problems,
        "errors": [
            {"text": text, "target": "segment-name" if part == "name" else "segment-rule"}
            for part, text in problems.items()
        ],
        "can_edit": request.user.has_perm(roles.MANAGE_AUDIENCE),
    }
    return render(request, "audiences/segment_detail.html", context, status=422 if problems else 200)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
