"""Each move of a campaign, allowed and refused: by state, and by role."""

import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from campaigns import drafts, lifecycle, sessions, versions
from campaigns.models import Campaign, CampaignState, CampaignVersion, Draft
from delivery import refreshing
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db

DRAFT, PUBLISHED, ACTIVE, STOPPED = CampaignState.values
MOVES = {
    # move: (from states allowed, to, narrowest role, audit action)
    "activate": ({PUBLISHED}, ACTIVE, "Operator", "campaign.activated"),
    "deactivate": ({ACTIVE}, PUBLISHED, "Operator", "campaign.deactivated"),
    "stop": ({PUBLISHED, ACTIVE}, STOPPED, "Operator", "campaign.stopped"),
    "resume": ({STOPPED}, ACTIVE, "Operator", "campaign.resumed"),
}


def in_state(state: str) -> Campaign:
    """A campaign brought there by the moves themselves."""
    if state == DRAFT:
        return factories.campaign()
    made, operator = factories.published(), factories.user("Operator")
    if state in {ACTIVE, STOPPED}:
        lifecycle.activate(made.pk, by=operator)
    if state == STOPPED:
        lifecycle.stop(made.pk, by=operator)
    return Campaign.objects.get(pk=made.pk)


@pytest.mark.parametrize("state", CampaignState.values)
@pytest.mark.parametrize("move", MOVES)
def test_moves_by_state(move: str, state: str) -> None:
    sources, target, role, action = MOVES[move]
    made, by = in_state(state), factories.user(role)
    before = AuditEntry.objects.filter(action=action).count()
    if state in sources:
        assert getattr(lifecycle, move)(made.pk, by=by).state == target
        entry = AuditEntry.objects.filter(action=action).latest("id")
        assert (entry.subject_id, entry.actor) == (str(made.public_id), by)
    else:
        with pytest.raises(DomainError) as caught:
            getattr(lifecycle, move)(made.pk, by=by)
        assert caught.value.code == "wrong_state"
        assert made.name in caught.value.message
    assert Campaign.objects.get(pk=made.pk).state == (target if state in sources else state)
    assert AuditEntry.objects.filter(action=action).count() == before + (state in sources)


@pytest.mark.parametrize("role", ["", "Viewer", "Marketer"])
@pytest.mark.parametrize("move", MOVES)
def test_moves_by_role(move: str, role: str) -> None:
    sources, _target, _role, _action = MOVES[move]
    state = sorted(sources)[0]
    made = in_state(state)
    with pytest.raises(NotAllowed) as caught:
        getattr(lifecycle, move)(made.pk, by=factories.user(role))
    assert "Operator" in caught.value.message
    assert Campaign.objects.get(pk=made.pk).state == state


def test_a_right_taken_away_a_moment_ago_counts() -> None:
    made, operator = factories.published(), factories.user("Operator")
    assert operator.has_perm("delivery.start_deliveries")
    operator.groups.clear()
    with pytest.raises(NotAllowed):
        lifecycle.stop(made.pk, by=operator)


def test_the_owner_may_deactivate_and_strangers_to_the_campaign_may_not() -> None:
    made = in_state(ACTIVE)
    assert lifecycle.deactivate(made.pk, by=made.owner).state == PUBLISHED


@pytest.mark.parametrize(
    ("state", "end"), [(DRAFT, PUBLISHED), (PUBLISHED, PUBLISHED), (ACTIVE, ACTIVE), (STOPPED, STOPPED)]
)
def test_publish_changes_the_state_only_the_first_time(state: str, end: str) -> None:
    factories.profile()
    made = in_state(state)
    draft = drafts.modify(made.pk, by=made.owner) if state != DRAFT else made.draft
    versions.publish(draft.pk, base_revision=draft.revision, by=made.owner)
    assert Campaign.objects.get(pk=made.pk).state == end


