"""How a list is cut into shards, whatever must be told apart: nobody is lost, nobody is in two."""

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from audiences.models import Profile
from delivery import lifecycle, placing, preparation, timetables
from delivery.models import Delivery, DeliveryState, Shard
from delivery.opening import Spread
from delivery.timetables import Waves
from tests import factories

pytestmark = pytest.mark.django_db
ZONES = ["Asia/Tokyo", "Europe/Paris", "America/New_York", "", "Europe/Nowhere"]


def people(n: int = 20) -> list[Profile]:
    """`n` people in ZONES by turns, every second one at gmail.com."""
    made = factories.people(*(f"p{i}" for i in range(n)))
    for number, person in enumerate(made):
        person.time_zone = ZONES[number % len(ZONES)]
        if number % 2:
            person.email = person.email_key = f"p{number}@gmail.com"
    Profile.objects.bulk_update(made, ["time_zone", "email", "email_key"])
    return made


def local(**fields: Any) -> Delivery:
    """A prepared delivery at 09:00 of each person, in ten days."""
    wall = dt.datetime.combine(timezone.now().date() + dt.timedelta(days=10), dt.time(9))
    at = timetables.due_in(wall.isoformat(), ["Europe/Paris"])["Europe/Paris"]
    return factories.prepared(
        scheduled_at=at, scheduled_zone="Europe/Paris", spread=Spread(local_time=wall.isoformat()[:16]), **fields
    )


def assert_complete(delivery: Delivery, made: list[Profile]) -> None:
    shards = Shard.objects.filter(delivery=delivery)
    assert sorted(person for shard in shards for person in shard.ids) == sorted(person.pk for person in made)
    assert sum(shard.n_ids for shard in shards) == delivery.n_to_send == len(made)
    assert sorted(shard.number for shard in shards) == list(range(1, len(shards) + 1))


def test_a_plain_list_is_not_told_apart() -> None:
    made = people()
    delivery = factories.prepared()
    assert_complete(delivery, made)
    assert list(Shard.objects.filter(delivery=delivery).values_list("wave", "zone", "domain")) == [(0, "", "")]
    assert delivery.timetable == [] and delivery.quiet_hours == {}


def test_each_zone_is_due_at_its_own_time_and_the_sum_is_exact() -> None:
    made = people()
    delivery = local()
    assert_complete(delivery, made)
    shards = {shard.zone: shard for shard in Shard.objects.filter(delivery=delivery)}
    # Who has no zone, or one that is none, has the one that was chosen.
    assert {zone: shard.n_ids for zone, shard in shards.items()} == {
        "Asia/Tokyo": 4, "Europe/Paris": 12, "America/New_York": 4,
    }  # fmt: skip
    assert [(row["zones"], row["n"]) for row in delivery.timetable] == [
        (["Asia/Tokyo"], 4), (["Europe/Paris"], 12), (["America/New_York"], 4),
    ]  # fmt: skip
    assert [row["at"] for row in delivery.timetable] == [
        shards[row["zones"][0]].due_at.isoformat() for row in delivery.timetable
    ]
    assert shards["Europe/Paris"].due_at == delivery.scheduled_at
    operator = delivery.opened_by
    assert operator is not None
    confirmed = lifecycle.confirm(delivery.pk, by=operator, seal=delivery.seal, n_to_send=20)
    assert confirmed.start_at == shards["Asia/Tokyo"].due_at
    with pytest.raises(lifecycle.WrongState):
        lifecycle.start_now(delivery.pk, by=operator)


def test_the_last_zone_has_as_long_as_the_first_to_be_sent_to() -> None:
    people()
    delivery = local()
    Delivery.objects.filter(pk=delivery.pk).update(state=DeliveryState.CONFIRMED, start_at=timezone.now())
    started = lifecycle.start(delivery.pk)
    last = Shard.objects.get(delivery=delivery, zone="America/New_York").due_at
    assert started.valid_until == last + dt.timedelta(seconds=delivery.validity_s)


def test_waves_are_random_the_same_again_and_start_from_the_start() -> None:
    made = people(30)
    spread = Spread(waves=Waves(30, "percent", 3600))
    delivery = factories.prepared(spread=spread)
    assert_complete(delivery, made)
    waves = {shard.wave: shard.ids for shard in Shard.objects.filter(delivery=delivery)}
    assert [len(waves[number]) for number in range(4)] == [9, 9, 9, 3]
    assert waves[0] != sorted(person.pk for person in made)[:9]
    assert delivery.timetable == [
        {"wave": number, "after_s": number * 3600, "n": n} for number, n in enumerate((9, 9, 9, 3))
    ]
    lifecycle.prepare(delivery.pk, by=delivery.opened_by)
    preparation.run(delivery.pk)
    delivery.refresh_from_db(fields=["seal", "n_to_send"])
    assert {shard.wave: shard.ids for shard in Shard.objects.filter(delivery=delivery)} == waves
    assert delivery.opened_by is not None
    lifecycle.confirm(delivery.pk, by=delivery.opened_by, seal=delivery.seal, n_to_send=30)
    started = lifecycle.start_now(delivery.pk, by=delivery.opened_by)
    assert started.started_at is not None
    due = {shard.wave: shard.due_at - started.started_at for shard in Shard.objects.filter(delivery=delivery)}
    assert due == {number: dt.timedelta(hours=number) for number in range(4)}


