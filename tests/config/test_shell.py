"""The shell around each page, the tags of the interface and the answers to errors."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import translation
from psycopg.errors import QueryCanceled

from accounts.models import Theme, User
from config import errors, shell
from config.templatetags import ui
from lib.errors import DomainError, NotAllowed
from messaging import transports
from tests import factories

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def _request(user: User | None = None, path: str = "/dev/components/", **headers: str) -> HttpRequest:
    request = RequestFactory().get(path, headers=headers)
    request.user = user or AnonymousUser()
    return request


def _render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


# --- navigation ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "sees_settings", "can_create", "opens_admin"),
    [
        ("Viewer", False, False, False),
        ("Marketer", False, True, False),
        ("Operator", False, True, False),
        ("Admin", True, True, True),
    ],
)
def test_navigation_shows_what_the_role_may_open(
    role: str, sees_settings: bool, can_create: bool, opens_admin: bool
) -> None:
    built = shell.build(_request(factories.user(role)))
    labels = [str(item.label) for item in built.nav]
    assert ("Approvals" in labels) is (role != "Viewer")
    rest = [label for label in labels if label != "Approvals"]
    assert rest[:6] == ["Home", "Campaigns", "Segments", "Profiles", "Templates", "Media"]
    assert rest[6:9] == ["Deliverability", "Activity log", "Inbox"]
    assert ("Settings" in labels) is sees_settings
    assert bool(built.urls["new_campaign"]) is can_create
    assert bool(built.urls["admin"]) is opens_admin
    assert built.role == role


@pytest.mark.django_db
def test_a_stranger_sees_no_navigation() -> None:
    for built in (shell.build(_request()), shell.build(_request(factories.user()))):
        assert built.nav == ()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "Home"),
        ("/campaigns/", "Campaigns"),
        ("/campaigns/new/", "Campaigns"),
        ("/profiles/import/", "Profiles"),
        ("/templates/new/", "Templates"),
        ("/settings/sending/", "Settings"),
        ("/deliverability/quarantine/", "Deliverability"),
        ("/activity/requests/", "Activity log"),
        ("/me/", None),
    ],
)
def test_the_page_one_is_on_is_marked(path: str, label: str | None) -> None:
    built = shell.build(_request(factories.user("Admin"), path))
    assert [str(item.label) for item in built.nav if item.is_current] == ([label] if label else [])


@pytest.mark.django_db
def test_fragments_do_not_pay_for_the_shell(django_assert_num_queries: object) -> None:
    user = factories.user("Viewer")
    with django_assert_num_queries(0):  # type: ignore[operator]
        shell.context(_request(user))


@pytest.mark.django_db
def test_the_strip_is_there_only_while_nothing_real_is_sent() -> None:
    assert shell.is_test_mode()
    transport = transports.default()
    transport.uses_environment, transport.host = False, "mail.example.com"
    transport.save(update_fields=["uses_environment", "host"])
    assert not shell.is_test_mode()


@pytest.mark.django_db
def test_theme_of_the_person_is_on_the_page(client: Client) -> None:
    client.force_login(factories.user("Viewer", theme=Theme.DARK))
    assert 'data-theme="dark"' in client.get("/dev/components/").content.decode()


@pytest.mark.django_db
def test_shortcuts_can_be_off(client: Client) -> None:
    client.force_login(factories.user("Viewer", has_shortcuts=False))
    assert "data-shortcuts" not in client.get("/dev/components/").content.decode()


# --- tags ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "text"), [(0.184, "18.4%"), (0.979, "97.9%"), (0, "0.0%"), (None, "")])
def test_percent(value: float | None, text: str) -> None:
    assert ui.percent(value) == text


def test_numbers_follow_the_language() -> None:
    with translation.override("fr"):
        assert ui.percent(0.979).startswith("97,9")
        assert ui.number(9892) in {"9\xa0892", "9\u202f892"}


@pytest.mark.parametrize(("value", "text"), [(9892, "9,892"), (0, "0"), (None, ""), (1_000_000, "1,000,000")])
def test_number(value: int | None, text: str) -> None:
    assert ui.number(value) == text


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=2, minutes=50), "2 h ago"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(days=10), "12 Nov"),
        (timedelta(days=400), "18 Oct 2025"),
    ],
)
def test_ago(gap: timedelta, text: str) -> None:
    with time_machine.travel(NOW, tick=False):
        html = ui.ago(NOW - gap)
    assert f">{text}</time>" in html
    assert f'datetime="{(NOW - gap).isoformat()}"' in html


def test_moment_names_day_and_time() -> None:
    with time_machine.travel(NOW, tick=False):
        assert ">Wed 25 Nov, 09:00</time>" in ui.moment(datetime(2026, 11, 25, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "text"),
    [("Marie Leroy", "ML"), ("operator@chappe.test", "O"), ("Ana Maria de Souza", "AS"), ("", "")],
)
def test_initials(name: str, text: str) -> None:
    assert ui.initials(name) == text


@pytest.mark.parametrize(
    "badge",
    [{"label": "<Sent>", "tone": "ok", "icon": "check"}, SimpleNamespace(label="<Sent>", tone="ok", icon="check")],
)
def test_badge_takes_objects_and_mappings_and_escapes(badge: object) -> None:
    html = _render("{% badge badge %}", badge=badge)
    assert 'class="badge ok"' in html
    assert "&lt;Sent&gt;" in html
    assert "icons.svg#check" in html


def test_icon_with_a_label_is_an_image_with_a_name() -> None:
    assert 'aria-label="Light"' in _render('{% icon "sun" "Light" %}')
    assert 'aria-hidden="true"' in _render('{% icon "sun" %}')


# --- errors -------------------------------------------------------------------------------------------------


class _Stale(DomainError):
    code = "stale"


def test_program_gets_a_refusal_as_json() -> None:
    answer = errors.answer(_request(Accept="application/json"), _Stale("Someone was faster.", fields={"x": "Why."}))
    assert answer.status_code == 409
    assert json.loads(answer.content) == {"code": "stale", "message": "Someone was faster.", "fields": {"x": "Why."}}


def test_htmx_gets_a_refusal_for_the_alert_region() -> None:
    answer = errors.answer(_request(**{"HX-Request": "true"}), _Stale("<b>Someone</b> was faster."))
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#shout"
    assert "&lt;b&gt;Someone&lt;/b&gt; was faster." in answer.content.decode()


@pytest.mark.django_db
def test_browser_gets_a_refusal_as_a_page_in_the_shell(client: Client) -> None:
    request = _request(factories.user("Viewer"))
    request.session = client.session
    request._messages = []
    html = errors.answer(request, NotAllowed("This needs the Admin role.")).content.decode()
    assert "You can&#x27;t see this page." in html
    assert "This needs the Admin role." in html
    assert 'id="nav"' in html


@pytest.mark.django_db
def test_unknown_address_keeps_the_shell_and_says_what_to_do(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    answer = client.get("/no/such/page/")
    html = answer.content.decode()
    assert answer.status_code == 404
    assert "This page doesn&#x27;t exist." in html
    assert "Back to Campaigns" in html
    assert "no/such/page" not in html.split("<main", 1)[1].split("</main", 1)[0]


@pytest.mark.django_db
def test_not_found_tells_our_reason_but_never_djangos() -> None:
    ours = errors.not_found(_request(Accept="application/json"), Http404("This campaign was deleted."))
    djangos = errors.not_found(_request(Accept="application/json"), Http404("No Campaign matches the given query."))
    resolvers = errors.not_found(_request(Accept="application/json"), Http404({"tried": [], "path": "secret"}))
    assert b"This campaign was deleted." in ours.content
    assert b"matches the given query" not in djangos.content
    assert b"secret" not in resolvers.content


def test_broken_page_needs_no_database_and_its_id_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = errors.broken(_request())
    assert answer.status_code == 500
    error_id = caplog.records[-1].args[0]  # type: ignore[index]
    assert str(error_id) in answer.content.decode()
    assert "Nothing you saved was lost." in answer.content.decode()


@pytest.mark.parametrize("headers", [{}, {"Accept": "application/json"}, {"HX-Request": "true"}])
def test_without_a_database_every_answer_says_so_and_when_to_come_back(headers: dict[str, str]) -> None:
    try:
        raise OperationalError("connection refused")
    except OperationalError:
        answer = errors.broken(_request(**headers))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database doesn" in answer.content.decode()


def test_a_statement_that_took_too_long_is_an_error_of_ours() -> None:
    try:
        raise OperationalError("canceling statement") from QueryCanceled()
    except OperationalError:
        assert errors.broken(_request()).status_code == 500


def test_middleware_leaves_programming_errors_alone() -> None:
    middleware = errors.DomainErrorMiddleware(lambda request: HttpResponse())
    assert middleware.process_exception(_request(), ValueError("a bug")) is None


@pytest.mark.django_db
def test_form_without_token_changes_nothing_and_says_why() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("Admin"))
    answer = client.post("/admin/logout/")
    assert answer.status_code == 403
    assert "Nothing was changed." in answer.content.decode()
