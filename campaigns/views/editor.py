"""The draft editor: one page for each step, filled from the draft and kept by static/js/editor.js."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access, roles, session_ages
from campaigns import alerts, forms, occurrences, page_tabs, rhythms, schedules, sessions, summaries
from campaigns import document as documents
from campaigns.views import choices, header, info, parts
from delivery import quiet, served
from lib import walltimes
from messaging import samples


@access.requires(roles.VIEW)
def edit(request: HttpRequest, public_id: UUID, step: str) -> HttpResponse:
    """One step of the draft. Who can't edit gets the overview with the reason; without a draft there is only that."""
    campaign = header.find(public_id)
    user = header.user_of(request)
    draft = header.draft_of(campaign)
    if campaign.archived_at is None and not user.has_perm(roles.EDIT):
        messages.warning(request, _why_not())
        return redirect("campaigns:detail", public_id=public_id)
    if draft is None or campaign.archived_at:
        return redirect("campaigns:detail", public_id=public_id)
    now = parts.state(campaign, draft, by=user)
    session = sessions.open_session(draft.pk, by=user)
    config = _config(now, session.public_id, user.pk, step=step)
    config["signed_out_in_s"] = session_ages.seconds_left(request.session)
    context = page(request, now, step=step) | {"config": config}
    return render(request, f"campaigns/edit_{step}.html", context)


def _why_not() -> str:
    """Why somebody sees the live version in place of the editor, and who can change that."""
    sentence = _("You can view this campaign but not edit it. Editing needs the %(role)s role.")
    people = [_("{name} can give it.").format(name=one) for one in roles.holders(roles.MANAGE_TRANSPORTS, limit=1)]
    return " ".join([sentence % {"role": _(roles.role_with(roles.EDIT))}, *people])


def page(request: HttpRequest, now: parts.State, *, step: str) -> dict[str, Any]:
    """The context of one step, without the session of a tab."""
    head = header.build(request, now.campaign, view="draft")
    return {
        "head": head,
        "campaign": now.campaign,
        "draft": now.draft,
        "step": step,
        "step_label": parts.step_label(step),
        "steps": parts.steps(now, current=step),
        "problems": _nested(parts.field_alerts(now)),
        "v": _nested(forms.values(now.document, name="", is_complete=step == "compose")),
        "n_errors": now.n_errors,
        "n_warnings": now.n_warnings,
        "errors": parts.alert_rows(now, level=alerts.ERROR),
        "warnings": parts.alert_rows(now, level=alerts.WARNING),
        "info": info.rows(now),
        "saves": info.saves(now, by=header.user_of(request)),
        "saved_text": _("Saved %(time)s") % {"time": date_format(timezone.localtime(now.draft.saved_at), "H:i")},
        "next_number": (head.number or 0) + 1,
    } | _FOR_STEP[step](request, now)


def _config(now: parts.State, session_id: UUID, user_id: int, *, step: str) -> dict[str, Any]:
    """What static/js/editor.js needs to know; texts for scripts are in the template."""
    names = {"save": "draft-save", "presence": "presence", "release": "presence-release"}
    return {
        "session": str(session_id),
        "revision": now.draft.revision,
        "step": step,
        "user": user_id,
        "campaign": str(now.campaign.public_id),
        "values": forms.values(now.document, name=now.campaign.name),
        "labels": forms.labels(),
        "drawn": list(forms.DRAWN),
        "urls": {
            key: reverse(f"campaigns:{name}", kwargs={"public_id": now.campaign.public_id})
            for key, name in names.items()
        }
        | {"stay": reverse("accounts:stay")},
    }


def _nested(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """ "compose.subject" → x as {"compose": {"subject": x}}, for templates."""
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        step, _dot, key = name.partition(".")
        nested.setdefault(step, {})[key] = value
    return nested


def _compose(request: HttpRequest, now: parts.State) -> dict[str, Any]:
    return {
        "senders": choices.senders_for(now.document["compose"]["sender"]),
        "people": choices.people(header.user_of(request)),
        "picker": choices.personalization_groups(samples.names(documents.content_spec(now.document))),
        "networks": choices.NETWORKS,
        "test_people": choices.test_profiles()[:6],
        "is_text_stale": any(alert.id == "text_stale" for alert in now.alerts),
        "body_words": summaries.body(now.document),
        "is_body_empty": not now.document["compose"]["body"].strip(),
        "tested": now.draft,
    }


def _delivery(request: HttpRequest, now: parts.State) -> dict[str, Any]:
    section = now.document["delivery"]
    reader = timezone.get_current_timezone_name()
    chosen = section["zone"] or reader
    may_start = header.user_of(request).has_perm(roles.START)
    return {
        "kind": section["kind"] if section["kind"] in {"at", "repeat", "api"} else "once",
        "today": occurrences.today(chosen, timezone.now()).isoformat(),
        "weekdays": choices.weekdays(section["repeat_weekdays"]),
        "aggregates": choices.aggregates(section["aggregate"]),
        "withins": choices.withins(section["confirm_within_hours"]),
        "upcoming": rhythms.upcoming(section, now=timezone.now(), reader_zone=reader),
        "may_start": may_start,
        "deputies": [] if may_start else [str(person) for person in roles.holders(roles.START)],
        "api_tab": next((url for view, _label, url in page_tabs.names(now.campaign) if view == "api"), ""),
        "activates_triggered": settings.ACTIVATE_TRIGGERED,
        "zones": sorted(walltimes.zones() | {chosen}),
        "zone": chosen,
        "cap": served.cap_sentence(),
        "validities": choices.validities(section["validity_hours"]),
        "quiet_words": quiet.words(quiet.configured()),
        "sentence": summaries.sentence(now.document, reader_zone=reader),
    }


def _audience(request: HttpRequest, now: parts.State) -> dict[str, Any]:
    section = now.document["audience"]
    return {
        "segments": choices.segments(section["segments"]),
        "excluded": choices.segments(section["exclude"]),
        "groups": choices.subscription_groups(section["subscription_group"]),
        "fields": choices.rule_fields(),
        "audience_words": summaries.audience(now.document),
        "audience_json": json.dumps(section, ensure_ascii=False),
    }


def _tracking(request: HttpRequest, now: parts.State) -> dict[str, Any]:
    choices.check_links(now.document)
    return {"links": choices.links(now.document)}


def _review(request: HttpRequest, now: parts.State) -> dict[str, Any]:
    choices.check_links(now.document)
    return {
        "cards": summaries.cards(now.document),
        "is_standing": now.document["delivery"]["kind"] in schedules.STANDING,
        "is_blocked": "blocked" in request.GET and now.n_errors > 0,
    }


_FOR_STEP = {
    "compose": _compose,
    "delivery": _delivery,
    "audience": _audience,
    "tracking": _tracking,
    "review": _review,
}
