"""Publishing and starting by kind of delivery: who may, which state follows, and what changing the kind does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEntry, User
from campaigns import lifecycle, sends, versions
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db

REPEAT = {
    "delivery__kind": "repeat",
    "delivery__repeat_from": "2026-01-01",
    "delivery__time": "09:00",
    "delivery__zone": "UTC",
}
KINDS: dict[str, dict[str, Any]] = {
    "once": {"delivery__kind": "once"},
    "at": {"delivery__kind": "at", "delivery__date": "2199-03-05", "delivery__time": "09:00", "delivery__zone": "UTC"},
    "repeat": REPEAT,
    "api": {"delivery__kind": "api"},
}
UNASKED = [REPEAT | {"delivery__asks_confirmation": False}, REPEAT | {"delivery__if_unconfirmed": "send"}]


def state(made: Campaign) -> str:
    return Campaign.objects.get(pk=made.pk).state


@pytest.mark.parametrize(("kind", "expected"), [("once", "published"), ("repeat", "published"), ("api", "active")])
def test_the_state_after_the_first_publication(kind: str, expected: str) -> None:
    made = factories.published(**KINDS[kind])
    assert made.state == expected
    if kind == "api":
        assert (made.activated_by, made.activated_at is not None) == (made.owner, True)
        row = AuditEntry.objects.get(action="campaign.activated")
        assert (row.actor, row.detail["cause"]) == (made.owner, "published")


def test_the_installation_may_ask_for_an_operator_to_activate_triggered_campaigns(settings: Any) -> None:
    settings.ACTIVATE_TRIGGERED = True
    made = factories.published(**KINDS["api"])
    assert made.state == CampaignState.PUBLISHED
    for role in ("", "Viewer", "Marketer"):
        with pytest.raises(NotAllowed):
            lifecycle.start(made.pk, by=factories.user(role))
    assert lifecycle.start(made.pk, by=factories.user("Operator")).state == CampaignState.ACTIVE
    factories.publish_again(made)
    assert state(made) == CampaignState.ACTIVE


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
def test_another_kind_on_an_active_campaign(old: str, new: str) -> None:
    """Whoever let it send one way did not let it send another way: it must be started or confirmed again."""
    operator = factories.user("Operator")
    made = factories.published(operator, **KINDS[old])
    if made.state != CampaignState.ACTIVE:
        lifecycle.activate(made.pk, by=operator)
    factories.publish_again(made, **KINDS[new])
    changes = old != new and bool({old, new} & {"repeat", "api"})
    assert state(made) == ("active" if new == "api" or not changes else "published")
    assert AuditEntry.objects.filter(action="campaign.kind_changed").exists() is changes


@pytest.mark.parametrize("new", KINDS)
def test_a_stopped_campaign_stays_stopped_whatever_is_published(new: str) -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **REPEAT)
    lifecycle.stop(made.pk, by=operator)
    factories.publish_again(made, **KINDS[new])
    assert state(made) == CampaignState.STOPPED


def test_starting_is_for_campaigns_that_send_on_their_own_and_have_a_send_left() -> None:
    operator = factories.user("Operator")
    with pytest.raises(DomainError) as refusal:
        lifecycle.start(factories.published(operator).pk, by=operator)
    assert refusal.value.code == "not_standing"
    made = factories.published(operator, **REPEAT)
    assert lifecycle.start(made.pk, by=operator).state == CampaignState.ACTIVE
    assert Campaign.objects.get(pk=made.pk).activated_by == operator
    assert AuditEntry.objects.get(action="campaign.started").actor == operator
    with pytest.raises(DomainError) as refusal:
        lifecycle.start(made.pk, by=operator)
    assert refusal.value.code == "wrong_state"


def test_a_calendar_that_ended_since_it_was_published_is_not_started() -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **REPEAT)
    over = dict(made.live_version.document)  # type: ignore[union-attr]
    over["delivery"] = over["delivery"] | {"repeat_ends": "on", "repeat_until": "2026-01-31"}
    version = CampaignVersion.objects.create(
        campaign=made,
        number=2,
        document=over,
        sha256="",
        message=made.live_version.message,  # type: ignore[union-attr]
        published_by=operator,
    )
    lifecycle.publish(made.pk, version=version, by=operator)
    with pytest.raises(DomainError) as refusal:
        lifecycle.start(made.pk, by=operator)
    assert (refusal.value.code, state(made)) == ("no_send_left", CampaignState.PUBLISHED)


@pytest.mark.parametrize("kind", ["repeat", "api"])
def test_a_campaign_that_sends_on_its_own_opens_no_send_by_hand(kind: str) -> None:
    made = factories.published(**KINDS[kind])
    with pytest.raises(DomainError) as refusal:
        sends.open_send(made.pk, by=factories.user("Operator"))
    assert refusal.value.code == "standing"
    assert [one.delivery.is_standing for one in sends.history(made)] == [True] * (kind == "api")


@pytest.mark.parametrize("fields", UNASKED)
@pytest.mark.parametrize("role", ["Marketer", "Operator", "Admin"])
def test_who_publishes_what_sends_without_confirmation(role: str, fields: dict[str, object]) -> None:
    factories.profile()
    made = factories.campaign(factories.user(role), **fields)
    publish = lambda: versions.publish(made.draft.pk, base_revision=1, by=made.owner)  # noqa: E731
    if role == "Marketer":
        with pytest.raises(versions.PublishBlocked) as refusal:
            publish()
        assert [alert.id for alert in refusal.value.alerts] == ["needs_start"]
        assert (state(made), Draft.objects.count(), CampaignVersion.objects.count()) == ("draft", 1, 0)
    else:
        assert publish().number == 1


@pytest.mark.parametrize("role", ["", "Viewer"])
def test_who_may_not_publish_at_all_is_told_that(role: str) -> None:
    made = factories.campaign(**UNASKED[0])
    with pytest.raises(NotAllowed):
        versions.publish(made.draft.pk, base_revision=1, by=factories.user(role))


@pytest.mark.parametrize("fields", UNASKED)
def test_a_change_of_anything_else_needs_the_right_too(fields: dict[str, object]) -> None:
    made = factories.published(factories.user("Operator"), **fields)
    Campaign.objects.filter(pk=made.pk).update(owner=factories.user("Marketer"))
    with pytest.raises(versions.PublishBlocked):
        factories.publish_again(Campaign.objects.get(pk=made.pk))


def test_a_right_taken_away_while_the_message_was_frozen_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.profile()
    operator = factories.user("Operator")
    made = factories.campaign(operator, **UNASKED[0])
    freeze: Callable[..., Any] = versions.content.freeze

    def revoke_and_freeze(*args: Any) -> Any:
        roles.give(User.objects.get(pk=operator.pk), "Marketer")
        return freeze(*args)

    monkeypatch.setattr(versions.content, "freeze", revoke_and_freeze)
    with pytest.raises(NotAllowed):
        versions.publish(made.draft.pk, base_revision=1, by=operator)
    assert (state(made), CampaignVersion.objects.count(), Draft.objects.count()) == ("draft", 0, 1)


def test_publishing_another_calendar_catches_nothing_up() -> None:
    operator = factories.user("Operator")
    made = factories.published(operator, **REPEAT)
    lifecycle.start(made.pk, by=operator)
    opened_until = Campaign.objects.get(pk=made.pk).opened_until
    factories.publish_again(made)
    assert Campaign.objects.get(pk=made.pk).opened_until == opened_until
    before = timezone.now()
    factories.publish_again(made, delivery__time="10:00")
    now = Campaign.objects.get(pk=made.pk).opened_until
    assert now is not None and now >= before
