"""Refused calls in the activity log: what is kept of one, how many are, and that no answer changes by it."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from api import keys, noting
from api.noting import CUT
from delivery import refused_calls
from delivery.models import RefusedCall
from tests import factories
from tests.api.callers import Caller

SEND, LIST, TRACK = "/campaigns/trigger/send", "/campaigns/list", "/users/track"
CAMPAIGN = "5f0c1f0e-6b7e-4c6e-9d3a-0c5b1a2d3e4f"
TOKEN = "chappe_" + "a" * 8 + "_" + "b" * 38
# What a call brought → what is kept of it.
KEPT: list[tuple[Any, Any]] = [
    ({"campaign_id": CAMPAIGN, "broadcast": True}, {"campaign_id": CAMPAIGN, "broadcast": True}),
    ({"campaign_id": "typo-1"}, {"campaign_id": "typo-1"}),
    ({"campaign_id": TOKEN}, {"campaign_id": CUT}),
    ({"campaign_id": "lea@example.test"}, {"campaign_id": CUT}),
    ({"external_user_id": "customer-17", "email": "lea@example.test", "first_name": "Lea"}, {
        "external_user_id": CUT, "email": CUT, "first_name": CUT}),
    ({"recipients": [{"external_user_id": ""}]}, {"recipients": [{"external_user_id": ""}]}),
    ({"recipients": [1, 2, 3, 4, 5, 6]}, {"recipients": [1, 2, 3, 4, 5, CUT]}),
    ({"schedule": {"time": "2027-01-15T09:00:00+01:00"}}, {"schedule": {"time": "2027-01-15T09:00:00+01:00"}}),
    ({"schedule": {"time": "tomorrow"}}, {"schedule": {"time": CUT}}),
    ({"phone": 33612345678, "n": 3, "x": 1.5, "nothing": None}, {"phone": CUT, "n": 3, "x": 1.5, "nothing": None}),
    # A code that lets somebody in, an age, whether they have children.
    ({"recipients": [{"trigger_properties": {"code": 493021, "a": [{"n": 7, "is": True}], "s": "x"}}]}, {
        "recipients": [{"trigger_properties": {"code": CUT, "a": [{"n": CUT, "is": CUT}], "s": CUT}}]}),
    ({"attributes": [{"external_id": "u1", "age": 43, "_update_existing_only": True}]}, {
        "attributes": [{"external_id": CUT, "age": CUT, "_update_existing_only": CUT}]}),
    ({"recipients": [{"external_user_id": "u1", "attributes": {"has_children": True, "n": None}}]}, {
        "recipients": [{"external_user_id": CUT, "attributes": {"has_children": CUT, "n": None}}]}),
    ({"events": [{"name": "x", "properties": {"total": 12}}], "purchases": [{"quantity": 2, "price": 9.9}]}, {
        "events": [{"name": CUT, "properties": {"total": CUT}}], "purchases": [{"quantity": 2, "price": 9.9}]}),
    # Shops call their people by such ids too.
    ({"recipients": [{"external_user_id": CAMPAIGN}], "external_user_ids": [CAMPAIGN], "segment_id": CAMPAIGN}, {
        "recipients": [{"external_user_id": CUT}], "external_user_ids": [CUT], "segment_id": CAMPAIGN}),
    ({"events": [{"external_id": CAMPAIGN, "time": "2027-01-15T09:00:00Z"}], "braze_id": CAMPAIGN}, {
        "events": [{"external_id": CUT, "time": "2027-01-15T09:00:00Z"}], "braze_id": CUT}),
    ({"messages": {"email": {"message_variation_id": CAMPAIGN, "should_inline_css": True, "subject": "Hello"}}}, {
        "messages": {"email": {"message_variation_id": CAMPAIGN, "should_inline_css": True, "subject": CUT}}}),
    ({"external_ids": [CAMPAIGN], "user_alias": {"alias_name": CAMPAIGN, "alias_label": CAMPAIGN}}, {
        "external_ids": [CUT], "user_alias": {"alias_name": CUT, "alias_label": CUT}}),
    ({"lea@example.test": 1, TOKEN: 2}, {f"{CUT}@example.test": 1, f"chappe_{CUT}": 2}),
    ({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}, {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}),
    ({"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}, {"a": {"b": {"c": {"d": {"e": {"f": CUT}}}}}}),
    ({str(n): n for n in range(41)}, {**{str(n): n for n in range(40)}, CUT: 1}),
]  # fmt: skip
CLEAN = [
    ("Give a text.", "Give a text."),
    ("“lea@example.test” is no address.", f"“{CUT}@example.test” is no address."),
    (f"/x/{TOKEN}", f"/x/chappe_{CUT}"),
    ("a\x00b\ud800", "ab?"),
]


@pytest.mark.parametrize(("asked", "kept"), KEPT)
def test_of_what_was_asked_the_form_stays(asked: Any, kept: Any) -> None:
    assert noting.masked(asked) == kept


@pytest.mark.parametrize(("text", "kept"), CLEAN)
def test_texts_lose_keys_and_mailboxes(text: str, kept: str) -> None:
    assert noting.clean(text) == kept


@pytest.mark.django_db
def test_a_refused_call_is_a_line_that_says_why_and_nothing_private(client: Client) -> None:
    caller = Caller("campaigns.trigger.send", name="shop-prod")
    body = {"campaign_id": CAMPAIGN, "recipients": [{"external_user_id": "secret-person"}]}
    answer = caller.post(SEND, body)
    row = RefusedCall.objects.get()
    assert (answer.status_code, answer["X-Request-Id"]) == (400, row.public_id.hex)
    assert (row.status, row.code, row.path) == (400, "invalid_campaign_id", SEND)
    assert (row.key_id, row.origin_id) == (caller.key.public_id, CAMPAIGN)
    assert "secret-person" not in str(vars(row)) and caller.token[15:] not in str(vars(row))
    client.force_login(factories.user("Viewer"))
    for query in ({}, {"type": "refused"}, {"type": "api"}, {"q": row.public_id.hex}, {"origin": CAMPAIGN}):
        html = client.get(reverse("delivery:activity"), query).content.decode()
        assert "400 campaign_id: No published campaign has it." in html and "Key “shop-prod (chappe_" in html, query
    assert "shop-prod" not in client.get(reverse("delivery:activity"), {"type": "sent"}).content.decode()
    page = reverse("delivery:activity-refused", args=[row.public_id])
    html = client.get(page).content.decode()
    assert "/developers/#error-invalid_campaign_id" in html and "Copy as cURL" in html
    assert reverse("api:keys") not in html and f">{row.address}</dd>" not in html
    client.force_login(factories.user("Admin"))
    html = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert f"{reverse('api:keys')}#key-{caller.key.public_id}" in html and html.strip().startswith("<dialog")


@pytest.mark.django_db
def test_each_kind_of_refusal_is_there(settings: Any) -> None:
    """With the key's name where the key is ours, without where it is none."""
    caller, ended, narrow = Caller(name="good"), Caller(name="ended"), Caller("campaigns.list", name="narrow")
    keys.revoke(ended.key.pk, by=ended.key.created_by)
    factories.configure(api__limit_data_series=1)
    caller.post(TRACK, b"{")
    ended.post(SEND)
    narrow.post(SEND)
    caller.get(SEND)
    caller.post("/canvas/trigger/send")
    caller.post("/users/nothing")
    for _number in range(2):
        caller.get("/campaigns/data_series", data={"campaign_id": "x", "length": 3})
    Client().get(LIST, headers={"Authorization": "Bearer nope"})
    Client().get(LIST, {"api_key": caller.token})
    rows = [(row.status, row.key_label.partition(" ")[0]) for row in RefusedCall.objects.order_by("pk")]
    assert rows == [
        (400, "good"), (401, "ended"), (403, "narrow"), (405, "good"), (400, "good"), (404, "good"), (400, "good"),
        (429, "good"), (401, ""), (401, ""),
    ]  # fmt: skip
    assert caller.token[15:] not in json.dumps(list(RefusedCall.objects.values()), default=str)


