"""What requests keep of somebody who was erased: nothing that says who it was, and nothing that brings them back."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from audiences import erasure, identities
from audiences.models import ProfileAlias
from campaigns import triggering
from delivery import callformat, requests
from delivery.models import RequestRecipient, RequestState, TriggerRequest
from delivery.requests import Call, Recipient
from tests import factories
from tests.audiences.test_erasure import rows_with

pytestmark = pytest.mark.django_db


def named(text: str, kind: str = "external_user_id", label: str = "", **fields: Any) -> Recipient:
    return Recipient(identities.Name(kind, text, label=label), **fields)


def test_requests_that_were_taken_say_no_more_who_it_was() -> None:
    lea = factories.profile(external_id="lea-17", email="lea.durand@example.test", email_consent="unsubscribed")
    factories.profile(external_id="u2", email="u2@example.test")
    made = str(factories.published(delivery__kind="api").public_id)
    alone = Call(recipients=(named("lea-17"), named("lea-17")), trigger={"for": "Durand"})
    both = Call(
        recipients=(named("lea-17", trigger={"to": "Durand"}), named("u2", trigger={"to": "Martin"})), trigger={"n": 1}
    )
    for call in (alone, both):
        triggering.trigger(made, call)
    erasure.erase([lea.pk], label="test")
    assert rows_with("lea-17") == [] and rows_with("durand") == []
    rows = RequestRecipient.objects.order_by("request", "position").values_list("name", "trigger", "reason")
    assert list(rows) == [
        ("", None, "unsubscribed"), ("", None, "named_twice"), ("", None, "unsubscribed"),
        ("u2", {"to": "Martin", "n": 1}, ""),
    ]  # fmt: skip
    assert list(TriggerRequest.objects.order_by("pk").values_list("trigger", "n_named")) == [({}, 2), ({"n": 1}, 2)]


def test_who_was_named_before_anybody_knew_them_is_forgotten_too() -> None:
    made = str(factories.published(delivery__kind="api").public_id)
    by_mail = named("Lea.Durand@example.test", "email", trigger={"to": "Durand"})
    by_alias = named("lea-a", "user_alias", "crm", trigger={"to": "Durand"})
    triggering.trigger(made, Call(recipients=(named("lea-17", trigger={"to": "Durand"}),), trigger={"for": "Durand"}))
    triggering.trigger(made, Call(recipients=(by_mail, by_alias, named("LEA-17"), named("u9")), trigger={"n": 1}))
    lea = factories.profile(external_id="lea-17", email="lea.durand@example.test")
    ProfileAlias.objects.create(profile=lea, label="crm", name="lea-a")
    erasure.erase([lea.pk], label="test")
    assert rows_with("durand") == []
    names = RequestRecipient.objects.order_by("request", "position").values_list("name", flat=True)
    assert list(names) == ["", "", "", "LEA-17", "u9"], "who is called otherwise is somebody else"
    assert list(TriggerRequest.objects.order_by("pk").values_list("trigger", "n_named")) == [({}, 1), ({"n": 1}, 4)]


def test_scheduled_requests_neither_name_nor_make_them() -> None:
    lea = factories.profile(external_id="lea-17", email="lea.durand@example.test")
    ProfileAlias.objects.create(profile=lea, label="crm", name="lea-a")
    factories.profile(external_id="LEA-17", email="other@example.test")
    made = str(factories.published(delivery__kind="api").public_id)
    at = timezone.now() + dt.timedelta(hours=1)
    names = (
        named("lea-17", existing_only=False, attributes={"email": "lea.durand@example.test"}),
        named("LEA.durand@example.test", "email"), named("lea-a", "user_alias", "crm"),
        named(str(lea.public_id), "braze_id"), named("lea-a", "user_alias", "shop"), named("LEA-17"),
    )  # fmt: skip
    request = triggering.trigger(made, Call(recipients=names, due_at=at)).request
    alone = triggering.trigger(made, Call(recipients=names[:1], trigger={"for": "Durand"}, due_at=at)).request
    erasure.erase([lea.pk], label="test")
    request.refresh_from_db()
    assert [one.name.shown for one in callformat.restore(request).recipients] == ["shop: lea-a", "LEA-17"]
    alone.refresh_from_db()
    assert (alone.state, alone.call["recipients"], alone.trigger) == (RequestState.SCHEDULED, [], {})
    TriggerRequest.objects.update(due_at=timezone.now() - dt.timedelta(minutes=1))
    requests.run_due()
    assert set(TriggerRequest.objects.values_list("state", "n_queued")) == {("queued", 0), ("queued", 1)}


def test_of_two_people_with_one_mailbox_the_other_is_still_named() -> None:
    lea, max_ = (factories.profile(external_id=name, email="home@example.test") for name in ("lea", "max"))
    made = str(factories.published(delivery__kind="api").public_id)
    call = Call(recipients=(named("home@example.test", "email"),), due_at=timezone.now() + dt.timedelta(hours=1))
    request = triggering.trigger(made, call).request
    erasure.erase([lea.pk], label="test")
    request.refresh_from_db()
    assert len(request.call["recipients"]) == 1
    erasure.erase([max_.pk], label="test")
    request.refresh_from_db()
    assert request.call["recipients"] == []


def test_a_call_at_local_times_can_still_be_taken_back_for_the_others() -> None:
    people = [factories.profile(external_id=name, time_zone="Asia/Tokyo") for name in ("lea", "max")]
    made = str(factories.published(delivery__kind="api").public_id)
    wall = (timezone.now() + dt.timedelta(days=2)).strftime("%Y-%m-%dT09:00")
    call = Call(recipients=(named("lea"), named("max")), due_at=timezone.now() + dt.timedelta(hours=1), local_time=wall)
    request = triggering.trigger(made, call).request
    TriggerRequest.objects.update(due_at=timezone.now() - dt.timedelta(minutes=1))
    requests.run_due()
    erasure.erase([people[0].pk], label="test")
    request.refresh_from_db()
    assert (request.state, request.call) == (RequestState.QUEUED, {"local_time": wall})
    assert requests.cancel(request.public_id, origin=requests.Origin("campaign", made, "")) is not None
