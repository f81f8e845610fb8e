"""Targeted = excluded + to send, each excluded person with the first reason; and what disturbs a preparation."""

import datetime as dt
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audiences import profiles
from audiences.models import Consent, Profile
from delivery import choosing, clock, lifecycle, placing, preparation, reasons, samples
from delivery.models import Delivery, DeliveryState, Exclusion, SendLog, Shard, ShardState
from tests import factories

pytestmark = pytest.mark.django_db
EVERYBODY = {"match": "all", "rules": [{"field": "profile.is_test", "op": "is", "value": False}]}


def to_send(delivery: Delivery) -> set[int]:
    return {
        profile_id
        for ids in Shard.objects.filter(delivery=delivery).values_list("ids", flat=True)
        for profile_id in ids
    }


def excluded(delivery: Delivery) -> dict[int, str]:
    return dict(Exclusion.objects.filter(delivery=delivery).values_list("profile_id", "reason"))


def assert_adds_up(delivery: Delivery) -> None:
    assert delivery.n_targeted == (delivery.n_excluded or 0) + (delivery.n_to_send or 0)
    assert (
        len(to_send(delivery))
        == delivery.n_to_send
        == sum(Shard.objects.filter(delivery=delivery).values_list("n_ids", flat=True))
    )
    assert Counter(excluded(delivery).values()) == delivery.excluded_by_reason
    assert len(excluded(delivery)) == delivery.n_excluded
    assert not to_send(delivery) & excluded(delivery).keys()


def test_everybody_targeted_has_one_place_and_the_first_reason() -> None:
    left_out = [factories.profile(), factories.profile(email_consent=Consent.UNSUBSCRIBED)]
    segment = factories.segment(members=left_out)
    people = {
        "no_address": factories.profile(email="", email_consent=Consent.UNSUBSCRIBED),
        "invalid_address": factories.profile(email="not an address"),
        "unsubscribed": left_out[1],
        "quarantined": factories.profile(),
        "excluded_segment": left_out[0],
        "kept": factories.profile(email="Same@Example.test"),
        "duplicate_address": factories.profile(email="same@EXAMPLE.test"),
    }
    factories.profile(is_test=True)
    profiles.quarantine(people["quarantined"].email_key, "bounced", "550")
    audience = {"conditions": EVERYBODY, "exclude": [str(segment.public_id)]}
    delivery = factories.prepared(audience=audience)
    assert delivery.state == DeliveryState.PREPARED
    assert to_send(delivery) == {people["kept"].pk}
    assert excluded(delivery) == {p.pk: reason for reason, p in people.items() if reason != "kept"}
    assert delivery.excluded_by_reason.keys() == people.keys() - {"kept"} <= reasons.EXCLUSIONS.keys()
    assert_adds_up(delivery)
    assert len(delivery.seal) == 64 and delivery.n_prepared == 7


def test_of_two_with_one_address_the_kept_one_may_get_it() -> None:
    first = factories.profile(email="same@example.test", email_consent=Consent.UNSUBSCRIBED)
    second = factories.profile(email="same@example.test")
    delivery = factories.prepared()
    assert to_send(delivery) == {second.pk}
    assert excluded(delivery) == {first.pk: "unsubscribed"}


@pytest.mark.parametrize(
    ("re_eligible_after_s", "reason"),
    [(None, "not_eligible_again"), (86400, "not_eligible_again"), (0, "duplicate_address")],
)
def test_an_address_that_had_it_does_not_get_it_again_by_another_profile(
    re_eligible_after_s: int | None, reason: str
) -> None:
    first, second = (factories.profile(email="same@example.test") for _n in range(2))
    earlier = factories.sending()
    assert to_send(earlier) == {first.pk}
    Shard.objects.filter(delivery=earlier).update(state=ShardState.DONE)
    SendLog.objects.create(
        opened_month=earlier.opened_month, delivery_id=earlier.pk, profile_id=first.pk, outcome="sent",
        at=timezone.now(), address=first.email, n_attempts=1, code="", detail="",
    )  # fmt: skip
    origin = (earlier.origin_kind, earlier.origin_id)
    later = factories.prepared(origin=origin, re_eligible_after_s=re_eligible_after_s)
    assert excluded(later)[second.pk] == reason
    assert later.n_to_send == (1 if re_eligible_after_s == 0 else 0)
    assert_adds_up(later)


def test_who_comes_into_a_mailbox_while_people_are_chosen_is_not_written_to_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = factories.profile(email="same@example.test")
    factories.sending()
    factories.configure(delivery__cap_messages=5)
    pick, came = choosing.pick, []

    def while_picking(*arguments: Any) -> choosing.Pick:
        made = pick(*arguments)
        came.append(factories.profile(email="SAME@example.test"))
        return made

    monkeypatch.setattr(choosing, "pick", while_picking)
    delivery = factories.prepared()
    assert to_send(delivery) == {first.pk}
    assert excluded(delivery) == {came[0].pk: "duplicate_address"}


