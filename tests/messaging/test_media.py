"""The media library: what is stored once, who may change it, what keeps it from being deleted."""

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEntry
from lib.errors import NotAllowed
from messaging import content, media, media_uses
from messaging.images import ImageRefused
from messaging.models import MediaContent, MediaFile, MediaUse
from tests import factories

pytestmark = pytest.mark.django_db


def showing(*files: MediaFile) -> str:
    """The body of a message that shows `files`."""
    pictures = "".join(f'<img src="{media.url(file)}" alt="">' for file in files)
    return factories.HTML_BODY.replace("<body>", f"<body>{pictures}")


def actions(file: MediaFile) -> list[str]:
    rows = AuditEntry.objects.filter(subject_kind="media", subject_id=str(file.public_id)).order_by("pk")
    return [row.action for row in rows]


def test_an_upload_is_stored_with_what_it_really_is() -> None:
    by, data = factories.user("Marketer"), factories.picture(64, 32, kind="JPEG")
    stored = media.store(data, name="C:\\fakepath\\Herbst  Motiv.svg", by=by)
    file = stored.file
    assert stored.is_new
    assert (file.name, file.content_type, file.width, file.height) == ("Herbst Motiv", "image/jpeg", 64, 32)
    assert (file.n_bytes, media.content(file), file.created_by) == (len(data), data, by)
    assert media.path(file) == f"/m/{file.token}/herbst-motiv.jpg"
    assert len(file.token) == 16
    assert actions(file) == ["media.uploaded"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", "Image"), (".png", ".png"), ("a\0b\n.png", "a\ufffdb"), ("x" * 300 + ".png", "x" * 120), ("图.webp", "图")],
)
def test_any_file_name_gives_a_name_and_an_address(given: str, kept: str) -> None:
    file = media.store(factories.picture(), name=given, by=factories.user("Marketer")).file
    assert file.name == kept
    assert media.path(file).startswith(f"/m/{file.token}/")


def test_the_same_bytes_are_stored_once_and_whoever_comes_second_is_told() -> None:
    data = factories.picture()
    first = media.store(data, name="one.png", by=factories.user("Marketer"))
    second = media.store(data, name="two.png", by=factories.user("Operator"))
    assert (first.is_new, second.is_new) == (True, False)
    assert second.file.pk == first.file.pk
    assert second.file.name == "one"
    assert MediaContent.objects.count() == 1
    other = media.store(factories.picture(), name="one.png", by=factories.user("Marketer"))
    assert other.is_new and other.file.token != first.file.token


def test_uploading_a_deleted_image_again_brings_it_back_under_its_address() -> None:
    by, data = factories.user("Marketer"), factories.picture()
    file = factories.media(by, data=data)
    media.delete(file.pk, by=by)
    again = media.store(data, name="again.png", by=by)
    assert (again.file.pk, again.is_new, again.file.deleted_at) == (file.pk, False, None)
    assert actions(file) == ["media.uploaded", "media.deleted", "media.restored"]


@pytest.mark.django_db(transaction=True)
def test_two_identical_uploads_at_once_give_one_file() -> None:
    roles.sync()
    people, data, barrier = [factories.user("Marketer") for _ in range(6)], factories.picture(), Barrier(6)

    def one(n: int) -> media.Stored:
        try:
            barrier.wait(10)
            return media.store(data, name=f"{n}.png", by=people[n])
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        stored = list(pool.map(one, range(6)))
    assert len({each.file.pk for each in stored}) == 1
    assert [each.is_new for each in stored].count(True) == 1
    assert (MediaFile.objects.count(), MediaContent.objects.count()) == (1, 1)
    assert actions(stored[0].file) == ["media.uploaded"]


@pytest.mark.parametrize("role", ["", "Viewer"])
def test_who_may_not_write_may_not_change_images(role: str) -> None:
    file, by = factories.media(), factories.user(role)
    for change in (
        lambda: media.store(factories.picture(), name="x.png", by=by),
        lambda: media.describe(file.pk, alt="x", is_decorative=False, by=by),
        lambda: media.resized_copy(file.pk, width=600, by=by),
        lambda: media.delete(file.pk, by=by),
        lambda: media.restore(file.pk, by=by),
    ):
        with pytest.raises(NotAllowed):
            change()
    assert list(MediaFile.objects.values_list("alt", "deleted_at")) == [("", None)]


