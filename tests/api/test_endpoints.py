"""What every endpoint does before its own work: key, scope, address, method, limit, body; and how it says no."""

import copy
import io
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from psycopg.errors import QueryCanceled

from accounts import roles
from api import bodies, keys, limiting, paths, refusals, scopes
from api.models import AnsweredCall, ApiKey, SendId
from tests import factories
from tests.api import callers
from tests.api.callers import Caller

pytestmark = pytest.mark.django_db
CREATE, LIST = "/sends/id/create", "/campaigns/list"
WRONG: list[Any] = [None, True, 0, -1.5, "", "\u0000", "x" * 300, [], [[]], [{}], {}, {"a": {"b": []}}]
ENDPOINTS = {f"/{pattern.pattern}": pattern.callback.view_class for pattern in paths.ENDPOINTS}  # type: ignore[attr-defined]


@pytest.fixture
def caller() -> Caller:
    return Caller()


def call(caller: Caller, path: str) -> Any:
    return caller.post(path) if "act" in ENDPOINTS[path].offered() else caller.get(path)


@pytest.fixture
def campaign() -> Any:
    return factories.published(factories.user("Operator"), delivery__kind="api")


def revoke(key: ApiKey) -> None:
    keys.revoke(key.pk, by=key.created_by)


def expire(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def move(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(networks=["192.0.2.0/24"])


def narrow(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(scopes=["nothing.at.all"])


@pytest.mark.parametrize("path", sorted(ENDPOINTS))
def test_each_endpoint_refuses_whoever_may_not(path: str) -> None:
    """Beside the allowed call, which comes as far as its body or further."""
    for spoil, status, word in (
        (None, 0, ""), (revoke, 401, "revoked"), (expire, 401, "expired"), (move, 403, "can't be used from"),
        (narrow, 403, ENDPOINTS[path].scope),
    ):  # fmt: skip
        caller = Caller(ENDPOINTS[path].scope)
        if spoil is not None:
            spoil(caller.key)
        answer = call(caller, path)
        body = answer.json()
        if spoil is None:
            assert answer.status_code in (200, 201, 202, 400), body
        else:
            assert (answer.status_code, body["message"]) == (status, refusals.LABELS[status])
            assert word in body["errors"][0]


def test_no_permission_opens_another_endpoint() -> None:
    """Each endpoint with a key that has every permission but its own."""
    maker = factories.user("Admin")
    for path, view in ENDPOINTS.items():
        caller = Caller(*(name for name in scopes.BY_NAME if name != view.scope), by=maker)
        answer = call(caller, path)
        assert (answer.status_code, answer.json()["message"]) == (403, "Access Denied"), path
        assert view.scope in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Send your API key"), ({"Authorization": ""}, "Send your API key"),
        ({"Authorization": "Bearer "}, "Send your API key"), ({"Authorization": "Basic YTpi"}, "Send your API key"),
        ({"Authorization": "Bearer chappe_unknown"}, "no such API key"),
        ({"Authorization": 'Bearer "TOKEN"'}, "no such API key"),
        ({"Authorization": "Bearer TOKENx"}, "no such API key"),
        ({"X-Api-Key": "TOKEN"}, "Send your API key"),
    ],
)  # fmt: skip
def test_without_a_whole_key_nothing_is_told(caller: Caller, headers: dict[str, str], told: str) -> None:
    given = {name: value.replace("TOKEN", caller.token) for name, value in headers.items()}
    answer = Client().get(LIST, headers=given)
    assert answer.status_code == 401 and answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["message"] == "Unauthorized" and told in answer.json()["errors"][0]


def test_a_key_is_not_taken_from_the_address_nor_from_a_session(caller: Caller) -> None:
    assert Client().get(LIST, {"api_key": caller.token}).status_code == 401
    assert caller.get(f"{LIST}?api_key={caller.token}").status_code == 401
    client = Client()
    client.force_login(factories.user("Admin"))
    assert client.get(LIST).status_code == 401


def test_every_unknown_key_costs_the_same(caller: Caller, django_assert_num_queries: Any) -> None:
    client = Client()
    for token in ("x", caller.token[:-1], "x" * 5000):
        # The look-up, and the line in the activity log in its transaction.
        with django_assert_num_queries(4):
            client.get(LIST, headers={"Authorization": f"Bearer {token}"})


def test_the_address_is_the_one_our_proxy_saw(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    caller = Caller("campaigns.list", networks="192.0.2.0/24")
    assert caller.get(LIST, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200
    assert caller.get(LIST, headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.9"}).status_code == 403
    assert ApiKey.objects.get().last_used_from == "192.0.2.1"


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_named(caller: Caller, method: str) -> None:
    answer = getattr(caller.client, method)(CREATE, headers={"Authorization": f"Bearer {caller.token}"})
    assert (answer.status_code, answer.json()["message"]) == (405, "Method Not Allowed")
    assert answer["Allow"] == "POST" and answer.json()["errors"] == ["Use POST."]


@pytest.mark.parametrize(
    "path",
    [
        "/messages/nothing", "/sends/id/create/", "/users/", "/users/nobody", "/transactional/v1/", "/canvas",
        "/subscription/x", "/v2/x", "/campaigns/trigger/nothing", "/campaigns/nothing", "/campaigns/", "/segments/x",
        "/segments/", "/api/x",
    ],
)  # fmt: skip
def test_unknown_paths_are_told_as_json(caller: Caller, path: str) -> None:
    for answer in (caller.get(path), caller.post(path)):
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
        assert answer.json()["message"] == "Not Found"


@pytest.mark.parametrize(
    "path", ["/canvas/trigger/send", "/canvas/trigger/schedule/create", "/messages/live_activity/update"]
)
def test_what_is_not_offered_says_so(caller: Caller, path: str) -> None:
    answer = caller.post(path, {"canvas_id": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_supported")


def spoiled(value: Any) -> Iterator[Any]:
    """`value` with each of its parts, at every depth, replaced by each wrong thing."""
    yield from WRONG
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in parts:
        for wrong in spoiled(inner):
            broken = copy.copy(value)
            broken[name] = wrong
            yield broken


@pytest.mark.parametrize("path", sorted(path for path, view in ENDPOINTS.items() if "act" in view.offered()))
def test_broken_bodies_never_break_us(caller: Caller, path: str) -> None:
    """Bytes that are no text, another type at the top, and the example with every part of it spoiled."""
    factories.configure(api__limit_send_ids=10_000, api__limit_duplicate=10_000, api__limit_user_exports=10_000)
    # An item that is wrong beside a right one is told in errors of a success; tests of these endpoints have them all.
    may_succeed = path in ("/users/track", "/users/export/ids", "/users/delete")
    given = [b"{", b"\xff", b"[]", b'"x"', b"1", b"{}", *spoiled(ENDPOINTS[path].asks)]
    assert len(given) >= 30
    for body in given:
        answer = caller.post(path, body)
        assert answer.status_code == 400 or (may_succeed and answer.status_code == 201), (body, answer.content)
        assert answer.json().get("errors") or may_succeed
        assert "Traceback" not in answer.content.decode()
    assert not SendId.objects.exists() and not AnsweredCall.objects.exists()


@pytest.mark.parametrize("path", sorted(path for path, view in ENDPOINTS.items() if "look" in view.offered()))
def test_broken_queries_never_break_us(caller: Caller, path: str) -> None:
    wrong = ("", "x", "%00", "%ff", "-1", "9" * 400, "[]", "true", "null", "\u2028", "x" * 5000)
    for name in ENDPOINTS[path].asks:
        for value in wrong:
            answer = caller.get(f"{path}?{name}={value}&{name}[]={value}")
            assert answer.status_code in (200, 400), (name, value, answer.content)
            assert answer["Content-Type"] == "application/json"


def test_a_query_with_thousands_of_names_is_told_so(caller: Caller) -> None:
    answer = caller.get("/campaigns/list?" + "a=b&" * 3000)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_of_a_thousand_errors_a_hundred_are_told(caller: Caller) -> None:
    body = {"campaign_id": "x", "attachments": [1] * 1000}
    assert len(caller.post("/campaigns/trigger/schedule/create", body).json()["errors"]) == 100


def test_malformed_json_has_the_text_of_the_reference(caller: Caller) -> None:
    body = caller.post(CREATE, b'{"campaign_id": }').json()
    assert "message body does not match declared format" in body["error"]
    assert body["message"] == "Bad Request" and "The body is no JSON" in body["errors"][0]


def test_ten_megabytes_are_refused_unread(caller: Caller) -> None:
    answer = caller.post(CREATE, b'{"campaign_id": "' + b"x" * (10 * 1024 * 1024) + b'"}')
    assert (answer.status_code, answer.json()["message"]) == (413, "Payload Too Large")
    assert "4 MB" in answer.json()["errors"][0]
    assert caller.post(CREATE, b" " * bodies.MAX_BYTES).status_code == 400


@pytest.mark.parametrize(("n_bytes", "status"), [(20, 400), (bodies.MAX_BYTES + 1, 413)])
def test_a_body_in_chunks_is_read_as_well(caller: Caller, n_bytes: int, status: int) -> None:
    body = b'{"campaign_id": "x"}'.ljust(n_bytes)
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body)}
    answer = caller.post(CREATE, b"", **chunked)
    label = "Invalid Campaign ID" if status == 400 else "Payload Too Large"
    assert (answer.status_code, answer.json()["message"]) == (status, label)


def test_a_form_is_no_json(caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {caller.token}"}
    answer = caller.client.post(CREATE, {"campaign_id": "x"}, headers=headers)
    assert answer.status_code == 415 and "application/json" in answer.json()["errors"][0]


def test_a_compressed_body_is_told_so(caller: Caller) -> None:
    answer = caller.post(CREATE, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415 and "Content-Encoding: gzip" in answer.json()["errors"][0]


def test_whatever_a_client_accepts_it_gets_json(caller: Caller) -> None:
    for accepted in ("text/html", "application/xml", "image/png", "garbage"):
        answer = caller.get(LIST, headers={"Accept": accepted, "Accept-Language": "fr"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert answer["Content-Language"] == "en" and answer["Cache-Control"] == "no-store"


def test_a_key_that_came_unencrypted_is_told_so_instead_of_a_redirect(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for path in (LIST, "/users/track", "/canvas/trigger/send"):
        answer = Caller().get(path)
        assert (answer.status_code, answer.json()["message"]) == (403, "Access Denied")
        assert "Use https" in answer.json()["errors"][0]
    assert Client().get("/campaigns/").status_code == 301, "people are sent on as before"


def test_another_host_is_told_as_json(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["mail.example.com"]
    for path in (LIST, CREATE, "/users/track"):
        answer = Caller().get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        assert answer.json()["errors"]


def fail(error: Exception) -> Callable[..., Any]:
    """Raises in place of every statement, as psycopg's errors come out of Django."""

    def statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise error

    return statement


def test_without_a_database_a_call_is_worth_repeating(caller: Caller) -> None:
    for error in (OperationalError("connection refused"), OperationalError("canceling statement")):
        if "canceling" in str(error):
            error.__cause__ = QueryCanceled()
        with connection.execute_wrapper(fail(error)):
            answer = caller.get(LIST)
        assert (answer.status_code, answer["Retry-After"], answer.json()["message"]) == (
            503,
            "5",
            "Service Unavailable",
        )
        assert "Nothing was done" in answer.json()["errors"][0]


def test_a_mistake_of_ours_has_an_id_and_no_trace(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with connection.execute_wrapper(fail(ValueError("a secret of ours"))), caplog.at_level(logging.ERROR):
        answer = caller.get(LIST)
    assert answer.status_code == 500 and "secret" not in answer.content.decode()
    error_id = answer.json()["errors"][0].split()[-1].rstrip(".")
    assert f"error id {error_id}" in caplog.text and "a secret of ours" in caplog.text


def test_calls_are_counted_and_refused_above_the_limit(caller: Caller) -> None:
    factories.configure(api__limit_others=2)
    left = [caller.get(LIST) for _number in range(3)]
    assert [answer.status_code for answer in left] == [200, 200, 429]
    assert [answer["X-RateLimit-Remaining"] for answer in left] == ["1", "0", "0"]
    assert {answer["X-RateLimit-Limit"] for answer in left} == {"2"}
    refused = left[-1]
    assert refused.json()["message"] == "Rate Limited"
    until = int(refused["X-RateLimit-Reset"]) - timezone.now().timestamp()
    assert 0 < until <= 3600 and 0 < int(refused["Retry-After"]) <= 3600
    assert caller.get("/segments/list").status_code == 429, "the pool is shared"
    factories.configure(api__limit_others=250_000)
    assert caller.get(LIST).status_code == 200, "a change in Settings counts at once"


def test_processes_take_some_calls_of_a_large_pool_at_once_and_never_too_many() -> None:
    factories.configure(api__limit_others=2_000)
    first = limiting.count(limiting.OTHERS)
    assert first is not None and (first.limit, first.remaining) == (2_000, 1_999)
    limiting.forget()  # as another process, which can't have what this one took
    counted = [limiting.count(limiting.OTHERS) for _call in range(2_000)]
    let_in = [one for one in counted if one is not None and not one.is_refused]
    assert len(let_in) == 1_998 and [one.remaining for one in let_in[-2:]] == [1, 0]
    last = counted[-1]
    assert last is not None and last.is_refused and int(last.headers()["Retry-After"]) > 0


def test_a_call_is_answered_before_anything_asks_for_cookies_and_after_what_holds_for_all(
    caller: Caller, settings: Any
) -> None:
    answer = caller.get(LIST)
    assert answer.status_code == 200 and answer["X-Content-Type-Options"] == "nosniff"
    assert int(answer["Content-Length"]) == len(answer.content)
    assert not answer.cookies and "Cookie" not in answer.get("Vary", "")
    assert answer.resolver_match.url_name == "campaigns-list"
    settings.ALLOWED_HOSTS = ["testserver"]
    wrong = caller.client.get(LIST, headers={"Authorization": f"Bearer {caller.token}", "Host": "elsewhere.example"})
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Bad Request")


def test_while_valkey_is_away_calls_are_answered_uncounted(caller: Caller, settings: Any, campaign: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    callers.reconnect()
    answer = caller.post(CREATE, {"campaign_id": str(campaign.public_id)})
    assert answer.status_code == 201 and not answer.has_header("X-RateLimit-Limit")
    assert SendId.objects.count() == 1


def test_a_valkey_that_says_nothing_holds_up_all_threads_together_once(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        callers.reconnect()
        limiting.forget()

        def one(_number: int) -> limiting.Counted | None:
            try:
                return limiting.count(limiting.OTHERS)
            finally:
                connections.close_all()

        began = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(one, range(6))) == [None] * 6
        assert time.monotonic() - began < 1.5


def test_settings_offer_every_pool(client: Client) -> None:
    client.force_login(factories.user("Admin"))
    page = client.get(reverse("accounts:installation", args=["api-limits"])).content.decode()
    assert all(pool.setting.replace(".", "_") in page for pool in limiting.POOLS)


def test_what_the_keys_person_may_not_do_is_denied(campaign: Any) -> None:
    caller = Caller("campaigns.duplicate")
    body = {"campaign_id": str(campaign.public_id), "name": "Copy"}
    assert caller.post("/campaigns/duplicate", body).status_code == 202
    roles.give(caller.key.created_by, "Viewer")
    answer = caller.post("/campaigns/duplicate", body)
    assert (answer.status_code, answer.json()["message"]) == (403, "Access Denied")


def test_answers_are_json_that_reads_back(caller: Caller, campaign: Any) -> None:
    answer = caller.post(CREATE, {"campaign_id": str(campaign.public_id), "send_id": "autumn"})
    assert answer.status_code == 201
    assert json.loads(answer.content) == {"message": "success", "send_id": "autumn"}


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_time_never_pass_the_limit() -> None:
    factories.configure(api__limit_send_ids=50)

    def some(_number: int) -> list[bool]:
        try:
            counted = [limiting.count(limiting.SEND_IDS) for _call in range(10)]
            return [one is not None and not one.is_refused for one in counted]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        let_in = [one for row in pool.map(some, range(20)) for one in row]
    assert (len(let_in), sum(let_in)) == (200, 50)
