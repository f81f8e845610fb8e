"""Files that go with messages: which may, what they are called, how they are fetched, and what a reader gets."""

import email
import email.policy
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from messaging import attachment_kinds, attachments, content, linting
from messaging.attachments import Wanted
from messaging.models import AttachedFile
from tests import factories, http_server
from tests.http_server import Reply
from tests.messaging.test_email import parsed, program_for, unstuffed

PDF = b"%PDF-1.7 " + bytes(range(256)) * 3
# Name, path, type of the answer → name and type of the file, or what is wrong.
NAMED: list[tuple[str, str, str, str, str]] = [
    ("May.pdf", "/x", "application/pdf", "May.pdf", "application/pdf"),
    ("May.PDF", "/x.docx", "text/plain", "May.PDF", "application/pdf"),
    ("May", "/a/x.docx?y=1", "", "May.docx", attachment_kinds.TYPES["docx"]),
    ("May", "/download", "application/pdf", "May.pdf", "application/pdf"),
    ("May", "/x.php", "image/jpeg; q=1", "May.jpg", "image/jpeg"),
    ("Zu\u0308rich.ics", "/x", "", "Zürich.ics", "text/calendar"),
    ("May", "/download", "application/x-msdownload", "", "Files of this kind (application/x-msdownload)"),
    ("May.pdf", "/x", "text/html; charset=utf-8", "", "There is a web page"),
]
BAD_NAMES = [
    "", " ", "a/b.pdf", "..\\a.pdf", "a\r\nb.pdf", 'a".pdf', ".pdf", "a.pdf.", "a.exe", "a.html", "a.docm", "a.svg",
    "a\u202efdp.pdf", "x" * 117 + ".pdf", "a\0.pdf", "C:a.pdf",
]  # fmt: skip


@pytest.fixture
def site(settings: Settings) -> Iterator[http_server.Site]:
    with http_server.known_to(settings, lambda _asked, _n: Reply(body=PDF)) as running:
        yield running


@pytest.mark.parametrize(("name", "path", "kind", "named", "told"), NAMED)
def test_a_file_is_what_its_name_says(
    site: http_server.Site, name: str, path: str, kind: str, named: str, told: str
) -> None:
    site.answers = lambda _asked, _n: Reply(headers={"Content-Type": kind} if kind else {}, body=PDF)
    wanted = [Wanted(name, site.url + path)]
    if named:
        assert attachments.fetch(wanted) == (attachments.File(named, told, PDF),)
        return
    with pytest.raises(attachments.AttachmentInvalid) as problem:
        attachments.fetch(wanted)
    assert problem.value.number == 0 and problem.value.message.startswith(told)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_before_anybody_is_asked(site: http_server.Site, name: str) -> None:
    with pytest.raises(attachments.AttachmentInvalid) as problem:
        attachments.fetch([Wanted("good.pdf", site.url), Wanted(name, site.url)])
    assert (problem.value.number, problem.value.part, site.asked) == (1, "file_name", [])


def test_what_can_not_be_had_or_is_too_large(site: http_server.Site, settings: Settings) -> None:
    answers = {
        "/gone": Reply(status=404), "/big": Reply(body=b"x" * (attachments.MOST_BYTES + 1)), "/none": Reply(),
        "/most": Reply(body=b"x" * attachments.MOST_BYTES), "/cut": Reply(body=PDF, n_missing=5),
        "/away": Reply(status=302, headers={"Location": "http://169.254.169.254/latest"}),
    }  # fmt: skip
    site.answers = lambda asked, _n: answers[asked.path]
    for path, words in (
        ("/gone", "404"), ("/big", "more than 2 MB"), ("/none", "empty file"), ("/cut", "ended the connection"),
        ("/away", "is not an address that may"),
    ):  # fmt: skip
        with pytest.raises(attachments.AttachmentInvalid, match=words) as problem:
            attachments.fetch([Wanted("a.pdf", site.url + path)])
        assert (problem.value.number, problem.value.part) == (0, "url")
    with pytest.raises(attachments.AttachmentInvalid, match="more than 3 MB"):
        attachments.fetch([Wanted("a.pdf", f"{site.url}/most"), Wanted("b.pdf", f"{site.url}/most")])
    with pytest.raises(attachments.AttachmentInvalid, match="at most 10"):
        attachments.fetch([Wanted("a.pdf", site.url)] * 11)
    for url in ("http://127.0.0.1:1/", "http://10.0.0.1/a", "file:///etc/passwd", "https://u:p@shop.test/", "x"):
        with pytest.raises(attachments.AttachmentInvalid):
            attachments.check([Wanted("a.pdf", url)])


def test_one_address_is_asked_once_for_a_call(site: http_server.Site) -> None:
    files = attachments.fetch([Wanted("a.pdf", site.url), Wanted("b.pdf", site.url)])
    assert [file.name for file in files] == ["a.pdf", "b.pdf"] and len(site.asked) == 1


NAMES = ["May.pdf", "Räume für Lyon.pdf", "😀" * 60 + ".txt", "x" * 116 + ".csv", "a;b=c'(%20).ics"]


def test_a_reader_gets_the_files_and_the_message_as_before() -> None:
    spec = factories.content_spec(body="<p>.dot é {{ profile.city }}</p>", text=".text", subject="s")
    program = program_for(content.draft_message(spec))
    datas = [PDF, b"", b"text \xff", "Bücher".encode(), b"\r\n.\r\n" * 30]
    parts = [
        attachments.part(name, attachment_kinds.TYPES[attachment_kinds.end_of(name)], data)
        for name, data in zip(NAMES, datas, strict=True)
    ]
    person = factories.person(city="Lyon")
    plain, mixed = program.render(person).data, program.carrying(parts).render(person).data
    found = parsed(mixed)
    assert found.get_content_type() == "multipart/mixed"
    inner = next(found.iter_parts())
    whole = email.message_from_bytes(unstuffed(plain), policy=email.policy.default)
    assert [part.get_payload() for part in inner.iter_parts()] == [part.get_payload() for part in whole.iter_parts()]
    attached = list(found.iter_attachments())
    assert [part.get_filename() for part in attached] == NAMES
    assert [part.get_payload(decode=True) for part in attached] == datas
    assert program.render(person).data.split(b"\r\n\r\n", 1)[1] == plain.split(b"\r\n\r\n", 1)[1], "ours is as it was"
    assert linting.lint(unstuffed(mixed)) == linting.lint(unstuffed(plain))


def test_the_linter_sees_what_is_wrong_with_files() -> None:
    spec = factories.content_spec(body="<p>x</p>", text="x", subject="s")
    good = attachments.part("a.pdf", "application/pdf", PDF)
    for bad in (
        good.replace(b"base64", b"8bit"), good.replace(b"attachment;", b"inline;"),
        good.replace(b';\r\n filename="a.pdf"', b""), good.replace(b"application/pdf", b"text/html"),
    ):  # fmt: skip
        data = unstuffed(program_for(content.draft_message(spec)).carrying([bad]).render(factories.person()).data)
        assert 5 in {finding.check for finding in linting.lint(data)}, bad[:100]


@pytest.mark.django_db
def test_equal_bytes_are_kept_once_and_never_change() -> None:
    keys = [attachments.keep(data) for data in (PDF, b"other", PDF)]
    assert keys[0] == keys[2] != keys[1] and AttachedFile.objects.count() == 2
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_attachedfile SET data = 'x'")
