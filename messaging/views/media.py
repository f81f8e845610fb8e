"""The media library: the grid, one image, and what can be done with it."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, roles
from accounts.models import User
from messaging import forms, images, media, media_uses
from messaging.models import MediaFile

PAGE_SIZE = 48
# In the dialog of the editor; it asks for more when wanted.
CHOICES = 24


@access.requires(roles.VIEW)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The grid; for htmx only what a search changes."""
    query = request.GET.get("q", "").strip()
    page = Paginator(media.listing(query), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": _rows(list(page.object_list)),
        "query": query,
        "page_query": urlencode({"q": query}) if query else "",
        "may_edit": _person(request).has_perm(roles.EDIT),
        "limit_mb": images.MAX_BYTES // (1024 * 1024),
    }
    is_part = request.headers.get("HX-Request") == "true"
    answer = render(request, "messaging/_media_grid.html" if is_part else "messaging/media_list.html", context)
    answer["Vary"] = "HX-Request"
    return answer


@access.requires(roles.VIEW)
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """The library as buttons, for the dialog of the message editor."""
    query = request.GET.get("q", "").strip()
    page = Paginator(media.listing(query), CHOICES).get_page(request.GET.get("page"))
    rows = [{"file": file, "url": media.url(file)} for file in page.object_list]
    return render(request, "messaging/_media_choices.html", {"page": page, "rows": rows, "query": query})


@access.requires(roles.EDIT)
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Store what was sent: one file for scripts, which ask one by one, or several from the form."""
    files = [file for file in request.FILES.getlist("file") if isinstance(file, UploadedFile)]
    if not files:
        is_dropped = int(request.META.get("CONTENT_LENGTH") or 0) > images.MAX_BYTES
        raise images.too_large() if is_dropped else images.ImageRefused(_("Choose a file."))
    if _wants_json(request):
        return _uploaded(request, _stored(files[0], _person(request)))
    kept = [stored for file in files if (stored := _store_and_tell(request, file))]
    if len(files) == 1 and kept:
        # There the alternative text is asked for.
        return redirect("messaging:media-file", public_id=kept[0].file.public_id)
    return redirect("messaging:media")


def _stored(file: "UploadedFile[bytes]", by: User) -> media.Stored:
    if (file.size or 0) > images.MAX_BYTES:
        raise images.too_large()
    return media.store(file.read(), name=file.name or "", by=by)


def _store_and_tell(request: HttpRequest, file: "UploadedFile[bytes]") -> media.Stored | None:
    try:
        stored = _stored(file, _person(request))
    except images.ImageRefused as refusal:
        messages.error(request, f"{file.name}: {refusal.message}")
        return None
    if stored.is_new:
        messages.success(request, _("{name} is in the library.").format(name=stored.file.name))
    else:
        messages.success(request, _already(stored.file))
    return stored


def _already(file: MediaFile) -> str:
    return _("The same image is already in the library, as {name}.").format(name=file.name)


def _uploaded(request: HttpRequest, stored: media.Stored) -> JsonResponse:
    """What a script needs to show the file and to ask for its alternative text."""
    file = stored.file
    is_large = file.n_bytes > media.LARGE_BYTES
    context = {
        "file": file,
        "url": media.url(file),
        "note": "" if stored.is_new else _already(file),
        "is_large": is_large,
        "is_picker": request.POST.get("for") == "picker",
        "smaller_width": max(_widths(file), default=0) if is_large else 0,
    }
    html = render_to_string("messaging/_media_new.html", context, request)
    return JsonResponse({"html": html}, status=201 if stored.is_new else 200)


@access.requires(roles.VIEW)
@require_safe
def file(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One image with everything about it."""
    return _page(request, _get(public_id))


