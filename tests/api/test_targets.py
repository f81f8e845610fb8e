"""Who gets it: the truth table of people, audience or segment, and broadcast, at both endpoints over HTTP."""

from typing import Any

import pytest

from campaigns import broadcasts
from delivery import preparation
from delivery.models import Shard, TriggerRequest
from messaging.models import Message
from tests import factories
from tests.api.callers import Caller
from tests.api.test_messages import FOOTER, email

pytestmark = pytest.mark.django_db
NOTHING = ""
# People named, audience or segment given, broadcast → who gets it by /campaigns/trigger/send, whose campaign is for
# a, b and c, and by /messages/send. Those named are a, b and d; the audience is b, c and d.
TABLE: list[tuple[bool, bool, bool | None, str, str]] = [
    (True, False, None, "ab", "abd"),
    (True, False, False, "ab", "abd"),
    (True, True, None, "b", "bd"),
    (True, True, False, "b", "bd"),
    (True, True, True, NOTHING, NOTHING),
    (True, False, True, NOTHING, NOTHING),
    (False, True, True, "bc", "bcd"),
    (False, True, None, NOTHING, NOTHING),
    (False, True, False, NOTHING, NOTHING),
    (False, False, True, "abc", NOTHING),
    (False, False, None, NOTHING, NOTHING),
    (False, False, False, NOTHING, NOTHING),
]


@pytest.fixture
def people() -> dict[int, str]:
    """Profile id → name of a to d, of whom all but a are golden and all but d are French."""
    factories.attribute("tier")
    found = {}
    for name in "abcd":
        country, tier = "" if name == "d" else "France", "" if name == "a" else "gold"
        made = factories.profile(external_id=name, country=country, attributes={"tier": tier} if tier else {})
        found[made.pk] = name
    return found


def got(people: dict[int, str]) -> str:
    """Who waits for a message, after the workers had their turns with requests for everybody."""
    for _turn in range(3):
        broadcasts.run()
        for request in TriggerRequest.objects.filter(state="taken", delivery__state="preparing"):
            preparation.run(request.delivery_id or 0)
    return "".join(sorted(people[one] for shard in Shard.objects.filter(state="waiting") for one in shard.ids))


GOLD = {"custom_attribute": {"custom_attribute_name": "tier", "comparison": "equals", "value": "gold"}}
FRENCH = {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": "France"}]}


@pytest.mark.parametrize(("named", "narrowed", "broadcast", "who", "_of_messages"), TABLE)
def test_truth_table_of_triggers(
    people: dict[int, str], named: bool, narrowed: bool, broadcast: bool | None, who: str, _of_messages: str
) -> None:
    campaign = factories.published(delivery__kind="api", audience__conditions=FRENCH)
    body: dict[str, Any] = {"campaign_id": str(campaign.public_id), "broadcast": broadcast}
    body |= {"recipients": [{"external_user_id": one} for one in "abd"]} if named else {}
    answer = Caller().post("/campaigns/trigger/send", body | ({"audience": GOLD} if narrowed else {}))
    assert answer.status_code == (201 if who else 400), answer.json()
    assert got(people) == who and TriggerRequest.objects.count() == bool(who)


@pytest.mark.parametrize("by_segment", [False, True], ids=["audience", "segment"])
@pytest.mark.parametrize(("named", "narrowed", "broadcast", "_of_triggers", "who"), TABLE)
def test_truth_table_of_messages(
    people: dict[int, str],
    named: bool,
    narrowed: bool,
    broadcast: bool | None,
    _of_triggers: str,
    who: str,
    by_segment: bool,
) -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    rule = {"match": "all", "rules": [{"field": "attributes.tier", "op": "is", "value": "gold"}]}
    body: dict[str, Any] = {"messages": email(body=FOOTER), "broadcast": broadcast}
    body |= {"external_user_ids": list("abd")} if named else {}
    if narrowed:
        body |= {"segment_id": str(factories.segment(rule=rule).public_id)} if by_segment else {"audience": GOLD}
    answer = Caller().post("/messages/send", body)
    assert answer.status_code == (201 if who else 400), answer.json()
    assert got(people) == who and Message.objects.count() == bool(who)


@pytest.mark.parametrize("more", [{}, {"broadcast": True}, {"audience": GOLD}])
def test_more_than_fifty_people_are_refused_whatever_else_is_given(
    people: dict[int, str], more: dict[str, Any]
) -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    campaign = factories.published(delivery__kind="api")
    names, caller = [f"u{n}" for n in range(51)], Caller()
    triggered = {"campaign_id": str(campaign.public_id), "recipients": [{"external_user_id": one} for one in names]}
    sent = {"messages": email(), "external_user_ids": names}
    for path, body in (("/campaigns/trigger/send", triggered), ("/messages/send", sent)):
        answer = caller.post(path, {**body, **more})
        assert (answer.status_code, "was exceeded" in answer.json()["message"]) == (400, True), answer.json()
    assert not TriggerRequest.objects.exists()


def test_a_segment_and_an_audience_mean_who_is_in_both(people: dict[int, str]) -> None:
    factories.sender(name="Example Shop", address="hello@shop.test")
    segment = str(factories.segment(rule=FRENCH).public_id)
    body = {"messages": email(body=FOOTER), "segment_id": segment, "audience": GOLD, "broadcast": True}
    assert Caller().post("/messages/send", body).status_code == 201
    assert got(people) == "bc"
