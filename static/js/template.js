/* The editor of a template: blocks or code in the page, and a preview that follows. Nothing is saved but by the button. */

import { Body } from "./body.js";
import { valueOf } from "./fields.js";
import { bindPicker } from "./picker.js";
import { Preview } from "./preview.js";

const form = document.getElementById("template-form");
const box = form.querySelector("[data-template-body]");

const values = () => {
  const all = new Map();
  for (const control of form.elements) {
    const value = control.name?.startsWith("compose.") ? valueOf(control) : undefined;
    if (value !== undefined) all.set(control.name, value);
  }
  return all;
};
const preview = new Preview(document.getElementById("preview"), values);
const body = new Body(box, form.elements["compose.body"], () => preview.soon());

form.addEventListener("input", (event) => event.target.name?.startsWith("compose.") && preview.soon());
form.addEventListener("change", async (event) => {
  if (event.target.name === "compose.body_kind") await body.change(event.target.value);
  if (event.target.name?.startsWith("compose.")) preview.soon();
});
document.addEventListener("keydown", (event) => {
  if (!(event.metaKey || event.ctrlKey) || event.shiftKey || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  form.requestSubmit();
});

bindPicker(form);
body.show();
preview.render();
