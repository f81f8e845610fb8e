"""The published schema holds: every endpoint answers every input as it says, to every kind of key, and never with 5xx.

`make schema-check` looks at more input, and other input each time.
"""

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import Group
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from api import keys, schema, send_ids
from audiences import identities
from campaigns import triggering
from delivery.requests import Call, Recipient
from tests import factories
from tests.api import callers

pytestmark = pytest.mark.django_db
# Inputs for each endpoint and kind of key; 0 is the bounded run of the default tests, the same each time.
MORE = int(os.environ.get("SCHEMA_CHECK_EXAMPLES", "0"))
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]


def _reading() -> str:
    return callers.make_key("campaigns.list", "segments.list").token


def _expired() -> str:
    made = callers.make_key()
    made.key.expires_at = timezone.now() - dt.timedelta(days=1)
    made.key.save(update_fields=["expires_at"])
    return made.token


def _revoked() -> str:
    made = callers.make_key()
    keys.revoke(made.key.pk, by=made.key.created_by, typed_name=made.key.name)
    return made.token


def _sunken() -> str:
    """Of somebody who has lost every role but to look."""
    admin = factories.user("Admin")
    made = callers.make_key(by=admin)
    admin.groups.set([Group.objects.get(name="Viewer")])
    return made.token


LESSER: dict[str, Callable[[], str]] = {
    "some permissions": _reading,
    "no role": _sunken,
    "expired": _expired,
    "revoked": _revoked,
    "no key": lambda: "",
}
U1 = (Recipient(identities.Name("external_user_id", "u1")),)
DOCUMENT = json.loads(json.dumps(schema.document()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.app = get_wsgi_application()
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client has it: the end of a request closes nothing of the test's."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def there() -> dict[str, Any]:
    """Name in bodies and queries → something of this name that there is."""
    factories.sender(name="Shop", address="hello@shop.test")
    campaign = factories.published(factories.user("Operator"), delivery__kind="api", delivery__reeligibility="always")
    segment = factories.segment(members=[factories.profile(external_id="u1", email="u1@example.test")])
    email = {"from": "Shop <hello@shop.test>", "subject": "Hello", "body": factories.HTML_BODY}
    schedule = {"time": (timezone.now() + dt.timedelta(hours=1)).isoformat()}
    group = str(factories.group().public_id)
    in_two_hours = timezone.now() + dt.timedelta(hours=2)
    taken = triggering.trigger(str(campaign.public_id), Call(recipients=U1, due_at=in_two_hours)).request
    return {
        "campaign_id": str(campaign.public_id),
        "subscription_group_id": group,
        "schedule_id": str(taken.public_id),
        "send_id": send_ids.create(campaign, "autumn", key=callers.make_key().key).send_id,
        "broadcast": False,
        "segment_id": str(segment.public_id),
        "audience": None,
        "attachments": [],
        "external_user_ids": ["u1"],
        "user_aliases": None,
        "external_ids": ["u1"],
        "subscription_groups": [
            {"subscription_group_id": group, "subscription_state": "unsubscribed", "external_ids": ["u1"]}
        ],
        "external_id": ["u1"],
        "email": None,
        "emails": None,
        "phone": None,
        "phones": None,
        "recipients": [{"external_user_id": "u1"}],
        "recipient": {"external_user_id": "u1"},
        "messages": {"email": email},
        "schedule": schedule,
        "end_time": schedule["time"],
        "length": 3,
    }


def check(operation: Any, token: str, there: dict[str, Any], *, n: int) -> None:
    """Call `operation` with `n` inputs: some keep to the schema, some don't, some are about what there is."""
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    made = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    # A message of a call belongs to no campaign.
    real = there | ({"campaign_id": None, "send_id": None} if " /messages/" in operation.label else {})

    @settings(
        max_examples=n,
        derandomize=not MORE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=made, known=st.just(set(real)) | st.sets(st.sampled_from(sorted(real))))
    def call(case: Any, known: set[str]) -> None:
        for part in (case.body, case.query, case.path_parameters):
            if isinstance(part, dict):
                part |= {name: real[name] for name in known & (set(part) | {"external_id"})}
        case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
        case.call_and_validate(headers=headers, checks=CHECKS)

    call()


@pytest.mark.parametrize("label", OPERATIONS)
def test_to_a_key_with_every_permission_it_answers_as_the_schema_says(label: str, there: dict[str, Any]) -> None:
    check(OPERATIONS[label], callers.make_key().token, there, n=MORE or 12)


@pytest.mark.parametrize("kind", LESSER)
def test_to_lesser_keys_everything_answers_as_the_schema_says(kind: str, there: dict[str, Any]) -> None:
    token = LESSER[kind]()
    for operation in OPERATIONS.values():
        check(operation, token, there, n=MORE or 1)
