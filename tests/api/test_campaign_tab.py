"""The API tab: calls that fit the message, what each state answers, and a try that only reaches who expects it."""

import ast
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from api import campaign_calls, campaign_facts, trying
from audiences.models import Profile
from campaigns import lifecycle
from campaigns.models import Campaign
from delivery.models import RequestRecipient, RequestState, Shard, TriggerRequest
from tests import factories
from tests.api.callers import Caller

SEND = "/campaigns/trigger/send"
API = {"delivery__kind": "api"}
SUBJECT = "Order {{ api_trigger_properties.order.number }}, {{ api_trigger_properties.${eta} }}"
# Parts of a message and the samples of its properties.
PROPERTIES: list[tuple[dict[str, str], dict[str, object]]] = [
    ({}, {}),
    ({"subject": SUBJECT}, {"order.number": "example number", "eta": "example eta"}),
    (
        {"preheader": "{% if api_trigger_properties.order %}{{ api_trigger_properties.order.id_no }}{% endif %}"},
        {"order.id_no": "example id no"},
    ),
    (
        {"text": "{% for one in api_trigger_properties.items %}{{ one.name }}, {{ one.price }}{% endfor %}"},
        {"items": [{"name": "example name", "price": "example price"}]},
    ),
    ({"text": "{% for one in api_trigger_properties.codes %}{{ one }}{% endfor %}"}, {"codes": ["example codes"]}),
    ({"text": "{% for n in {{api_trigger_properties.${codes}}} %}{{ n }}{% endfor %}"}, {"codes": ["example codes"]}),
    ({"subject": "{{ api_trigger_properties. }}"}, {}),
]


@pytest.mark.parametrize(("parts", "expected"), PROPERTIES)
def test_properties_have_samples_of_their_shape(parts: dict[str, str], expected: dict[str, object]) -> None:
    found = campaign_calls.properties(factories.content_spec(**parts))
    assert found == expected
    assert list(found) == list(expected)


