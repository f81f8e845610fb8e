"""From a request to the mail in somebody's inbox, over real SMTP on loopback; and a hundred requests at once."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts import roles
from audiences import identities
from campaigns import broadcasts, triggering
from campaigns.models import Campaign
from delivery import clock, kpi, preparation, recipients, sending
from delivery.models import Claim, Delivery, RequestRecipient, SendLog, Shard, TriggerRequest
from delivery.requests import Call, Recipient
from messaging import smtp
from tests import factories, smtp_server
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)
FAST = smtp.Timeouts(connect=2, greeting=1, command=1, body=1, dot=1)
API = {"delivery__kind": "api"}
GREETING = "Order {{ api_trigger_properties.number }} for {{ profile.first_name }}"


@pytest.fixture(autouse=True)
def _with_roles(transactional_db: None) -> None:
    """The test before this one emptied the tables."""
    roles.sync()


def ask(of: Campaign, *names: str, own: dict[str, Any] | None = None, **trigger: Any) -> TriggerRequest:
    people = tuple(Recipient(identities.Name("external_user_id", name), trigger=own or {}) for name in names)
    return triggering.trigger(str(of.public_id), Call(recipients=people, trigger=trigger)).request


def drain() -> None:
    for delivery_id in Delivery.objects.filter(state="sending").values_list("pk", flat=True):
        sending.drain(delivery_id, timeouts=FAST)


def subjects(server: smtp_server.Server) -> dict[str, list[str]]:
    """The subjects that each address got, in order."""
    found: dict[str, list[str]] = {}
    for address, data in server.accepted:
        line = next(line for line in data.decode().splitlines() if line.startswith("Subject: "))
        found.setdefault(address, []).append(line.removeprefix("Subject: "))
    return found


def test_each_reader_gets_their_own_properties_from_the_version_that_took_the_request(
    mail_server: smtp_server.Server,
) -> None:
    for name in ("u1", "u2"):
        factories.profile(external_id=name, email=f"{name}@example.test", first_name=name.upper())
    made = factories.published(**API, compose__subject=GREETING, delivery__reeligibility="always")
    first = ask(made, "u1", number=7, own={"number": 8})
    ask(made, "u2", number=7)
    draft = factories.draft_of(made, compose__subject="Changed")
    drain()
    assert subjects(mail_server) == {"u1@example.test": ["Order 8 for U1"], "u2@example.test": ["Order 7 for U2"]}
    # A draft touches nothing; the next version is used by the next request.
    ask(made, "u2", number=9)
    drain()
    assert subjects(mail_server)["u2@example.test"] == ["Order 7 for U2", "Order 9 for U2"]
    assert draft.pk
    factories.publish_again(made)
    ask(made, "u2", number=10)
    drain()
    assert subjects(mail_server)["u2@example.test"][-1] == "Changed"
    clock.tick()
    old, new = Delivery.objects.order_by("pk")
    assert (old.state, new.state) == ("finished", "sending")
    panels = [kpi.panel(one) for one in (old, new)]
    assert [(one.to_send, one.sent, one.waiting) for one in panels] == [(3, 3, 0), (1, 1, 0)]
    # The page in the browser shows the same message.
    profile_id = RequestRecipient.objects.get(request=first).profile_id
    assert profile_id is not None
    assert recipients.message_html(old, profile_id, first.pk)


def test_a_hundred_requests_at_once_are_one_message(mail_server: smtp_server.Server) -> None:
    factories.profile(external_id="u1", email="u1@example.test")
    made = factories.published(**API)
    jobs = [lambda: ask(made, "u1", number=7)] * 25
    requests = [request for _round in range(4) for request in at_once(*jobs)]
    assert len(requests) == TriggerRequest.objects.count() == 100
    assert sorted(request.n_queued for request in requests) == [0] * 99 + [1]
    drain()
    assert subjects(mail_server) == {"u1@example.test": ["Autumn sale"]}
    assert SendLog.objects.filter(outcome="sent").count() == Claim.objects.count() == 1
    panel = kpi.panel(Delivery.objects.get())
    assert (panel.to_send, panel.sent, panel.not_sent) == (100, 1, 99)


def test_requests_with_the_same_people_in_other_orders_never_deadlock() -> None:
    for n in range(6):
        factories.profile(external_id=f"u{n}")
    factories.configure(delivery__cap_messages=3, delivery__cap_hours=24)
    made = factories.published(**API, delivery__reeligibility="never")
    names = [f"u{n}" for n in range(6)]
    jobs = [lambda n=n: ask(made, *(names[n:] + names[:n])) for n in range(6)]
    requests = at_once(*jobs)
    assert sum(request.n_queued for request in requests) == 6
    people = [profile_id for shard in Shard.objects.filter(state="waiting") for profile_id in shard.ids]
    assert len(people) == len(set(people)) == 6


def test_no_request_is_lost_between_two_versions() -> None:
    """Requests while a new version is published: each is taken by one of the two deliveries, none by a closed one."""
    for n in range(20):
        factories.profile(external_id=f"u{n}")
    made = factories.published(**API)
    jobs: list[Callable[[], Any]] = [lambda n=n: ask(made, f"u{n}") for n in range(20)]
    jobs.insert(10, lambda: factories.publish_again(made))
    at_once(*jobs)
    taken = TriggerRequest.objects.select_related("delivery")
    assert sum(request.n_queued for request in taken) == 20
    for request in taken:
        assert request.delivery is not None
        closed_at = request.delivery.closed_at
        assert closed_at is None or request.received_at <= closed_at


def test_a_whole_audience_and_its_people_asked_for_at_the_same_time_are_one_message_each() -> None:
    """The list is being made while requests name the people in it: each is promised the message by one of the two."""
    names = [f"u{n}" for n in range(12)]
    for name in names:
        factories.profile(external_id=name)
    made = factories.published(**API)
    triggering.trigger(str(made.public_id), Call(), is_broadcast=True)
    broadcasts.run()
    delivery = Delivery.objects.get(request_no__gt=0)

    def prepare() -> bool:
        preparation.run(delivery.pk)
        return True

    at_once(*[prepare, *(lambda name=name: ask(made, name) for name in names)])
    broadcasts.run()
    people = [profile_id for shard in Shard.objects.filter(state="waiting") for profile_id in shard.ids]
    assert len(people) == len(set(people)) == Claim.objects.count() == 12