@pytest.mark.django_db
def test_strangers_and_accepted_calls_leave_nothing() -> None:
    caller = Caller()
    assert caller.get(LIST).status_code == 200
    for path in ("/users/nothing", "/api/x", "/campaigns/", "/nothing/"):
        Client().get(path)
    assert not RefusedCall.objects.exists()


@pytest.mark.django_db
def test_the_same_mistake_again_and_again_is_counted(django_assert_max_num_queries: Any) -> None:
    caller = Caller()
    answers = [caller.post(TRACK, b"{") for _number in range(noting.EACH + 9)]
    assert {answer.status_code for answer in answers} == {400}
    assert [answer.has_header("X-Request-Id") for answer in answers] == [True] * noting.EACH + [False] * 9
    assert list(RefusedCall.objects.order_by("pk").values_list("n_more", flat=True)) == [0] * (noting.EACH - 1) + [8]
    noting._minute.number = -1
    assert caller.post(TRACK, b"{").has_header("X-Request-Id"), "another minute"


@pytest.mark.django_db
def test_callers_without_a_key_are_kept_far_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noting, "OF_NOBODY", 3)
    monkeypatch.setattr(noting, "MOST", 6)
    client, caller = Client(), Caller()
    for path in (LIST, "/segments/list", "/campaigns/details", "/segments/details", "/subscription/status/get"):
        client.get(path, headers={"Authorization": "Bearer nope"})
    assert RefusedCall.objects.count() == 3
    for _number in range(5):
        caller.post(TRACK, b"{")
    assert RefusedCall.objects.count() == 6


@pytest.mark.django_db
def test_an_answer_is_the_same_when_it_cant_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller()
    expected = caller.post(TRACK, b"{")

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "refusedcall" in sql:
            raise DatabaseError("no room")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        answer = caller.post(TRACK, b"{")
    assert (answer.status_code, answer.json()) == (400, expected.json())
    assert RefusedCall.objects.count() == 1


@pytest.mark.django_db
def test_what_is_old_or_too_much_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_calls, "MOST", 3)
    monkeypatch.setattr(refused_calls, "MOST_OF_NOBODY", 1)
    key, now = Caller().key, timezone.now()
    for n in range(6):
        for key_id in (key.public_id, None):
            row = refused_calls.keep(refused_calls.Refusal("POST", "/x", 400, str(n), key_id=key_id))
            RefusedCall.objects.filter(pk=row.pk).update(at=now - dt.timedelta(days=n))
    assert refused_calls.purge(keep=dt.timedelta(days=4), now=now + dt.timedelta(seconds=1)) == 2 * 2 + 1 + 3
    left = RefusedCall.objects.order_by("at").values_list("code", "key_id")
    assert (
        list(left) == [("2", key.public_id), ("1", key.public_id), ("0", key.public_id), ("0", None)] or len(left) == 4
    )