def with_delivery(state: str) -> tuple[Campaign, Delivery]:
    """An active campaign with a send; the state is set on creation, as no move is under test here."""
    made = in_state(ACTIVE)
    return made, factories.campaign_send(made, state)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DeliveryState.CONFIRMED, DeliveryState.CANCELLED),
        (DeliveryState.SENDING, DeliveryState.STOPPED),
        (DeliveryState.PAUSED, DeliveryState.STOPPED),
        (DeliveryState.PREPARING, DeliveryState.NEW),
        (DeliveryState.PREPARED, DeliveryState.PREPARED),
        (DeliveryState.FINISHED, DeliveryState.FINISHED),
    ],
)
def test_stop_ends_what_would_still_send(before: str, after: str) -> None:
    made, delivery = with_delivery(before)
    lifecycle.stop(made.pk, by=factories.user("Operator"))
    assert Delivery.objects.get(pk=delivery.pk).state == after
    assert Campaign.objects.get(pk=made.pk).stop_cause == "person"


@pytest.mark.parametrize(("before", "after"), [("preparing", "new"), ("prepared", "cancelled")])
def test_stop_ends_a_send_that_is_prepared_again_at_its_start(before: str, after: str) -> None:
    """Between its preparation and the tick that confirms it again it only looks as if it waited for a person."""
    made, operator = in_state(ACTIVE), factories.user("Operator")
    delivery = factories.campaign_send(
        made, before, refreshing_from=1, n_to_send=1, seal="s", prepared_at=timezone.now(), confirmed_by=operator
    )
    with pytest.raises(DomainError) as caught:
        lifecycle.archive(made.pk, by=made.owner)
    assert caught.value.code == "send_open"
    lifecycle.stop(made.pk, by=operator)
    refreshing.settle_all()
    found = Delivery.objects.get(pk=delivery.pk)
    assert (found.state, found.refreshing_from, found.start_at) == (after, None, None)


def test_resume_catches_nothing_up() -> None:
    made, delivery = with_delivery(DeliveryState.CONFIRMED)
    operator = factories.user("Operator")
    lifecycle.stop(made.pk, by=operator)
    resumed = lifecycle.resume(made.pk, by=operator)
    assert (resumed.state, resumed.stop_cause) == (ACTIVE, "")
    assert Delivery.objects.get(pk=delivery.pk).state == DeliveryState.CANCELLED
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    "state", [DeliveryState.PREPARING, DeliveryState.CONFIRMED, DeliveryState.SENDING, DeliveryState.PAUSED]
)
def test_archive_is_refused_while_something_would_send(state: str) -> None:
    made, _delivery = with_delivery(state)
    with pytest.raises(DomainError) as caught:
        lifecycle.archive(made.pk, by=made.owner)
    assert caught.value.code == "send_open"
    assert Campaign.objects.get(pk=made.pk).archived_at is None


def test_archive_and_unarchive_keep_the_state_and_refuse_everything_between() -> None:
    made, operator = in_state(ACTIVE), factories.user("Operator")
    archived = lifecycle.archive(made.pk, by=made.owner)
    assert archived.archived_at
    assert lifecycle.archive(made.pk, by=made.owner).archived_at == archived.archived_at
    for refused in (lambda: lifecycle.stop(made.pk, by=operator), lambda: drafts.modify(made.pk, by=operator)):
        with pytest.raises(DomainError) as caught:
            refused()
        assert caught.value.code == "archived"
    assert lifecycle.unarchive(made.pk, by=operator).archived_at is None
    assert Campaign.objects.get(pk=made.pk).state == ACTIVE
    assert AuditEntry.objects.filter(action="campaign.archived").count() == 1


@pytest.mark.parametrize("move", ["archive", "unarchive", "delete"])
def test_marketers_archive_and_delete_only_their_own(move: str) -> None:
    made = factories.campaign()
    with pytest.raises(NotAllowed) as caught:
        getattr(lifecycle, move)(made.pk, by=factories.user("Marketer"))
    assert str(made.owner) in caught.value.message
    getattr(lifecycle, move)(made.pk, by=factories.user("Operator"))


def test_delete_takes_a_never_published_campaign_and_nothing_else() -> None:
    made, kept = factories.campaign(), factories.published()
    sessions.open_session(made.draft.pk, by=made.owner)
    lifecycle.delete(made.pk, by=made.owner)
    assert not Campaign.objects.filter(pk=made.pk).exists()
    assert not Draft.objects.exists()
    assert AuditEntry.objects.get(action="campaign.deleted").detail["name"] == "Autumn sale"
    with pytest.raises(DomainError) as caught:
        lifecycle.delete(kept.pk, by=kept.owner)
    assert caught.value.code == "was_published"
    assert CampaignVersion.objects.filter(campaign=kept).exists()
