"""A campaign that requests trigger has one open standing delivery of its live version while it is active."""

import pytest

from accounts import roles
from campaigns import lifecycle, openings, sends
from campaigns.models import Campaign, CampaignSend
from delivery import clock, sending
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError
from tests import factories

pytestmark = pytest.mark.django_db
API = {"delivery__kind": "api"}


def standing(of: Campaign) -> list[tuple[int, str, bool]]:
    """(version, state, takes requests) of each standing delivery, oldest first."""
    found = CampaignSend.objects.filter(campaign=of, delivery__is_standing=True).order_by("pk")
    return [(one.version.number, one.delivery.state, one.delivery.closed_at is None) for one in found]


def test_publishing_opens_it_and_nothing_prepares_or_finishes_it() -> None:
    made = factories.published(**API)
    assert standing(made) == [(1, "sending", True)]
    delivery = sends.current(made)
    assert delivery is not None and (delivery.seal, delivery.n_to_send) == ("", None)
    assert clock.tick().prepare == []
    assert not sending.finish_if_done(delivery.pk)
    assert standing(made) == [(1, "sending", True)]


@pytest.mark.parametrize("kind", ["once", "repeat"])
def test_other_kinds_have_none(kind: str) -> None:
    fields = {"delivery__repeat_from": "2026-01-01", "delivery__time": "09:00", "delivery__zone": "UTC"}
    assert standing(factories.published(delivery__kind=kind, **fields)) == []


def test_a_new_version_closes_it_for_requests_and_opens_its_own() -> None:
    made = factories.published(**API)
    factories.publish_again(made)
    assert standing(made) == [(1, "sending", False), (2, "sending", True)]
    clock.tick()
    assert standing(made) == [(1, "finished", False), (2, "sending", True)]
    old = Delivery.objects.get(campaign_send__version__number=1)
    assert old.valid_until is not None and old.closed_at is not None
    assert (old.valid_until - old.closed_at).total_seconds() == old.validity_s


def test_another_kind_closes_it() -> None:
    made = factories.published(**API)
    factories.publish_again(made, delivery__kind="once")
    assert standing(made) == [(1, "sending", False)]


def test_stop_ends_it_and_resume_opens_another() -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **API)
    lifecycle.stop(made.pk, by=operator)
    assert standing(made) == [(1, "stopped", False)]
    lifecycle.resume(made.pk, by=operator)
    assert standing(made) == [(1, "stopped", False), (1, "sending", True)]


def test_where_an_operator_must_activate_it_is_opened_then(settings: object) -> None:
    settings.ACTIVATE_TRIGGERED = True  # type: ignore[attr-defined]
    made = factories.published(**API)
    assert standing(made) == []
    lifecycle.start(made.pk, by=factories.user("Operator"))
    assert standing(made) == [(1, "sending", True)]


def test_the_send_alone_can_be_paused_and_not_stopped() -> None:
    operator = factories.user("Operator")
    delivery = sends.current(factories.published(operator, **API))
    assert delivery is not None
    with pytest.raises(DomainError) as refusal:
        delivery_lifecycle.stop(delivery.pk, by=operator)
    assert refusal.value.code == "standing"
    assert delivery_lifecycle.pause(delivery.pk, by=operator).state == DeliveryState.PAUSED
    assert delivery_lifecycle.resume(delivery.pk, by=operator).state == DeliveryState.SENDING


def test_following_again_changes_nothing() -> None:
    made = factories.published(**API)
    openings.follow(made, by=made.owner)
    assert standing(made) == [(1, "sending", True)]
    assert made.owner.has_perm(roles.EDIT)
