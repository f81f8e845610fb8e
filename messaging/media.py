"""The media library: storing images, describing, shrinking, deleting them, and giving them out.

Everything people upload goes through messaging.images, which refuses what is no image and takes out what it says about
its author. Rights: roles.EDIT to change, roles.VIEW to look; whoever knows a public address may load it.
"""

import datetime as dt
import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib import texts
from lib.errors import DomainError
from messaging import images, media_uses
from messaging.models import MediaContent, MediaFile, MediaUse

# From this size on people are told that mail apps load an image slowly. Bytes.
LARGE_BYTES = 1024 * 1024
COPY_WIDTHS = (600, 1200)
# How long the bytes of a deleted file are kept, for Undo and for drafts that still show it.
KEPT = dt.timedelta(days=30)
_TOKEN = re.compile("[A-Za-z0-9_-]{16}")
_NAME_LENGTH, _ALT_LENGTH = 120, 300


class MediaInvalid(DomainError):
    """Name or alternative text can't be saved; `fields` has the sentences."""

    code = "media_invalid"
    status = 422


class MediaInUse(DomainError):
    """The file can't be deleted: a published message shows it."""

    code = "media_in_use"


class MediaInDrafts(DomainError):
    """Drafts show the file, and nobody confirmed that it goes all the same."""

    code = "media_in_drafts"


@dataclass(frozen=True)
class Stored:
    """A file of the library; `is_new` is false when it was there already."""

    file: MediaFile
    is_new: bool


def store(data: bytes, *, name: str, by: User) -> Stored:
    """Put an uploaded image into the library. Raises ImageRefused, NotAllowed.

    The same bytes again give the file that is there, also to two people at once; a deleted one comes back.
    """
    access.check(access.fresh(by), roles.EDIT)
    return _keep(images.read(data), {"name": _file_name(name)}, by=by, action="media.uploaded")


def resized_copy(file_id: int, *, width: int, by: User) -> Stored:
    """A copy `width` pixels wide as a file of its own, with the same text. Raises ImageRefused, NotAllowed."""
    access.check(access.fresh(by), roles.EDIT)
    original = MediaFile.objects.get(pk=file_id, deleted_at=None)
    picture = images.read(images.smaller(content(original), width=width))
    if len(picture.data) >= original.n_bytes:
        sentence = _("A copy {n} pixels wide would be a larger file than the image itself.")
        raise images.ImageRefused(sentence.format(n=width))
    described: dict[str, object] = {
        "name": f"{original.name[: _NAME_LENGTH - 5]}-{width}",
        "alt": original.alt,
        "is_decorative": original.is_decorative,
    }
    return _keep(picture, described, by=by, action="media.copied")


@transaction.atomic
def describe(file_id: int, *, name: str | None = None, alt: str, is_decorative: bool, by: User) -> MediaFile:
    """Change what a file is called and what it says to people who don't see it. Raises MediaInvalid, NotAllowed.

    A decorative image has no text. Messages keep the text they were written with.
    """
    access.check(access.fresh(by), roles.EDIT)
    file = MediaFile.objects.select_for_update(no_key=True).get(pk=file_id, deleted_at=None)
    wanted = {
        "name": file.name if name is None else _one_line(name),
        "alt": "" if is_decorative else _one_line(alt),
        "is_decorative": is_decorative,
    }
    _refuse_problems(str(wanted["name"]), str(wanted["alt"]))
    changes = {key: [getattr(file, key), value] for key, value in wanted.items() if getattr(file, key) != value}
    for key, value in wanted.items():
        setattr(file, key, value)
    if changes:
        file.save(update_fields=list(wanted))
        audit.record("media.described", subject=("media", str(file.public_id)), by=by, detail={**changes})
    return file


@transaction.atomic
def delete(file_id: int, *, by: User, is_confirmed: bool = False) -> MediaFile:
    """Take a file out of the library. Raises MediaInUse, MediaInDrafts unless `is_confirmed`, NotAllowed."""
    access.check(access.fresh(by), roles.EDIT)
    # The full lock, against a publication that is noting its files now (media_uses.note).
    file = MediaFile.objects.select_for_update().get(pk=file_id, deleted_at=None)
    if MediaUse.objects.filter(file=file).exists():
        raise MediaInUse(_("Sent messages still show it."))
    drafts = media_uses.drafts_of([file.token])
    if drafts and not is_confirmed:
        raise MediaInDrafts(
            _("Drafts and templates still show it: {names}.").format(names=", ".join(use.label for use in drafts))
        )
    file.deleted_at = timezone.now()
    file.save(update_fields=["deleted_at"])
    detail: dict[str, object] = {"name": file.name, "drafts": [use.label for use in drafts]}
    audit.record("media.deleted", subject=("media", str(file.public_id)), by=by, detail=detail)
    return file


@transaction.atomic
def restore(file_id: int, *, by: User) -> MediaFile:
    """Bring a deleted file back under its old address; one that is not deleted stays as it is. Raises NotAllowed."""
    access.check(access.fresh(by), roles.EDIT)
    file = MediaFile.objects.select_for_update(no_key=True).get(pk=file_id)
    if file.deleted_at is not None:
        file.deleted_at = None
        file.save(update_fields=["deleted_at"])
        audit.record("media.restored", subject=("media", str(file.public_id)), by=by)
    return file