@access.requires(roles.EDIT)
@require_POST
def describe(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Save name and alternative text; scripts get them back as they are stored."""
    found = _get(public_id)
    form = forms.MediaForm(request.POST)
    form.is_valid()
    given = {name: value for name, value in form.cleaned_data.items() if name != "name" or "name" in request.POST}
    try:
        saved = media.describe(found.pk, **given, by=_person(request))
    except media.MediaInvalid as problem:
        if _wants_json(request):
            raise
        forms.show(form, problem)
        return _page(request, found, form)
    if _wants_json(request):
        return JsonResponse({"name": saved.name, "alt": saved.alt, "is_decorative": saved.is_decorative})
    messages.success(request, _("{name} is saved.").format(name=saved.name))
    return redirect("messaging:media-file", public_id=public_id)


@access.requires(roles.EDIT)
@require_POST
def copy(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Make a smaller copy and show it; scripts get its address."""
    width = request.POST.get("width", "")
    chosen = int(width) if width in {str(one) for one in media.COPY_WIDTHS} else media.COPY_WIDTHS[0]
    made = media.resized_copy(_get(public_id).pk, width=chosen, by=_person(request))
    if _wants_json(request):
        return JsonResponse({"url": media.url(made.file), "width": made.file.width, "height": made.file.height})
    said = _("This is the smaller copy. Messages that show the large image still show that one.")
    messages.success(request, said if made.is_new else _already(made.file))
    return redirect("messaging:media-file", public_id=made.file.public_id)


@access.requires(roles.EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Delete at once where nothing shows the image, after a question where drafts do."""
    found = _get(public_id)
    if request.method == "POST":
        try:
            media.delete(found.pk, by=_person(request), is_confirmed="is_confirmed" in request.POST)
        except media.MediaInDrafts:
            return redirect("messaging:media-delete", public_id=public_id)
        undo = reverse("messaging:media-restore", args=[public_id])
        messages.success(request, _("{name} is deleted.").format(name=found.name), extra_tags=undo)
        return redirect("messaging:media")
    is_part = request.headers.get("HX-Request") == "true"
    context = {"file": found, "drafts": media_uses.drafts_of([found.token]), "dialog_id": "delete-media"}
    return render(request, f"messaging/media_delete_{'dialog' if is_part else 'page'}.html", context)


@access.requires(roles.EDIT)
@require_POST
def restore(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = get_object_or_404(MediaFile, public_id=public_id)
    media.restore(found.pk, by=_person(request))
    messages.success(request, _("{name} is back.").format(name=found.name))
    return redirect("messaging:media")


@access.requires(roles.VIEW)
@require_safe
def thumbnail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A small still picture for lists; it never changes."""
    data, content_type = media.thumbnail(_get(public_id))
    answer = HttpResponse(data, content_type=content_type)
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer


def _page(request: HttpRequest, found: MediaFile, form: forms.MediaForm | None = None) -> HttpResponse:
    published, drafts = media_uses.published_of([found.token]), media_uses.drafts_of([found.token])
    initial = {"name": found.name, "alt": found.alt, "is_decorative": found.is_decorative}
    context: dict[str, Any] = {
        "file": found,
        "url": media.url(found),
        "path": media.path(found),
        "form": form or forms.MediaForm(initial=initial),
        "published": published,
        "is_published": found.uses.exists(),
        "drafts": drafts,
        "is_large": found.n_bytes > media.LARGE_BYTES,
        "widths": _widths(found),
        "may_edit": _person(request).has_perm(roles.EDIT),
    }
    return render(request, "messaging/media_detail.html", context, status=422 if form else 200)


def _widths(file: MediaFile) -> list[int]:
    """How wide smaller copies of an image can be."""
    return [] if file.is_animated else [width for width in media.COPY_WIDTHS if width < file.width]


def _rows(files: list[MediaFile]) -> list[dict[str, Any]]:
    """The cards of a page of the grid; one query for all drafts."""
    n_drafts = Counter(use.token for use in media_uses.drafts_of([file.token for file in files]))
    return [
        {
            "file": file,
            "used": _used(getattr(file, "n_published", 0), n_drafts[file.token]),
            "is_large": file.n_bytes > media.LARGE_BYTES,
        }
        for file in files
    ]


def _used(n_published: int, n_drafts: int) -> str:
    said = []
    if n_published:
        said.append(
            ngettext("{n} published message", "{n} published messages", n_published).format(n=f"{n_published:,}")
        )
    if n_drafts:
        said.append(ngettext("{n} draft", "{n} drafts", n_drafts).format(n=f"{n_drafts:,}"))
    return ", ".join(said)


def _get(public_id: UUID) -> MediaFile:
    return get_object_or_404(MediaFile, public_id=public_id, deleted_at=None)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