def test_a_decorative_image_has_no_text() -> None:
    by, file = factories.user("Marketer"), factories.media()
    saved = media.describe(file.pk, alt="  Red\nshoes ", is_decorative=False, by=by)
    assert (saved.name, saved.alt) == ("Picture", "Red shoes")
    saved = media.describe(file.pk, name="Shoes", alt="Red shoes", is_decorative=True, by=by)
    assert (saved.name, saved.alt, saved.is_decorative) == ("Shoes", "", True)
    media.describe(file.pk, alt="", is_decorative=True, by=by)
    assert actions(file) == ["media.uploaded", "media.described", "media.described"]
    with pytest.raises(IntegrityError, match="media_decorative_has_no_alt"), transaction.atomic():
        MediaFile.objects.filter(pk=file.pk).update(alt="x")


@pytest.mark.parametrize(
    ("name", "alt", "wrong"), [("  ", "", "name"), ("x" * 121, "", "name"), ("x", "y" * 301, "alt")]
)
def test_names_and_texts_that_do_not_fit_are_refused(name: str, alt: str, wrong: str) -> None:
    file = factories.media()
    with pytest.raises(media.MediaInvalid) as refusal:
        media.describe(file.pk, name=name, alt=alt, is_decorative=False, by=factories.user("Marketer"))
    assert list(refusal.value.fields) == [wrong]


def test_a_smaller_copy_is_a_file_of_its_own_with_the_same_text() -> None:
    by = factories.user("Marketer")
    file = factories.media(by, name="Sale", data=factories.picture(1600, 400, kind="JPEG"), alt="Half price")
    made = media.resized_copy(file.pk, width=600, by=by)
    assert made.is_new
    assert (made.file.name, made.file.alt, made.file.width, made.file.height) == ("Sale-600", "Half price", 600, 150)
    again = media.resized_copy(file.pk, width=600, by=by)
    assert (again.file.pk, again.is_new) == (made.file.pk, False)
    with pytest.raises(ImageRefused, match="600 pixels wide"):
        media.resized_copy(made.file.pk, width=1200, by=by)


# --- who shows it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["html", "mjml", "blocks"])
def test_a_published_message_notes_the_images_it_shows(kind: str) -> None:
    file, other = factories.media(), factories.media()
    body = {
        "html": showing(file),
        "mjml": f'<mjml><mj-body><mj-section><mj-column><mj-image src="{media.url(file)}" /></mj-column></mj-section>'
        "</mj-body></mjml>",
        "blocks": f'[{{"type": "image", "src": "{media.url(file)}", "alt": ""}}]',
    }[kind]
    message = factories.message(body_kind=kind, body=body)
    assert list(MediaUse.objects.values_list("message_id", "file_id")) == [(message.pk, file.pk)]
    assert content.freeze(factories.content_spec(body_kind=kind, body=body)).pk == message.pk
    assert MediaUse.objects.count() == 1
    assert not other.uses.exists()


def test_an_address_that_is_none_of_ours_is_no_use() -> None:
    body = showing() + '<img src="https://other.test/m/short/x.png"><img src="/m/AAAAAAAAAAAAAAAA/x.png">'
    factories.message(body=body)
    assert MediaUse.objects.count() == 0


def test_an_image_of_a_published_message_is_not_deleted() -> None:
    by = factories.user("Marketer")
    used, free = factories.media(by), factories.media(by)
    factories.message(body=showing(used))
    with pytest.raises(media.MediaInUse) as refusal:
        media.delete(used.pk, by=by, is_confirmed=True)
    assert refusal.value.message == "Sent messages still show it."
    assert media.delete(free.pk, by=by).deleted_at is not None
    assert [file.pk for file in media.listing()] == [used.pk]
    assert media.served(used.token) is not None
    assert media.served(free.token) is None
    assert media.restore(free.pk, by=by).deleted_at is None
    assert media.served(free.token) is not None