def purge() -> int:
    """Delete what was deleted more than 30 days ago and no published message shows; how many. Safe to repeat."""
    before = timezone.now() - KEPT
    n_purged = 0
    for file_id in list(MediaFile.objects.filter(deleted_at__lt=before).values_list("pk", flat=True)):
        with transaction.atomic():
            # Asked again under the lock: it may have been restored or published since.
            file = MediaFile.objects.select_for_update().filter(pk=file_id, deleted_at__lt=before).first()
            if file is None or MediaUse.objects.filter(file=file).exists():
                continue
            audit.record("media.purged", subject=("media", str(file.public_id)), label="scheduler")
            file.delete()
            n_purged += 1
    return n_purged


def listing(query: str = "") -> QuerySet[MediaFile]:
    """The files of the library, newest first, each with `n_published`; those whose name or text contains `query`."""
    rows = MediaFile.objects.filter(deleted_at=None)
    text = query.replace("\0", "").strip()[:200]
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(alt__icontains=text))
    n_uses = MediaUse.objects.filter(file=OuterRef("pk")).values("file").annotate(n=Count("pk")).values("n")
    return rows.annotate(n_published=Coalesce(Subquery(n_uses, output_field=IntegerField()), 0)).order_by("-pk")


def served(token: str) -> MediaFile | None:
    """The file behind a public address; None for none, and for a deleted one that no published message shows."""
    file = MediaFile.objects.filter(token=token).first() if _TOKEN.fullmatch(token) else None
    if file is None or (file.deleted_at and not MediaUse.objects.filter(file=file).exists()):
        return None
    return file


def content(file: MediaFile) -> bytes:
    """The bytes that are served."""
    return bytes(MediaContent.objects.values_list("data", flat=True).get(file=file))


def thumbnail(file: MediaFile) -> tuple[bytes, str]:
    """A small still picture of the file, and its content type."""
    small = bytes(MediaContent.objects.values_list("thumbnail", flat=True).get(file=file))
    return (small, "image/webp") if small else (content(file), file.content_type)


def path(file: MediaFile) -> str:
    """Where the file lies on this server. The name is for people: the token alone names the file."""
    name = f"{slugify(file.name)[:60] or 'image'}.{images.EXTENSIONS[file.content_type]}"
    return reverse("messaging:media-public", args=[file.token, name])


def url(file: MediaFile) -> str:
    """The address that stands in messages."""
    return f"{settings.PUBLIC_URL}{path(file)}"


def _keep(picture: images.Picture, described: dict[str, object], *, by: User, action: str) -> Stored:
    """The file with the bytes of `picture`: a new one with `described`, or the one that is there."""
    sha256 = hashlib.sha256(picture.data).hexdigest()
    known = MediaFile.objects.filter(sha256=sha256).first()
    if known is None:
        try:
            return Stored(_create(picture, {"sha256": sha256, **described}, by=by, action=action), is_new=True)
        except IntegrityError:
            # Somebody stored the same bytes a moment ago.
            known = MediaFile.objects.get(sha256=sha256)
    return Stored(restore(known.pk, by=by), is_new=False)


@transaction.atomic
def _create(picture: images.Picture, described: dict[str, object], *, by: User, action: str) -> MediaFile:
    file = MediaFile.objects.create(
        **described,
        token=secrets.token_urlsafe(12),
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        is_animated=picture.is_animated,
        n_bytes=len(picture.data),
        created_by=by,
    )
    MediaContent.objects.create(file=file, data=picture.data, thumbnail=picture.thumbnail)
    detail: dict[str, object] = {"name": file.name, "bytes": file.n_bytes}
    audit.record(action, subject=("media", str(file.public_id)), by=by, detail=detail)
    return file


def _file_name(name: str) -> str:
    """What a file is called without its folder and its ending, which say nothing that can be trusted."""
    base = _one_line(name.replace("\\", "/").rpartition("/")[2])
    stem = base.rpartition(".")[0] or base
    return stem[:_NAME_LENGTH].strip() or _("Image")


def _one_line(text: str) -> str:
    """Without control characters, which would break a page or an attribute of an email."""
    clean = "".join(" " if unicodedata.category(char) == "Cc" else char for char in texts.storable(text))
    return " ".join(clean.split())


def _refuse_problems(name: str, alt: str) -> None:
    found: dict[str, str] = {}
    if not name:
        found["name"] = _("The name is empty. Enter a name.")
    elif len(name) > _NAME_LENGTH:
        found["name"] = _("The name is longer than {n} characters. Shorten it.").format(n=_NAME_LENGTH)
    if len(alt) > _ALT_LENGTH:
        found["alt"] = _("The alternative text is longer than {n} characters. Shorten it.").format(n=_ALT_LENGTH)
    if found:
        raise MediaInvalid(next(iter(found.values())), fields=found)