def test_a_preparation_whose_last_wave_would_be_too_late_fails_with_the_reason() -> None:
    people(10)
    delivery = factories.prepared(spread=Spread(waves=Waves(1, "people", 9 * 3600)), validity_s=72 * 3600)
    assert delivery.state == DeliveryState.FAILED
    assert "The last of 10 waves" in delivery.failure
    assert not Shard.objects.filter(delivery=delivery).exists()


def test_waves_zones_and_domains_can_all_be_told_apart() -> None:
    made = people(40)
    factories.configure(delivery__domain_limits="googlemail.com gmail.com 60", delivery__quiet_on=True)
    delivery = factories.prepared(spread=Spread(waves=Waves(50, "percent", 60)))
    assert_complete(delivery, made)
    assert delivery.quiet_hours == {"from": "21:00", "to": "08:00", "action": "delay"}
    by_id = {person.pk: person for person in made}
    counts: Counter[int] = Counter()
    for shard in Shard.objects.filter(delivery=delivery):
        counts[shard.wave] += shard.n_ids
        assert shard.zone in {"Asia/Tokyo", "America/New_York", "Europe/Paris", "UTC"}
        for person in (by_id[profile_id] for profile_id in shard.ids):
            assert shard.domain == ("googlemail.com" if person.email.endswith("@gmail.com") else "")
            assert shard.zone == person.time_zone or person.time_zone in {"", "Europe/Nowhere"}
    assert counts == {0: 20, 1: 20}
    # Who wrote it may say that people wait for it.
    other = factories.prepared(spread=Spread(ignores_quiet_hours=True))
    assert other.quiet_hours == {} and set(Shard.objects.filter(delivery=other).values_list("zone", flat=True)) == {""}


@pytest.mark.parametrize("part", [1 << 22, 16])
@pytest.mark.parametrize("seed", range(2))
def test_shards_are_cut_as_the_same_rules_in_python_cut_them(
    seed: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "SHARD_SIZE", 3)
    monkeypatch.setattr(placing, "_PART", part)
    dice = random.Random(seed)
    made = people(45)
    for person in made:
        person.time_zone = dice.choice(ZONES)
        person.email = person.email_key = f"p{person.pk}@{dice.choice(['gmail.com', 'a.test', 'one.test'])}"
    Profile.objects.bulk_update(made, ["time_zone", "email", "email_key"])
    factories.configure(delivery__domain_limits="one.test 5\ngmail.com 60", delivery__quiet_on=True)
    delivery = factories.prepared(spread=Spread(waves=Waves(50, "percent", 60)))
    assert_complete(delivery, made)
    shards = list(Shard.objects.filter(delivery=delivery).order_by("number"))
    wave = {person: shard.wave for shard in shards for person in shard.ids}
    places: dict[tuple[Any, ...], list[int]] = {}
    for person in made:
        zone = person.time_zone if person.time_zone in ZONES[:3] else settings.TIME_ZONE
        domain = person.email.partition("@")[2]
        domain = "" if domain == "a.test" else domain
        range_of_ids = person.pk // part if len(made) > part else 0
        places.setdefault((wave[person.pk], zone, domain == "", domain, range_of_ids), []).append(person.pk)
    expected = [
        (place[0], place[1], place[3], sorted(ids)[start : start + 3])
        for place, ids in sorted(places.items())
        for start in range(0, len(ids), 3)
    ]
    assert [(shard.wave, shard.zone, shard.domain, shard.ids) for shard in shards] == expected
    assert [shard.n_ids for shard in shards] == [len(shard.ids) for shard in shards]


def test_the_seal_covers_when_people_get_it() -> None:
    people()
    origin = ("campaign", "one")
    seals = {
        factories.prepared(origin=origin, spread=spread).seal
        for spread in (Spread(), Spread(waves=Waves(50, "percent", 60)), Spread(waves=Waves(50, "percent", 120)))
    }
    assert len(seals) == 3


def test_who_is_deleted_while_the_list_is_made_stays_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are let go at the window; a list that is shorter than its own number would never be complete."""
    made = people()

    def drop(cursor: Any) -> None:
        drop_duplicates(cursor)
        Profile.objects.filter(pk=made[0].pk).delete()

    drop_duplicates = preparation._drop_duplicates
    monkeypatch.setattr(preparation, "_drop_duplicates", drop)
    delivery = local()
    assert delivery.n_to_send == sum(Shard.objects.filter(delivery=delivery).values_list("n_ids", flat=True)) == 20
