"""Who is left out and why: worlds of chance against the rules written once more in Python, and the cases by name."""

import datetime as dt
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from accounts import installation
from audiences import profiles, subscriptions
from audiences.models import Consent, Profile, SubscriptionGroup
from delivery import history, left_out, lifecycle, options, preparation, reasons
from delivery.models import Delivery, DeliveryState, Exclusion, Shard, ShardState
from tests import factories
from tests.delivery import records
from tests.delivery.test_preparation import EVERYBODY, assert_adds_up, excluded, to_send

pytestmark = pytest.mark.django_db


def set_cap(most: int | None, hours: int = 24) -> None:
    installation.save({options.CAP_MESSAGES: most, options.CAP_HOURS: hours}, by=factories.user("Admin"))


def got(person: Profile, *, hours_ago: float = 1, outcome: str = "sent", origin: tuple[str, str] | None = None) -> None:
    """`person` had a message of another send, which is over."""
    now = timezone.now()
    made = records.delivery(people=0, **({"origin_kind": origin[0], "origin_id": origin[1]} if origin else {}))
    ended = now - dt.timedelta(hours=hours_ago)
    Delivery.objects.filter(pk=made.pk).update(started_at=ended - dt.timedelta(hours=1), ended_at=ended)
    records.log(made, person.pk, outcome, at=ended)


# --- a world of chance ---------------------------------------------------------------------------------------


@dataclass
class Facts:
    """What is true of one person, as the oracle sees it."""

    profile: Profile
    reasons: set[str] = field(default_factory=set)


def oracle(people: list[Facts]) -> tuple[dict[int, str], dict[str, list[int]]]:
    """The first reason of everybody who has one, and the candidates of each mailbox otherwise."""
    found: dict[int, str] = {}
    mailboxes: dict[str, list[int]] = {}
    for one in people:
        first = next((code for code in reasons.EXCLUSIONS if code in one.reasons), None)
        if first:
            found[one.profile.pk] = first
        else:
            mailboxes.setdefault(one.profile.email_key, []).append(one.profile.pk)
    return found, mailboxes


def chance(seed: int, group: SubscriptionGroup, origin: tuple[str, str], segment: Any) -> list[Facts]:
    """People with any mixture of facts; some share a mailbox, which then shares what belongs to mailboxes."""
    dice = random.Random(seed)
    people: list[Facts] = []
    shared: dict[str, set[str]] = {}
    for n in range(60):
        kind = dice.choice(["", "not an address", *[f"box{dice.randrange(25)}@example.test"] * 8])
        one = Facts(factories.profile(email=kind, first_name=f"P{n}"))
        if not kind:
            one.reasons.add(reasons.NO_ADDRESS)
        elif not one.profile.email_key:
            one.reasons.add(reasons.INVALID_ADDRESS)
        people.append(one)
    for one in people:
        key = one.profile.email_key
        for code, odds in (
            (reasons.UNSUBSCRIBED, 0.1), (reasons.UNSUBSCRIBED_GROUP, 0.15), (reasons.QUARANTINED, 0.1),
            (reasons.NOT_ELIGIBLE_AGAIN, 0.1), (reasons.FREQUENCY_CAP, 0.1),
        ):  # fmt: skip
            if dice.random() < odds:
                if key:
                    shared.setdefault(key, set()).add(code)
                elif code != reasons.QUARANTINED:
                    one.reasons.add(code)
                happen(code, one.profile, group, origin)
        if dice.random() < 0.1:
            one.reasons.add(reasons.EXCLUDED_SEGMENT)
            segment.members.create(profile=one.profile)
    for one in people:
        one.reasons |= shared.get(one.profile.email_key, set())
    return people


def happen(code: str, person: Profile, group: SubscriptionGroup, origin: tuple[str, str]) -> None:
    if code == reasons.UNSUBSCRIBED:
        profiles.unsubscribe(person.pk, source="import")
    elif code == reasons.UNSUBSCRIBED_GROUP:
        subscriptions.set_state(group, [person.pk], "unsubscribed", source="import")
    elif code == reasons.QUARANTINED and person.email_key:
        profiles.quarantine(person.email_key, "bounced", "550")
    elif code == reasons.NOT_ELIGIBLE_AGAIN:
        got(person, hours_ago=90, origin=origin)
    elif code == reasons.FREQUENCY_CAP:
        for hours in (1, 2, 3):
            got(person, hours_ago=hours)


