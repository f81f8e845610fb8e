/* The body of a message in the way it is written: blocks, or code in HTML or MJML. The text area is the store of both. */

import { alertRegion, say } from "./attach.js";
import { Blocks } from "./blocks.js";
import { upgrade } from "./code.js";
import { Lint } from "./lint.js";
import { chooseImage, imageBlock, imageTag, onImageFile } from "./media-picker.js";
import { openPicker } from "./picker.js";
import { csrf } from "./wire.js";

export class Body {
  constructor(dialog, store, onChange) {
    Object.assign(this, { dialog, store, onChange, code: null, before: null });
    this.box = dialog.querySelector("[data-blocks]");
    this.note = dialog.querySelector("[data-code-note]");
    this.blocks = new Blocks(this.box, store, onChange);
    this.lint = new Lint(dialog.dataset.lint);
    this.kind = this.chosen;
    const picker = dialog.querySelector("[data-code-picker]");
    picker.addEventListener("click", () => openPicker(this.code, { near: picker }));
    dialog.querySelector("[data-code-search]").addEventListener("click", () => this.code.search());
    dialog.querySelector("[data-code-image]").addEventListener("click", () => chooseImage((image) => this.#place(image)));
    onImageFile(dialog, (file) => chooseImage((image) => this.#place(image), file));
  }

  #place(image) {
    if (this.box.hidden) this.code.insert(imageTag(image, this.kind), 0);
    else this.blocks.add("image", imageBlock(image));
  }

  get chosen() {
    return this.dialog.querySelector("[name='compose.body_kind']:checked").value;
  }

  get now() {
    return { kind: this.kind, body: this.store.value };
  }

  /** Show the editor of the chosen kind with what the store holds. */
  async show() {
    this.kind = this.chosen;
    const isBlocks = this.kind === "blocks" && this.blocks.draw();
    this.box.hidden = !isBlocks;
    for (const part of this.dialog.querySelectorAll("[data-code-only]")) part.hidden = isBlocks;
    if (isBlocks) {
      this.code?.setHidden(true);
      this.store.hidden = true;
      return;
    }
    this.code ??= await upgrade(this.store, { onChange: () => this.#typed(), onPicker: (into, near) => openPicker(into, { before: 2, near }) });
    this.code.setHidden(false);
    if (this.code.value !== this.store.value) this.code.value = this.store.value;
    this.code.setLanguage(this.kind);
    this.lint.soon(this.code, this.now);
  }

  #typed() {
    this.note.textContent = "";
    this.lint.soon(this.code, this.now);
    this.onChange();
  }

  focus() {
    if (this.box.hidden) this.code.focus();
    else this.blocks.focus();
  }

  goTo(line) {
    if (this.box.hidden) this.code.goTo(line);
    else this.blocks.focus();
  }

  /** Write the message in another way. HTML and MJML share the text; code becomes a block after a question. */
  async change(kind) {
    const isBetween = (kind === "blocks") !== (this.kind === "blocks");
    if (isBetween && !(await this.#convert(kind))) {
      this.dialog.querySelector(`[name='compose.body_kind'][value='${this.kind}']`).checked = true;
      return;
    }
    await this.show();
  }

  async #convert(kind) {
    this.note.textContent = "";
    if (kind === "blocks" && this.before?.code === this.store.value && this.before.kind === this.kind) {
      this.store.value = this.before.blocks;
      return true;
    }
    const { toBlocks, toCode } = this.dialog.dataset;
    if (kind === "blocks" && this.store.value.trim() && !confirm(toBlocks)) return false;
    const blocks = this.store.value;
    const answer = await this.#ask(kind);
    if (answer === null) return false;
    this.store.value = answer;
    if (kind !== "blocks") {
      this.before = { kind, blocks, code: answer };
      this.note.textContent = toCode;
      say(toCode);
    }
    return true;
  }

  async #ask(kind) {
    const body = new URLSearchParams({ kind: this.kind, to: kind, body: this.store.value });
    const headers = { "X-CSRFToken": csrf(), Accept: "application/json" };
    const response = await fetch(this.dialog.dataset.convert, { method: "POST", body, headers }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (response?.ok) return answer.body;
    const banner = document.getElementById("refused-template").content.firstElementChild.cloneNode(true);
    banner.querySelector("[data-refused-text]").textContent = answer?.message ?? this.dialog.dataset.unreadable;
    alertRegion().replaceChildren(banner);
    return null;
  }
}
