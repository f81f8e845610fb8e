/* The live preview: what one person would get, of what is on the screen, saved or not.

   The fields are posted into a fresh sandboxed frame each time; the old picture stays until the new one is there, and the
   browser's history gains no entry. Subject, sender, figures and problems come beside it as a fragment. */

import { findPerson } from "./people.js";
import { TriggerSamples } from "./trigger.js";
import { csrf } from "./wire.js";

const PAUSE_MS = 500;
const VIEW = "chappe:preview-view";
// Widths of a message in pixels; a narrower pane shows it smaller, not another layout.
const WIDTHS = { desktop: 640, dark: 640, mobile: 375 };
// What ⌘⇧D goes through.
const ROUND = ["desktop", "mobile", "dark"];

export class Preview {
  /** Called with the head when its words are new. */
  onHead = null;

  /** `values` returns the fields (a Map) to render over the saved draft. */
  constructor(pane, values) {
    Object.assign(this, { pane, values, nth: 0, timer: 0, controller: null });
    for (const part of ["stage", "head", "as", "dark", "images", "figures"]) this[part] = pane.querySelector(`[data-preview-${part}]`);
    this.trigger = new TriggerSamples(pane, () => this.soon());
    for (const control of [this.as, this.dark, this.images]) control.addEventListener("change", () => this.render());
    pane.querySelector("[data-preview-random]")?.addEventListener("click", () => this.another());
    const find = pane.querySelector("[data-preview-find]");
    find.addEventListener("click", () => findPerson(find, (person) => this.show(person)));
    for (const radio of pane.querySelectorAll("[data-preview-view]")) radio.addEventListener("change", () => this.look(radio.value));
    pane.addEventListener("click", ({ target }) => {
      const { previewGoto: field, line } = target.closest("[data-preview-goto]")?.dataset ?? {};
      if (line) pane.dispatchEvent(new CustomEvent("preview:goto", { bubbles: true, detail: { field, line: Number(line) } }));
    });
    const kept = sessionStorage.getItem(VIEW);
    const radio = pane.querySelector(`[data-preview-view][value="${kept}"]`);
    if (radio) radio.checked = true;
    this.look(radio ? kept : "desktop", false);
    new ResizeObserver(() => this.fit()).observe(this.stage);
  }

  get variant() {
    if (this.view === "text") return "text";
    return this.view === "dark" ? this.dark.value : "html";
  }

  /** Render after a pause. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.render(), PAUSE_MS);
  }

  look(view, isNew = true) {
    const was = this.variant;
    this.view = view;
    this.stage.dataset.view = view;
    this.pane.querySelector("[data-preview-dark-field]").hidden = view !== "dark";
    sessionStorage.setItem(VIEW, view);
    this.fit();
    if (isNew && was !== this.variant) this.render();
  }

  fit() {
    const width = WIDTHS[this.view];
    const scale = width ? Math.min(1, this.stage.clientWidth / width) : 1;
    this.stage.style.setProperty("--frame", width ? `${width}px` : "100%");
    this.stage.style.setProperty("--fit", String(scale));
  }

  another() {
    const others = [...this.as.options].filter((option) => option.value && !option.selected);
    if (!others.length) return;
    this.as.value = others[Math.floor(Math.random() * others.length)].value;
    this.render();
  }

  /** Preview as a person who need not be in the list yet; every list of people gets them. */
  show({ value, label }) {
    for (const select of document.querySelectorAll("[data-preview-as], [data-people]")) {
      if (![...select.options].some((option) => option.value === value)) select.prepend(new Option(label, value));
    }
    this.as.value = value;
    this.render();
  }

  /** The next of desktop, mobile and dark; its name, to be announced. */
  nextView() {
    const radio = this.pane.querySelector(`[data-preview-view][value="${ROUND[(ROUND.indexOf(this.view) + 1) % ROUND.length]}"]`);
    radio.checked = true;
    this.look(radio.value);
    return radio.closest("label").textContent.trim();
  }

  render() {
    clearTimeout(this.timer);
    if (!this.pane.checkVisibility()) return;
    const body = new FormData();
    body.set("csrfmiddlewaretoken", csrf());
    body.set("as", this.as.value);
    body.set("images", this.images.checked ? "off" : "on");
    body.set("trigger", JSON.stringify(this.trigger.values));
    body.set("fields", JSON.stringify(Object.fromEntries(this.values())));
    this.#ask(body);
  }

  #frame(body) {
    const name = `${this.pane.id}-frame-${(this.nth += 1)}`;
    const old = this.stage.querySelector("iframe");
    const frame = old.cloneNode(false);
    frame.removeAttribute("src");
    frame.name = frame.id = name;
    frame.classList.add("is-coming");
    const form = Object.assign(document.createElement("form"), { method: "post", target: name, hidden: true });
    form.action = this.pane.dataset.preview.replace("/html/", `/${this.variant}/`);
    for (const [key, value] of body) form.append(Object.assign(document.createElement("textarea"), { name: key, value }));
    this.stage.append(frame);
    document.body.append(form);
    frame.addEventListener("load", () => {
      if (!frame.isConnected || frame.name !== `${this.pane.id}-frame-${this.nth}`) return frame.remove();
      for (const other of this.stage.querySelectorAll("iframe")) if (other !== frame) other.remove();
      frame.classList.remove("is-coming");
    });
    HTMLFormElement.prototype.submit.call(form);
    form.remove();
  }

  /* The words first: where they don't come, nobody is signed in or the server is away, and the old picture stays. */
  async #ask(body) {
    this.controller?.abort();
    const mine = (this.controller = new AbortController());
    try {
      const headers = { Accept: "text/html, application/json" };
      const response = await fetch(this.pane.dataset.previewHead, { method: "POST", body, headers, signal: mine.signal });
      if (!response.ok) throw new TypeError(String(response.status));
      this.#heading(await response.text());
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof TypeError)) throw error;
      return void this.stage.classList.add("is-stale");
    }
    const isBroken = Boolean(this.head.querySelector("[data-preview-problem]"));
    this.stage.classList.toggle("is-stale", isBroken);
    if (!isBroken || !this.hasPicture) this.#frame(body);
    this.hasPicture ||= !isBroken;
  }

  #heading(html) {
    this.head.innerHTML = html;
    const figures = this.head.querySelector("[data-preview-new-figures]");
    if (figures) this.figures.replaceChildren(figures);
    this.trigger.offer(this.head.querySelector("[data-trigger-names]")?.dataset.triggerNames);
    this.onHead?.(this.head);
  }
}
