/* The plain-text tab: the text generated from the message as it is now, or one's own, which may have become older than the
   message. Turning "Generate" on keeps one's own text. */

import { csrf } from "./wire.js";

const PAUSE_MS = 400;

export class PlainText {
  /** `body()` returns {kind, body} of the editor; `onChange` after a change of the own text made here. */
  constructor(dialog, { body, onChange }) {
    Object.assign(this, { dialog, body, onChange, timer: 0, known: null });
    for (const part of ["generated", "stale", "kept", "problem", "compare", "regenerate"]) this[part] = dialog.querySelector(`[data-text-${part}]`);
    this.own = dialog.querySelector("[name='compose.text']");
    // The message that the own text was written for; null: an older one.
    this.writtenFor = this.stale.hidden ? this.#mark() : null;
    this.modeAtStart = this.mode;
    this.own.addEventListener("input", () => { this.writtenFor = this.#mark(); this.show(); });
    this.compare.addEventListener("click", () => this.#compare(this.compare.getAttribute("aria-expanded") !== "true"));
    this.regenerate.addEventListener("click", () => this.#regenerate());
    for (const radio of dialog.querySelectorAll("[name='compose.text_mode']")) radio.addEventListener("change", () => this.#choose());
  }

  get mode() {
    return this.dialog.querySelector("[name='compose.text_mode']:checked").value;
  }

  #mark() {
    const { kind, body } = this.body();
    return `${kind}\n${body}`;
  }

  get #isStale() {
    return this.mode === "own" && this.own.value.trim() !== "" && this.writtenFor !== this.#mark();
  }

  /** Show what fits the message of now; the generated text follows after a pause. */
  show() {
    this.stale.hidden = !this.#isStale;
    this.kept.hidden = !(this.mode === "generated" && this.modeAtStart === "own" && this.own.value.trim());
    if (this.stale.hidden) this.#compare(false);
    this.generated.hidden = this.mode === "own" && this.compare.getAttribute("aria-expanded") !== "true";
    clearTimeout(this.timer);
    if (this.generated.checkVisibility()) this.timer = setTimeout(() => this.#generate(), PAUSE_MS);
  }

  /** A save went through: what was chosen is what the draft has. */
  saved() {
    this.modeAtStart = this.mode;
    this.kept.hidden = true;
  }

  #compare(isOn) {
    this.compare.setAttribute("aria-expanded", String(isOn));
    this.compare.textContent = isOn ? this.compare.dataset.hide : this.compare.dataset.show;
    this.generated.hidden = !isOn && this.mode === "own";
    if (isOn) this.#generate();
  }

  async #regenerate() {
    const text = await this.#generate();
    if (text === null) return;
    this.#take(text);
    this.own.focus();
  }

  #take(text) {
    this.own.value = text;
    this.writtenFor = this.#mark();
    this.onChange();
    this.show();
  }

  /* One's own text starts from the generated one. */
  async #choose() {
    if (this.mode === "own" && !this.own.value.trim()) {
      const text = await this.#generate();
      if (text !== null && this.mode === "own" && !this.own.value.trim()) this.#take(text);
    }
    this.show();
  }

  /* The text of the message now, also put into its field; null when the message can't be read, with the reason shown. */
  async #generate() {
    const mark = this.#mark();
    if (this.known?.mark === mark) return this.known.text;
    const headers = { "X-CSRFToken": csrf(), Accept: "application/json" };
    const response = await fetch(this.dialog.dataset.plainText, { method: "POST", body: new URLSearchParams(this.body()), headers }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (mark !== this.#mark()) return this.#generate();
    this.problem.hidden = Boolean(response?.ok);
    this.problem.textContent = answer?.message ?? this.dialog.dataset.unreadable;
    if (!response?.ok) return null;
    this.known = { mark, text: answer.text };
    this.generated.value = answer.text;
    return answer.text;
  }
}
