"""Settings of the installation: defaults, who may change them, what is refused, and the page that shows them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts import installation
from accounts.models import AuditEntry
from lib.errors import NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db

_PAGE = installation.Page("trial", "Trial", 999, "Only for this test.")
_SETTINGS = [
    installation.Setting("trial.most", "number", "Most", 5, least=1, most=20),
    installation.Setting("trial.rate", "decimal", "Rate", lambda: 0.1, most=1),
    installation.Setting("trial.is_on", "flag", "On", False, "What it does."),
    installation.Setting("trial.mode", "choice", "Mode", "a", choices=(("a", "First"), ("b", "Second"))),
    installation.Setting("trial.note", "text", "Note", "", most=10, is_optional=True),
    installation.Setting("trial.after", "number", "After", None, "Empty: never.", most=9, is_optional=True),
]


@pytest.fixture(autouse=True)
def _trial_page() -> Iterator[None]:
    installation.register(_PAGE, _SETTINGS)
    yield
    del installation._PAGES["trial"], installation._BY_PAGE["trial"]
    for setting in _SETTINGS:
        del installation._SETTINGS[setting.name]


def test_what_nobody_changed_has_its_default_and_a_change_counts_at_once() -> None:
    assert installation.number("trial.most") == 5 and installation.decimal("trial.rate") == 0.1
    assert installation.value("trial.after") is None and not installation.flag("trial.is_on")
    changed = installation.save({"trial.most": 7, "trial.is_on": True, "trial.mode": "a"}, by=factories.user("Admin"))
    assert sorted(changed) == ["trial.is_on", "trial.most"]
    assert installation.number("trial.most") == 7 and installation.flag("trial.is_on")
    detail = AuditEntry.objects.get(action="settings.changed").detail
    assert detail["trial.most"] == {"from": 5, "to": 7}


@pytest.mark.parametrize(
    ("name", "entered"),
    [
        ("trial.most", 0), ("trial.most", 21), ("trial.most", None), ("trial.most", "5"), ("trial.most", True),
        ("trial.most", 1.5), ("trial.rate", 1.1), ("trial.is_on", 1), ("trial.mode", "c"), ("trial.note", "x" * 11),
        ("trial.note", None), ("trial.after", 10),
    ],
)  # fmt: skip
def test_nothing_is_stored_when_one_value_is_refused(name: str, entered: Any) -> None:
    with pytest.raises(installation.SettingsInvalid) as refused:
        installation.save({"trial.mode": "b", name: entered}, by=factories.user("Admin"))
    assert list(refused.value.fields) == [name]
    assert installation.text("trial.mode") == "a"


@pytest.mark.parametrize("role", ["Viewer", "Marketer", "Operator"])
def test_only_admins_change_settings(role: str) -> None:
    with pytest.raises(NotAllowed):
        installation.save({"trial.most": 7}, by=factories.user(role))
    assert installation.number("trial.most") == 5


def test_the_page_shows_stores_and_refuses(client: Client) -> None:
    client.force_login(factories.user("Admin"))
    page = client.get("/settings/trial/").content.decode()
    assert "Only for this test." in page and 'name="trial_most" value="5"' in page
    sent = {"trial_most": "9", "trial_rate": "0.3", "trial_is_on": "on", "trial_mode": "b", "trial_after": ""}
    assert client.post("/settings/trial/", sent).status_code == 302
    names = [setting.name for setting in _SETTINGS]
    assert installation.values(names) == dict(zip(names, [9, 0.3, True, "b", "", None], strict=True))
    answer = client.post("/settings/trial/", sent | {"trial_most": "99"})
    assert answer.status_code == 422 and "Enter a number from 1 to 20." in answer.content.decode()
    assert client.get("/settings/unknown/").status_code == 404
    assert client.get("/settings/senders/").status_code == 200
