"""Pages of an import: choosing the file, saying what its columns are, watching it run, and what became of it."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import access, roles
from accounts.models import User
from audiences import csv_files, fields, groups, import_runs, imports, mapping, reports, tasks
from audiences.imports import Plan
from audiences.models import (
    AttributeType,
    Consent,
    ImportState,
    ProfileImport,
    Segment,
    SegmentKind,
)

POLL_MS = 1500
_ENCODINGS = (
    ("utf-8", gettext_lazy("UTF-8")),
    ("cp1252", gettext_lazy("Windows (Western Europe)")),
    ("latin-1", gettext_lazy("Latin-1")),
)
_TYPES = (
    ("text", gettext_lazy("Text")),
    ("number", gettext_lazy("Number")),
    ("boolean", gettext_lazy("Yes or no")),
    ("date:dmy", gettext_lazy("Date, day first (31/12/2025)")),
    ("date:mdy", gettext_lazy("Date, month first (12/31/2025)")),
    ("list", gettext_lazy("List, separated by ; or |")),
)
_TONES = {
    ImportState.UPLOADED: ("info", "file-text"),
    ImportState.RUNNING: ("teal", "loader"),
    ImportState.FINISHED: ("ok", "circle-check"),
    ImportState.FAILED: ("err", "circle-x"),
    ImportState.CANCELLED: ("neutral", "ban"),
}


@access.requires(roles.MANAGE_AUDIENCE)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Choose a file; a file that can't be used is told at once and leaves nothing behind."""
    problem = ""
    if request.method == "POST":
        try:
            job = imports.receive(_pieces(request), file_name=_file(request).name or "", by=_person(request))
        except (csv_files.NotCsv, imports.ImportInvalid) as error:
            problem = error.message
        else:
            return redirect("audiences:import-detail", public_id=job.public_id)
    recent = ProfileImport.objects.select_related("by").order_by("-pk")[:10]
    context = {
        "problem": problem,
        "limit_mb": settings.IMPORT_MAX_BYTES // (1024 * 1024),
        "recent": [(job, badge(job)) for job in recent],
    }
    return render(request, "audiences/import_upload.html", context, status=422 if problem else 200)


