"""The library's pages, and the public address mail apps load images from."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.utils import timezone

from accounts.models import User
from messaging import images, media, tasks
from messaging.models import MediaFile
from tests import factories
from tests.messaging.test_media import showing

pytestmark = pytest.mark.django_db
HX = {"HTTP_HX_REQUEST": "true"}
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def marketer() -> User:
    return factories.user("Marketer")


@pytest.fixture
def client(marketer: User) -> Client:
    made = Client()
    made.force_login(marketer)
    return made


def upload(client: Client, *files: tuple[str, bytes], **extra: Any) -> Any:
    # The content type is a lie on purpose: nobody believes it.
    sent = [SimpleUploadedFile(name, data, content_type="text/html") for name, data in files]
    return client.post("/media/upload/", {"file": sent, **extra.pop("fields", {})}, **extra)


# --- the public address ---------------------------------------------------------------------------------------------


def test_a_stranger_gets_the_image_and_a_cache_may_keep_it_for_ever() -> None:
    data = factories.picture(kind="JPEG")
    file = factories.media(name="Autumn sale", data=data)
    answer = Client().get(media.path(file))
    assert (answer.status_code, answer.content) == (200, data)
    assert dict(answer.headers) == dict(answer.headers) | {
        "Content-Type": "image/jpeg",
        "Content-Length": str(len(data)),
        "Content-Disposition": "inline",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": f'"{file.sha256[:32]}"',
    }
    assert not {"Vary", "Set-Cookie", "Content-Language"} & set(answer.headers)
    assert not answer.cookies


def test_the_public_address_asks_for_no_session_even_when_one_is_sent(
    client: Client, django_assert_num_queries: Any
) -> None:
    file = factories.media()
    with django_assert_num_queries(2):
        answer = client.get(media.path(file))
    assert answer.status_code == 200
    assert "Vary" not in answer.headers and not answer.cookies


def test_head_and_a_known_etag_bring_no_bytes(django_assert_num_queries: Any) -> None:
    file, stranger = factories.media(), Client()
    with django_assert_num_queries(1):
        answer = stranger.head(media.path(file))
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (200, b"", str(file.n_bytes))
    with django_assert_num_queries(1):
        known = stranger.get(media.path(file), HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (known.status_code, known.content, known["ETag"]) == (304, b"", answer["ETag"])
    assert known["Cache-Control"] == answer["Cache-Control"]
    assert stranger.get(media.path(file), HTTP_IF_NONE_MATCH='"other"').status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_the_public_address_only_gives(method: str) -> None:
    assert getattr(Client(), method)(media.path(factories.media())).status_code == 405


def test_the_old_address_works_after_a_rename_and_a_wrong_one_is_not_found(marketer: User) -> None:
    file = factories.media(name="Old name")
    old = media.path(file)
    new = media.path(media.describe(file.pk, name="New name", alt="", is_decorative=False, by=marketer))
    assert old != new
    assert [Client().get(path).status_code for path in (old, new)] == [200, 200]
    for path in ("/m/AAAAAAAAAAAAAAAA/x.png", f"/m/{file.token[:-1]}/x.png", f"/m/{file.token}%00/x.png"):
        answer = Client().get(path)
        assert answer.status_code == 404
        assert "max-age=31536000" not in answer.headers.get("Cache-Control", "")


def test_a_deleted_image_is_gone_unless_a_published_message_shows_it(marketer: User) -> None:
    shown, unused = factories.media(), factories.media()
    for file in (shown, unused):
        media.delete(file.pk, by=marketer)
    factories.message(body=showing(shown))
    assert Client().get(media.path(shown)).status_code == 200
    gone = Client().get(media.path(unused))
    assert (gone.status_code, gone["Cache-Control"]) == (404, "no-store")


# --- uploading ------------------------------------------------------------------------------------------------------


def test_a_script_uploads_one_file_and_is_asked_for_its_text(client: Client) -> None:
    answer = upload(client, ("Sale.png", factories.picture()), **JSON)
    file = MediaFile.objects.get()
    assert answer.status_code == 201
    assert f"/media/{file.public_id}/describe/" in answer.json()["html"]
    assert media.url(file) in answer.json()["html"]
    again = upload(client, ("Other.png", media.content(file)), **JSON)
    assert again.status_code == 200
    assert "already in the library, as Sale" in again.json()["html"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("logo.png", b"<!doctype html><script>alert(1)</script>", "not a PNG"),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        ("half.png", factories.picture(300, 300)[:-20], "damaged"),
        ("none.png", b"", "empty"),
        ("big.png", b"\x89PNG" + b"\0" * (11 * 1024 * 1024), "larger than 10 MB"),
    ],
)
def test_a_refused_file_is_told_in_words_to_scripts_and_to_people(
    client: Client, name: str, data: bytes, words: str
) -> None:
    refused = upload(client, (name, data), **JSON)
    assert refused.status_code == 422
    assert words in refused.json()["message"]
    page = client.post("/media/upload/", {"file": SimpleUploadedFile(name, data)}, follow=True)
    assert f"{name}: " in page.content.decode() and words in page.content.decode()
    assert MediaFile.objects.count() == 0


def test_without_script_several_files_go_at_once_and_one_goes_to_its_page(client: Client) -> None:
    several = upload(client, ("a.png", factories.picture()), ("b.png", b"no"), ("c.png", factories.picture()))
    assert (several.status_code, several["Location"]) == (302, "/media/")
    assert MediaFile.objects.count() == 2
    page = client.get("/media/").content.decode()
    assert "a is in the library." in page and "b.png: This is not" in page
    one = upload(client, ("d.png", factories.picture()))
    assert one["Location"] == f"/media/{MediaFile.objects.get(name='d').public_id}/"


def test_no_file_at_all_is_told(client: Client) -> None:
    answer = client.post("/media/upload/", {}, **JSON)
    assert (answer.status_code, answer.json()["message"]) == (422, "Choose a file.")


# --- the pages ------------------------------------------------------------------------------------------------------


def test_the_grid_says_what_each_image_is_and_lacks(client: Client, marketer: User) -> None:
    named = factories.media(name="Boots", alt="Red boots", n_bytes=2 * 1024 * 1024)
    factories.media(name="Line", is_decorative=True)
    factories.media(name="Bare", is_animated=True)
    factories.published(marketer, compose__body=factories.BODY + showing(named))
    factories.campaign(marketer, name="Spring", compose__body=showing(named))
    page = client.get("/media/").content.decode()
    assert page.count("Over 1 MB") == 1
    assert page.count("No alternative text") == 1
    assert page.count("Not used") == 2
    assert "Used by 1 published message, 1 draft" in page
    assert "Red boots" in page and "Decorative" in page and "· animated" in page
    assert f'src="/media/{named.public_id}/thumbnail/" width="40" height="20" loading="lazy"' in page


def test_the_grid_costs_the_same_for_one_image_and_for_a_page_of_them(
    client: Client, marketer: User, django_assert_max_num_queries: Any
) -> None:
    factories.media()
    client.get("/media/")
    with django_assert_max_num_queries(12) as few:
        client.get("/media/")
    for _ in range(8):
        factories.message(body=showing(factories.media(marketer)), subject=str(_))
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get("/media/")


def test_pages_search_and_both_kinds_of_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No images yet" in client.get("/media/").content.decode()
    monkeypatch.setattr("messaging.views.media.PAGE_SIZE", 2)
    for n in range(3):
        factories.media(name=f"Boots {n}")
    first = client.get("/media/?q=boots").content.decode()
    assert "Boots 2" in first and "Boots 0" not in first and 'href="?q=boots&amp;page=2"' in first
    second = client.get("/media/?q=boots&page=2", **HX).content.decode()
    assert "Boots 0" in second and "<html" not in second
    nothing = client.get("/media/?q=<b>").content.decode()
    assert "No image matches “&lt;b&gt;”" in nothing


def test_the_page_of_an_image_saves_and_refuses_beside_the_field(client: Client) -> None:
    file = factories.media(name="Boots")
    path = f"/media/{file.public_id}/"
    assert media.url(file) in client.get(path).content.decode()
    saved = client.post(f"{path}describe/", {"name": "Red boots", "alt": "Boots, red"})
    assert saved["Location"] == path
    refused = client.post(f"{path}describe/", {"name": "", "alt": "Changed"})
    assert refused.status_code == 422
    assert "The name is empty. Enter a name." in refused.content.decode()
    inline = client.post(f"{path}describe/", {"alt": "", "is_decorative": "on"}, **JSON)
    assert inline.json() == {"name": "Red boots", "alt": "", "is_decorative": True}
    wrong = client.post(f"{path}describe/", {"alt": "x" * 301}, **JSON)
    assert wrong.status_code == 422 and "300" in wrong.json()["message"]


def test_who_may_only_look_sees_no_button(client: Client) -> None:
    file = factories.media(data=factories.picture(1400, 20))
    viewer = Client()
    viewer.force_login(factories.user("Viewer"))
    for path in ("/media/", f"/media/{file.public_id}/"):
        theirs, ours = viewer.get(path).content.decode(), client.get(path).content.decode()
        for part in ("data-media-upload", "/describe/", "/copy/", "/delete/"):
            assert part not in theirs
        assert "data-media-upload" in ours or "/describe/" in ours


def test_a_smaller_copy_opens_and_the_large_image_stays(client: Client) -> None:
    file = factories.media(name="Sale", data=factories.picture(1400, 700, kind="JPEG"))
    path = f"/media/{file.public_id}/"
    page = client.get(path).content.decode()
    assert "600 pixels wide" in page and "1200 pixels wide" in page
    made = client.post(f"{path}copy/", {"width": "1200"})
    copy = MediaFile.objects.get(name="Sale-1200")
    assert (made["Location"], copy.width) == (f"/media/{copy.public_id}/", 1200)
    assert "1200 pixels wide" not in client.get(made["Location"]).content.decode()
    again = client.post(f"{path}copy/", {"width": "1200"}, follow=True).content.decode()
    assert "already in the library, as Sale-1200" in again


def test_deleting_an_unused_image_is_undone_by_one_button(client: Client) -> None:
    file = factories.media(name="Boots")
    page = client.post(f"/media/{file.public_id}/delete/", follow=True).content.decode()
    undo = f"/media/{file.public_id}/restore/"
    assert "Boots is deleted." in page and f'action="{undo}"' in page
    assert client.get(f"/media/{file.public_id}/").status_code == 404
    client.post(undo)
    assert client.get(f"/media/{file.public_id}/").status_code == 200


def test_an_image_of_a_draft_is_deleted_after_a_question_that_names_it(client: Client, marketer: User) -> None:
    file = factories.media()
    factories.campaign(marketer, name="Spring sale", compose__body=showing(file))
    path = f"/media/{file.public_id}/delete/"
    asked = client.post(path)
    assert asked["Location"] == path
    for extra in ({}, HX):
        assert "Spring sale" in client.get(path, **extra).content.decode()
    assert MediaFile.objects.get(pk=file.pk).deleted_at is None
    client.post(path, {"is_confirmed": "1"})
    assert MediaFile.objects.get(pk=file.pk).deleted_at is not None


def test_an_image_of_a_published_message_offers_no_delete_and_refuses_one(client: Client, marketer: User) -> None:
    file = factories.media()
    campaign = factories.published(marketer, name="Live sale", compose__body=factories.BODY + showing(file))
    page = client.get(f"/media/{file.public_id}/").content.decode()
    assert "Sent messages still show it." in page and 'aria-disabled="true"' in page
    assert f'<a href="/campaigns/{campaign.public_id}/">Live sale</a>' in page
    refused = client.post(f"/media/{file.public_id}/delete/", {"is_confirmed": "1"})
    assert refused.status_code == 409
    assert "Sent messages still show it." in refused.content.decode()


@override_settings(PUBLIC_URL="https://mail.shop.test")
def test_the_dialog_of_the_editor_offers_addresses_for_messages(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.views.media.CHOICES", 1)
    old, new = factories.media(name="Old", alt='Boots "red"'), factories.media(name="New")
    first = client.get("/media/choose/").content.decode()
    assert f'data-url="https://mail.shop.test/m/{new.token}/new.png"' in first
    assert 'data-media-more="2"' in first and old.token not in first
    found = client.get("/media/choose/?q=boots").content.decode()
    assert 'data-alt="Boots &quot;red&quot;"' in found and "data-media-more" not in found
    assert "No image matches" in client.get("/media/choose/?q=nothing").content.decode()


def test_a_thumbnail_is_small_and_private(client: Client) -> None:
    file = factories.media(data=factories.picture(2000, 1000))
    answer = client.get(f"/media/{file.public_id}/thumbnail/")
    assert answer["Content-Type"] == "image/webp"
    assert answer["Cache-Control"].startswith("private")
    assert images.read(answer.content).width == 480


def test_the_nightly_task_purges() -> None:
    file = factories.media(deleted_at=timezone.now() - dt.timedelta(days=31))
    assert tasks.purge_media() == 1
    assert not MediaFile.objects.filter(pk=file.pk).exists()


def test_the_public_address_is_absolute() -> None:
    with override_settings(PUBLIC_URL="https://mail.shop.test"):
        parts = urlsplit(media.url(factories.media(name="Été à la mer")))
    assert (parts.scheme, parts.netloc, parts.path.rpartition("/")[2]) == (
        "https",
        "mail.shop.test",
        "ete-a-la-mer.png",
    )