@pytest.mark.parametrize("seed", range(4))
def test_everybody_has_the_first_of_their_reasons_and_the_sum_is_exact(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_SLICE", 17)
    set_cap(3)
    group, segment = factories.group(), factories.segment(members=[])
    origin = ("campaign", "00000000-0000-4000-8000-000000000001")
    people = chance(seed, group, origin, segment)
    audience = {
        "conditions": EVERYBODY,
        "exclude": [str(segment.public_id)],
        "subscription_group": str(group.public_id),
        "control_percent": 15,
    }
    delivery = factories.prepared(audience=audience, origin=origin, re_eligible_after_s=None)
    assert_adds_up(delivery)
    found, kept = excluded(delivery), to_send(delivery)
    expected, mailboxes = oracle(people)
    duplicates = {pk for pk, code in found.items() if code == reasons.DUPLICATE_ADDRESS}
    control = {pk for pk, code in found.items() if code == reasons.CONTROL_GROUP}
    assert {pk: code for pk, code in found.items() if pk not in duplicates | control} == expected
    # The control group is taken from those without another reason, before duplicates are looked for.
    assert not control & expected.keys()
    mailboxes = {key: rest for key, ids in mailboxes.items() if (rest := [pk for pk in ids if pk not in control])}
    assert len(found) + len(kept) == len(people) == delivery.n_targeted
    # Exactly one of each mailbox that is left: the oldest of those who may get it.
    assert kept == {min(ids) for ids in mailboxes.values() if ids}
    assert duplicates == {pk for ids in mailboxes.values() for pk in ids} - kept
    shown = [row.code for row in left_out.rows(delivery)]
    assert shown == [code for code in reasons.EXCLUSIONS if code in set(found.values())]


def test_six_reasons_at_once_are_told_in_their_order_with_words() -> None:
    set_cap(1)
    group = factories.group(name="Weekly news")
    everything = factories.profile(email="", email_consent=Consent.UNSUBSCRIBED)
    gone, left, capped, twice = (factories.profile() for _n in range(4))
    profiles.unsubscribe(gone.pk, source="person")
    subscriptions.set_state(group, [gone.pk, left.pk, everything.pk], "unsubscribed", source="person")
    got(capped)
    got(left)
    held = factories.profile()
    profiles.quarantine(held.email_key, "bounced", "550")
    factories.profile(email=twice.email.upper())
    audience = {"conditions": EVERYBODY, "subscription_group": str(group.public_id)}
    delivery = factories.prepared(audience=audience)
    assert [(row.code, row.label, row.n) for row in left_out.rows(delivery)] == [
        ("no_address", "No email address", 1),
        ("unsubscribed", "Unsubscribed", 1),
        ("unsubscribed_group", "Unsubscribed from Weekly news", 1),
        ("quarantined", "In quarantine", 1),
        ("frequency_cap", "Above the sending limit", 1),
        ("duplicate_address", "Same address as another profile", 1),
    ]
    assert (delivery.n_targeted, delivery.n_to_send) == (7, 1)
    assert sum(row.share for row in left_out.rows(delivery)) == pytest.approx(6 / 7)
    assert_adds_up(delivery)


# --- the sending limit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "most", "is_capped"),
    [
        ([(1, "sent")], None, False),
        ([(1, "sent"), (2, "unknown")], 2, True),
        ([(1, "sent"), (2, "sent")], 3, False),
        ([(1, "sent"), (25, "sent")], 2, False),
        ([(1, "failed"), (2, "not_sent"), (3, "cancelled")], 1, False),
        ([], 1, False),
    ],
)
def test_the_limit_counts_what_was_or_may_have_been_sent(
    messages: list[tuple[int, str]], most: int | None, is_capped: bool
) -> None:
    set_cap(most)
    person, other = factories.profile(), factories.profile()
    for hours, outcome in messages:
        got(person, hours_ago=hours, outcome=outcome)
    delivery = factories.prepared()
    assert excluded(delivery) == ({person.pk: "frequency_cap"} if is_capped else {})
    assert other.pk in to_send(delivery)
    ignoring = factories.prepared(ignores_cap=True)
    assert to_send(ignoring) == {person.pk, other.pk}


def test_the_limit_is_one_of_the_mailbox_and_says_how_many() -> None:
    set_cap(2, hours=48)
    first, second = (factories.profile(email="same@example.test") for _n in range(2))
    got(first, hours_ago=1)
    got(second, hours_ago=30)
    delivery = factories.prepared()
    assert excluded(delivery) == dict.fromkeys((first.pk, second.pk), "frequency_cap")
    stored = Exclusion.objects.filter(delivery=delivery).values_list("detail", flat=True)
    assert {reasons.detail("frequency_cap", one) for one in stored} == {"Had 2 messages in 48 h (limit 2)"}
    Delivery.objects.filter(pk=delivery.pk).update(started_at=timezone.now())
    assert history.entries(first.pk)[0].reason == "Had 2 messages in 48 h (limit 2)"


@pytest.mark.parametrize(
    ("state", "in_hours", "is_counted"),
    [
        ("prepared", 0, False),
        ("confirmed", 5, True),
        ("confirmed", 30, False),
        ("sending", 0, True),
        ("stopped", 0, False),
    ],
)
def test_who_waits_in_another_send_counts_for_the_limit(state: str, in_hours: int, is_counted: bool) -> None:
    set_cap(1)
    person = factories.profile()
    at = timezone.now() + dt.timedelta(hours=in_hours) if in_hours else None
    other = factories.prepared(scheduled_at=at)
    assert other.opened_by is not None
    if state != "prepared":
        lifecycle.confirm(other.pk, by=other.opened_by, seal=other.seal, n_to_send=1)
    if state in {"sending", "stopped"}:
        lifecycle.start_now(other.pk, by=other.opened_by)
    if state == "stopped":
        lifecycle.stop(other.pk, by=other.opened_by)
    delivery = factories.prepared()
    assert excluded(delivery) == ({person.pk: "frequency_cap"} if is_counted else {})