def test_limit_and_control_group_are_exact_and_repeatable() -> None:
    factories.people(*(f"p{i}" for i in range(400)))
    delivery = factories.prepared(audience={**factories.EVERYBODY, "control_percent": 25, "limit": 100})
    assert delivery.n_to_send == 100
    assert 60 <= delivery.excluded_by_reason["control_group"] <= 140
    assert_adds_up(delivery)
    before, control = to_send(delivery), {p for p, reason in excluded(delivery).items() if reason == "control_group"}
    seal = delivery.seal
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert (to_send(delivery), delivery.seal) == (before, seal)
    # The same people are the control group of the next send of the same campaign.
    origin = (delivery.origin_kind, delivery.origin_id)
    other = factories.prepared(audience={**factories.EVERYBODY, "control_percent": 25}, origin=origin)
    assert {p for p, reason in excluded(other).items() if reason == "control_group"} == control


@pytest.mark.parametrize(
    ("re_eligible_after_s", "kept"),
    [(0, {"old", "new", "failed", "never"}), (None, {"failed", "never"}), (86400, {"old", "failed", "never"})],
)
def test_re_eligibility_counts_what_people_got_from_the_same_origin(
    re_eligible_after_s: int | None, kept: set[str]
) -> None:
    people = dict(
        zip(("old", "new", "failed", "never"), factories.people("old", "new", "failed", "never"), strict=True)
    )
    earlier = factories.sending()
    Shard.objects.filter(delivery=earlier).update(state=ShardState.DONE)
    now = timezone.now()
    for name, outcome, days in (("old", "sent", 3), ("new", "unknown", 0), ("failed", "failed", 0)):
        SendLog.objects.create(
            opened_month=earlier.opened_month, delivery_id=earlier.pk, profile_id=people[name].pk, outcome=outcome,
            at=now - dt.timedelta(days=days), address="", n_attempts=1, code="", detail="",
        )  # fmt: skip
    origin = (earlier.origin_kind, earlier.origin_id)
    delivery = factories.prepared(origin=origin, re_eligible_after_s=re_eligible_after_s)
    assert to_send(delivery) == {people[name].pk for name in kept}
    assert set(excluded(delivery).values()) <= {"not_eligible_again"}
    assert factories.prepared(re_eligible_after_s=None).n_to_send == 4


@pytest.mark.parametrize("is_started", [True, False])
@pytest.mark.parametrize(("re_eligible_after_s", "n_kept"), [(0, 2), (None, 0), (86400, 0)])
def test_who_waits_in_an_earlier_send_is_not_chosen_again(
    re_eligible_after_s: int | None, n_kept: int, is_started: bool
) -> None:
    factories.people("a", "b")
    earlier = factories.prepared(scheduled_at=timezone.now() + dt.timedelta(days=1))
    lifecycle.confirm(earlier.pk, by=earlier.opened_by, seal=earlier.seal, n_to_send=2)
    if is_started:
        lifecycle.start_now(earlier.pk, by=earlier.opened_by)
    origin = (earlier.origin_kind, earlier.origin_id)
    assert factories.prepared(origin=origin, re_eligible_after_s=re_eligible_after_s).n_to_send == n_kept
    # Cancelled or stopped, nobody waits in it any more.
    if is_started:
        lifecycle.stop(earlier.pk, by=earlier.opened_by)
    else:
        lifecycle.cancel(earlier.pk, by=earlier.opened_by)
    assert factories.prepared(origin=origin, re_eligible_after_s=re_eligible_after_s).n_to_send == 2


@pytest.mark.parametrize(("re_eligible_after_s", "n_kept"), [(0, 3), (None, 1), (86400, 1)])
def test_who_is_on_the_wire_when_a_send_is_stopped_is_not_chosen_again(
    re_eligible_after_s: int | None, n_kept: int
) -> None:
    factories.people("a", "b", "c")
    earlier = factories.sending()
    # A window is open for the first two; their outcomes come later, or from recovery.
    Shard.objects.filter(delivery=earlier).update(state=ShardState.LEASED, n_authorised=2)
    lifecycle.stop(earlier.pk, by=earlier.opened_by)
    origin = (earlier.origin_kind, earlier.origin_id)
    later = factories.prepared(origin=origin, re_eligible_after_s=re_eligible_after_s)
    assert later.n_to_send == n_kept
    assert_adds_up(later)


def test_preparing_again_replaces_everything() -> None:
    people = factories.people("a", "b", "c")
    delivery = factories.prepared()
    first = delivery.seal
    Profile.objects.filter(pk=people[0].pk).update(email_consent=Consent.UNSUBSCRIBED)
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert (delivery.n_targeted, delivery.n_excluded, delivery.n_to_send) == (3, 1, 2)
    assert delivery.seal != first
    assert_adds_up(delivery)


