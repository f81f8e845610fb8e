/* The message as a list of typed blocks, kept as JSON in the field of the body. One block is open at a time, the others
   are a line each; everything works by buttons, so also by keyboard. The last footer can't be taken out. */

import { say } from "./attach.js";
import { openPicker } from "./picker.js";
import { bindRichText } from "./richtext.js";

const get = (block, path) => path.split(".").reduce((at, key) => at?.[key], block);

function set(block, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  const at = keys.reduce((holder, key) => (holder[key] ??= {}), block);
  at[last] = value;
}

/* For a summary only: a few words of the text between the tags. */
const textOf = (html) => (html ?? "").replace(/<(style|head)\b[\s\S]*?<\/\1\s*>|<!--[\s\S]*?-->|<[^>]*>/gi, " ").replace(/&nbsp;/g, " ").replace(/\s+/g, " ").trim();

export class Blocks {
  /** `box` holds list, templates and the Add control; `store` is the text area of the body. */
  constructor(box, store, onChange) {
    Object.assign(this, { box, store, onChange, open: -1, items: [] });
    this.list = box.querySelector("[data-block-list]");
    this.adder = box.querySelector("[data-block-add]");
    this.adder.addEventListener("change", () => this.add(this.adder.value));
  }

  /** Draw what the store holds. False when it is no list of blocks. */
  draw() {
    try {
      this.items = JSON.parse(this.store.value || "[]");
    } catch {
      return false;
    }
    if (!Array.isArray(this.items)) return false;
    this.list.replaceChildren(...this.items.map((block, n) => this.#line(block, n)));
    return true;
  }

  focus() {
    this.list.querySelector("button")?.focus();
  }

  add(type, values = {}) {
    this.adder.value = "";
    if (!type) return;
    const footer = this.items.findLastIndex((block) => block.type === "footer");
    const at = footer < 0 || type === "footer" ? this.items.length : footer;
    const fresh = JSON.parse(this.#template(type)?.dataset.fresh || "{}");
    this.items.splice(at, 0, { type, ...fresh, ...values });
    this.#changed(at, "added", true);
  }

  #template(type) {
    return this.box.querySelector(`template[data-block="${CSS.escape(type)}"]`);
  }

  #changed(open, said, isFocused) {
    this.open = open;
    this.store.value = JSON.stringify(this.items);
    this.draw();
    this.onChange();
    if (said) say(this.box.dataset[said]);
    if (isFocused) (this.list.children[open]?.querySelector("[data-key], [data-rich-field]") ?? this.list.children[open]?.querySelector("button"))?.focus();
  }

  #line(block, n) {
    const line = this.box.querySelector("template[data-block-line]").content.firstElementChild.cloneNode(true);
    const template = this.#template(block.type);
    const [toggle, summary, body] = ["toggle", "summary", "body"].map((part) => line.querySelector(`[data-block-${part}]`));
    line.querySelector("[data-block-name]").textContent = template?.dataset.name ?? block.type;
    line.querySelector("[data-block-icon] use").setAttribute("href", template?.dataset.icon ?? "");
    const summarise = () => { summary.textContent = this.#summary(block); };
    summarise();
    toggle.setAttribute("aria-expanded", String(n === this.open));
    toggle.addEventListener("click", () => { this.open = this.open === n ? -1 : n; this.draw(); this.list.children[n].querySelector("[data-block-toggle]").focus(); });
    this.#tools(line, block, n);
    if (n === this.open && template) {
      body.append(template.content.cloneNode(true));
      this.#fields(body, block, summarise);
    } else body.remove();
    return line;
  }

  #tools(line, block, n) {
    const isLocked = block.type === "footer" && this.items.filter((other) => other.type === "footer").length === 1;
    const moves = { up: n > 0 && n - 1, down: n < this.items.length - 1 && n + 1 };
    for (const [name, to] of Object.entries(moves)) {
      const button = line.querySelector(`[data-block-${name}]`);
      if (to === false) { button.setAttribute("aria-disabled", "true"); continue; }
      button.addEventListener("click", () => {
        this.items.splice(to, 0, ...this.items.splice(n, 1));
        this.#changed(this.open === n ? to : -1, "moved", false);
        this.list.children[to].querySelector(`[data-block-${name}]`).focus();
      });
    }
    line.querySelector("[data-block-copy]").addEventListener("click", () => { this.items.splice(n + 1, 0, structuredClone(block)); this.#changed(n + 1, "copied", true); });
    const remove = line.querySelector("[data-block-remove]");
    if (isLocked) { remove.setAttribute("aria-disabled", "true"); remove.title = this.box.dataset.locked; }
    else remove.addEventListener("click", () => { this.items.splice(n, 1); this.#changed(-1, "removed", false); (this.list.children[Math.min(n, this.items.length - 1)]?.querySelector("button") ?? this.adder).focus(); });
  }

  #fields(body, block, summarise) {
    const put = (key, value) => {
      set(block, key, value);
      this.store.value = JSON.stringify(this.items);
      summarise();
      this.onChange();
    };
    for (const field of body.querySelectorAll("[data-rich-field]")) {
      const tools = field.parentElement;
      const rich = bindRichText(field, tools, { html: get(block, field.dataset.richField), onInput: (html) => put(field.dataset.richField, html) });
      const button = tools.querySelector("[data-rich-picker]");
      button.addEventListener("click", () => openPicker(rich, { near: button }));
    }
    for (const field of body.querySelectorAll("[data-key]")) {
      const value = get(block, field.dataset.key);
      if (value !== undefined) field.value = value;
      field.addEventListener("input", () => put(field.dataset.key, field.type === "number" ? Number(field.value) : field.value));
    }
  }

  #summary(block) {
    const text = block.text || textOf(block.html || block.columns?.map((column) => column.html).join(" ")) || block.alt || block.src || "";
    return block.type === "image" && !block.alt ? `${this.box.dataset.noAlt} ${block.src ?? ""}` : text.slice(0, 120);
  }
}
