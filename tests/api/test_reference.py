"""The documentation: the OpenAPI file and the page say of every endpoint what it really does."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from api import envelope, error_docs, examples, paths, reference, refusals, schema, scopes
from api.endpoint import Endpoint
from api.views import segments, triggers
from tests import factories

VIEWS: dict[str, type[Endpoint]] = {
    schema.readable(f"/{one.pattern}"): one.callback.view_class  # type: ignore[attr-defined]
    for one in paths.ENDPOINTS
}
# What stands in some answers of an endpoint only.
MAY_SAY = {
    "/messages/send": {"dispatch_id", "send_id", "notice", "sent"},
    "/messages/schedule/update": {"notice"},
    "/campaigns/trigger/send": {"dispatch_id", "send_id", "notice", "sent"},
    "/campaigns/trigger/schedule/delete": {"notice"},
    "/users/track": {"errors"},
    "/v2/subscription/status/set": {"errors"},
}
ASKED = {"campaign_id": "c-1", "names": ["it's", "é"], "deep": [{"a": True, "b": None}], "n": 1.5}


def test_the_file_has_every_endpoint_with_its_permission_and_answers() -> None:
    document = schema.document()
    assert document["openapi"] == "3.1.0" and set(document["paths"]) == set(VIEWS)
    for path, view in VIEWS.items():
        (method,) = document["paths"][path]
        operation = document["paths"][path][method]
        assert method == ("post" if "act" in view.offered() else "get")
        assert view.scope in scopes.BY_NAME and f"`{view.scope}`" in operation["description"]
        assert operation["security"] == [{"apiKey": []}] and operation["summary"].endswith(".")
        assert {"400", "401", "403", "429", "503"} < set(operation["responses"])
        assert ("requestBody" in operation) is (method == "post")
    assert document["components"]["securitySchemes"]["apiKey"] == {"type": "http", "scheme": "bearer"}


def test_the_file_has_all_that_an_answer_may_say_and_nothing_of_how_it_is_made() -> None:
    document = json.loads(json.dumps(schema.document()))
    told = json.dumps(document)
    assert "identities." not in told and "name[]=" not in told
    assert document["components"]["schemas"]["Trigger"]["properties"]["attachments"]["maxItems"] == 10
    answers = {path: next(iter(one.values()))["responses"] for path, one in document["paths"].items()}
    for path, more in MAY_SAY.items():
        said = answers[path]["201"]["content"]["application/json"]["schema"]["properties"]
        assert more <= set(said), path
    counted = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    sending = answers["/messages/send"]
    assert counted | {"Idempotent-Replayed"} == set(sending["201"]["headers"])
    assert counted | {"Retry-After"} == set(sending["429"]["headers"])
    assert set(sending["503"]["headers"]) == {"Retry-After"} and "headers" not in sending["401"]
    assert not counted & set(answers["/transactional/v1/campaigns/{campaign_id}/send"]["201"]["headers"])


@pytest.mark.parametrize("path", sorted(VIEWS))
def test_the_example_of_an_endpoint_is_a_call_it_takes(path: str) -> None:
    view = VIEWS[path]
    assert view.takes is not None
    shape = view.takes(data=view.asks)
    assert shape.is_valid(), shape.errors
    assert set(view.asks) <= set(shape.fields)


@pytest.mark.django_db
def test_the_file_is_for_everybody_and_the_page_for_who_signs_in(
    client: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/api/schema")
    assert json.loads(answer.content) == json.loads(json.dumps(schema.document()))
    assert client.get(reverse("api:developers")).status_code == 302
    client.force_login(factories.user("Viewer"))
    page = client.get(reverse("api:developers")).content.decode()
    assert all(f">{path}<a class" in page for path in VIEWS)
    assert all(f'id="error-{one.code}"' in page for one in error_docs.ERRORS)
    assert reverse("api:keys") not in page


@pytest.mark.parametrize("is_post", [True, False])
def test_examples_are_programs(is_post: bool) -> None:
    url, asks = "https://mail.example.com/x", ASKED if is_post else {"campaign_id": "c-1"}
    tree = ast.parse(examples.python(url, asks, is_post=is_post))
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in ("json", "params"))
    assert ast.literal_eval(call.value) == asks
    shell = subprocess.run(
        [
            "sh",
            "-c",
            "curl() { printf '%s\\n' \"$@\"; };" + examples.curl(url, asks, is_post=is_post),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"CHAPPE_API_KEY": "k", "PATH": "/usr/bin:/bin"},
    ).stdout
    assert "Authorization: Bearer k" in shell
    assert bool(re.search(r"^Idempotency-Key: \S+$", shell, re.MULTILINE)) is is_post
    if is_post:
        assert json.loads(shell.partition("-d\n")[2]) == asks
        script = examples.javascript(url, asks, is_post=True)
        body = script.partition("JSON.stringify(")[2].partition("),\n});")[0]
        assert json.loads(body) == asks


def test_every_error_that_can_be_answered_is_explained_once() -> None:
    """All labels there are, and every label that an answer is made with anywhere in the room."""
    labels = {value for name, value in vars(refusals).items() if name.isupper() and isinstance(value, str)} - {
        refusals.MALFORMED
    }
    assert labels == {one.label for one in error_docs.ERRORS}
    assert len(labels) == len({one.code for one in error_docs.ERRORS}) == len(error_docs.ERRORS)
    assert {*refusals.LABELS.values(), *refusals.OF_DOMAIN.values()} <= labels
    for path in Path(refusals.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # Where labels are named, and where they are looked up in the two tables above.
            is_told = path.name not in ("refusals.py", "envelope.py") and isinstance(node, ast.Call)
            if not is_told:
                continue
            named = [ast.unparse(one.value) for one in node.keywords if one.arg == "too_many"]
            if ast.unparse(node.func) in ("Refused", "refusals.Refused"):
                named.append(ast.unparse(node.args[0]))
            for label in named:
                if label == "self.too_many":
                    continue  # one of those that are given as too_many
                told = f"{path.name}: {label} may be no label of refusals"
                assert "refusals." in label or label == "refused.label", told
    for one in error_docs.ERRORS:
        assert one.cause.endswith(".") and one.fix.endswith(".") and one.status >= 400
    answered = envelope.content(refusals.unauthorized("x"))
    assert answered["docs"].endswith("/developers/#error-unauthorized")


@pytest.mark.django_db
def test_examples_have_ids_that_are_here(client: Client, django_assert_max_num_queries: Any) -> None:
    client.force_login(factories.user("Viewer"))
    page = client.get(reverse("api:developers")).content.decode()
    assert segments.SEGMENT in page and triggers.CAMPAIGN in page
    campaign = factories.published(factories.user("Operator"), delivery__kind="api")
    factories.published(factories.user("Operator"))
    segment, group = factories.segment(), factories.group()
    with django_assert_max_num_queries(14):
        page = client.get(reverse("api:developers")).content.decode()
    asked = [
        call.code
        for section in reference.sections(reference.own_ids())
        for one in section.entries
        for call in one.calls
    ]
    for one in (campaign, segment, group):
        assert str(one.public_id) in page
    assert not any(triggers.CAMPAIGN in code or segments.SEGMENT in code for code in asked)


def test_every_field_says_what_it_takes() -> None:
    entries = {entry.path: entry for section in reference.sections() for entry in section.entries}
    assert [(path, row.name) for path, entry in entries.items() for row in entry.fields if not row.kind] == []
    kinds = {row.name: row.kind for row in entries["/campaigns/trigger/send"].fields}
    assert kinds["recipients"] == "list of objects" and kinds["external_user_id"] == "text or whole number"
    assert kinds["prioritization"].startswith("list of ") and "object" not in kinds["prioritization"]
    broken = entries["/messages/schedule/create"].steps
    assert broken == ["/messages", "/schedule", "/create"], "where a narrow column may break it"
