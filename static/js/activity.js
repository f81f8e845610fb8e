/* The live tail of the activity log. While its switch is on, the newest lines are asked for every 3 s and put on top.
   Somebody who reads is not disturbed: with the pointer or the focus in the table, or scrolled down, new lines are only
   counted, and shown when asked for. A hidden tab asks nothing.

   [data-tail="rows url"] holds [data-tail-switch], [data-tail-rows] (the tbody), [data-tail-held] (the count) and, where
   nothing is listed yet, [data-tail-empty]. A line is known by its data-key. */

import { attach, say } from "./attach.js";

const EVERY_MS = 3000;
const TIMEOUT_MS = 15000;
const MOST_ROWS = 200;
const STORED = "chappe:tail";

class Tail {
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-tail-${name}]`);
    this.rows = this.part("rows");
    this.card = this.part("card");
    this.held = this.part("held");
    this.fresh = [];
    this.isOn = false;
    this.isAway = false;
    const label = this.part("label");
    label.hidden = false;
    this.switch = this.part("switch");
    this.switch.addEventListener("change", () => this.turn(this.switch.checked));
    this.part("show").addEventListener("click", () => this.show());
    document.addEventListener("visibilitychange", () => { if (this.isOn && !document.hidden) this.ask(); });
    if (sessionStorage.getItem(STORED)) {
      this.switch.checked = true;
      this.turn(true, { quiet: true });
    }
  }

  turn(isOn, { quiet = false } = {}) {
    this.isOn = isOn;
    clearTimeout(this.timer);
    if (isOn) sessionStorage.setItem(STORED, "1");
    else sessionStorage.removeItem(STORED);
    if (!quiet) say(isOn ? this.root.dataset.msgOn : this.root.dataset.msgOff);
    if (isOn) this.ask();
    else if (this.fresh.length) this.show();
  }

  get isRead() {
    const isDown = this.rows.getBoundingClientRect().top < 0;
    const isUsed = (part) => part.matches(":hover") || part.contains(document.activeElement);
    return isDown || isUsed(this.card) || isUsed(this.held) || Boolean(document.querySelector("dialog[open]"));
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.isAsking || document.hidden) return;
    this.isAsking = true;
    try {
      const answer = await fetch(this.root.dataset.tail, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) throw new Error(String(answer.status));
      this.take(await answer.text());
      this.isAway = false;
    } catch {
      if (!this.isAway) say(this.root.dataset.msgAway);
      this.isAway = true;
    } finally {
      this.isAsking = false;
      if (this.isOn) this.timer = setTimeout(() => this.ask(), EVERY_MS);
    }
  }

  take(html) {
    const parsed = document.createElement("template");
    parsed.innerHTML = `<table><tbody>${html}</tbody></table>`;
    const found = [...parsed.content.querySelectorAll("tr[data-key]")];
    const known = new Set([...this.rows.children].map((row) => row.dataset.key));
    this.fresh = found.filter((row) => !known.has(row.dataset.key));
    /* None of the newest is on the page: there are more between than came. */
    this.isGap = found.length > 0 && this.fresh.length === found.length && known.size > 0;
    if (this.isOn && !this.isRead) this.put();
    else this.count();
  }

  count() {
    const n = this.fresh.length;
    this.held.hidden = n === 0;
    const text = this.part("count");
    text.textContent = (this.isGap ? text.dataset.many : text.dataset.one).replace("%s", n);
  }

  show() {
    this.put();
    scrollTo({ top: 0 });
    this.switch.focus();
  }

  put() {
    if (this.isGap) this.rows.replaceChildren();
    this.rows.prepend(...this.fresh);
    for (const row of this.fresh) window.htmx.process(row);
    while (this.rows.children.length > MOST_ROWS) this.rows.lastElementChild.remove();
    if (this.fresh.length) {
      this.card.hidden = false;
      this.part("empty")?.remove();
    }
    this.fresh = [];
    this.isGap = false;
    this.count();
  }
}

attach("[data-tail]", (root) => new Tail(root));
