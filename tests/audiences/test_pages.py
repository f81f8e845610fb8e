"""The pages of people through HTTP, as the roles that use them."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audiences import import_runs, profiles, rules, segments, tasks
from audiences.models import AttributeDefinition, Profile, ProfileImport, Segment
from tests import factories

pytestmark = pytest.mark.django_db
FRENCH: dict[str, Any] = {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": ["FR"]}]}


@pytest.fixture
def marketer(client: Client) -> Client:
    client.force_login(factories.user("Marketer"))
    return client


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()


def send_file(client: Client, data: bytes, name: str = "people.csv") -> Any:
    return client.post("/profiles/import/", {"file": SimpleUploadedFile(name, data)})


def test_profiles_are_listed_newest_first_in_pages_of_constant_cost(marketer: Client) -> None:
    assert "No people yet" in text(marketer.get("/profiles/"))
    people = [factories.profile() for _i in range(120)][::-1]
    with CaptureQueriesContext(connection) as few:
        first = text(marketer.get("/profiles/"))
    assert people[0].email in first and people[49].email in first and people[50].email not in first
    second = text(marketer.get(f"/profiles/?after={people[49].public_id}"))
    assert people[50].email in second and people[99].email in second and people[49].email not in second
    back = text(marketer.get(f"/profiles/?before={people[50].public_id}"))
    assert people[49].email in back and people[0].email in back and people[50].email not in back
    assert f"after={people[49].public_id}" in back and 'href="?before=' not in back
    assert len(few) < 20
    assert marketer.get("/profiles/?after=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("LEA@example.test", "Lea"),
        ("lea", "Lea Leandro Maria"),
        ("le", "Lea Leandro Maria"),
        ("martin", "Maria"),
        ("maria lear", "Maria"),
        ("id-7", "Leandro"),
        ("%", ""),
        ("_ea", ""),
        ("' OR 1=1 --", ""),
        ("\x00", ""),
        ("x" * 5000, ""),
    ],
)
def test_search_finds_addresses_ids_and_names(marketer: Client, query: str, names: str) -> None:
    factories.profile(email="lea@example.test", first_name="Lea")
    factories.profile(email="other@example.test", first_name="Leandro", external_id="id-7")
    factories.profile(email="martin@example.test", first_name="Maria", last_name="Leary")
    assert sorted(person.first_name for person in profiles.find(query)) == names.split()
    page = text(marketer.get("/profiles/", {"q": query}, headers={"HX-Request": "true"}))
    assert "<html" not in page
    assert all(name in page for name in names.split())
    assert names or "Nobody matches" in page


def test_an_exact_address_comes_first() -> None:
    for i in range(5):
        factories.profile(email=f"lea{i}@example.test")
    exact = factories.profile(email="lea@example.test")
    assert profiles.find("lea@example.test", 3)[0] == exact


def test_a_profile_shows_what_is_known_without_trusting_it(marketer: Client) -> None:
    factories.attribute("tags", "list")
    profile = factories.profile(
        first_name="<script>alert(1)</script>", attributes={"tags": ["a", "<b>"], "plan": "pro"}
    )
    page = text(marketer.get(f"/profiles/{profile.public_id}/"))
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "a, &lt;b&gt;" in page and "pro" in page
    assert "Unchanged since this person was added." in page


def test_unsubscribe_and_back_are_kept_in_the_history(marketer: Client) -> None:
    profile = factories.profile()
    url = f"/profiles/{profile.public_id}/"
    for action, state in (
        ("unsubscribe", "unsubscribed"),
        ("unsubscribe", "unsubscribed"),
        ("resubscribe", "subscribed"),
    ):
        assert marketer.post(f"{url}{action}/").headers["Location"] == url
        profile.refresh_from_db()
        assert profile.email_consent == state
    changes = list(profile.consent_changes.order_by("id").values_list("state", "source"))
    assert changes == [("unsubscribed", "person"), ("subscribed", "person")]
    assert "by hand" in text(marketer.get(url))


def test_a_quarantined_address_is_released_by_an_operator_with_a_reason(marketer: Client) -> None:
    profile = factories.profile()
    entry = profiles.quarantine(profile.email_key, "unknown user", "550 5.1.1 no such user")
    assert profiles.quarantine(profile.email_key, "again", "") == entry
    url = f"/profiles/{profile.public_id}/"
    page = text(marketer.get(url))
    assert "This address is in quarantine since" in page and "unknown user" in page and "Release…" not in page
    assert marketer.post(f"{url}release/", {"note": "fixed"}).status_code == 403
    marketer.force_login(factories.user("Operator"))
    assert "Release…" in text(marketer.get(url))
    assert "550 5.1.1" in text(marketer.get(f"{url}release/"))
    refused = marketer.post(f"{url}release/", {"note": " "})
    assert refused.status_code == 422 and "Say why the address can be released." in text(refused)
    assert profiles.quarantined(profile.email_key) == entry
    assert marketer.post(f"{url}release/", {"note": "mailbox is back"}).headers["Location"] == url
    entry.refresh_from_db()
    assert entry.released_at and entry.release_note == "mailbox is back"
    assert profiles.quarantined(profile.email_key) is None


def test_a_file_is_uploaded_mapped_tried_started_and_reported(
    marketer: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    factories.profile(email="known@example.test")
    data = "E-mail;Prénom;Plan\nknown@example.test;Kim;pro\nnew@example.test;=Zoé;free\nbroken;=1+1;\n".encode("cp1252")
    page = send_file(marketer, data).headers["Location"]
    mapping = text(marketer.get(page))
    assert (
        "new people" in mapping
        and "known people" in mapping
        and "The email address is missing or can&#x27;t be used" in mapping
    )
    job = ProfileImport.objects.get()
    assert (job.encoding, job.delimiter, job.columns) == ("cp1252", ";", ["E-mail", "Prénom", "Plan"])
    form = {
        "target-0": "email",
        "target-1": "first_name",
        "target-2": "attribute",
        "name-2": "tier",
        "type-2": "text",
        "key": "email",
        "consent": "subscribed",
        "encoding": "cp1252",
        "list": "new",
        "new_list": "Spring fair",
    }
    wrong = marketer.post(f"{page}start/", {**form, "key": "external_id", "start": ""})
    assert wrong.status_code == 422 and text(wrong).count("No column is the external id.") == 2
    assert marketer.post(f"{page}start/", {**form, "try": ""}).status_code == 200
    assert Profile.objects.count() == 1
    woken: list[int] = []
    monkeypatch.setattr(tasks.run_import, "delay", woken.append)
    with django_capture_on_commit_callbacks(execute=True):
        assert marketer.post(f"{page}start/", {**form, "start": ""}).headers["Location"] == page
    assert woken == [job.pk]
    running = marketer.get(page)
    assert "Importing" in text(running) and "data-live-url" in text(running)
    assert marketer.get(f"{page}progress/").headers["X-Next-Poll"]
    import_runs.run(job.pk)
    assert marketer.get(f"{page}progress/").headers["X-Reload"] == "1"
    result = text(marketer.get(page))
    assert "Imported" in result and "Download refused rows" in result and "Spring fair" in result
    report = marketer.get(f"{page}report/")
    assert report.headers["Content-Disposition"].startswith("attachment") and report.headers["Content-Type"].startswith(
        "text/csv"
    )
    lines = text(report).splitlines()
    assert lines[0].lstrip("\ufeff") == "line,reason,detail,E-mail,Prénom,Plan"
    assert lines[1] == "4,The email address is missing or can't be used,broken,broken,'=1+1,"
    assert Profile.objects.get(email_key="new@example.test").attributes == {"tier": "free"}
    assert marketer.get("/profiles/import/").status_code == 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Choose a file."),
        (b"\n", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "isn&#x27;t a CSV file"),
        (b"email\n", "has no people"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_on_the_page(marketer: Client, data: bytes, message: str) -> None:
    answer = send_file(marketer, data) if data else marketer.post("/profiles/import/")
    assert answer.status_code == 422
    assert message in text(answer)
    assert not ProfileImport.objects.exists()


def test_a_file_that_is_too_large_is_not_kept(marketer: Client, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1024 * 1024
    answer = send_file(marketer, b"email\n" + b"a@example.test\n" * 200_000)
    assert answer.status_code == 422 and "The file is larger than 1 MB." in text(answer)
    assert not ProfileImport.objects.exists()


def test_an_import_is_cancelled_on_its_page(marketer: Client) -> None:
    page = send_file(marketer, b"email\na@example.test\n").headers["Location"]
    assert marketer.post(f"{page}cancel/").headers["Location"] == page
    assert "Cancelled" in text(marketer.get(page))
    assert marketer.post(f"{page}cancel/").status_code == 409
    assert marketer.post(f"{page}start/", {"start": ""}).headers["Location"] == page


def estimate(client: Client, doc: object) -> str:
    return text(client.post("/audience/estimate/", {"audience": doc if isinstance(doc, str) else json.dumps(doc)}))


def test_estimate_counts_people_by_what_keeps_them_from_email(marketer: Client) -> None:
    factories.profile(country="FR")
    factories.profile(country="FR", email="")
    factories.profile(country="FR", email="not an address")
    factories.profile(country="FR", email_consent="unsubscribed")
    profiles.quarantine(factories.profile(country="FR").email_key, "unknown user", "")
    left = factories.profile(country="FR")
    factories.profile(country="BE")
    out = factories.segment(members=[left])
    page = estimate(marketer, {"conditions": FRENCH, "exclude": [str(out.public_id)]})
    assert "About <strong>6</strong> people" in page and "<strong>1</strong> can get email" in page
    for label in ("left out", "no address", "invalid address", "unsubscribed", "quarantined"):
        assert f"<dt>{label}</dt><dd>1</dd>" in page
    assert "people whose country is FR" in page


@pytest.mark.parametrize(
    "doc", ["", "nonsense", "[]", "{}", "[" * 100_000, {"conditions": {"match": "all", "rules": []}}]
)
def test_an_unfinished_audience_gets_a_sentence(marketer: Client, doc: object) -> None:
    page = estimate(marketer, doc)
    assert "Nothing is chosen yet." in page
    assert "About" not in page


def test_nobody_matches_names_the_condition_that_left_nobody(marketer: Client) -> None:
    for _i in range(3):
        factories.profile(country="FR")
    both = [FRENCH["rules"][0], {"field": "profile.city", "op": "is", "value": "Paris"}]
    page = estimate(marketer, {"conditions": {"match": "all", "rules": both}})
    assert "Nobody matches." in page and "“city is Paris” leaves 0 of 3." in page


def test_a_count_that_takes_too_long_says_so(marketer: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.profile(country="FR")
    settings.ESTIMATE_TIMEOUT_S = 1
    monkeypatch.setattr(rules.field_lists, "_extensions", dict(rules.field_lists._extensions))
    info = rules.FieldInfo("slow.query", "slow", "text")
    rules.register("slow", lambda rule: rules.Fragment("pg_sleep(3) IS NULL"), lambda: [info])
    slow = {"match": "all", "rules": [{"field": "slow.query", "op": "is", "value": "x"}]}
    assert "Counting took longer than 1 seconds." in estimate(marketer, {"conditions": slow})
    assert "About <strong>1</strong> person" in estimate(marketer, {"conditions": FRENCH})


def test_is_someone_in_it(marketer: Client) -> None:
    person = factories.profile(email="lea@example.test", country="FR", email_consent="unsubscribed")
    listed = factories.segment(members=[person], name="VIP")
    doc = json.dumps({"segments": [str(listed.public_id)], "conditions": FRENCH, "exclude": []})

    def ask(email: str) -> str:
        return text(marketer.post("/audience/membership/", {"email": email, "audience": doc}))

    page = ask(" LEA@example.test ")
    assert "LEA@example.test is not in it." in page
    assert page.count('class="ok"') == 2 and page.count('class="err"') == 1
    assert "people in VIP" in page and "country is FR" in page and "can get email" in page
    person.email_consent = "subscribed"
    person.save(update_fields=["email_consent"])
    assert "is in it." in ask("lea@example.test")
    assert "Nobody here has the address nobody@example.test." in ask("nobody@example.test")
    assert "Enter an address." in ask("")


def test_a_sample_shows_people_only_to_who_may_edit(marketer: Client) -> None:
    person = factories.profile(country="FR")
    sent = {"audience": json.dumps(FRENCH)}
    assert person.email in text(marketer.post("/audience/sample/", sent))
    marketer.force_login(factories.user("Viewer"))
    assert marketer.post("/audience/sample/", sent).status_code == 403


def test_a_segment_is_made_changed_copied_and_deleted(marketer: Client) -> None:
    factories.profile(country="FR")
    assert "No segments yet" in text(marketer.get("/segments/"))
    page = marketer.post("/segments/new/", {"name": " French ", "rule": json.dumps(FRENCH)}).headers["Location"]
    segment = Segment.objects.get()
    assert (segment.name, segment.rule, segment.n_people) == ("French", FRENCH, 1)
    assert "People whose country is FR" in text(marketer.get("/segments/"))
    belgian = json.dumps(FRENCH).replace("FR", "BE")
    marketer.post(page, {"name": "Belgian", "rule": belgian})
    segment.refresh_from_db()
    assert (segment.name, segment.n_people) == ("Belgian", 0)
    copy = marketer.post(page, {"name": "Copy", "rule": belgian, "as_new": "1"}).headers["Location"]
    assert copy != page and Segment.objects.count() == 2
    refused = marketer.post(page, {"name": "COPY", "rule": belgian})
    assert refused.status_code == 422 and "There is a segment with this name already." in text(refused)
    assert marketer.get(f"{page}delete/").status_code == 200
    assert marketer.post(f"{page}delete/").headers["Location"] == "/segments/"
    assert marketer.get(page).status_code == 404
    assert marketer.post("/segments/new/", {"name": "Belgian", "rule": belgian}).status_code == 302


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("", FRENCH, "The name is empty. Enter a name."),
        ("x" * 121, FRENCH, "longer than 120"),
        ("X", {"match": "all", "rules": []}, "Add a condition"),
        ("X", {"match": "all", "rules": [{"field": "profile.country", "op": "is", "value": []}]}, "Enter a value."),
        ("X", "nonsense", "Add a condition"),
    ],
)
def test_a_segment_with_a_problem_is_not_saved_and_keeps_what_was_typed(
    marketer: Client, name: str, rule: Any, message: str
) -> None:
    answer = marketer.post("/segments/new/", {"name": name, "rule": json.dumps(rule)})
    assert answer.status_code == 422 and message in text(answer)
    assert not Segment.objects.exists()
    assert name in text(answer)


def test_a_segment_in_use_is_not_deleted(marketer: Client) -> None:
    inner = factories.segment(FRENCH, name="Inner")
    rule = {"match": "all", "rules": [{"field": "segment.in", "op": "is", "value": [str(inner.public_id)]}]}
    outer = factories.segment(rule, name="Outer")
    page = f"/segments/{inner.public_id}/"
    assert "can't be deleted" in text(marketer.get(f"{page}delete/")).replace("&#x27;", "'")
    assert marketer.post(f"{page}delete/").status_code == 409
    inner.refresh_from_db()
    assert inner.deleted_at is None
    back = {"match": "all", "rules": [{"field": "segment.in", "op": "is", "value": [str(outer.public_id)]}]}
    circle = marketer.post(page, {"name": "Inner", "rule": json.dumps(back)})
    assert circle.status_code == 422 and "This segment would refer to itself." in text(circle)


def test_a_live_use_is_told_before_a_change(marketer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = factories.segment(FRENCH)
    monkeypatch.setattr(segments, "_users", [lambda one: [segments.Use("Autumn sale", "/campaigns/", is_live=True)]])
    page = text(marketer.get(f"/segments/{segment.public_id}/"))
    assert "1 live campaign uses this. The change applies to it at once." in page and "Autumn sale" in page


def test_a_viewer_looks_and_changes_nothing(client: Client) -> None:
    client.force_login(factories.user("Viewer"))
    profile, segment = factories.profile(), factories.segment(FRENCH)
    page = text(client.get(f"/segments/{segment.public_id}/"))
    assert "data-locked" in page and ">Save<" not in page
    assert "Unsubscribe</button>" not in text(client.get(f"/profiles/{profile.public_id}/"))
    for url in (
        f"/segments/{segment.public_id}/",
        f"/segments/{segment.public_id}/delete/",
        "/segments/new/",
        f"/profiles/{profile.public_id}/unsubscribe/",
        f"/profiles/{profile.public_id}/release/",
        "/profiles/import/",
    ):
        assert client.post(url, {"name": "x", "rule": json.dumps(FRENCH)}).status_code == 403, url
    profile.refresh_from_db()
    assert profile.email_consent == "subscribed"


def test_django_admin_finds_people_by_index(client: Client) -> None:
    client.force_login(factories.user("Admin"))
    person = factories.profile(email="lea@example.test")
    factories.segment(FRENCH)
    assert "lea@example.test" in text(client.get("/admin/audiences/profile/?q=LEA@example.test"))
    for name in ("profile", "segment", "attributedefinition", "consentchange", "quarantineentry", "profileimport"):
        assert client.get(f"/admin/audiences/{name}/").status_code == 200, name
        assert client.get(f"/admin/audiences/{name}/add/").status_code == 403, name
    assert client.get(f"/admin/audiences/profile/{person.pk}/change/").status_code == 200
    assert client.post(f"/admin/audiences/profile/{person.pk}/delete/", {"post": "yes"}).status_code == 403


def test_people_know_their_fields_for_personalization() -> None:
    factories.attribute("spend", "number")
    factories.attribute("first_name", "number")
    factories.profile(first_name="", attributes={"spend": 3})
    factories.profile(first_name="Lea")
    known = profiles.known_fields()
    assert known["profile.first_name"] == "text" and known["profile.spend"] == "number"
    assert (profiles.coverage("profile.first_name"), profiles.coverage("profile.spend")) == (1, 1)
    person = profiles.person(Profile.objects.earliest("id").pk)
    assert person.attributes == {"spend": 3} and person.external_id == ""


def test_unsubscribing_is_for_the_mailbox() -> None:
    first, second = factories.profile(email="lea@example.test"), factories.profile(email="LEA@example.test")
    assert profiles.unsubscribe(first.pk, source="one_click", reference="delivery 1")
    assert not profiles.unsubscribe(second.pk, source="one_click")
    assert profiles.resubscribe(second.pk, source="unsubscribe_page")
    for person in (first, second):
        person.refresh_from_db()
        assert person.email_consent == "opted_in"
        assert list(person.consent_changes.order_by("id").values_list("state", "source", "reference")) == [
            ("unsubscribed", "one_click", "delivery 1"),
            ("opted_in", "unsubscribe_page", ""),
        ]


def test_people_without_an_address_are_not_one_mailbox() -> None:
    first, second = factories.profile(email=""), factories.profile(email="")
    profiles.unsubscribe(first.pk, source="api")
    second.refresh_from_db()
    assert second.email_consent == "subscribed"


@pytest.mark.parametrize("value", ["\ud800", "\x00", {}, [[]], [{}], None, 1e308, 10**400, "' OR 1=1 --", "%s%(x)s"])
@pytest.mark.parametrize("field", ["profile.country", "profile.email", "delivery.got", "attributes.points"])
def test_no_condition_breaks_the_counting_or_a_segment(marketer: Client, field: str, value: object) -> None:
    factories.profile()
    AttributeDefinition.objects.get_or_create(name="points", defaults={"type": "number"})
    for op in ("is", "contains", "in_last_days"):
        group = {"match": "all", "rules": [{"field": field, "op": op, "value": value}]}
        for path in ("/audience/estimate/", "/audience/membership/"):
            answer = marketer.post(path, {"audience": json.dumps({"conditions": group}), "email": "a\x00b"})
            assert answer.status_code < 500
        answer = marketer.post("/segments/new/", {"name": f"a\x00 {op}", "rule": json.dumps(group)})
        assert answer.status_code < 500
    assert all(segment.name.startswith("a\ufffd ") for segment in Segment.objects.all())
