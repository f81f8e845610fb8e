"""Consent, groups and complaints in /users/track: what counts for a mailbox, and that nobody comes back by it."""

import pytest

from audiences import subscriptions
from audiences.models import (
    ConsentChange,
    Profile,
    QuarantineEntry,
    Subscription,
)
from tests import factories
from tests.api.callers import Caller
from tests.api.test_tracking import AT, TRACK, caller, errors, write  # noqa: F401  # a fixture


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mine", "mate", "said", "after", "mates", "told"),
    [
        ("subscribed", "subscribed", "unsubscribed", "unsubscribed", "unsubscribed", False),
        ("subscribed", "opted_in", "opted_in", "opted_in", "opted_in", False),
        ("unsubscribed", "unsubscribed", "opted_in", "opted_in", "opted_in", False),
        ("unsubscribed", "unsubscribed", "subscribed", "unsubscribed", "unsubscribed", True),
        ("opted_in", "subscribed", "subscribed", "opted_in", "subscribed", False),
        ("unsubscribed", "unsubscribed", "unsubscribed", "unsubscribed", "unsubscribed", False),
    ],
)  # fmt: skip
def test_consent_counts_for_the_mailbox_and_is_in_its_history(
    caller: Caller,  # noqa: F811
    mine: str,
    mate: str,
    said: str,
    after: str,
    mates: str,
    told: bool,
) -> None:
    one = factories.profile(external_id="u1", email="lea@example.test", email_consent=mine)
    two = factories.profile(external_id="u2", email="LEA@example.test", email_consent=mate)
    other = factories.profile(external_id="u3")
    answer = write(caller, {"external_id": "u1", "email_subscribe": said})
    assert [line.startswith("attributes[0].email_subscribe: This mailbox unsub") for line in errors(answer)] == [
        True
    ] * told
    changed = {one.pk: (mine, after), two.pk: (mate, mates)}
    for person in (one, two, other):
        person.refresh_from_db()
    assert (one.email_consent, two.email_consent, other.email_consent) == (after, mates, "subscribed")
    history = ConsentChange.objects.order_by("profile_id").values_list("profile_id", "state", "source", "reference")
    assert list(history) == [
        (pk, new, "api", caller.key.prefix) for pk, (old, new) in sorted(changed.items()) if old != new
    ]
    assert (one.consent_changed_at is not None) == (mine != after)


@pytest.mark.django_db
def test_who_takes_an_address_that_left_has_left(caller: Caller) -> None:  # noqa: F811
    factories.profile(email="gone@example.test", email_consent="unsubscribed")
    factories.profile(external_id="u1")
    assert not errors(
        write(
            caller,
            {"external_id": "u1", "email": "Gone@example.test"},
            {"external_id": "u2", "email": "gone@example.test", "email_subscribe": "unsubscribed"},
        )
    )
    assert set(Profile.objects.values_list("email_consent", flat=True)) == {"unsubscribed"}
    assert ConsentChange.objects.count() == 2


@pytest.mark.django_db
def test_groups_and_complaints(caller: Caller) -> None:  # noqa: F811
    group, closed = factories.group(), factories.group("Closed")
    subscriptions.archive(closed.pk, by=factories.user("Admin"))
    said = errors(
        write(
            caller,
            {
                "external_id": "u1",
                "email": "lea@example.test",
                "subscription_groups": [
                    {"subscription_group_id": str(group.public_id), "subscription_state": "unsubscribed"},
                    {"subscription_group_id": str(closed.public_id), "subscription_state": "subscribed"},
                    {
                        "subscription_group_id": "8d6f8c7a-5b4e-4f3d-a2c1-b0a9f8e7d6c5",
                        "subscription_state": "subscribed",
                    },
                ],
                "marked_email_as_spam_at": AT,
            },
        )
    )
    assert len(said) == 2 and "is archived" in said[0] and "no subscription group" in said[1]
    assert list(Subscription.objects.values_list("group_id", "state")) == [(group.pk, "unsubscribed")]
    assert QuarantineEntry.objects.get().reason == "complaint"
