"""Autosave and presence, in JSON; and the same save by a posted form where there is no script."""

import json
import uuid
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import access, roles, session_ages
from campaigns import document as documents
from campaigns import drafts, forms, sessions
from campaigns.models import Campaign, Draft
from campaigns.views import header, parts


@require_POST
@access.requires(roles.EDIT)
def save(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Store changed fields. JSON: 200 with what to show, 409 with who saved first, 410 when the draft is gone."""
    campaign = header.find(public_id)
    draft = Draft.objects.filter(campaign=campaign).only("pk").first()
    is_json = request.content_type == "application/json"
    if draft is None:
        return _gone(request, drafts.gone(campaign), is_json=is_json)
    if not is_json:
        return _save_form(request, campaign, draft)
    data = _json(request)
    try:
        saved = drafts.save(draft.pk, **_asked(data), by=header.user_of(request))
    except drafts.DraftConflict as conflict:
        return JsonResponse(conflicting(conflict), status=409)
    except drafts.DraftGone as gone:
        return _gone(request, gone, is_json=True)
    return JsonResponse(_answer(request, header.find(public_id), saved, step=str(data.get("step"))))


@require_POST
@access.requires(roles.EDIT)
def presence(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A tab says that it is open; told who else is, and what somebody saved since the tab's revision."""
    campaign = header.find(public_id)
    asked = _json(request)
    session_id = _uuid(asked.get("session"))
    people = sessions.presence(session_id, is_idle=asked.get("is_idle") is True)
    draft = header.draft_of(campaign)
    if draft is None:
        return _gone(request, drafts.gone(campaign), is_json=True)
    html = loader.render_to_string(
        "campaigns/_presence.html", {"people": people[:3], "n_more": max(0, len(people) - 3)}
    )
    answer: dict[str, Any] = {
        "people_html": html,
        "people_key": "|".join(f"{one.name}:{one.state}" for one in people),
        "signed_out_in_s": session_ages.seconds_left(request.session),
        "editors": [one.name for one in people if one.state == "editing" and not one.is_self],
    }
    revision = asked.get("revision")
    if isinstance(revision, int) and draft.revision != revision:
        conflict = drafts.conflict(draft, base_revision=revision, by=header.user_of(request))
        answer["newer"] = conflicting(conflict)
    return JsonResponse(answer)


@require_POST
@access.requires(roles.VIEW)
def release(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A tab was closed; sent by the browser while the page goes."""
    sessions.release(_uuid(request.POST.get("session")))
    return HttpResponse(status=204)


def conflicting(conflict: drafts.DraftConflict) -> dict[str, Any]:
    """What the second person is told, with the values now stored as their controls hold them."""
    values = {
        name: conflict.name if name == "name" else forms.shown(name, value) for name, value in conflict.values.items()
    }
    return {
        "code": conflict.code,
        "message": conflict.message,
        "revision": conflict.revision,
        "is_self": conflict.is_self,
        "changed": documents.summary(conflict.changed_fields),
        "values": values,
        "followed": _("Updated with your changes from another tab.")
        if conflict.is_self
        else _("Updated with %(name)s's changes.") % {"name": conflict.saved_by},
    }


def _answer(request: HttpRequest, campaign: Campaign, saved: drafts.Saved, *, step: str) -> dict[str, Any]:
    draft = header.draft_of(campaign)
    assert draft is not None, "it was saved a moment ago"
    at = timezone.localtime(saved.saved_at)
    now = parts.state(campaign, draft, by=header.user_of(request))
    detail = _("Saved to the draft by you, %(time)s.") % {"time": date_format(at, "H:i:s")}
    if campaign.live_version_id:
        detail = " ".join((detail, _("Live version not affected.")))
    return {
        "revision": saved.revision,
        "saved_at": date_format(at, "H:i"),
        "detail": detail,
        "fragments": parts.fragments(request, now, current=step),
        "field_alerts": parts.field_alerts(now),
    }


def _save_form(request: HttpRequest, campaign: Campaign, draft: Draft) -> HttpResponse:
    step = request.POST.get("step", "compose")
    fields = forms.posted(request.POST, step=step)
    revision = request.POST.get("revision", "")
    try:
        drafts.save(
            draft.pk,
            session_id=uuid.uuid4(),
            base_revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
            save_id=uuid.uuid4(),
            fields=fields,
            by=header.user_of(request),
        )
    except drafts.DraftConflict as conflict:
        kept = [(documents.label(name), value) for name, value in fields.items() if isinstance(value, str) and value]
        context = {"campaign": campaign, "step": step, "conflict": conflict, "kept": kept}
        return render(request, "campaigns/conflict.html", context, status=409)
    messages.success(request, _("Draft saved."))
    return redirect("campaigns:edit", public_id=campaign.public_id, step=step)


def _gone(request: HttpRequest, gone: drafts.DraftGone, *, is_json: bool) -> HttpResponse:
    if not is_json:
        raise gone
    body = {"code": gone.code, "message": gone.message, "is_self": False, "changed": "", "values": {}}
    return JsonResponse(body, status=409)


def _asked(data: dict[str, Any]) -> dict[str, Any]:
    """The arguments of drafts.save out of the request's JSON. Raises DraftInvalid."""
    fields, revision = data.get("fields"), data.get("base_revision")
    if not isinstance(fields, dict) or not isinstance(revision, int) or isinstance(revision, bool):
        raise drafts.DraftInvalid(_("This is no save of a draft."))
    return {
        "session_id": _uuid(data.get("session")),
        "base_revision": revision,
        "save_id": _uuid(data.get("save_id")),
        "fields": fields,
    }


def _json(request: HttpRequest) -> dict[str, Any]:
    try:
        data = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise drafts.DraftInvalid(_("This is no save of a draft.")) from error
    if not isinstance(data, dict):
        raise drafts.DraftInvalid(_("This is no save of a draft."))
    return data


def _uuid(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError as error:
        raise drafts.DraftInvalid(_("This is no save of a draft.")) from error
