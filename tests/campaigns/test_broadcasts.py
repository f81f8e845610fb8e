"""Requests for a whole audience: a delivery of their own, nobody who has it already, and nothing after a stop."""

from collections.abc import Mapping

import pytest
from django.utils import timezone

from audiences import identities, rules
from campaigns import broadcasts, lifecycle, sends, triggering
from campaigns.models import Campaign
from delivery import clock, preparation, served
from delivery import lifecycle as delivery_lifecycle
from delivery.models import Claim, Delivery, Exclusion, RequestState, SendLog, Shard, TriggerRequest
from delivery.requests import Call, Recipient
from tests import factories

pytestmark = pytest.mark.django_db
API = {"delivery__kind": "api"}


def country(name: str) -> dict[str, object]:
    return {"conditions": {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": name}]}}


def broadcast(of: Campaign, audience: Mapping[str, object] | None = None, **trigger: object) -> TriggerRequest:
    call = Call(audience=audience, trigger=trigger)
    return triggering.trigger(str(of.public_id), call, is_broadcast=True).request


def name_one(of: Campaign, name: str) -> TriggerRequest:
    people = (Recipient(identities.Name("external_user_id", name)),)
    return triggering.trigger(str(of.public_id), Call(recipients=people)).request


def worked(request: TriggerRequest) -> TriggerRequest:
    """The request after the workers had their turns."""
    for _turn in range(3):
        broadcasts.run()
        found = TriggerRequest.objects.select_related("delivery").get(pk=request.pk)
        if found.delivery is not None:
            preparation.run(found.delivery.pk)
    clock.tick()
    return TriggerRequest.objects.select_related("delivery").get(pk=request.pk)


def test_it_gets_a_delivery_of_its_own_for_who_is_in_both_audiences() -> None:
    for place in ("France", "France", "Peru"):
        factories.profile(country=place)
    made = factories.published(**API, delivery__reeligibility="always")
    request = broadcast(made, country("France"), shop="Lyon")
    assert (request.state, request.delivery, request.is_audience) == (RequestState.TAKEN, None, True)
    done = worked(request)
    delivery = done.delivery
    assert delivery is not None
    assert (done.state, done.n_named, done.n_queued, done.n_refused) == (RequestState.QUEUED, 2, 2, 0)
    assert (delivery.state, delivery.n_to_send, delivery.confirmed_by, delivery.request_no) == (
        "sending", 2, None, request.pk,
    )  # fmt: skip
    assert list(Shard.objects.filter(delivery=delivery).values_list("request_no", flat=True)) == [request.pk]
    assert delivery.samples and all(not one["problem"] for one in delivery.samples)
    # The send people mean is the standing one.
    assert sends.current(made) != delivery
    assert worked(request).n_queued == 2 and Delivery.objects.filter(request_no=request.pk).count() == 1


def test_who_has_it_already_or_is_promised_it_is_left_out_both_ways() -> None:
    people = {name: factories.profile(external_id=name) for name in ("u1", "u2", "u3")}
    made = factories.published(**API)
    name_one(made, "u1")
    done = worked(broadcast(made))
    assert (done.n_named, done.n_queued, done.n_refused) == (3, 2, 1)
    assert Exclusion.objects.get(delivery=done.delivery).profile_id == people["u1"].pk
    assert name_one(made, "u2").n_queued == 0
    again = worked(broadcast(made))
    assert (again.state, again.n_queued, again.n_refused) == (RequestState.QUEUED, 0, 3)
    assert again.delivery is not None and again.delivery.state == "cancelled"
    assert Claim.objects.count() == 3


def test_a_stop_before_it_is_let_go_sends_nothing_and_promises_nothing() -> None:
    operator = factories.user("Operator")
    factories.profile(external_id="u1")
    made = factories.published(operator, **API)
    waits, prepared = broadcast(made), broadcast(made)
    broadcasts.advance(prepared.pk, str(made.public_id))
    prepared.refresh_from_db()
    assert prepared.delivery_id is not None
    preparation.run(prepared.delivery_id)
    assert Claim.objects.count() == 1
    lifecycle.stop(made.pk, by=operator)
    assert {worked(one).state for one in (waits, prepared)} == {RequestState.IGNORED}
    assert set(Delivery.objects.values_list("state", flat=True)) == {"stopped", "cancelled"}
    assert Claim.objects.count() == 0
    lifecycle.resume(made.pk, by=operator)
    assert name_one(made, "u1").n_queued == 1


def test_one_that_somebody_takes_back_before_the_first_message_promises_nothing() -> None:
    operator = factories.user("Operator")
    factories.profile(external_id="u1")
    made = factories.published(operator, **API)
    request = broadcast(made)
    for _turn in range(2):
        broadcasts.run()
        delivery = Delivery.objects.get(request_no=request.pk)
        preparation.run(delivery.pk)
    delivery_lifecycle.cancel(delivery.pk, by=operator)
    delivery_lifecycle.discard(delivery.pk, by=operator)
    assert Claim.objects.count() == 0


def test_a_preparation_that_is_done_again_keeps_its_promises() -> None:
    factories.profile(external_id="u1")
    made = factories.published(**API)
    request = broadcast(made)
    broadcasts.run()
    delivery = Delivery.objects.get(request_no=request.pk)
    preparation.run(delivery.pk)
    delivery_lifecycle.prepare(delivery.pk, by=None)
    preparation.run(delivery.pk)
    assert Delivery.objects.get(pk=delivery.pk).n_to_send == Claim.objects.count() == 1


def test_an_audience_that_means_nothing_is_refused_at_once() -> None:
    made = factories.published(**API)
    with pytest.raises(rules.RuleProblem):
        broadcast(
            made, {"conditions": {"match": "all", "rules": [{"field": "profile.none", "op": "is", "value": "x"}]}}
        )
    assert TriggerRequest.objects.count() == 0


def test_a_message_handed_over_after_preparation_looked_is_seen_by_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = factories.profile(external_id="u1")
    made = factories.published(**API)
    request = name_one(made, "u1")
    assert request.delivery is not None
    SendLog.objects.create(
        opened_month=request.delivery.opened_month, delivery=request.delivery, request_no=request.pk,
        profile_id=profile.pk, outcome="sent", at=timezone.now(), address="a@b.test", n_attempts=1, code="", detail="",
    )  # fmt: skip
    Shard.objects.update(state="done", n_sent=1, n_authorised=1)
    # As if it had looked a moment earlier.
    monkeypatch.setattr(served, "note_earlier", lambda *_arguments: False)
    done = worked(broadcast(made))
    assert (done.n_named, done.n_queued) == (1, 0)
