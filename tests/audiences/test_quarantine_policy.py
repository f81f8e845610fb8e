"""What failures do to an address: the thresholds of the quarantine policy, case by case."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import InstallationSetting
from audiences import options, profiles, quarantine
from audiences.models import AddressError, Consent, QuarantineEntry
from audiences.quarantine import Strike, Weight
from tests import factories

pytestmark = pytest.mark.django_db
KEY = "lea@example.test"
START = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)


def soft(hours: float = 0, *, key: str = KEY, reason: str = "mailbox_full") -> Strike:
    return Strike(key, Weight.TEMPORARY, reason, "452 4.2.2 Over quota", START + dt.timedelta(hours=hours))


def hard(key: str = KEY) -> Strike:
    return Strike(key, Weight.PERMANENT, "user_unknown", "550 5.1.1 No such user", START)


def complaint(key: str = KEY) -> Strike:
    return Strike(key, Weight.COMPLAINT, "whatever", "abuse", START)


def active() -> dict[str, str]:
    return dict(QuarantineEntry.objects.filter(released_at=None).values_list("address_key", "reason"))


def n_errors() -> int:
    return sum(AddressError.objects.values_list("n_errors", flat=True))


def test_many_certain_failures_cost_as_much_as_few_and_begin_their_counts_anew(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    many = [hard(f"gone{n}@example.test") for n in range(40)]
    quarantine.strike([soft(key=many[7].address_key), soft(key="else@example.test")])
    with django_assert_max_num_queries(6):
        assert quarantine.strike([*many, many[3]]) == 40
    assert active() == {one.address_key: "user_unknown" for one in many}
    assert list(AddressError.objects.values_list("address_key", flat=True)) == ["else@example.test"]
    assert quarantine.strike(many) == 0 and QuarantineEntry.objects.count() == 40


@pytest.mark.parametrize(
    ("case", "hours", "counted", "is_in"),
    [
        ("one", [0], 1, False),
        ("four, a day apart", [0, 24, 48, 72], 4, False),
        ("the fifth", [0, 24, 48, 72, 96], 0, True),
        ("many within a day are one", [0, 1, 5, 12, 23.9], 1, False),
        ("each a day after the last that counted", [0, 23, 24, 47, 48], 3, False),
        ("old ones are forgotten", [0, 24, 48, 72, 72 + 241], 1, False),
        ("ten days are not old yet", [0, 24, 48, 72, 72 + 240], 0, True),
        ("a late report of an earlier one", [48, 0], 2, False),
        ("a very late one says nothing", [300, 0], 1, False),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_temporary_failures_are_counted(
    case: str, hours: list[float], counted: int, is_in: bool, at_once: bool
) -> None:
    strikes = [soft(hour) for hour in hours]
    for part in [strikes] if at_once and hours == sorted(hours) else [[one] for one in strikes]:
        quarantine.strike(part)
    assert (n_errors(), KEY in active()) == (counted, is_in), case


def test_a_permanent_failure_and_a_complaint_count_at_once() -> None:
    assert quarantine.strike([hard("a@example.test"), complaint("b@example.test"), soft(key="c@example.test")]) == 2
    assert active() == {"a@example.test": "user_unknown", "b@example.test": "complaint"}
    # Again: nothing new.
    assert quarantine.strike([hard("a@example.test"), complaint("b@example.test")]) == 0
    assert QuarantineEntry.objects.count() == 2


def test_a_complaint_leaves_the_person_subscribed_and_their_other_profile_too() -> None:
    person, twin = factories.profile(email=KEY), factories.profile(email=KEY.upper())
    quarantine.strike([complaint()])
    for one in (person, twin):
        one.refresh_from_db()
        assert one.email_consent == Consent.SUBSCRIBED
        assert profiles.quarantined(one.email_key)


def test_a_complaint_outlives_the_cause_that_was_there_first() -> None:
    quarantine.strike([hard()])
    quarantine.strike([complaint()])
    assert active() == {KEY: "complaint"}
    quarantine.strike([hard()])
    assert active() == {KEY: "complaint"}


def test_a_success_starts_anew_and_one_before_the_failure_does_not() -> None:
    quarantine.strike([soft(0)])
    assert quarantine.forgive([(KEY, START - dt.timedelta(hours=1)), ("other@example.test", timezone.now())]) == 0
    assert n_errors() == 1
    assert quarantine.forgive([(KEY, START + dt.timedelta(hours=1)), (KEY, START)]) == 1
    assert n_errors() == 0


def test_nobody_leaves_quarantine_by_a_success_and_after_a_release_the_count_is_new() -> None:
    quarantine.strike([soft(24 * n) for n in range(5)])
    quarantine.forgive([(KEY, timezone.now())])
    assert active() == {KEY: "mailbox_full"}
    # While it is there nothing is counted.
    quarantine.strike([soft(200)])
    assert n_errors() == 0
    entry = profiles.quarantined(KEY)
    assert entry is not None
    profiles.release(entry, factories.user("Admin"), "It works again.")
    quarantine.strike([soft(300)])
    assert (n_errors(), active()) == (1, {})


def test_the_thresholds_are_those_of_settings() -> None:
    admin = factories.user("Admin")
    for name, value in ((options.MOST_ERRORS, 2), (options.ERROR_GAP_H, 1), (options.ERROR_MEMORY_DAYS, 1)):
        InstallationSetting.objects.create(name=name, value=value, changed_by=admin)
    quarantine.strike([soft(0), soft(0.5)])
    assert (n_errors(), active()) == (1, {})
    quarantine.strike([soft(26)])
    assert (n_errors(), active()) == (1, {})
    quarantine.strike([soft(27)])
    assert active() == {KEY: "mailbox_full"}


def test_old_counts_are_removed_and_young_ones_stay() -> None:
    quarantine.strike([soft(0), soft(24, key="young@example.test")])
    assert quarantine.forget(now=START + dt.timedelta(days=10, hours=1)) == 1
    assert list(AddressError.objects.values_list("address_key", flat=True)) == ["young@example.test"]


def test_an_address_without_a_key_and_odd_texts_do_no_harm() -> None:
    assert (
        quarantine.strike([hard("")._replace(address_key=""), hard()._replace(evidence="\x00\ud800" + "x" * 9000)]) == 1
    )
    entry = profiles.quarantined(KEY)
    assert entry is not None and entry.evidence == "\ufffd\ufffd" + "x" * 498


@pytest.mark.django_db(transaction=True)
def test_two_processes_count_one_failure_a_day_once() -> None:
    barrier = threading.Barrier(4)

    def report() -> None:
        barrier.wait()
        quarantine.strike([soft(0, key=f"p{n}@example.test") for n in range(20)])
        connection.close()

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(AddressError.objects.values_list("n_errors", flat=True)) == {1}
    assert AddressError.objects.count() == 20
