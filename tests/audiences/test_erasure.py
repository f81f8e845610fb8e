"""People who were erased: nothing says who they were, what they count in stays, and nobody writes to them again."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry
from audiences import erasure, profiles, subscriptions, tracking
from audiences.activity import Happening
from audiences.attribute_values import Operation
from audiences.identities import EMAIL, EXTERNAL_ID, Name
from audiences.models import (
    AddressError,
    ConsentChange,
    ErasedProfile,
    Profile,
    ProfileEvent,
    ProfileImportRefusal,
    QuarantineEntry,
    Subscription,
    WithheldAddress,
)
from audiences.reworking import Change
from audiences.upserts import Source
from campaigns import triggering
from delivery import requests
from delivery.callformat import Call, Recipient
from delivery.models import Event, RequestRecipient, SendLog, TriggerRequest
from messaging.models import CaughtMessage
from tests import factories
from tests.audiences.test_imports import import_all
from tests.racing import at_once, is_somebody_waiting

pytestmark = pytest.mark.django_db
# In no other row of a test.
CANARY = "lea.canary"
ADDRESS = f"{CANARY}@example.test"
SOURCE = Source("api", "key")


def rows_with(text: str) -> list[str]:
    """The tables in which `text` stands anywhere, whatever its case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename), tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        found = []
        for table, name in cursor.fetchall():
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {table} t WHERE strpos(lower(t::text), %s) > 0)", [text])
            found += [name] if cursor.fetchone()[0] else []
        return sorted(found)


def lea(**fields: Any) -> Profile:
    return factories.profile(**{"email": ADDRESS.title(), "external_id": f"{CANARY}-7", "first_name": CANARY, **fields})


def message_to(person: Profile) -> SendLog:
    """A message that was refused, with an answer that names its reader; an attempt and a bounce beside."""
    sent = factories.prepared()
    where = {"opened_month": sent.opened_month, "delivery_id": sent.pk, "profile_id": person.pk, "at": timezone.now()}
    told = f"550 5.1.1 <{ADDRESS}> unknown"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO delivery_attempt (opened_month, delivery_id, profile_id, shard_id, attempt, at, result, reply)"
            " VALUES (%s, %s, %s, 1, 1, now(), 'refused', %s)",
            [*list(where.values())[:3], told],
        )
        cursor.execute(
            "INSERT INTO delivery_event (opened_month, delivery_id, profile_id, kind, at, detail)"
            " VALUES (%s, %s, %s, 'bounced', now(), %s), (%s, %s, %s, 'opened', now(), 'Firefox')",
            [*list(where.values())[:3], told, *list(where.values())[:3]],
        )
    return SendLog.objects.create(
        **where, request_no=0, outcome="failed", address=ADDRESS, n_attempts=1, code="550 5.1.1", detail=told
    )


def asked_for(*names: Name) -> list[TriggerRequest]:
    """Requests that named somebody: at once, again with properties of their own, and one whose time has come."""
    made = str(factories.published(delivery__kind="api").public_id)
    first, *_others = names
    own = tuple(Recipient(name, trigger={"note": CANARY}) for name in names)
    at = timezone.now() + timedelta(hours=1)
    calls = [Call((Recipient(first),), trigger={"note": CANARY}), Call(own), Call(own, due_at=at)]
    asked = [triggering.trigger(made, call).request for call in calls]
    TriggerRequest.objects.filter(state="scheduled").update(due_at=timezone.now())
    requests.run_due()
    return asked


def test_how_requests_named_who_was_erased_is_gone_and_others_stay() -> None:
    person, other = lea(), factories.profile(external_id="other")
    names = [Name(EMAIL, ADDRESS), Name(EXTERNAL_ID, f"{CANARY}-7"), Name(EXTERNAL_ID, "other")]
    asked = asked_for(*names)
    assert {"delivery_requestrecipient", "delivery_triggerrequest"} < set(rows_with(CANARY))
    erasure.erase([person.pk], label="x")
    # What was said for the other one is theirs.
    RequestRecipient.objects.filter(profile_id=other.pk).update(trigger=None)
    assert rows_with(CANARY) == []
    kept = RequestRecipient.objects.filter(request=asked[1]).order_by("position").values_list("profile_id", "name")
    assert list(kept) == [(person.pk, ""), (person.pk, ""), (other.pk, "other")]


