"""Templates: content that campaigns start from. A campaign copies it, so a change here changes no campaign.

Like a draft, a template may hold anything: nothing refuses it for its syntax. Of two people who save at once the first
wins and the second is told who and when. Called by the pages of campaigns. Every function that writes locks the row.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib import texts
from lib.errors import DomainError
from messaging.models import BodyKind, Template

PAGE_SIZE = 24
NAME_LIMIT = 120
DESCRIPTION_LIMIT = 300
# Bytes of JSON; a draft takes 5 MB of it, with its other fields.
MAX_BYTES = 4_900_000


class TemplateInvalid(DomainError):
    """A template can't be saved; `fields` says where."""

    code = "template_invalid"
    status = 422


class TemplateConflict(DomainError):
    """Somebody saved first. `revision` is theirs: saving on top of it replaces what they wrote."""

    code = "template_conflict"

    def __init__(self, template: Template, *, by: User) -> None:
        self.revision = template.revision
        at = date_format(timezone.localtime(template.edited_at), "H:i")
        if template.edited_by_id == by.pk:
            message = _("You saved this template in another tab at {time}.").format(time=at)
        else:
            message = _("{name} saved this template at {time}.").format(name=template.edited_by, time=at)
        super().__init__(message)


@dataclass(frozen=True)
class TemplateFields:
    """What people write in a template. `text` None: the plain text is generated from the body."""

    name: str
    description: str = ""
    subject: str = ""
    preheader: str = ""
    body_kind: str = BodyKind.HTML.value
    body: str = ""
    text: str | None = None


def find(public_id: UUID | str) -> Template | None:
    """The template of an id, archived or not, with the person who edited it; None when there is none."""
    try:
        wanted = UUID(str(public_id))
    except ValueError:
        return None
    return Template.objects.select_related("edited_by").filter(public_id=wanted).first()


def page(*, query: str = "", number: str | int = 1, is_archived: bool = False) -> Page[Template]:
    """Templates whose name, description or subject have all words of `query`, last edited first. Two queries.

    Bodies are not loaded. An odd page number is the nearest page there is.
    """
    found = Template.objects.filter(archived_at__isnull=not is_archived)
    for word in texts.storable(query)[:300].split():
        found = found.filter(Q(name__icontains=word) | Q(description__icontains=word) | Q(subject__icontains=word))
    ordered = found.select_related("edited_by").defer("body", "text").order_by("-edited_at", "-id")
    return Paginator(ordered, PAGE_SIZE).get_page(number)


def n_archived() -> int:
    """How many templates are archived."""
    return Template.objects.exclude(archived_at=None).count()


def has_any() -> bool:
    """Whether there is a template to choose."""
    return _active().exists()


def create(fields: TemplateFields, *, by: User) -> Template:
    """A new template. Raises NotAllowed and TemplateInvalid."""
    access.check(access.fresh(by), roles.EDIT)
    checked = _checked(fields)
    with transaction.atomic():
        template = Template.objects.create(**asdict(checked), created_by=by, edited_by=by, edited_at=timezone.now())
        _record("template.created", template, by, name=template.name)
    return template


def save(template_id: int, *, base_revision: int, fields: TemplateFields, by: User) -> Template:
    """Store `fields` if nobody stored anything else since `base_revision`.

    Values equal to the stored ones change nothing, so that a repeated request is harmless.
    Raises NotAllowed, TemplateInvalid, TemplateConflict, and DomainError for an archived one.
    """
    access.check(access.fresh(by), roles.EDIT)
    checked = asdict(_checked(fields))
    with transaction.atomic():
        template = _locked(template_id)
        changed = [name for name, value in checked.items() if getattr(template, name) != value]
        if not changed:
            return template
        if template.revision != base_revision:
            raise TemplateConflict(template, by=by)
        if template.archived_at is not None:
            raise archived(template)
        for name in changed:
            setattr(template, name, checked[name])
        template.revision += 1
        template.edited_at, template.edited_by = timezone.now(), by
        template.save(update_fields=[*changed, "revision", "edited_at", "edited_by"])
        _record("template.changed", template, by, name=template.name, changed=changed)
    return template


def duplicate(template_id: int, *, by: User) -> Template:
    """A new template with the content of this one. Raises NotAllowed."""
    original = Template.objects.get(pk=template_id)
    name = _("Copy of {name}").format(name=original.name)[:NAME_LIMIT]
    return create(
        TemplateFields(
            name=name,
            description=original.description,
            subject=original.subject,
            preheader=original.preheader,
            body_kind=original.body_kind,
            body=original.body,
            text=original.text,
        ),
        by=by,
    )


def archive(template_id: int, *, by: User) -> Template:
    """Offer it no more; campaigns that started from it keep what they have. Raises NotAllowed."""
    return _set_archived(template_id, timezone.now(), by=by)


def restore(template_id: int, *, by: User) -> Template:
    """Offer an archived template again. Raises NotAllowed."""
    return _set_archived(template_id, None, by=by)


def archived(template: Template) -> DomainError:
    """The refusal of whatever needs a template that is offered."""
    return DomainError(_("“{name}” is archived. Restore it first.").format(name=template.name), code="archived")


def _set_archived(template_id: int, at: dt.datetime | None, *, by: User) -> Template:
    access.check(access.fresh(by), roles.EDIT)
    with transaction.atomic():
        template = _locked(template_id)
        if (template.archived_at is None) != (at is None):
            template.archived_at = at
            template.save(update_fields=["archived_at"])
            _record("template.archived" if at else "template.restored", template, by, name=template.name)
    return template


def _active() -> QuerySet[Template]:
    return Template.objects.filter(archived_at=None)


def _locked(template_id: int) -> Template:
    # Without its editor in the statement: PostgreSQL reads the row again after waiting and would find that the joined
    # person is not the one named now, so nothing at all.
    return Template.objects.select_for_update(no_key=True).get(pk=template_id)


def _checked(fields: TemplateFields) -> TemplateFields:
    """`fields` as they can be stored, or TemplateInvalid."""
    cleaned = {
        name: texts.storable(value).replace("\r\n", "\n") if isinstance(value, str) else value
        for name, value in asdict(fields).items()
    }
    cleaned["name"], cleaned["description"] = cleaned["name"].strip(), cleaned["description"].strip()
    problems: dict[str, str] = {}
    if not cleaned["name"]:
        problems["name"] = _("The name is empty. Enter a name.")
    elif len(cleaned["name"]) > NAME_LIMIT:
        problems["name"] = _("The name is longer than {n} characters. Shorten it.").format(n=NAME_LIMIT)
    if len(cleaned["description"]) > DESCRIPTION_LIMIT:
        sentence = _("The description is longer than {n} characters. Shorten it.")
        problems["description"] = sentence.format(n=DESCRIPTION_LIMIT)
    if cleaned["body_kind"] not in BodyKind.values:
        problems["body"] = _("A message is written in blocks, HTML or MJML.")
    elif len(json.dumps(cleaned)) > MAX_BYTES:
        problems["body"] = _("The template is larger than 4.9 MB. Make the message smaller.")
    if problems:
        raise TemplateInvalid(next(iter(problems.values())), fields=problems)
    return TemplateFields(**cleaned)


def _record(action: str, template: Template, by: User, **detail: object) -> None:
    audit.record(action, subject=("template", str(template.public_id)), by=by, detail=detail)
