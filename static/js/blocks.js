/* The message as a list of typed blocks, kept as JSON in the field of the body. One block of a list is open at a time,
   the others are a line each; everything works by buttons, so also by keyboard. A group holds a list of its own. The last
   footer can't be taken out. */

import { say } from "./attach.js";
import { bindBlockFields } from "./block-fields.js";

/* Only once in a message, and for everybody: not offered inside a group. */
const OUTER = ["header", "footer"];

/* For a summary only: a few words of the text between the tags. */
const textOf = (html) => String(html ?? "").replace(/<(style|head)\b[\s\S]*?<\/\1\s*>|<!--[\s\S]*?-->|<[^>]*>/gi, " ").replace(/&nbsp;/g, " ").replace(/\s+/g, " ").trim();

const isBlock = (item) => typeof item === "object" && item !== null && typeof item.type === "string";

export class Blocks {
  /** `box` holds list, templates and the Add control; `store` is the text area of the body. */
  constructor(box, store, onChange) {
    this.store = store;
    this.list = new BlockList({ box, root: box, onChange: () => { store.value = JSON.stringify(this.list.items); onChange(); } });
  }

  /** Draw what the store holds. False when it is no list of blocks. */
  draw() {
    let items;
    try {
      items = JSON.parse(this.store.value || "[]");
    } catch {
      return false;
    }
    if (!Array.isArray(items) || !items.every(isBlock)) return false;
    this.list.show(items);
    return true;
  }

  /** A new block of `type` with some of its values given, above the footer. */
  add(type, values) {
    this.list.add(type, values);
  }

  focus() {
    this.list.list.querySelector("button")?.focus();
  }
}

class BlockList {
  constructor({ box, root, onChange }) {
    Object.assign(this, { box, onChange, open: -1, items: [] });
    this.list = root.querySelector("[data-block-list]");
    this.adder = root.querySelector("[data-block-add]");
    this.adder.addEventListener("change", () => this.add(this.adder.value));
  }

  /** `items` is changed in place, so that the list around it sees the change. */
  show(items) {
    this.items = items;
    this.draw();
  }

  draw() {
    this.list.replaceChildren(...this.items.map((block, n) => this.#line(block, n)));
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
    this.draw();
    this.onChange();
    if (said) say(this.box.dataset[said]);
    if (isFocused) (this.list.children[open]?.querySelector("[data-key], [data-rich-field], [data-part]") ?? this.list.children[open]?.querySelector("button"))?.focus();
  }

  #line(block, n) {
    const line = this.box.querySelector("template[data-block-line]").content.firstElementChild.cloneNode(true);
    const template = this.#template(block.type);
    const [toggle, summary, body] = ["toggle", "summary", "body"].map((part) => line.querySelector(`[data-block-${part}]`));
    line.querySelector("[data-block-name]").textContent = template?.dataset.name ?? block.type;
    line.querySelector("[data-block-icon] use").setAttribute("href", template?.dataset.icon ?? "");
    const summarise = () => { summary.textContent = this.#summary(block, template); };
    summarise();
    toggle.setAttribute("aria-expanded", String(n === this.open));
    toggle.addEventListener("click", () => { this.open = this.open === n ? -1 : n; this.draw(); this.list.children[n].querySelector("[data-block-toggle]").focus(); });
    this.#tools(line, block, n);
    if (n === this.open && template) {
      body.append(template.content.cloneNode(true));
      bindBlockFields(body, block, () => { summarise(); this.onChange(); });
      this.#inner(body.querySelector("[data-inner]"), block, summarise);
    } else body.remove();
    return line;
  }

  #inner(root, block, summarise) {
    if (!root) return;
    const adder = this.adder.closest("label").cloneNode(true);
    for (const type of OUTER) adder.querySelector(`option[value="${type}"]`)?.remove();
    root.append(adder);
    if (!Array.isArray(block.blocks)) block.blocks = [];
    new BlockList({ box: this.box, root, onChange: () => { summarise(); this.onChange(); } }).show(block.blocks.every(isBlock) ? block.blocks : (block.blocks = []));
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

  #summary(block, template) {
    if (block.type === "group") return this.#condition(block, template);
    if (block.type === "social") return (Array.isArray(block.links) ? block.links : []).map((link) => link?.network || link?.url || "").filter(Boolean).join(" · ");
    const columns = Array.isArray(block.columns) ? block.columns.map((column) => column?.html).join(" ") : "";
    const text = block.text || textOf(block.html || columns) || block.title || block.alt || block.src || "";
    return block.type === "image" && block.alt === undefined ? (block.src ? `${this.box.dataset.noAlt} ${block.src}` : "") : String(block.type === "product" ? block.title || text : text).slice(0, 120);
  }

  #condition(block, template) {
    if (!block.field) return "";
    const option = [...template.content.querySelectorAll("[data-key='operator'] option")].find((one) => one.value === block.operator);
    const value = block.operator === "set" ? "" : block.value;
    return [block.field, option?.textContent, value].filter(Boolean).join(" ").slice(0, 120);
  }
}