def test_one_message_on_its_way_is_counted_once() -> None:
    """Sent and still in a leased window; deferred and in a later shard too; settled by an earlier lease."""
    set_cap(2)
    sent, deferred, settled, waiting = factories.people("sent", "deferred", "settled", "waiting")
    other = factories.sending()
    shard = Shard.objects.get(delivery=other)
    Shard.objects.filter(pk=shard.pk).update(state=ShardState.LEASED, n_authorised=3)
    records.log(other, sent.pk, "sent", at=timezone.now())
    records.log(other, settled.pk, "failed", at=timezone.now())
    Shard.objects.create(
        delivery=other, number=2, attempt=2, ids=[deferred.pk], n_ids=1, due_at=timezone.now(), state=ShardState.WAITING
    )
    assert excluded(factories.prepared()) == {}
    set_cap(1)
    assert excluded(factories.prepared()) == dict.fromkeys((sent.pk, deferred.pk, waiting.pk), "frequency_cap")


def test_a_send_of_next_week_is_not_limited_by_what_was_sent_today() -> None:
    set_cap(1)
    got(factories.profile())
    delivery = factories.prepared(scheduled_at=timezone.now() + dt.timedelta(days=7))
    assert delivery.n_to_send == 1


def test_the_limit_is_set_on_its_page(client: Any) -> None:
    client.force_login(factories.user("Admin"))
    page = client.get("/settings/limits/").content.decode()
    assert "Sending limits" in page and "Messages per person, at most" in page
    names = [setting.name for setting in installation.on("limits")]
    others = {name.replace(".", "_"): value for name, value in installation.values(names).items() if value}
    typed = others | {"delivery_cap_messages": "3", "delivery_cap_hours": "12"}
    answer = client.post("/settings/limits/", typed)
    assert answer.status_code == 302
    assert installation.values([options.CAP_MESSAGES, options.CAP_HOURS]) == {
        options.CAP_MESSAGES: 3, options.CAP_HOURS: 12,
    }  # fmt: skip
    client.post("/settings/limits/", typed | {"delivery_cap_messages": ""})
    assert installation.value(options.CAP_MESSAGES) is None


# --- eligible again ------------------------------------------------------------------------------------------


def test_who_is_not_eligible_again_is_told_until_when() -> None:
    person = factories.profile()
    origin = ("campaign", "00000000-0000-4000-8000-000000000002")
    got(person, hours_ago=5, origin=origin)
    delivery = factories.prepared(origin=origin, re_eligible_after_s=7 * 86400)
    (row,) = Exclusion.objects.filter(delivery=delivery)
    until = dt.datetime.fromisoformat(row.detail)
    assert abs(until - (timezone.now() + dt.timedelta(days=7, hours=-5))) < dt.timedelta(minutes=1)
    words = reasons.whole_sentence(row.reason, row.detail)
    assert words.startswith("Not eligible again until ")
    assert [one.label for one in left_out.rows(delivery)] == ["Had it in the last 7 days"]


# --- groups --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("default", "said", "reason"),
    [
        ("subscribed", "", None), ("subscribed", "subscribed", None),
        ("subscribed", "unsubscribed", "unsubscribed_group"),
        ("unsubscribed", "", "unsubscribed_group"), ("unsubscribed", "subscribed", None),
        ("unsubscribed", "unsubscribed", "unsubscribed_group"),
    ],
)  # fmt: skip
def test_a_group_has_its_default_for_who_never_said_anything(default: str, said: str, reason: str | None) -> None:
    group = factories.group(default_state=default)
    person = factories.profile()
    if said:
        subscriptions.set_state(group, [person.pk], said, source="person")
    audience = {**factories.EVERYBODY, "subscription_group": str(group.public_id)}
    delivery = factories.prepared(audience=audience)
    assert excluded(delivery) == ({person.pk: reason} if reason else {})
    details = Exclusion.objects.filter(delivery=delivery).values_list("reason", "detail")
    assert [reasons.detail(*one) for one in details] == (["Unsubscribed from Newsletter"] if reason else [])
    assert factories.prepared().n_to_send == 1


def test_an_archived_group_ends_the_preparation_with_its_name() -> None:
    group = factories.group()
    factories.profile()
    made = factories.delivery(audience={**factories.EVERYBODY, "subscription_group": str(group.public_id)})
    subscriptions.archive(group.pk, by=factories.user("Marketer"))
    lifecycle.prepare(made.pk, by=made.opened_by)
    preparation.run(made.pk)
    made = Delivery.objects.get(pk=made.pk)
    assert made.state == DeliveryState.FAILED and "“Newsletter” was archived" in made.failure
    assert made.controls[0]["place"] == "audience"