def _file(request: HttpRequest) -> "UploadedFile[bytes]":
    """The uploaded file. Raises ImportInvalid when there is none, or it was dropped because of its size."""
    file = request.FILES.get("file")
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if (file is None and size > settings.IMPORT_MAX_BYTES) or (
        file is not None and (file.size or 0) > settings.IMPORT_MAX_BYTES
    ):
        limit = number_format(settings.IMPORT_MAX_BYTES // (1024 * 1024))
        raise imports.ImportInvalid(_("The file is larger than {n} MB. Split it and import the parts.").format(n=limit))
    if not isinstance(file, UploadedFile):
        raise imports.ImportInvalid(_("Choose a file."))
    return file


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    return _file(request).chunks(import_runs.CHUNK)


@access.requires(roles.MANAGE_AUDIENCE)
@require_GET
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    job = get_object_or_404(ProfileImport.objects.select_related("segment", "by"), public_id=public_id)
    if job.state == ImportState.UPLOADED:
        return _mapping_page(request, job, _first_plan(job, request.GET.get("list", "")))
    return render(request, "audiences/import_detail.html", _result(job))


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def start(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Try the mapping on the first rows ("try"), or start the import."""
    job = get_object_or_404(ProfileImport, public_id=public_id)
    if job.state != ImportState.UPLOADED:
        return redirect("audiences:import-detail", public_id=public_id)
    plan = _plan(request, job)
    if "try" in request.POST:
        return _mapping_page(request, job, plan)
    try:
        imports.start(job.pk, plan=plan, by=_person(request))
    except imports.ImportInvalid as error:
        return _mapping_page(request, job, plan, dict(error.fields))
    tasks.run_import.delay_on_commit(job.pk)
    return redirect("audiences:import-detail", public_id=public_id)


@access.requires(roles.MANAGE_AUDIENCE)
@require_GET
def progress(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The part of the page that keeps itself up to date; the page is loaded again when the import has ended."""
    job = get_object_or_404(ProfileImport.objects.select_related("segment"), public_id=public_id)
    response = render(request, "audiences/_import_progress.html", _result(job))
    if job.state == ImportState.RUNNING:
        response["X-Next-Poll"] = str(POLL_MS)
    else:
        response["X-Reload"] = "1"
    return response


@access.requires(roles.MANAGE_AUDIENCE)
@require_POST
def cancel(request: HttpRequest, public_id: UUID) -> HttpResponse:
    job = get_object_or_404(ProfileImport, public_id=public_id)
    imports.cancel(job.pk, by=_person(request))
    return redirect("audiences:import-detail", public_id=public_id)


@access.requires(roles.MANAGE_AUDIENCE)
@require_GET
def report(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """The refused rows as CSV."""
    job = get_object_or_404(ProfileImport, public_id=public_id)
    response = StreamingHttpResponse(reports.refused_rows(job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="refused-{job.public_id}.csv"'
    return response


def badge(job: ProfileImport) -> dict[str, str]:
    tone, icon = _TONES[ImportState(job.state)]
    return {"label": job.get_state_display(), "tone": tone, "icon": icon}


def _first_plan(job: ProfileImport, list_id: str) -> Plan:
    return Plan(
        mapping=job.mapping, key=job.key, encoding=job.encoding, segment=list_id if fields.is_public_id(list_id) else ""
    )


def _plan(request: HttpRequest, job: ProfileImport) -> Plan:
    sent = request.POST
    chosen = {str(index): _target(sent, index) for index in range(len(job.columns))}
    is_new = sent.get("list") == "new"
    return Plan(
        mapping=chosen,
        key=sent.get("key", ""),
        encoding=sent.get("encoding", ""),
        consent=sent.get("consent", ""),
        segment=sent.get("list", "") if fields.is_public_id(sent.get("list", "")) else "",
        new_list=sent.get("new_list", "") if is_new else "",
    )


def _target(sent: QueryDict, index: int) -> dict[str, str]:
    name, _sep, group = str(sent.get(f"target-{index}", mapping.SKIP)).partition(":")
    target = {"target": name}
    if name == mapping.GROUP:
        return target | {"group": group}
    if target["target"] == mapping.ATTRIBUTE:
        kind, _sep, order = str(sent.get(f"type-{index}", "")).partition(":")
        target |= {
            "name": str(sent.get(f"name-{index}", "")).strip(),
            "type": kind,
            "order": order or mapping.DAY_FIRST,
        }
    return target


def _mapping_page(
    request: HttpRequest, job: ProfileImport, plan: Plan, found: dict[str, str] | None = None
) -> HttpResponse:
    found = imports.problems(job, plan) if found is None else found
    trial = None if found else imports.dry_run(job, plan)
    is_sent = request.method == "POST"
    context = {
        "job": job,
        "plan": plan,
        "columns": [_column(job, plan, index, found if is_sent else {}) for index in range(len(job.columns))],
        "targets": _targets(),
        "types": _TYPES,
        "encodings": _ENCODINGS,
        "consents": Consent.choices,
        "lists": [(str(one.public_id), one.name) for one in _lists()],
        "problems": found if is_sent else {},
        "errors": [{"text": text, "target": f"f-{part}"} for part, text in found.items()] if is_sent else [],
        "trial": trial,
        "trial_refused": reports.by_reason(trial.refused) if trial else [],
    }
    return render(request, "audiences/import_mapping.html", context, status=422 if is_sent and found else 200)


def _column(job: ProfileImport, plan: Plan, index: int, found: dict[str, str]) -> dict[str, object]:
    target = plan.mapping.get(str(index), {"target": mapping.SKIP})
    kind = target.get("type", "text")
    return {
        "index": index,
        "name": job.columns[index],
        "cells": [row[index] for row in job.sample if index < len(row) and row[index].strip()][:3],
        "target": f"{mapping.GROUP}:{target['group']}" if target["target"] == mapping.GROUP else target["target"],
        "attribute": target.get("name") or mapping.attribute_name(job.columns[index]),
        "type": f"date:{target.get('order') or mapping.DAY_FIRST}" if kind == AttributeType.DATE else kind,
        "problem": found.get(f"column-{index}", ""),
    }


def _targets() -> list[tuple[str, object]]:
    own = [(name, label) for name, _kind, label in fields.PROFILE_FIELDS]
    return [
        *own,
        (mapping.CONSENT, _("email consent")),
        *(
            (f"{mapping.GROUP}:{one.public_id}", _("group “{name}”, yes or no").format(name=one.name))
            for one in groups.active()
        ),
        (mapping.ATTRIBUTE, _("attribute…")),
        (mapping.SKIP, _("leave out")),
    ]


def _lists() -> list[Segment]:
    return list(Segment.objects.filter(kind=SegmentKind.LIST, deleted_at=None).order_by("name"))


def _result(job: ProfileImport) -> dict[str, object]:
    return {
        "job": job,
        "badge": badge(job),
        "refused": reports.by_reason(job.refused_by_reason),
        "notes": reports.by_reason(job.notes_by_kind),
        "n_in_report": min(job.n_refused, import_runs.MAX_REFUSALS),
        "poll_ms": POLL_MS,
        "percent": job.n_bytes_done / job.n_bytes if job.n_bytes else 0,
        "n_kib": max(1, job.n_bytes // 1024),
        "n_kib_done": job.n_bytes_done // 1024,
    }


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
