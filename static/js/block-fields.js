/* The fields of one open block: controls with data-key (a path in the block), rich text, and repeated rows. */

import { openOnBraces, openPicker, plainTarget } from "./picker.js";
import { bindRichText } from "./richtext.js";

const get = (block, path) => path.split(".").reduce((at, key) => at?.[key], block);

function set(block, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  const at = keys.reduce((holder, key) => (holder[key] ??= {}), block);
  at[last] = value;
}

/** Fill the fields in `body` from `block` and keep it as they change; `onChange` after each change. */
export function bindBlockFields(body, block, onChange) {
  const put = (key, value) => { set(block, key, value); onChange(); };
  for (const field of body.querySelectorAll("[data-rich-field]")) {
    const tools = field.parentElement;
    const rich = bindRichText(field, tools, { html: get(block, field.dataset.richField), onInput: (html) => put(field.dataset.richField, html), onBraces: (target) => openPicker(target, { before: 2, near: field }) });
    const button = tools.querySelector("[data-rich-picker]");
    button.addEventListener("click", () => openPicker(rich.kept, { near: button }));
  }
  for (const field of body.querySelectorAll("[data-key]")) bindField(field, get(block, field.dataset.key), (value) => put(field.dataset.key, value));
  for (const repeat of body.querySelectorAll("[data-repeat]")) bindRows(repeat, block, onChange);
  const fill = body.querySelector("[data-fill]");
  fill?.addEventListener("click", () => {
    for (const [key, value] of Object.entries(JSON.parse(fill.dataset.fill))) {
      set(block, key, value);
      body.querySelector(`[data-key="${key}"]`).value = value;
    }
    onChange();
  });
}

function bindField(field, value, put) {
  if (value !== undefined) field.value = value;
  field.addEventListener("input", () => put(field.type === "number" ? Number(field.value) : field.value));
  if (field.matches("input:not([type=number]), textarea") && !("noBraces" in field.dataset)) openOnBraces(field);
  const button = field.parentElement.querySelector("[data-field-picker]");
  button?.addEventListener("click", () => openPicker(plainTarget(field), { near: button }));
}

/* A list of objects, one row each. */
function bindRows(repeat, block, onChange) {
  const name = repeat.dataset.repeat;
  if (!Array.isArray(block[name])) block[name] = [];
  const rows = repeat.querySelector("[data-rows]");
  const adder = repeat.querySelector("[data-row-add]");
  const draw = () => rows.replaceChildren(...block[name].map(row));
  function row(item, n) {
    const line = repeat.querySelector("template[data-row]").content.firstElementChild.cloneNode(true);
    for (const part of line.querySelectorAll("[data-part]")) bindField(part, item?.[part.dataset.part], (value) => { (block[name][n] ??= {})[part.dataset.part] = value; onChange(); });
    line.querySelector("[data-row-remove]").addEventListener("click", () => {
      block[name].splice(n, 1);
      draw();
      onChange();
      (rows.children[Math.min(n, rows.children.length - 1)]?.querySelector("input") ?? adder).focus();
    });
    return line;
  }
  adder.addEventListener("click", () => {
    block[name].push({});
    draw();
    onChange();
    rows.lastElementChild.querySelector("input").focus();
  });
  draw();
}
