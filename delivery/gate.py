"""Who may move a delivery, and what must hold before a list is released or a delivery ends. Judged by
delivery.lifecycle under the delivery's lock; moves nothing."""

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from accounts import access, audit, installation, roles
from accounts.models import User
from delivery import options, refusals, staleness
from delivery.models import Delivery, DeliveryState

_UNCONFIRMED = frozenset(
    {DeliveryState.NEW, DeliveryState.PREPARING, DeliveryState.PREPARED, DeliveryState.MISSED, DeliveryState.CANCELLED}
)


def require(by: User | None, permission: str, *, owner: int | None = None) -> None:
    """Raise NotAllowed unless `by`, read again in this transaction, has `permission` or is the owner."""
    assert by is not None, "a person must ask for this"
    user = access.fresh(by)
    if owner is not None and user.pk == owner and user.is_active:
        return
    access.check(user, permission)


def require_editor(by: User | None) -> None:
    """Raise NotAllowed unless `by` may edit campaigns; a machine may."""
    if by is not None:
        require(by, roles.EDIT)


def check_closed(delivery: Delivery) -> None:
    """Raise WrongState while a standing delivery takes requests: its campaign decides for how long."""
    if delivery.is_standing and delivery.closed_at is None:
        raise refusals.WrongState(_("It takes requests. Stop its campaign instead."), code="standing")


def is_repeated(delivery: Delivery, by: User, key: str) -> bool:
    """Whether the page with `key` already confirmed this list, for the same person.

    Raises Stale when that confirmation was taken back since: an old form that comes again confirms nothing.
    """
    subject = ("delivery", str(delivery.public_id))
    if not audit.has("delivery.confirmed", subject=subject, key=key):
        return False
    if delivery.state in _UNCONFIRMED:
        raise refusals.Stale(_("This page already confirmed the send once, and it was cancelled since. Reload it."))
    return delivery.confirmed_by_id == by.pk


def check_person(delivery: Delivery, by: User) -> None:
    """Raise SecondPerson when `by` published what is sent and the installation wants another one to confirm."""
    if needs_another(delivery, by):
        raise refusals.SecondPerson(_("You published this version. Someone else must confirm it."))


def needs_another(delivery: Delivery, person: User) -> bool:
    """Whether somebody else than `person` must confirm. One query, for the setting."""
    return delivery.author_id == person.pk and installation.flag(options.SECOND_PERSON)


def check_list(delivery: Delivery, seal: str, n_to_send: int) -> None:
    """Raise AlreadyConfirmed, WrongState or Stale unless the list with this seal and count can be released now."""
    if delivery.confirmed_at and delivery.state not in _UNCONFIRMED:
        raise _already_confirmed(delivery)
    if delivery.state != DeliveryState.PREPARED:
        raise refusals.wrong(delivery)
    if not seal or delivery.seal != seal or delivery.n_to_send != n_to_send:
        raise refusals.Stale(
            _("The list was prepared again since this page was opened. Look at the new numbers first.")
        )
    for reason in staleness.reasons(delivery, timezone.now()):
        raise refusals.Stale(reason.message, is_mended=reason.is_mended)
    if n_to_send <= 0:
        raise refusals.WrongState(_("Nobody to send to."))


def _already_confirmed(delivery: Delivery) -> refusals.AlreadyConfirmed:
    assert delivery.confirmed_at is not None
    at = formats.time_format(timezone.localtime(delivery.confirmed_at), "H:i")
    return refusals.AlreadyConfirmed(
        _("{name} already confirmed this send at {time}.").format(name=delivery.confirmed_by, time=at)
    )