def test_what_is_typed_becomes_properties_and_what_is_empty_is_left_out() -> None:
    values = {"order.number": "1042", "eta": "soon", "items": '[{"name": "Lamp"}]', "note": " ", "other": "x"}
    assert campaign_calls.typed(values, ["order.number", "eta", "items", "note"]) == {
        "order": {"number": 1042}, "eta": "soon", "items": [{"name": "Lamp"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", ['{"a": "\\u0000"}', '["\\ud800"]', "-Infinity", "1e999", '{"a": [NaN]}', "[" * 400 + "]" * 400, "\ud800"]
)
def test_values_that_nothing_can_keep_are_refused_as_in_a_call(value: str) -> None:
    with pytest.raises(campaign_calls.PropertiesInvalid):
        campaign_calls.typed({"a": value}, ["a"])


def tab(of: Campaign) -> str:
    return reverse("api:campaign-tab", args=[of.public_id])


def client_of(role: str) -> tuple[Any, Client]:
    user, client = factories.user(role), Client()
    client.force_login(user)
    return user, client


def attempt(client: Client, of: Campaign, person: Profile, *, is_part: bool = True, **values: str) -> Any:
    headers = {"HX-Request": "true"} if is_part else {}
    fields = {f"property:{name}": value for name, value in values.items()}
    url = reverse("api:campaign-try", args=[of.public_id])
    return client.post(url, {"person": str(person.public_id), **fields}, headers=headers)


@pytest.mark.django_db
def test_the_examples_are_calls_that_the_api_takes() -> None:
    factories.profile(external_id="customer-17")
    made = factories.published(**API, compose__subject=SUBJECT)
    document = campaign_calls.shown(made, None)
    calls = campaign_calls.of(made, document)
    body = json.loads(calls.examples[0][1].split("-d '")[1].removesuffix("'"))
    assert body["trigger_properties"] == {"order": {"number": "example number"}, "eta": "example eta"}
    python = ast.parse(calls.examples[1][1])
    given = next(node for node in ast.walk(python) if isinstance(node, ast.keyword) and node.arg == "json")
    assert ast.literal_eval(given.value) == body
    assert calls.url.endswith(SEND)
    assert Caller().post(SEND, body).status_code == 201
    request = TriggerRequest.objects.get()
    assert (request.n_queued, request.trigger) == (1, body["trigger_properties"])


@pytest.mark.django_db
def test_the_tab_says_what_a_call_would_get(settings: Any) -> None:
    operator, client = client_of("Operator")
    made = factories.published(operator, **API)
    page = client.get(tab(made)).content.decode()
    assert "Ready to be triggered." in page
    assert campaign_facts.variation_id(made) in page and str(made.public_id) in page
    assert f'href="{tab(made)}" aria-current="page"' in page
    anchor = f"{reverse('api:developers')}#campaigns_trigger_send"
    assert f'href="{anchor}"' in page
    assert 'id="campaigns_trigger_send"' in client.get(anchor).content.decode()
    lifecycle.stop(made.pk, by=operator)
    html = client.get(tab(made)).content.decode()
    assert "Stopped: requests are accepted, and nothing is sent." in html
    assert "Nothing would be sent now." in html and "the person gets the message" not in html
    lifecycle.archive(made.pk, by=operator)
    assert "Archived: requests are accepted, and nothing is sent." in client.get(tab(made)).content.decode()
    draft = factories.campaign(operator, **API)
    page = client.get(tab(draft)).content.decode()
    assert "Not published yet: requests are refused with 400." in page and "Send request" not in page
    refused = Caller().post(SEND, {"campaign_id": str(draft.public_id), "recipients": [{"external_user_id": "x"}]})
    assert refused.status_code == 400
    assert "campaign_id: No published campaign has it." in client.get(tab(draft)).content.decode(), "also the refused"
    settings.ACTIVATE_TRIGGERED = True
    assert (
        "Not activated yet: requests are refused."
        in client.get(tab(factories.published(operator, **API))).content.decode()
    )
    page = client.get(tab(factories.published(operator))).content.decode()
    assert "choose “When my system asks (API)”" in page and "Call it" not in page


@pytest.mark.django_db
def test_a_try_is_a_request_with_its_answer_and_its_place_in_the_log() -> None:
    operator, client = client_of("Operator")
    tester = factories.profile(is_test=True)
    made = factories.published(operator, **API, compose__subject=SUBJECT)
    page = attempt(client, made, tester, **{"order.number": "1042", "eta": ""}).content.decode()
    request = TriggerRequest.objects.get()
    assert (request.trigger, request.n_queued) == ({"order": {"number": 1042}}, 1)
    # Its language is the reader's, so only the name is kept.
    assert (request.is_try, request.key_label, request.key_id) == (True, str(operator), None)
    assert f"Try it, {operator}" in client.get(tab(made)).content.decode()
    assert request.public_id.hex in page and f"The message to {tester.email} is queued." in page
    assert page.count(f'href="{reverse("delivery:activity-request", args=[request.public_id])}"') == 2
    assert 'id="requests" hx-swap-oob="true"' in page
    # The second one is accepted as the API does, and told why nothing comes of it.
    answer = attempt(client, made, tester, is_part=False)
    assert answer.status_code == 302
    page = client.get(answer["Location"]).content.decode()
    assert "Accepted, and nothing is sent: " in page
    assert RequestRecipient.objects.exclude(reason="").count() == 1
    assert Shard.objects.filter(state="waiting").count() == 1
    lifecycle.stop(made.pk, by=operator)
    page = attempt(client, made, tester).content.decode()
    assert "The campaign is paused." in page and "&quot;sent&quot;: false" in page
    assert TriggerRequest.objects.filter(state=RequestState.IGNORED).count() == 1


@pytest.mark.django_db
def test_only_test_profiles_and_oneself_can_be_tried_with() -> None:
    operator, client = client_of("Operator")
    customer, tester = factories.profile(), factories.profile(is_test=True)
    mine = factories.profile(email=operator.email)
    made = factories.published(operator, **API)
    assert trying.people(operator) == [mine, tester]
    refused = attempt(client, made, customer)
    assert refused.status_code == 422 and "Choose a test profile or yourself." in refused.content.decode()
    assert attempt(client, made, customer, is_part=False).status_code == 422
    assert not TriggerRequest.objects.exists()
    assert attempt(client, made, mine).status_code == 200
    assert TriggerRequest.objects.get().n_queued == 1


@pytest.mark.django_db
def test_who_may_not_start_sends_sees_the_reason() -> None:
    _marketer, client = client_of("Marketer")
    made = factories.published(factories.user("Operator", name="Olga"), **API)
    page = client.get(tab(made)).content.decode()
    assert "Sending a request needs the Operator role. Olga can do it." in page
    assert attempt(client, made, factories.profile(is_test=True)).status_code == 403
    assert not TriggerRequest.objects.exists()


@pytest.mark.django_db
def test_a_request_of_another_campaign_is_not_shown(django_assert_max_num_queries: Any) -> None:
    operator, client = client_of("Operator")
    tester = factories.profile(is_test=True)
    made, other = factories.published(operator, **API), factories.published(operator, **API)
    for _n in range(3):
        attempt(client, other, tester)
    theirs = TriggerRequest.objects.first()
    assert theirs is not None
    page = client.get(f"{tab(made)}?tried={theirs.public_id}").content.decode()
    assert theirs.public_id.hex not in page and "No requests yet." in page
    with django_assert_max_num_queries(25):
        assert client.get(tab(other)).content.decode().count('href="/activity/requests/') == 3
