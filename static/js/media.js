/* The media library: images by button, by drop anywhere on the page, and by paste; several at once. */

import { describe, filesOf, upload } from "./media-upload.js";

const zone = document.querySelector("[data-media-upload]");
const input = zone.querySelector("input[type=file]");
const list = document.querySelector("[data-media-uploads]");
let queue = Promise.resolve();

/* One after the other: several large images at once would only share the same line. */
function take(files) {
  /* What has been dealt with makes room; what waits for its text stays. */
  for (const line of [...list.children]) if (line.querySelector("[data-media-reason], [data-media-saved]:not([hidden])")) line.remove();
  const forms = [];
  for (const file of files) queue = queue.then(() => upload(file, { url: zone.action, list })).then((form) => form && forms.push(form));
  queue = queue.then(() => { forms[0]?.elements.alt.focus(); return refresh(); });
}

async function refresh() {
  const response = await fetch(location.href, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("media-grid");
  if (!fresh) return;
  document.getElementById("media-grid").replaceWith(fresh);
  document.getElementById("media-filters").hidden = false;
}

const isBusy = () => document.querySelector("dialog:modal");
const hasFiles = (event) => event.dataTransfer?.types.includes("Files") && !isBusy();

document.querySelector("[data-media-open]").addEventListener("click", () => input.click());
input.addEventListener("change", () => {
  take([...input.files]);
  input.value = "";
});

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  zone.classList.add("is-over");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) zone.classList.remove("is-over"); });
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  zone.classList.remove("is-over");
  take(filesOf(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  const files = filesOf(event.clipboardData);
  if (!files.length || isBusy()) return;
  event.preventDefault();
  take(files);
});

list.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await describe(event.target)) refresh();
});
addEventListener("beforeunload", (event) => {
  const typed = [...list.querySelectorAll("form")].some((form) => form.elements.alt.value.trim() !== form.dataset.alt);
  if (typed) event.preventDefault();
});
/* What is being typed is no longer what is saved. */
list.addEventListener("input", (event) => { event.target.closest("form").querySelector("[data-media-saved]").hidden = true; });
