/* The Compose step: counts the subject, lets "No preheader" switch its field, keeps the preview going, opens the message
   editor. */

import { config, form, saver } from "./editor.js";
import { read } from "./fields.js";
import { bindFullscreen } from "./fullscreen.js";
import { bindPicker } from "./picker.js";
import { bindPreviewKeys } from "./preview-keys.js";
import { Preview } from "./preview.js";

const subject = form.elements["compose.subject"];
const counter = document.querySelector("[data-counter]");
const none = form.elements["compose.no_preheader"];
const preheader = form.elements["compose.preheader"];

/* A personal subject is counted as the previewed person reads it; until that is known, as it is written. */
let rendered = null;
const count = () => {
  const isPersonal = rendered !== null && /\{\{|\{%/.test(subject.value);
  const n = [...(isPersonal ? rendered : subject.value)].length;
  const { one, many, personalOne, personalMany } = counter.dataset;
  const [single, several] = isPersonal ? [personalOne, personalMany] : [one, many];
  counter.textContent = (n === 1 ? single : several).replace("%s", n.toLocaleString(document.documentElement.lang));
};
const switchPreheader = () => preheader.closest(".field__group").classList.toggle("is-off", none.checked);

const preview = new Preview(document.getElementById("preview"), () => read(form));
preview.onHead = (head) => {
  rendered = head.querySelector("[data-preview-subject]")?.dataset.previewSubject ?? null;
  count();
};
for (const name of ["input", "change"]) {
  form.addEventListener(name, (event) => {
    if (event.target === subject) count();
    if (event.target === none) switchPreheader();
    preview.soon();
  });
}
form.addEventListener("editor:followed", () => { count(); preview.render(); });
form.addEventListener("fields:written", () => { count(); switchPreheader(); preview.soon(); });
bindPreviewKeys(preview, { isOurs: () => !document.querySelector("dialog:modal") });

count();
switchPreheader();
bindPicker(document);
const message = bindFullscreen({ form, saver, config, onDone: () => preview.render() });
preview.pane.addEventListener("preview:goto", ({ detail }) => {
  if (detail.field === "body" || detail.field === "text") message.goTo(detail);
  else document.getElementById(`f-compose-${detail.field}`)?.focus();
});

/* Where the link of an alert leads: a line in the message editor, the button of the body, the test. */
function follow() {
  const line = /^#message-line-(\d+)$/.exec(location.hash);
  if (line) return message.goTo({ field: "body", line: Number(line[1]) });
  if (/^#f-compose-(body|text)$/.test(location.hash)) document.getElementById("edit-message").focus();
  if (location.hash === "#f-test") document.getElementById("test").focus();
}
addEventListener("hashchange", follow);
/* The same link again changes no hash. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href*='#']");
  if (link && link.href === location.href) follow();
});
follow();

document.querySelector("#test-popover form").addEventListener("htmx:configRequest", (event) => {
  event.detail.parameters.trigger = JSON.stringify(preview.trigger.values);
});
/* Writing starts at the subject, in a draft that nobody has saved yet also over the subject of its template. */
const isFresh = !subject.value || config.revision === 1;
if (isFresh && !location.hash && !document.activeElement?.matches("input, textarea") && form.dataset.locked === undefined) subject.focus({ preventScroll: true });
preview.render();
