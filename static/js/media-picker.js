/* Choosing an image while writing: a dialog over the message editor with the library, a search and an upload. The chosen
   image fills the address field beside the button, and the field of its alternative text when that is empty; the code
   editor gets a tag. Other modules ask by `chooseImage`. */

import { alertRegion, say } from "./attach.js";
import { describe, filesOf, smaller, upload } from "./media-upload.js";

const dialog = document.getElementById("media-picker");
const part = (name) => dialog.querySelector(`[data-media-${name}]`);
const PAUSE_MS = 250;
/* Pixels; images are at most as wide as the message. */
const MESSAGE_WIDTH = 600;
let onChosen = null;
let timer = 0;
let nth = 0;

async function show(page = 1) {
  const mine = (nth += 1);
  const url = `${dialog.dataset.choices}?${new URLSearchParams({ q: part("search").value.trim(), page })}`;
  const response = await fetch(url, { headers: { Accept: "text/html, application/json" } }).catch(() => null);
  if (mine !== nth) return;
  if (!response?.ok) return trouble(dialog.dataset.away);
  const html = await response.text();
  const list = part("choices");
  if (page === 1) {
    list.innerHTML = html;
    return;
  }
  const first = list.children.length - 1;
  list.lastElementChild.remove();
  list.insertAdjacentHTML("beforeend", html);
  list.children[first]?.querySelector("button")?.focus();
}

function trouble(text) {
  const banner = Object.assign(document.createElement("p"), { className: "banner err", textContent: text });
  alertRegion().replaceChildren(banner);
}

/** Open the library; `chosen({ url, alt, isDecorative, width, height })` when somebody picked an image, after the focus went back.
    A `file` that was pasted or dropped is uploaded at once. */
export function chooseImage(chosen, file) {
  const opener = document.activeElement;
  onChosen = chosen;
  part("search").value = "";
  part("uploads").replaceChildren();
  dialog.showModal();
  alertRegion().replaceChildren();
  dialog.addEventListener("close", () => opener?.isConnected && opener.focus(), { once: true });
  show();
  part("search").focus();
  take(file);
}

/** `taken(file)` when an image file is pasted or dropped inside `element`, before any editor in it reads it as text. */
export function onImageFile(element, taken) {
  const imageOf = (transfer) => filesOf(transfer).find((file) => file.type.startsWith("image/"));
  const take = (event, file) => {
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    taken(file);
  };
  /* Office programs put a picture of the text beside the text; then the text is meant. */
  element.addEventListener("paste", (event) => { if (!event.clipboardData.types.includes("text/plain")) take(event, imageOf(event.clipboardData)); }, true);
  element.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault(), true);
  element.addEventListener("drop", (event) => take(event, imageOf(event.dataTransfer)), true);
}

function pick({ url, alt, width, height, name, decorative }) {
  const chosen = onChosen;
  const image = { url, alt, isDecorative: decorative !== undefined, width: Number(width), height: Number(height) };
  dialog.addEventListener("close", () => { chosen(image); say(dialog.dataset.chosen.replace("%s", name)); }, { once: true });
  dialog.close();
}

async function use(form, button) {
  if (!(await describe(form))) return;
  const copy = button?.matches("[data-media-smaller]") ? await smaller(button) : {};
  if (copy) pick({ ...form.dataset, ...copy });
}

async function take(file) {
  if (!file) return;
  const list = part("uploads");
  list.replaceChildren();
  const form = await upload(file, { url: dialog.dataset.upload, list, extra: { for: "picker" } });
  if (form) form.elements.alt.focus();
}

if (dialog) {
  dialog.addEventListener("click", (event) => {
    const image = event.target.closest("[data-media-pick]");
    if (image) pick(image.dataset);
    const more = event.target.closest("[data-media-more]");
    if (more) show(Number(more.dataset.mediaMore));
  });
  part("search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, PAUSE_MS); });
  part("browse").addEventListener("click", () => part("file").click());
  part("file").addEventListener("change", () => { take(part("file").files[0]); part("file").value = ""; });
  part("uploads").addEventListener("submit", (event) => {
    event.preventDefault();
    use(event.target, event.submitter);
  });
  dialog.addEventListener("dragover", (event) => event.preventDefault());
  dialog.addEventListener("drop", (event) => { event.preventDefault(); take(filesOf(event.dataTransfer)[0]); });
  dialog.addEventListener("paste", (event) => { const [file] = filesOf(event.clipboardData); if (file) { event.preventDefault(); take(file); } });
}

function put(field, value) {
  field.value = value;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

/* A button data-media-choose stands after the label of its address field; src and alt of a block share their path. */
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-media-choose]");
  if (!button) return;
  const address = button.parentElement.previousElementSibling.querySelector("[data-key]");
  const beside = (name) => button.closest("[data-block-body]").querySelector(`[data-key="${address.dataset.key.replace(/src$/, name)}"]`);
  chooseImage(({ url, alt, isDecorative, width }) => {
    put(address, url);
    if (beside("alt")?.value === "" && (alt || isDecorative)) put(beside("alt"), alt);
    /* A small image drawn wider than it is would be blurred. */
    if (beside("width")?.value === "" && width < MESSAGE_WIDTH) put(beside("width"), String(width));
  });
});

const escape = (text) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** A chosen image as the fields of an image block. */
export function imageBlock({ url, alt, isDecorative, width }) {
  return { src: url, ...(alt || isDecorative ? { alt } : {}), ...(width < MESSAGE_WIDTH ? { width } : {}) };
}

/** The tag of a chosen image, at most as wide as a message. Without a text it has no `alt`, so that the alerts ask for one. */
export function imageTag({ url, alt, isDecorative, width, height }, kind) {
  const wide = Math.min(width, MESSAGE_WIDTH);
  const text = alt || isDecorative ? ` alt="${escape(alt)}"` : "";
  if (kind === "mjml") return `<mj-image src="${escape(url)}"${text} width="${wide}px" />`;
  return `<img src="${escape(url)}"${text} width="${wide}" height="${Math.round((height * wide) / width)}">`;
}