def test_shards_are_sorted_and_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "SHARD_SIZE", 10)
    factories.people(*(f"p{i}" for i in range(25)))
    shards = list(Shard.objects.filter(delivery=factories.prepared()).order_by("number"))
    assert [shard.n_ids for shard in shards] == [10, 10, 5]
    assert [shard.number for shard in shards] == [1, 2, 3]
    assert all(shard.ids == sorted(shard.ids) for shard in shards)


def test_a_deleted_segment_fails_the_preparation_with_its_name() -> None:
    segment = factories.segment(members=[factories.profile()], name="VIP")
    delivery = factories.delivery(audience={"segments": [str(segment.public_id)]})
    segment.deleted_at = timezone.now()
    segment.save(update_fields=["deleted_at"])
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert delivery.state == DeliveryState.FAILED
    assert "VIP" in delivery.failure and "deleted" in delivery.failure


def test_nobody_left_is_prepared_but_can_not_be_confirmed() -> None:
    factories.profile(email="")
    delivery = factories.prepared(audience={"conditions": EVERYBODY})
    assert (delivery.n_targeted, delivery.n_to_send) == (1, 0)
    with pytest.raises(lifecycle.WrongState):
        lifecycle.confirm(delivery.pk, by=delivery.opened_by, seal=delivery.seal, n_to_send=0)  # type: ignore[arg-type]


def test_samples_start_with_the_emptiest_profiles_and_name_problems() -> None:
    for n in range(30):
        factories.profile(first_name=f"Name{n}", city="Paris", attributes={"plan": "plus"})
    empty = factories.profile(first_name="")
    broken = "{% if profile.first_name == '' %}{% abort_message('no name') %}{% endif %}" + factories.HTML_BODY
    delivery = factories.prepared(message=factories.message(body=broken, subject="Hi {{ profile.first_name }}"))
    assert len(delivery.samples) == samples.N_SAMPLES
    assert len({sample["profile_id"] for sample in delivery.samples}) == samples.N_SAMPLES
    first, second = delivery.samples[:2]
    assert first["profile_id"] == empty.pk and "no name" in first["problem"]
    assert second["problem"] == "" and second["subject"].startswith("Hi Name") and second["n_bytes"] > 300


def test_an_aborted_preparation_leaves_the_delivery_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.people("a", "b")
    delivery = factories.delivery()
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)

    def aborting(*arguments: object, **named: object) -> list[dict[str, object]]:
        lifecycle.abort(delivery.pk, by=delivery.opened_by)
        return []

    with monkeypatch.context() as patch:
        patch.setattr(samples, "take", aborting)
        preparation.run(delivery.pk)
    found = Delivery.objects.get(pk=delivery.pk)
    assert (found.state, found.seal, found.n_to_send) == (DeliveryState.NEW, "", None)
    # A preparation that began meanwhile is not disturbed by the one it replaced.
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    preparation.run(delivery.pk)
    assert Delivery.objects.get(pk=delivery.pk).n_to_send == 2


@pytest.mark.django_db(transaction=True)
def test_progress_is_seen_while_it_runs_and_a_dead_worker_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    people = factories.people(*(f"p{i}" for i in range(30)))
    monkeypatch.setattr(preparation, "_SLICE", 10)
    delivery = factories.delivery()
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    assert clock.tick().prepare == [delivery.pk]
    seen: list[int] = []

    def killed(*arguments: object) -> None:
        seen.append(Delivery.objects.get(pk=delivery.pk).n_prepared)
        assert preparation.is_running(delivery.pk)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            preparation.run(delivery.pk)
    assert seen == [len(people)]
    assert not preparation.is_running(delivery.pk)
    assert clock.tick().prepare == [delivery.pk]
    preparation.run(delivery.pk)
    delivery = Delivery.objects.get(pk=delivery.pk)
    assert (delivery.state, delivery.n_to_send) == (DeliveryState.PREPARED, 30)
    assert clock.tick().prepare == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_temp.chosen')")
        assert cursor.fetchone()[0] is None


@pytest.mark.django_db(transaction=True)
def test_preparations_at_the_same_time_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    made = factories.people(*(f"p{i}" for i in range(30)))
    factories.profile(email=made[0].email.upper())
    monkeypatch.setattr(preparation, "_SLICE", 7)
    segments = [factories.segment(members=made[start::3]) for start in range(3)]
    deliveries = [
        factories.delivery(audience={"conditions": EVERYBODY, "exclude": [str(segment.public_id)]})
        for segment in segments
    ]
    for delivery in deliveries:
        lifecycle.prepare(delivery.pk, by=delivery.opened_by)

    def work(delivery: Delivery) -> None:
        try:
            preparation.run(delivery.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[delivery]) for delivery in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, delivery in enumerate(deliveries):
        found = Delivery.objects.get(pk=delivery.pk)
        assert_adds_up(found)
        left_out = {person.pk for person in made[number::3]}
        assert {pk for pk, reason in excluded(found).items() if reason == "excluded_segment"} == left_out
        # Whoever of the first mailbox is not left out gets it, once.
        assert (found.n_targeted, found.n_to_send) == (31, 21 if number == 0 else 20)