def test_nothing_in_the_database_says_who_it_was() -> None:
    person, other = lea(attributes={"note": CANARY}, email_consent="unsubscribed"), factories.profile(first_name="Bea")
    message_to(person)
    subscriptions.set_state(factories.group(), [person.pk], "unsubscribed", source="api")
    tracking.track([], [Happening(Name(EMAIL, ADDRESS), CANARY, timezone.now())], source=SOURCE)
    entry = profiles.quarantine(ADDRESS, "hard_bounce", f"{ADDRESS} is unknown")
    profiles.release(entry, factories.user("Admin"), "A mistake")
    now = timezone.now()
    AddressError.objects.create(address_key=ADDRESS, first_error_at=now, last_error_at=now, reason="full")
    factories.segment(members=[person])
    import_all(factories.user("Marketer"), f"email,external_id\n{ADDRESS},{CANARY}-9\n{ADDRESS},\n")
    CaughtMessage.objects.create(envelope_to=ADDRESS.title(), n_bytes=1, source=b"")
    assert ProfileImportRefusal.objects.exists() and len(rows_with(CANARY)) > 8
    assert erasure.erase([person.pk, 0], label="API key x") == 1
    assert rows_with(CANARY) == []
    assert list(Profile.objects.values_list("pk", flat=True)) == [other.pk]
    row = SendLog.objects.get()
    assert (row.outcome, row.code, row.address, row.detail) == ("failed", "550 5.1.1", "@example.test", "")
    assert list(Event.objects.order_by("id").values_list("kind", "detail")) == [("bounced", ""), ("opened", "Firefox")]
    assert AuditEntry.objects.get(action="profile.erased").subject_id == str(person.public_id)
    assert audit.has("quarantine.released", subject=("address", "erased"))
    assert erasure.erase([person.pk], label="API key x") == 0, "safe to repeat"


def test_what_is_said_later_is_cleared_at_night_for_some_weeks() -> None:
    person = lea()
    erasure.erase([person.pk], label="x")
    message_to(person)
    assert erasure.clear_late() == 1 and rows_with(CANARY) == []
    assert erasure.clear_late(now=timezone.now() + timedelta(days=61)) == 0
    assert not ErasedProfile.objects.exists()


@pytest.mark.parametrize(
    "change", ["outcome = 'sent'", "address = 'x@example.test'", "address = ''", "detail = 'x'", "at = now()"]
)
def test_the_log_changes_in_no_other_way(change: str) -> None:
    message_to(lea())
    statements = [f"UPDATE delivery_sendlog SET {change}"]
    if change.startswith("detail"):
        statements += ["UPDATE delivery_event SET detail = 'x'", "UPDATE delivery_attempt SET reply = 'x'"]
    for statement in statements:
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_of_two_people_with_one_mailbox_the_other_keeps_what_is_theirs() -> None:
    one, two = lea(), factories.profile(email=ADDRESS)
    profiles.quarantine(ADDRESS, "hard_bounce", "")
    erasure.erase([one.pk], label="x")
    assert QuarantineEntry.objects.get().address_key == ADDRESS and not WithheldAddress.objects.exists()
    erasure.erase([two.pk], label="x")
    assert not QuarantineEntry.objects.exists() and WithheldAddress.objects.get().reason == "hard_bounce"


def comes_by_file() -> None:
    import_all(factories.user("Marketer"), f"email,consent\n{ADDRESS},subscribed\nbea@example.test,\n")


def comes_by_call(**more: Any) -> None:
    named = Name(EXTERNAL_ID, "new")
    tracking.track(
        [Change(named, {"email": ADDRESS.upper()}, **more), Change(Name(EMAIL, "b@example.test"))], source=SOURCE
    )


def comes_by_address() -> None:
    tracking.track([Change(Name(EMAIL, ADDRESS))], source=SOURCE)


def comes_by_event() -> None:
    tracking.track([], [Happening(Name(EMAIL, ADDRESS), "came", timezone.now())], source=SOURCE)


def test_a_hash_stays_until_somebody_keeps_the_address() -> None:
    """Passing through an address, within one call, takes nothing of what is known of it away."""
    person = lea(email_consent="unsubscribed")
    profiles.quarantine(person.email_key, "hard_bounce", "550")
    erasure.erase([person.pk], label="x")
    named = Name(EXTERNAL_ID, "new")
    tracking.track([Change(named, {"email": ADDRESS}), Change(named, {"email": "b@example.test"})], source=SOURCE)
    assert WithheldAddress.objects.exists() and not QuarantineEntry.objects.exists() and rows_with(CANARY) == []
    comes_by_address()
    assert not WithheldAddress.objects.exists() and QuarantineEntry.objects.exists()
    assert Profile.objects.get(email_key=ADDRESS).email_consent == "unsubscribed"


