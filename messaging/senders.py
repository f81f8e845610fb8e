"""From identities. Messages copy their name and address, so editing one changes only what is published later."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import models, transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from lib.errors import DomainError
from messaging import headers, personalization
from messaging.models import Message, Sender


class SenderInvalid(DomainError):
    """A sender can't be saved; `fields` says where."""

    code = "sender_invalid"
    status = 422


def active() -> list[Sender]:
    """The senders a campaign can choose, the default first."""
    return list(Sender.objects.filter(archived_at=None).order_by("-is_default", "name", "id"))


def archived() -> list[Sender]:
    """The senders that can't be chosen any more, the last archived first."""
    return list(Sender.objects.exclude(archived_at=None).order_by("-archived_at"))


def default() -> Sender | None:
    """The sender new campaigns start with; None while there is none."""
    return next(iter(active()), None)


def find(public_id: UUID | str) -> Sender | None:
    """The sender of a draft, archived or not; None when there is none of that id."""
    try:
        return Sender.objects.filter(public_id=UUID(str(public_id))).first()
    except ValueError:
        return None


def usage() -> dict[str, int]:
    """How many published messages carry each address."""
    counted = Message.objects.values_list("sender_address").annotate(n=models.Count("id"))
    return dict(counted)


@transaction.atomic
def save(*, name: str, address: str, reply_to: str, by: User, sender_id: int | None = None) -> Sender:
    """Add a sender, or change one. The first becomes the default. Raises NotAllowed and SenderInvalid."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    fields = {"name": headers.clean(name)[:120], "address": address.strip(), "reply_to": reply_to.strip()}
    _validate(fields, sender_id)
    if sender_id is None:
        has_any = Sender.objects.filter(archived_at=None).exists()
        sender = Sender.objects.create(**fields, is_default=not has_any)
    else:
        sender = Sender.objects.select_for_update(no_key=True).get(pk=sender_id)
        for field, value in fields.items():
            setattr(sender, field, value)
        sender.save(update_fields=list(fields))
    audit.record("sender.saved", subject=("sender", str(sender.public_id)), by=by, detail=dict(fields))
    return sender


@transaction.atomic
def make_default(sender_id: int, *, by: User) -> Sender:
    """Let new campaigns start with this sender. Raises NotAllowed, and SenderInvalid for an archived one."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    # All rows in the order of their ids: two people choosing at once wait for each other and never deadlock.
    rows = {row.pk: row for row in Sender.objects.select_for_update(no_key=True).order_by("id")}
    sender = rows[sender_id]
    if sender.archived_at is not None:
        raise SenderInvalid(_("This sender is archived. Restore it first."), status=409)
    for row in rows.values():
        if row.is_default and row.pk != sender_id:
            row.is_default = False
            row.save(update_fields=["is_default"])
    if not sender.is_default:
        sender.is_default = True
        sender.save(update_fields=["is_default"])
        audit.record("sender.made_default", subject=("sender", str(sender.public_id)), by=by)
    return sender


@transaction.atomic
def archive(sender_id: int, *, by: User) -> Sender:
    """Take a sender out of the choices; drafts that name it keep it until somebody chooses another.

    Raises NotAllowed, and SenderInvalid for the default one.
    """
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    sender = Sender.objects.select_for_update(no_key=True).get(pk=sender_id)
    if sender.is_default:
        raise SenderInvalid(_("This is the default sender. Make another one the default first."), status=409)
    if sender.archived_at is None:
        sender.archived_at = datetime.now(UTC)
        sender.save(update_fields=["archived_at"])
        audit.record("sender.archived", subject=("sender", str(sender.public_id)), by=by)
    return sender


@transaction.atomic
def restore(sender_id: int, *, by: User) -> Sender:
    """Put an archived sender back among the choices. Raises NotAllowed."""
    access.check(access.fresh(by), roles.MANAGE_TRANSPORTS)
    sender = Sender.objects.select_for_update(no_key=True).get(pk=sender_id)
    if sender.archived_at is not None:
        sender.archived_at = None
        sender.save(update_fields=["archived_at"])
        audit.record("sender.restored", subject=("sender", str(sender.public_id)), by=by)
    return sender


def _validate(fields: dict[str, str], sender_id: int | None) -> None:
    problems: dict[str, str] = {}
    if not fields["name"]:
        problems["name"] = _("The name is empty. Enter the name people see in their mail app.")
    if not fields["address"]:
        problems["address"] = _("The address is empty. Enter an email address.")
    for field in ("address", "reply_to"):
        try:
            if fields[field]:
                headers.ascii_address(fields[field])
        except personalization.RenderProblem as problem:
            problems[field] = problem.message
    same = Sender.objects.filter(name=fields["name"], address__iexact=fields["address"], archived_at=None)
    others = same if sender_id is None else same.exclude(pk=sender_id)
    if not problems and others.exists():
        problems["address"] = _("There is already a sender with this name and address.")
    if problems:
        raise SenderInvalid(_("The sender can't be saved."), fields=problems)
