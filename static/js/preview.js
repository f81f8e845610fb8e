/* The live preview: what one person would get, of what is on the screen, saved or not.

   The fields are posted into a fresh sandboxed frame each time; the old picture stays until the new one is there, and the
   browser's history gains no entry. Subject, sender, size and problems come beside it as a fragment. */

import { csrf } from "./wire.js";

const PAUSE_MS = 500;
const VIEW = "chappe:preview-view";

export class Preview {
  /** Called with the head when its words are new. */
  onHead = null;

  /** `values` returns the fields (a Map) to render over the saved draft. */
  constructor(pane, values) {
    Object.assign(this, { pane, values, nth: 0, timer: 0, controller: null });
    this.stage = pane.querySelector("[data-preview-stage]");
    this.head = pane.querySelector("[data-preview-head]");
    this.person = pane.querySelector("[data-preview-as]");
    this.person.addEventListener("change", () => this.render());
    pane.querySelector("[data-preview-random]")?.addEventListener("click", () => this.another());
    for (const radio of pane.querySelectorAll("[data-preview-view]")) radio.addEventListener("change", () => this.look(radio.value));
    const kept = sessionStorage.getItem(VIEW);
    const radio = pane.querySelector(`[data-preview-view][value="${kept}"]`);
    if (radio) radio.checked = true;
    this.look(radio ? kept : "desktop", false);
  }

  /** Render after a pause. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.render(), PAUSE_MS);
  }

  look(view, isNew = true) {
    const wasText = this.variant;
    this.variant = view === "text" || view === "dark" ? view : "html";
    this.stage.dataset.view = view;
    sessionStorage.setItem(VIEW, view);
    if (isNew && wasText !== this.variant) this.render();
  }

  another() {
    const others = [...this.person.options].filter((option) => option.value && !option.selected);
    if (!others.length) return;
    this.person.value = others[Math.floor(Math.random() * others.length)].value;
    this.render();
  }

  nextView() {
    const radios = [...this.pane.querySelectorAll("[data-preview-view]")];
    const next = radios[(radios.findIndex((radio) => radio.checked) + 1) % radios.length];
    next.checked = true;
    this.look(next.value);
  }

  render() {
    clearTimeout(this.timer);
    if (!this.pane.checkVisibility()) return;
    const body = new FormData();
    body.set("csrfmiddlewaretoken", csrf());
    body.set("as", this.person.value);
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
    form.action = this.pane.dataset.preview.replace("html", this.variant);
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
      this.head.innerHTML = await response.text();
      this.onHead?.(this.head);
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
}