@pytest.mark.parametrize("comes", [comes_by_file, comes_by_call, comes_by_address, comes_by_event])
@pytest.mark.parametrize("consent", ["unsubscribed", "subscribed"])
@pytest.mark.parametrize("reason", ["complaint", ""])
def test_an_address_that_comes_again_is_not_written_to(comes: Any, consent: str, reason: str) -> None:
    person = lea(email_consent=consent)
    if reason:
        profiles.quarantine(ADDRESS, reason, "")
    erasure.erase([person.pk], label="x")
    assert WithheldAddress.objects.count() == (consent == "unsubscribed" or bool(reason))
    comes()
    again = Profile.objects.get(email_key=ADDRESS)
    assert again.email_consent == consent
    assert [one.state for one in ConsentChange.objects.all()] == ["unsubscribed"] * (consent == "unsubscribed")
    assert [one.reason for one in QuarantineEntry.objects.filter(released_at=None)] == [reason] * bool(reason)
    assert not WithheldAddress.objects.exists(), "it stands in plain rows again"
    assert Profile.objects.exclude(pk=again.pk).exclude(email_consent="subscribed").count() == 0


@pytest.mark.parametrize("comes", [comes_by_file, comes_by_call, comes_by_event])
def test_a_topic_that_was_left_stays_left(comes: Any) -> None:
    person, group, other = lea(), factories.group(), factories.group("Offers")
    subscriptions.set_state(group, [person.pk], "unsubscribed", source="api")
    subscriptions.set_state(other, [person.pk], "subscribed", source="api")
    erasure.erase([person.pk], label="x")
    comes()
    again = Profile.objects.get(email_key=ADDRESS)
    assert again.email_consent == "subscribed"
    assert list(Subscription.objects.values_list("profile_id", "group_id", "state")) == [
        (again.pk, group.pk, "unsubscribed")
    ]
    assert not WithheldAddress.objects.exists()


def test_who_says_so_comes_back_and_nobody_found_keeps_the_hash() -> None:
    erasure.erase([lea(email_consent="unsubscribed").pk], label="x")
    comes_by_call(may_make=False)
    assert WithheldAddress.objects.count() == 1
    comes_by_call(consent="opted_in")
    assert Profile.objects.get(external_id="new").email_consent == "opted_in"
    assert ProfileEvent.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_erasing_and_writing_at_once_end_whole() -> None:
    """Each person is either there with everything, or was erased; no call fails, and no row leads to nobody."""
    people = [factories.profile(external_id=f"u{number}") for number in range(12)]
    named = [Name(EXTERNAL_ID, f"u{number}") for number in range(12)]
    start = threading.Barrier(6)

    def work(number: int) -> None:
        try:
            start.wait(timeout=30)
            ordered = named if number % 2 else named[::-1]
            for _round in range(4):
                if number < 2:
                    erasure.erase([person.pk for person in people[number::2]], label="x")
                    continue
                changes = [Change(one, {"city": "Lyon"}, {f"n{number}": Operation("inc", 1)}) for one in ordered]
                tracking.track(changes, [Happening(one, "came", timezone.now()) for one in ordered], source=SOURCE)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    erased = set(ErasedProfile.objects.values_list("profile_id", flat=True))
    assert erased == {person.pk for person in people}
    there = Profile.objects.exclude(pk__in=erased)
    assert there.count() == Profile.objects.count() == len(set(there.values_list("external_id", flat=True)))
    assert set(ProfileEvent.objects.values_list("profile_id", flat=True)) <= set(there.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_given_to_somebody_while_it_is_erased_meets_its_hash() -> None:
    """The call waits for the erasure, and then knows what it left."""
    gone, known = lea(email_consent="unsubscribed"), factories.profile(external_id="known", email="")
    is_erased = threading.Event()

    def erase() -> None:
        with transaction.atomic():
            erasure.erase([gone.pk], label="test")
            is_erased.set()
            _wait_for_a_waiting()

    def give() -> None:
        assert is_erased.wait(timeout=30)
        tracking.track([Change(Name(EXTERNAL_ID, "known"), {"email": ADDRESS})], source=SOURCE)

    at_once(erase, give)
    known.refresh_from_db()
    assert (known.email_key, known.email_consent) == (ADDRESS, "unsubscribed")
    assert Profile.objects.count() == 1 and not WithheldAddress.objects.exists()


def _wait_for_a_waiting() -> None:
    """Until another session waits for a lock that this one has."""
    for _time in range(1000):
        if is_somebody_waiting():
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits")