def test_an_image_of_a_draft_is_deleted_only_when_somebody_confirmed() -> None:
    by = factories.user("Marketer")
    file = factories.media(by)
    factories.campaign(by, name="Spring sale", compose__body=showing(file))
    with pytest.raises(media.MediaInDrafts, match="Spring sale"):
        media.delete(file.pk, by=by)
    assert MediaFile.objects.get(pk=file.pk).deleted_at is None
    assert media.delete(file.pk, by=by, is_confirmed=True).deleted_at is not None


def test_what_a_message_shows_is_served_even_if_it_was_deleted_before_and_survives_the_purge() -> None:
    """A draft kept the address, and was published after the deletion."""
    by = factories.user("Marketer")
    shown, forgotten, fresh = factories.media(by), factories.media(by), factories.media(by)
    for file in (shown, forgotten, fresh):
        media.delete(file.pk, by=by)
    factories.message(body=showing(shown))
    long_ago = timezone.now() - media.KEPT - dt.timedelta(minutes=1)
    MediaFile.objects.filter(pk__in=[shown.pk, forgotten.pk]).update(deleted_at=long_ago)
    assert media.served(shown.token) is not None
    assert media.purge() == 1
    assert set(MediaFile.objects.values_list("pk", flat=True)) == {shown.pk, fresh.pk}
    assert MediaContent.objects.count() == 2
    assert actions(forgotten)[-1] == "media.purged"
    assert media.purge() == 0


@pytest.mark.django_db(transaction=True)
def test_deleting_waits_for_a_publication_that_shows_the_image() -> None:
    roles.sync()
    by = factories.user("Marketer")
    file = factories.media(by)
    barrier = Barrier(2)

    def delete() -> str:
        try:
            barrier.wait(10)
            media.delete(file.pk, by=by)
        except media.MediaInUse:
            return "refused"
        finally:
            connection.close()
        return "deleted"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            factories.message(body=showing(file))
            running = pool.submit(delete)
            barrier.wait(10)
            time.sleep(0.3)
            assert not running.done()
        assert running.result(10) == "refused"


def test_drafts_and_campaigns_are_named_in_one_query_each_however_many_images(
    django_assert_num_queries: object,
) -> None:
    by = factories.user("Marketer")
    files = [factories.media(by) for _ in range(4)]
    factories.published(by, name="Live", compose__body=factories.BODY + showing(files[0], files[1]))
    factories.campaign(by, name="Draft", compose__body=showing(files[1]), compose__text=f"{media.url(files[2])} x")
    factories.template(by, name="Monthly", body=showing(files[3]))
    some = [file.token for file in files]
    with django_assert_num_queries(1):  # type: ignore[operator]
        drafts = media_uses.drafts_of(some)
    with django_assert_num_queries(1):  # type: ignore[operator]
        published = media_uses.published_of(some)
    assert {(use.token, use.label) for use in published} == {(some[0], "Live"), (some[1], "Live")}
    assert {(use.token, use.label) for use in drafts} == {
        (some[1], "Draft"),
        (some[2], "Draft"),
        (some[3], "Monthly"),
    }
    assert media_uses.drafts_of([str(uuid4())[:16]]) == []


def test_the_list_finds_by_name_and_text_and_never_loads_bytes() -> None:
    by = factories.user("Marketer")
    shoes, bag = factories.media(by, name="Shoes", alt="Red boots"), factories.media(by, name="Bag")
    factories.message(body=showing(shoes))
    assert [(file.pk, file.n_published) for file in media.listing()] == [(bag.pk, 0), (shoes.pk, 1)]
    assert [file.pk for file in media.listing("BOOTS")] == [shoes.pk]
    assert [file.pk for file in media.listing("bag\0")] == [bag.pk]
    assert list(media.listing("nothing")) == []
    assert "mediacontent" not in str(media.listing("x").query)
