"""Archiving many at once: who may, what can't be and why, and that undo brings back exactly those."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEntry
from campaigns import approvals, archiving, lifecycle, sends
from campaigns.models import Campaign
from delivery import preparation
from delivery.models import DeliveryState
from lib.errors import DomainError, NotAllowed
from tests import factories


def archived() -> set[str]:
    return set(Campaign.objects.filter(archived_at__isnull=False).values_list("name", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["", *DeliveryState.values])
def test_one_and_many_are_archived_by_the_same_rule(state: str) -> None:
    made = factories.published(name="Order shipped")
    if state:
        factories.campaign_send(made, state)
    found = archiving.check([made.pk], by=made.owner)
    if found.n_possible:
        assert found.refused == ()
        assert lifecycle.archive(made.pk, by=made.owner).archived_at is not None
    else:
        with pytest.raises(DomainError) as refusal:
            lifecycle.archive(made.pk, by=made.owner)
        assert found.refused == (refusal.value.message,)
    assert bool(found.n_possible) is (state not in lifecycle.OPEN)


@pytest.mark.django_db
def test_a_send_that_is_prepared_again_at_its_start_is_open() -> None:
    made = factories.published(name="Order shipped")
    factories.campaign_send(made, "prepared", refreshing_from=1)
    assert archiving.archive([made.pk], by=made.owner).refused == (
        "Order shipped is sending or scheduled. Stop it first.",
    )
    assert archived() == set()


@pytest.mark.django_db
def test_what_somebody_was_asked_to_confirm_closes() -> None:
    operator = factories.user("Operator")
    made = factories.published()
    preparation.run(sends.open_send(made.pk, by=made.owner).pk)
    delivery = sends.current(made)
    assert delivery is not None
    asked = approvals.ask(made.pk, delivery.pk, seal=delivery.seal, asked=approvals.Asked(), by=made.owner)
    archiving.archive([made.pk], by=operator)
    asked.refresh_from_db()
    assert (asked.status, asked.closed_why, asked.answered_by) == ("closed", "archived", operator)


@pytest.mark.django_db
def test_those_that_can_be_are_archived_and_the_others_are_named() -> None:
    marketer, operator = factories.user("Marketer"), factories.user("Operator", name="Ona Operator")
    mine = factories.campaign(marketer, name="Mine")
    theirs = factories.campaign(operator, name="Theirs")
    running = factories.published(marketer, name="Running")
    factories.campaign_send(running, "sending")
    live = factories.published(marketer, name="Order shipped")
    Campaign.objects.filter(pk=live.pk).update(state="active")
    live.digest.kind = "api"
    live.digest.save(update_fields=["kind"])
    ids = [mine.pk, theirs.pk, running.pk, live.pk]
    planned = archiving.check(ids, by=marketer)
    assert archived() == set()
    done = archiving.archive(ids, by=marketer)
    assert (
        done.refused
        == planned.refused
        == (
            "Order shipped is live. Stop it first.",
            "Running is sending or scheduled. Stop it first.",
            "Theirs is a campaign of Ona Operator. Its owner or an operator can archive it.",
        )
    )
    assert (done.n_possible, done.n_asked, archived()) == (1, 4, {"Mine"})
    assert AuditEntry.objects.filter(
        action="campaign.archived", subject_id=str(mine.public_id), actor=marketer
    ).exists()
    assert archiving.archive([mine.pk], by=marketer).n_asked == 0
    assert archiving.archive([theirs.pk], by=operator).n_possible == 1


@pytest.mark.django_db
def test_undo_brings_back_exactly_what_was_archived_together() -> None:
    operator = factories.user("Operator")
    before, together, also, anew = (factories.campaign(name=name) for name in ("Before", "One", "Two", "Anew"))
    lifecycle.archive(before.pk, by=operator)
    done = archiving.archive([before.pk, together.pk, also.pk, anew.pk], by=operator)
    assert done.n_possible == 3
    assert done.at is not None
    lifecycle.unarchive(anew.pk, by=operator)
    lifecycle.archive(anew.pk, by=operator)
    assert archiving.restore(done.at, by=operator) == 2
    assert archived() == {"Before", "Anew"}
    assert archiving.restore(done.at, by=operator) == 0
    assert archiving.restore(timezone.now() - dt.timedelta(days=1), by=operator) == 0


@pytest.mark.django_db
def test_viewers_archive_nothing() -> None:
    made = factories.campaign()
    viewer = factories.user("Viewer")
    for refused in (archiving.archive, archiving.check):
        with pytest.raises(NotAllowed):
            refused([made.pk], by=viewer)
    assert archived() == set()


@pytest.mark.django_db
def test_queries_do_not_grow(django_assert_num_queries: object) -> None:
    operator = factories.user("Operator")
    ids = [factories.campaign().pk for _n in range(12)]
    counts = []
    for some in (ids[:2], ids[2:]):
        with django_assert_num_queries(12) as found:  # type: ignore[operator]
            archiving.archive(some, by=operator)
        counts.append(len(found))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_two_people_who_archive_the_same_at_once_count_each_campaign_once() -> None:
    operator = factories.user("Operator")
    ids = [factories.campaign().pk for _n in range(6)]
    done: list[archiving.Archived] = []

    def run(order: list[int]) -> None:
        done.append(archiving.archive(order, by=operator))
        connection.close()

    threads = [threading.Thread(target=run, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.n_possible for one in done) == 6
    assert AuditEntry.objects.filter(action="campaign.archived").count() == 6
