"""From uploaded bytes to people, with the counts asserted each time."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from audiences import csv_files, import_runs, imports, mailable, merging
from audiences.imports import ImportInvalid, Plan
from audiences.models import (
    AttributeDefinition,
    ConsentChange,
    ImportState,
    Profile,
    ProfileImport,
    ProfileImportChunk,
    ProfileImportKey,
    QuarantineEntry,
    Segment,
)
from lib.errors import DomainError, NotAllowed
from tests import factories

pytestmark = pytest.mark.django_db
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def by() -> User:
    return factories.user("Marketer")


def upload(by: User, data: bytes | str, name: str = "people.csv") -> ProfileImport:
    return imports.receive([data.encode() if isinstance(data, str) else data], file_name=name, by=by)


def plan(job: ProfileImport, **parts: Any) -> Plan:
    return Plan(**{"mapping": job.mapping, "key": job.key, "encoding": job.encoding, **parts})


def import_all(by: User, data: bytes | str, **parts: Any) -> ProfileImport:
    job = upload(by, data)
    imports.start(job.pk, plan=plan(job, **parts), by=by)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert job.n_rows == job.n_created + job.n_updated + job.n_unchanged + job.n_refused
    return job


def counts(job: ProfileImport) -> tuple[str, int, int, int, dict[str, int]]:
    return job.state, job.n_created, job.n_updated, job.n_unchanged, job.refused_by_reason


def test_a_messy_file_gives_exactly_the_known_counts(by: User) -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not on this machine")
    truth = json.loads((DATA / "profiles-messy.truth.json").read_text())
    job = import_all(by, (DATA / "profiles-messy.csv").read_bytes())
    assert job.state == ImportState.FINISHED
    assert job.n_rows == truth["rows"]
    assert job.refused_by_reason == {"invalid_email": truth["invalid"], "duplicate": truth["duplicates"]}
    assert job.n_created == truth["valid_unique"] == Profile.objects.count()
    assert Profile.objects.filter(email_consent="unsubscribed").count() == truth["unsubscribed"]
    assert Profile.objects.filter(email_consent="opted_in").count() == truth["opted_in"]
    assert Profile.objects.values("email_key").distinct().count() == truth["valid_unique"]
    assert not Profile.objects.filter(time_zone="Not/AZone").exists() and job.notes_by_kind["unknown_zone"] > 500
    assert job.n_bytes_done == job.n_bytes
    assert not ProfileImportChunk.objects.exists() and not ProfileImportKey.objects.exists()
    again = import_all(by, (DATA / "profiles-messy.csv").read_bytes())
    assert counts(again) == ("finished", 0, 0, truth["valid_unique"], job.refused_by_reason)


def test_people_are_created_updated_and_left_alone(by: User) -> None:
    known = factories.profile(
        email="Lea@example.test", first_name="Lea", city="Paris", attributes={"plan": "free", "old": 1}
    )
    same = factories.profile(email="bob@example.test", first_name="Bob", attributes={"plan": "pro"})
    before = same.updated_at
    job = import_all(
        by, "email,first_name,city,plan\nLEA@example.test,Léa,,pro\nbob@example.test,Bob,,pro\nnew@example.test,New,,\n"
    )
    assert counts(job) == ("finished", 1, 1, 1, {})
    known.refresh_from_db()
    assert (known.email, known.first_name, known.city) == ("LEA@example.test", "Léa", "Paris")
    assert known.attributes == {"plan": "pro", "old": 1}
    same.refresh_from_db()
    assert same.updated_at == before
    new = Profile.objects.get(email_key="new@example.test")
    assert (new.first_name, new.attributes, new.external_id, new.email_consent) == ("New", {}, None, "subscribed")


def test_the_first_row_of_a_person_wins_also_across_batches(by: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 2)
    rows = [
        "a@example.test,1",
        "A@example.test,2",
        "b@example.test,3",
        "c@example.test,4",
        "B@EXAMPLE.test,5",
        "a@example.test,6",
    ]
    job = import_all(by, "email,first_name\n" + "\n".join(rows) + "\n")
    assert counts(job) == ("finished", 3, 0, 0, {"duplicate": 3})
    assert list(Profile.objects.order_by("email_key").values_list("first_name", flat=True)) == ["1", "3", "4"]
    assert list(job.refusals.order_by("line").values_list("line", flat=True)) == [3, 6, 7]


@pytest.mark.parametrize(
    ("before", "cell", "after", "n_changes"),
    [
        ("unsubscribed", "subscribed", "unsubscribed", 0),
        ("unsubscribed", "opted_in", "unsubscribed", 0),
        ("unsubscribed", "", "unsubscribed", 0),
        ("subscribed", "unsubscribed", "unsubscribed", 1),
        ("opted_in", "unsubscribed", "unsubscribed", 1),
        ("subscribed", "opted_in", "opted_in", 1),
        ("opted_in", "subscribed", "opted_in", 0),
        ("opted_in", "", "opted_in", 0),
        (None, "unsubscribed", "unsubscribed", 1),
        (None, "opted_in", "opted_in", 1),
        (None, "subscribed", "subscribed", 0),
        (None, "", "opted_in", 0),
    ],
)
def test_consent_is_never_loosened_by_a_file(
    by: User, before: str | None, cell: str, after: str, n_changes: int
) -> None:
    if before:
        factories.profile(email="lea@example.test", email_consent=before)
    job = import_all(by, f"email,consent\nlea@example.test,{cell}\nother@example.test,yes\n", consent="opted_in")
    lea = Profile.objects.get(email_key="lea@example.test")
    assert lea.email_consent == after
    changes = ConsentChange.objects.filter(profile=lea)
    assert [(change.state, change.source, change.reference, change.by) for change in changes] == [
        (after, "import", str(job.public_id), by)
    ] * n_changes


def test_a_mailbox_that_unsubscribed_stays_so_for_everybody_who_has_it(by: User) -> None:
    factories.profile(email="gone@example.test", external_id="1", email_consent="unsubscribed")
    other = factories.profile(email="leaving@example.test", external_id="3")
    data = "id,email,consent\n2,Gone@example.test,yes\n4,leaving@example.test,no\n5,fine@example.test,yes\n"
    job = import_all(by, data, key="external_id")
    assert counts(job) == ("finished", 3, 0, 0, {})
    states = dict(Profile.objects.values_list("external_id", "email_consent"))
    assert states == {
        "1": "unsubscribed",
        "2": "unsubscribed",
        "3": "unsubscribed",
        "4": "unsubscribed",
        "5": "subscribed",
    }
    assert ConsentChange.objects.filter(profile=other, state="unsubscribed", source="import").count() == 1


@pytest.mark.parametrize("batch_rows", [1, 100])
@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("email", "1,lea@example.test,yes,1\n2,LEA@example.test,unsubscribed,1\n"),
        ("email", "1,lea@example.test,no,not a number\n1,lea@example.test,yes,1\n"),
        ("external_id", "1,lea@example.test,yes,1\n1,,no,1\n"),
        ("external_id", "1,lea@example.test,yes,1\n1,other@example.test,no,1\n"),
    ],
)
def test_whom_any_row_calls_unsubscribed_is_not_written_to(
    by: User, monkeypatch: pytest.MonkeyPatch, batch_rows: int, key: str, rows: str
) -> None:
    monkeypatch.setattr(import_runs, "BATCH_ROWS", batch_rows)
    data = f"id,email,consent,points\n{rows}3,bob@example.test,yes,1\n3,bob@example.test,yes,1\n"
    job = upload(by, data)
    points = {**job.mapping, "3": {"target": "attribute", "name": "points", "type": "number"}}
    imports.start(job.pk, plan=plan(job, key=key, mapping=points), by=by)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert (job.n_created, job.n_refused) == (2, 2)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT p.email_key, {mailable.reason().sql} FROM audiences_profile p ORDER BY p.email_key")
        assert cursor.fetchall() == [("bob@example.test", None), ("lea@example.test", "quarantined")]


def test_a_repeated_unsubscription_needs_no_quarantine(by: User) -> None:
    import_all(by, "email,consent\na@example.test,no\na@example.test,no\n")
    assert not QuarantineEntry.objects.exists()


def test_people_by_their_id(by: User) -> None:
    lea = factories.profile(email="old@example.test", external_id="1")
    rows = [
        "1,new@example.test,Lea",
        "2,new@example.test,Twin",
        "1,x@example.test,Again",
        ",y@example.test,None",
        "3,,No mail",
    ]
    data = "id,email,first_name\n" + "\n".join(rows) + "\n"
    job = import_all(by, data, key="external_id")
    assert counts(job) == ("finished", 2, 1, 0, {"duplicate": 1, "no_key": 1})
    lea.refresh_from_db()
    assert (lea.email, lea.email_key, lea.first_name) == ("new@example.test", "new@example.test", "Lea")
    assert Profile.objects.filter(email_key="new@example.test").count() == 2


def test_an_id_never_moves_to_another_person(by: User) -> None:
    owner = factories.profile(email="owner@example.test", external_id="1")
    rows = [
        "thief@example.test,1",
        "owner@example.test,2",
        "first@example.test,9",
        "second@example.test,9",
        "x@example.test,",
    ]
    data = "email,id\n" + "\n".join(rows) + "\n"
    job = import_all(by, data, key="email")
    assert counts(job) == ("finished", 2, 0, 0, {"id_taken": 3})
    owner.refresh_from_db()
    assert owner.external_id == "1"


def test_people_go_into_a_new_or_a_known_list(by: User) -> None:
    known = factories.profile(email="a@example.test")
    job = import_all(by, "email\na@example.test\nb@example.test\nbad\n", new_list="Spring fair")
    assert job.segment is not None
    assert (job.segment.name, job.segment.kind, job.segment.n_people, job.segment.owner) == (
        "Spring fair",
        "list",
        2,
        by,
    )
    assert job.segment.members.filter(profile=known).exists()
    import_all(by, "email\nb@example.test\nc@example.test\n", segment=str(job.segment.public_id))
    assert Segment.objects.get().n_people == 3


def test_attributes_get_their_type_once(by: User) -> None:
    import_all(
        by, "email,points,ordered,vip\na@example.test,12,31/12/2025,yes\nb@example.test,x,,\n".replace(",x,", ",7,")
    )
    assert dict(AttributeDefinition.objects.values_list("name", "type")) == {
        "points": "number",
        "ordered": "date",
        "vip": "boolean",
    }
    assert Profile.objects.get(email_key="a@example.test").attributes == {
        "points": 12,
        "ordered": "2025-12-31",
        "vip": True,
    }
    job = import_all(by, "email,points\nc@example.test,many\nd@example.test,8\n")
    assert counts(job) == ("finished", 1, 0, 0, {"bad_number": 1})
    refusal = job.refusals.get()
    assert (refusal.line, refusal.reason, refusal.detail, refusal.cells) == (
        2,
        "bad_number",
        "points: many",
        ["c@example.test", "many"],
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(1000), "isn't a CSV file"),
        (b"email,name\n", "has no people"),
        (b"lea@example.test,Lea\n", "already a person"),
        (b"PK\x03\x04" + bytes(100), "Excel"),
    ],
)
def test_a_file_of_the_wrong_kind_leaves_nothing_behind(by: User, data: bytes, message: str) -> None:
    with pytest.raises(csv_files.NotCsv, match=message):
        upload(by, data, "people.csv")
    assert not ProfileImport.objects.exists() and not ProfileImportChunk.objects.exists()


def test_broken_rows_are_reported_and_the_others_imported(by: User) -> None:
    rows = [
        b"a@example.test,A",
        b"b@example.test",
        b"c@example.test,C,more",
        b"d@example.test,\xff\xfe",
        b"e@example.test,E\x00",
        b'f@example.test,"open',
        b"g@example.test," + b"g" * 10_000_000,
        "h@example.test,Hélène".encode() + "é".encode() * 30,
        b"i@example.test,I",
    ]
    job = import_all(by, b"email,first_name\n" + b"\n".join(rows) + b"\n")
    expected = {"columns": 2, "encoding": 1, "control": 1, "unclosed_quote": 1, "too_long": 1}
    assert counts(job) == ("finished", 3, 0, 0, expected)
    assert list(job.refusals.order_by("line").values_list("line", "reason")) == [
        (3, "columns"),
        (4, "columns"),
        (5, "encoding"),
        (6, "control"),
        (7, "unclosed_quote"),
        (8, "too_long"),
    ]


def test_a_file_that_cannot_be_read_to_its_end_says_so_and_keeps_what_is_in(
    by: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "MAX_UNCLOSED", 3)
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 2)
    job = import_all(by, "email,first_name\na@example.test,A\nb@example.test,B\n" + 'x"y,"z\n' * 50)
    assert (job.state, job.error) == ("failed", "More than 3 quotes are never closed. Export the file again.")
    assert Profile.objects.count() == job.n_created == 2
    assert not ProfileImportChunk.objects.exists()


@pytest.mark.parametrize(
    ("parts", "part", "message"),
    [
        ({"key": "external_id"}, "key", "No column is the external id"),
        ({"key": "name"}, "key", "Choose what makes"),
        ({"encoding": "utf-7"}, "encoding", "how the file is written"),
        ({"consent": "maybe"}, "consent", "consent of new people"),
        ({"segment": "00000000-0000-0000-0000-000000000000"}, "segment", "doesn't exist any more"),
        ({"new_list": "taken"}, "new_list", "this name already"),
        ({"mapping": {"0": {"target": "email"}, "1": {"target": "email"}}}, "column-1", "chosen for two columns"),
        ({"mapping": {"0": {"target": "email"}, "1": {"target": "is_test"}}}, "column-1", "Choose what this column is"),
        (
            {"mapping": {"0": {"target": "email"}, "1": {"target": "attribute", "name": "A b", "type": "text"}}},
            "column-1",
            "small letters",
        ),
        (
            {"mapping": {"0": {"target": "email"}, "1": {"target": "attribute", "name": "city", "type": "text"}}},
            "column-1",
            "every profile",
        ),
        (
            {"mapping": {"0": {"target": "email"}, "1": {"target": "attribute", "name": "plan", "type": "number"}}},
            "column-1",
            "already",
        ),
        (
            {"mapping": {"0": {"target": "email"}, "1": {"target": "attribute", "name": "x", "type": "json"}}},
            "column-1",
            "Choose what this",
        ),
    ],
)
def test_a_plan_with_a_problem_starts_nothing(by: User, parts: dict[str, Any], part: str, message: str) -> None:
    factories.segment(members=[], name="Taken")
    factories.attribute("plan", "text")
    job = upload(by, "email,first_name\na@example.test,A\n")
    with pytest.raises(ImportInvalid, match=message) as caught:
        imports.start(job.pk, plan=plan(job, **parts), by=by)
    assert list(caught.value.fields) == [part]
    job.refresh_from_db()
    assert job.state == ImportState.UPLOADED


def test_dry_run_counts_the_first_rows_and_changes_nothing(by: User) -> None:
    factories.profile(email="a@example.test")
    job = upload(by, "email,first_name\na@example.test,A\nb@example.test,B\nB@example.test,B\nbad,X\n")
    found = imports.dry_run(job, plan(job))
    assert (found.n_rows, found.n_new, found.n_known, found.refused) == (4, 1, 1, {"duplicate": 1, "invalid_email": 1})
    assert Profile.objects.count() == 1


def test_only_people_who_may_import_do(by: User) -> None:
    viewer = factories.user("Viewer")
    with pytest.raises(NotAllowed):
        upload(viewer, "email\na@example.test\n")
    job = upload(by, "email\na@example.test\n")
    with pytest.raises(NotAllowed):
        imports.start(job.pk, plan=plan(job), by=viewer)
    with pytest.raises(NotAllowed):
        imports.cancel(job.pk, by=viewer)


def many(n: int) -> str:
    return "email,first_name\n" + "".join(f"p{i}@example.test,P{i}\n" for i in range(n))


class Killed(BaseException):
    """Stands for a process that is gone."""


@pytest.mark.parametrize("place", ["_follow_mailboxes", "_create", "_stage"])
def test_a_killed_run_goes_on_where_it_was_and_nothing_is_doubled(
    by: User, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 10)
    job = upload(by, many(45) + "p1@example.test,Twice\nbad,x\n")
    imports.start(job.pk, plan=plan(job, new_list="Everybody"), by=by)
    real, calls = getattr(merging, place), iter(range(1000))

    def dies(*args: Any) -> Any:
        result = real(*args)
        if next(calls) == 2:
            raise Killed
        return result

    monkeypatch.setattr(merging, place, dies)
    with pytest.raises(Killed):
        import_runs.run(job.pk)
    monkeypatch.setattr(merging, place, real)
    job.refresh_from_db()
    assert (job.state, job.n_rows, Profile.objects.count()) == ("running", 20, 20)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert job.n_rows == 20, "its heartbeat is fresh, so it was left alone"
    assert import_runs.abandoned() == []
    ProfileImport.objects.update(heartbeat_at=datetime.now(UTC) - import_runs.STALE - timedelta(seconds=1))
    assert import_runs.abandoned() == [job.pk]
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert counts(job) == ("finished", 45, 0, 0, {"duplicate": 1, "invalid_email": 1})
    assert Profile.objects.count() == 45
    assert job.segment is not None and job.segment.n_people == 45


def test_a_slow_worker_stops_when_another_went_on(by: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 10)
    job = upload(by, many(30))
    imports.start(job.pk, plan=plan(job), by=by)
    real = import_runs._batches

    def overtaken(records: Iterator[Any]) -> Iterator[Any]:
        for number, batch in enumerate(real(records)):
            if number == 1:
                monkeypatch.setattr(import_runs, "_batches", real)
                ProfileImport.objects.update(heartbeat_at=None)
                import_runs.run(job.pk)
            yield batch

    monkeypatch.setattr(import_runs, "_batches", overtaken)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert counts(job) == ("finished", 30, 0, 0, {})
    assert Profile.objects.count() == 30


def test_cancel_stops_between_batches_and_keeps_who_is_in(by: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 10)
    job = upload(by, many(30))
    imports.start(job.pk, plan=plan(job), by=by)
    real = import_runs._batches

    def cancelled(records: Iterator[Any]) -> Iterator[Any]:
        for number, batch in enumerate(real(records)):
            if number == 1:
                imports.cancel(job.pk, by=by)
            yield batch

    monkeypatch.setattr(import_runs, "_batches", cancelled)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert counts(job) == ("cancelled", 10, 0, 0, {})
    assert not ProfileImportChunk.objects.exists()
    with pytest.raises(DomainError, match="ended already"):
        imports.cancel(job.pk, by=by)
    with pytest.raises(DomainError, match="started already"):
        imports.start(job.pk, plan=plan(job), by=by)


def test_a_fault_of_ours_ends_the_import_with_a_sentence(by: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job = upload(by, many(3))
    imports.start(job.pk, plan=plan(job), by=by)
    monkeypatch.setattr(merging, "_create", lambda *args: 1 / 0)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "Something broke on our side. Rows up to line 0 are imported.")
    assert Profile.objects.count() == 0


def test_a_lost_wake_up_is_found_and_a_forgotten_upload_dropped(by: User) -> None:
    job, old = upload(by, many(1)), upload(by, many(1))
    imports.start(job.pk, plan=plan(job), by=by)
    assert import_runs.abandoned() == []
    ProfileImport.objects.filter(pk=job.pk).update(started_at=datetime.now(UTC) - timedelta(seconds=11))
    assert import_runs.abandoned() == [job.pk]
    ProfileImport.objects.filter(pk=old.pk).update(created_at=datetime.now(UTC) - timedelta(days=8))
    assert import_runs.drop_forgotten() == 1
    old.refresh_from_db()
    assert (old.state, old.chunks.count(), job.chunks.count()) == ("cancelled", 0, 1)


def test_a_file_over_many_pieces_reads_like_one(by: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_runs, "CHUNK", 64)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["email", "first_name", "note"])
    for i in range(300):
        writer.writerow([f"p{i}@example.test", "Zoé", f'line "one"\nline {i}'])
    data = out.getvalue().encode()
    job = imports.receive((data[i : i + 100] for i in range(0, len(data), 100)), file_name="x.csv", by=by)
    assert job.chunks.count() == -(-len(data) // 64)
    monkeypatch.setattr(import_runs, "BATCH_ROWS", 7)
    imports.start(job.pk, plan=plan(job), by=by)
    import_runs.run(job.pk)
    job.refresh_from_db()
    assert counts(job) == ("finished", 300, 0, 0, {})
    assert Profile.objects.get(email_key="p299@example.test").attributes == {"note": 'line "one"\nline 299'}
