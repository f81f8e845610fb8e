/* The personalization picker: the button {} or typing {{ opens a list of fields; the chosen one is inserted with its
   fallback where the caret was. Works on inputs, text areas, rich text and the code editor through `insert`. */

import { say } from "./attach.js";

const picker = document.getElementById("picker");
const search = picker?.querySelector("[data-picker-search]");
const fallback = picker?.querySelector("[data-picker-fallback]");
const options = picker ? [...picker.querySelectorAll("[role=option]")] : [];
const typed = picker?.querySelector("[data-typed]");
// What may follow api_trigger_properties: order.number
const PROPERTY = /^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$/;
// What may follow a dot.
const WORD = /^[A-Za-z_]\w*$/;
let target = null;

export const plainTarget = (control) => ({
  element: control,
  /* `before`: how many characters of what was typed to replace. */
  insert(text, before) {
    const start = control.selectionStart - before;
    control.focus();
    control.setRangeText(text, start, control.selectionEnd, "end");
    control.dispatchEvent(new InputEvent("input", { bubbles: true }));
  },
});

export function openPicker(into, { before = 0, near }) {
  target = { ...into, before };
  search.value = fallback.value = "";
  filter();
  /* Inside a modal dialog only what is inside it can be reached. */
  (near.closest("dialog") ?? document.body).append(picker);
  picker.showPopover();
  const at = near.getBoundingClientRect();
  const box = picker.getBoundingClientRect();
  picker.style.left = `${Math.max(8, Math.min(at.right - box.width, innerWidth - box.width - 8))}px`;
  picker.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - box.height - 8))}px`;
  search.focus();
  describe();
}

/* How many have each field and what the previewed person has; the list works without. */
async function describe() {
  const person = [...document.querySelectorAll("[data-preview-as]")].find((select) => select.checkVisibility())?.value ?? "";
  const response = await fetch(`${picker.dataset.fields}?as=${encodeURIComponent(person)}`, { headers: { Accept: "application/json" } }).catch(() => null);
  const known = response?.ok ? await response.json().catch(() => ({})) : {};
  for (const option of options) {
    const fact = known[option.dataset.field];
    const note = option.querySelector("small");
    if (!fact) continue;
    const parts = [note.dataset.note, fact.share && picker.dataset.have.replace("%s", fact.share), fact.example && picker.dataset.example.replace("%s", fact.example)];
    note.textContent = parts.filter(Boolean).join(" · ");
  }
}

function visible() {
  return options.filter((option) => !option.hidden);
}

function mark(option) {
  for (const other of options) other.setAttribute("aria-selected", String(other === option));
  search.setAttribute("aria-activedescendant", option?.id ?? "");
  option?.scrollIntoView({ block: "nearest" });
}

/* A name that is no known field can be a property of the trigger. */
function offerTyped(wanted) {
  const name = wanted.replace(/^api_trigger_properties\./, "");
  const isKnown = options.some((option) => option !== typed && option.dataset.field === typed.dataset.typed + name);
  typed.hidden = isKnown || !PROPERTY.test(name);
  typed.dataset.field = typed.dataset.typed + name;
  typed.dataset.label = typed.querySelector("span").textContent = name;
}

function filter() {
  const wanted = search.value.trim();
  for (const option of options) option.hidden = !`${option.dataset.label} ${option.dataset.field}`.toLowerCase().includes(wanted.toLowerCase());
  offerTyped(wanted);
  for (const group of picker.querySelectorAll("[role=group]")) group.hidden = !group.querySelector("[role=option]:not([hidden])");
  picker.querySelector("[data-picker-none]").hidden = visible().length > 0;
  mark(visible()[0]);
}

/* Programs may give attributes names of several words. */
function written(field) {
  const name = field.replace(/^profile\./, "");
  return name === field || WORD.test(name) ? field : `profile['${name}']`;
}

function choose(option) {
  if (!option) return;
  const instead = fallback.value.trim().replaceAll('"', "'");
  const text = `{{ ${written(option.dataset.field)}${instead ? ` | default: "${instead}"` : ""} }}`;
  picker.hidePopover();
  target.insert(text, target.before);
  say(picker.dataset.inserted.replace("%s", option.dataset.label));
}

function keys(event) {
  const shown = visible();
  const at = shown.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && shown.length) mark(shown.at((at + step) % shown.length));
  else if (event.key === "Enter") choose(shown[at]);
  else return;
  event.preventDefault();
}

if (picker) {
  search.addEventListener("input", filter);
  search.addEventListener("keydown", keys);
  fallback.addEventListener("keydown", keys);
  picker.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
  picker.addEventListener("toggle", (event) => {
    if (event.newState === "closed" && target?.element && picker.contains(document.activeElement)) target.element.focus();
  });
}

/** Open the picker when {{ is typed into `control`. */
export function openOnBraces(control) {
  control.addEventListener("input", (event) => {
    const before = control.value.slice(0, control.selectionStart);
    if (event.data === "{" && before.endsWith("{{") && !control.readOnly) openPicker(plainTarget(control), { before: 2, near: control });
  });
}

/** Buttons data-picker="#field" and typing {{ in fields marked data-personal. */
export function bindPicker(root) {
  for (const button of root.querySelectorAll("[data-picker]")) {
    const control = document.querySelector(button.dataset.picker);
    button.addEventListener("click", () => openPicker(plainTarget(control), { near: button }));
  }
  for (const control of root.querySelectorAll("[data-personal]")) openOnBraces(control);
}
