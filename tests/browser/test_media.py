"""The media library in a real browser: images by button, drop and paste, and into a message."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from accounts import roles
from accounts.models import User
from campaigns.models import Campaign, Draft
from messaging import media
from messaging.models import MediaFile
from tests import factories
from tests.browser import looks
from tests.messaging.test_media import showing

PNG = "image/png"
# Gives the page a drop or a paste as another program would.
TRANSFER = """([kind, files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
  }
  const target = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marketer(transactional_db: None) -> User:
    roles.sync()
    return factories.user("Marketer")


@pytest.fixture(autouse=True)
def _images_on_the_live_server(live_server: Any, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url


def payload(name: str, data: bytes = b"") -> FilePayload:
    return {"name": name, "mimeType": PNG, "buffer": data or factories.picture(120, 60)}


def give(page: Page, kind: str, *files: tuple[str, bytes]) -> None:
    page.evaluate(TRANSFER, [kind, [(name, base64.b64encode(data).decode()) for name, data in files]])


def test_several_images_by_button_each_asked_for_its_text(browse: Callable[..., Page], marketer: User) -> None:
    page = browse(marketer)
    page.goto("/media/")
    expect(page.get_by_text("No images yet")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload images").click()
    chooser.value.set_files([payload("boots.png"), payload("page.png", b"<html>"), payload("line.png")])
    asked = page.locator(".uploads form")
    expect(asked).to_have_count(2)
    expect(page.locator(".upload", has_text="page.png")).to_contain_text("This is not a PNG, JPEG, GIF or WebP image")
    expect(asked.first.get_by_label("Alternative text")).to_be_focused()
    page.keyboard.type("Red boots")
    page.keyboard.press("Enter")
    expect(asked.first.get_by_text("Saved", exact=True)).to_be_visible()
    asked.nth(1).get_by_label("Decorative, no text").check()
    asked.nth(1).get_by_role("button", name="Save").click()
    expect(asked.nth(1).get_by_text("Saved", exact=True)).to_be_visible()
    expect(page.locator("#media-grid")).to_contain_text("Red boots")
    expect(page.locator("#media-grid .media-card")).to_have_count(2)
    assert list(MediaFile.objects.order_by("pk").values_list("name", "alt", "is_decorative")) == [
        ("boots", "Red boots", False),
        ("line", "", True),
    ]


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_images_come_by_drop_and_by_paste(browse: Callable[..., Page], marketer: User, kind: str) -> None:
    page = browse(marketer)
    page.goto("/media/")
    if kind == "drop":
        give(page, "dragover", ("boots.png", factories.picture()))
        expect(page.locator(".dropzone.is-over")).to_be_visible()
    give(page, kind, ("boots.png", factories.picture()), ("bag.png", factories.picture()))
    expect(page.locator(".uploads form")).to_have_count(2)
    expect(page.locator("#media-grid .media-card")).to_have_count(2)
    expect(page.locator(".dropzone.is-over")).to_have_count(0)


def test_search_follows_typing_and_delete_can_be_undone(browse: Callable[..., Page], marketer: User) -> None:
    factories.media(marketer, name="Boots")
    factories.media(marketer, name="Bag")
    page = browse(marketer)
    page.goto("/media/")
    page.get_by_label("Search images").fill("boo")
    expect(page.locator(".media-card")).to_have_count(1)
    page.wait_for_url("**q=boo*")
    page.locator(".media-card__name").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("Boots is deleted.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".media-card")).to_have_count(2)


def test_deleting_an_image_of_a_draft_asks_and_names_it(browse: Callable[..., Page], marketer: User) -> None:
    file = factories.media(marketer, name="Boots")
    factories.campaign(marketer, name="Spring sale", compose__body=showing(file))
    page = browse(marketer)
    page.goto(f"/media/{file.public_id}/")
    page.get_by_text("Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete Boots?")
    expect(dialog).to_contain_text("Spring sale")
    expect(dialog.get_by_role("button", name="Keep image")).to_be_focused()
    page.keyboard.press("Escape")
    assert MediaFile.objects.get().deleted_at is None
    page.get_by_text("Delete…").click()
    dialog.get_by_role("button", name="Delete image").click()
    expect(page.get_by_text("No images yet")).to_be_visible()


def editor(page: Page, campaign: Campaign) -> Page:
    page.goto(f"/campaigns/{campaign.public_id}/edit/compose/")
    page.get_by_role("button", name="Edit message").click()
    return page


def draft_body(campaign: Campaign) -> str:
    return str(Draft.objects.get(campaign=campaign).document["compose"]["body"])


def test_an_image_goes_into_a_block_and_the_focus_comes_back(browse: Callable[..., Page], marketer: User) -> None:
    file = factories.media(marketer, name="Boots", alt="Red boots", data=factories.picture(200, 100))
    campaign = factories.campaign(marketer, compose__body_kind="blocks", compose__body='[{"type": "footer"}]')
    page = editor(browse(marketer), campaign)
    page.get_by_label("Add a block").select_option("image")
    page.get_by_role("button", name="Choose image…").click()
    picker = page.get_by_role("dialog", name="Choose an image")
    picker.get_by_role("button", name="Boots").click()
    expect(picker).to_be_hidden()
    expect(page.get_by_role("button", name="Choose image…")).to_be_focused()
    expect(page.get_by_label("Address of the image")).to_have_value(media.url(file))
    expect(page.get_by_label("Alternative text")).to_have_value("Red boots")
    expect(page.get_by_label("Width in pixels")).to_have_value("200")
    shown = page.frame_locator("#editor-preview iframe:not(.is-coming)").locator(f"img[src='{media.url(file)}']")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 200
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#message-editor")).to_be_hidden()
    block = next(one for one in json.loads(draft_body(campaign)) if one["type"] == "image")
    assert (block["src"], block["alt"], block["width"]) == (media.url(file), "Red boots", 200)


def test_columns_and_logo_take_images_of_their_own(browse: Callable[..., Page], marketer: User) -> None:
    file = factories.media(marketer, name="Boots", alt="Red boots")
    body = '[{"type": "header", "text": "Shop", "alt": "My words"}, {"type": "columns", "columns": [{}, {}]}]'
    campaign = factories.campaign(marketer, compose__body_kind="blocks", compose__body=body)
    page = editor(browse(marketer), campaign)
    choose = page.get_by_role("button", name="Choose image…")
    pick = page.locator("[data-media-pick]")
    page.locator("[data-block-toggle]", has_text="Header").click()
    choose.click()
    pick.click()
    expect(page.get_by_label("Address of a logo")).to_have_value(media.url(file))
    expect(page.get_by_label("Alternative text of the logo")).to_have_value("My words")
    page.locator("[data-block-toggle]", has_text="Two columns").click()
    choose.nth(1).click()
    pick.click()
    expect(page.get_by_label("Address of the image, right")).to_have_value(media.url(file))
    expect(page.get_by_label("Alternative text, right")).to_have_value("Red boots")
    expect(page.get_by_label("Address of the image, left")).to_have_value("")
    keys = page.locator("[data-block-body] [data-key]").evaluate_all("fields => fields.map((f) => f.dataset.key)")
    assert len(keys) == len(set(keys)) == 4
    # The list of blocks scrolls, never the editor around it: its buttons stay in sight.
    assert page.locator("#message-editor").evaluate("(one) => one.scrollHeight === one.clientHeight")


def test_an_image_is_uploaded_while_writing_and_the_editor_keeps_its_text(
    browse: Callable[..., Page], marketer: User
) -> None:
    campaign = factories.campaign(marketer, compose__body_kind="blocks", compose__body='[{"type": "footer"}]')
    page = editor(browse(marketer), campaign)
    page.get_by_label("Add a block").select_option("image")
    page.get_by_role("button", name="Choose image…").click()
    picker = page.get_by_role("dialog", name="Choose an image")
    expect(picker).to_contain_text("No images yet")
    give(page, "drop", ("page.png", b"<html>"))
    expect(picker).to_contain_text("This is not a PNG")
    with page.expect_file_chooser() as chooser:
        picker.get_by_role("button", name="Upload an image").click()
    chooser.value.set_files(payload("boots.png"))
    expect(picker.get_by_label("Alternative text")).to_be_focused()
    page.keyboard.type("Red boots")
    page.keyboard.press("Enter")
    expect(picker).to_be_hidden()
    expect(page.locator("#message-editor")).to_be_visible()
    expect(page.get_by_label("Address of the image")).to_have_value(media.url(MediaFile.objects.get()))
    expect(page.locator("#message-editor").get_by_label("Alternative text")).to_have_value("Red boots")


def test_a_large_upload_offers_a_smaller_copy_to_use_instead(
    browse: Callable[..., Page], marketer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "LARGE_BYTES", 1000)
    campaign = factories.campaign(marketer, compose__body_kind="blocks", compose__body='[{"type": "footer"}]')
    page = editor(browse(marketer), campaign)
    page.get_by_label("Add a block").select_option("image")
    page.get_by_role("button", name="Choose image…").click()
    page.locator("#media-picker [data-media-file]").set_input_files(
        payload("boots.png", factories.picture(1600, 800, kind="JPEG"))
    )
    page.locator("#media-picker").get_by_label("Alternative text").fill("Red boots")
    page.get_by_role("button", name="Use a copy 1200 pixels wide").click()
    expect(page.locator("#media-picker")).to_be_hidden()
    copy = MediaFile.objects.get(name="boots-1200")
    expect(page.get_by_label("Address of the image")).to_have_value(media.url(copy))
    assert copy.alt == "Red boots"


@pytest.mark.parametrize(
    ("kind", "tag"), [("html", '<img src="{url}" alt="Red &quot;boots&quot;" width="600" height="300">'),
                      ("mjml", '<mj-image src="{url}" alt="Red &quot;boots&quot;" width="600px" />')]
)  # fmt: skip
def test_an_image_goes_into_code_at_the_caret(browse: Callable[..., Page], marketer: User, kind: str, tag: str) -> None:
    file = factories.media(marketer, name="Boots", alt='Red "boots"', data=factories.picture(1200, 600))
    campaign = factories.campaign(marketer, compose__body_kind=kind, compose__body="")
    page = editor(browse(marketer), campaign)
    page.locator(".cm-content").click()
    page.get_by_role("button", name="Image", exact=True).click()
    page.locator("[data-media-pick]").click()
    expect(page.locator(".cm-content")).to_be_focused()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#message-editor")).to_be_hidden()
    assert draft_body(campaign) == tag.format(url=media.url(file))


@pytest.mark.parametrize("kind", ["blocks", "html"])
@pytest.mark.parametrize("way", ["paste", "drop"])
def test_an_image_file_pasted_or_dropped_into_the_editor_is_uploaded_and_placed(
    browse: Callable[..., Page], marketer: User, kind: str, way: str
) -> None:
    body = '[{"type": "footer"}]' if kind == "blocks" else ""
    campaign = factories.campaign(marketer, compose__body_kind=kind, compose__body=body)
    page = editor(browse(marketer), campaign)
    expect(page.locator("[data-block-list]:visible" if kind == "blocks" else ".cm-content")).to_be_visible()
    give(page, way, ("boots.png", factories.picture(120, 60)))
    page.locator("#media-picker").get_by_label("Alternative text").fill("Red boots")
    page.keyboard.press("Enter")
    expect(page.locator("#media-picker")).to_be_hidden()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#message-editor")).to_be_hidden()
    url = media.url(MediaFile.objects.get())
    block = [{"type": "image", "src": url, "alt": "Red boots", "width": 120}, {"type": "footer"}]
    code = f'<img src="{url}" alt="Red boots" width="120" height="60">'
    assert draft_body(campaign) == (json.dumps(block, separators=(",", ":")) if kind == "blocks" else code)


def test_the_library_is_accessible_and_fits(browse: Callable[..., Page], marketer: User) -> None:
    page = browse(marketer)
    page.goto("/media/")
    assert looks.wrong(page, "empty") == []
    used = factories.media(marketer, name="Boots", alt="Red boots", data=factories.picture(1400, 700))
    factories.media(marketer, name="A name without any space " * 4, n_bytes=2_000_000, is_animated=True)
    campaign = factories.campaign(marketer, name="Spring", compose__body=showing(used))
    for url in ("/media/", "/media/?q=nothing", f"/media/{used.public_id}/", f"/media/{used.public_id}/delete/"):
        page.goto(url)
        assert looks.wrong(page, url) == []
    page.goto("/media/")
    page.locator("#media-files").set_input_files([payload("a.png"), payload("b.png", b"no")])
    expect(page.locator(".upload__refusal")).to_be_visible()
    assert looks.wrong(page, "uploads") == []
    editor(page, campaign)
    page.get_by_role("button", name="Image", exact=True).click()
    expect(page.locator("[data-media-pick]").first).to_be_visible()
    # The editor behind it has a test of its own.
    assert looks.wrong(page, "picker", of="#media-picker") == []
