/* The Compose step: counts the subject, lets "No preheader" switch its field, keeps the preview going, opens the message
   editor. */

import { config, form, saver } from "./editor.js";
import { read } from "./fields.js";
import { bindFullscreen } from "./fullscreen.js";
import { bindPicker } from "./picker.js";
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
document.addEventListener("keydown", (event) => {
  if (!(event.metaKey || event.ctrlKey) || !event.shiftKey || document.querySelector("dialog:modal")) return;
  if (event.code === "KeyD") { event.preventDefault(); preview.nextView(); }
});

count();
switchPreheader();
bindPicker(document);
bindFullscreen({ form, saver, config, onDone: () => preview.render() });
if (!subject.value && !document.activeElement?.matches("input, textarea") && form.dataset.locked === undefined) subject.focus({ preventScroll: true });
preview.render();
