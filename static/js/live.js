/* Regions that keep themselves up to date: <div id data-live-url data-live-interval="2000">.
   The answer is one or more elements; each is morphed into the element of its id, the first into the region if there is
   none. `X-Next-Poll: <ms>` sets the next interval, status 286 ends until somebody asks, `X-Reload: 1` reloads.
   An interval of 0 asks only when somebody does: the event "live:refresh". Hidden tabs ask nothing and catch up on
   return. data-live-now asks at once; data-live-quiet shows no failure. After each answer there is "live:news", which is
   what everything else on the page follows, so that one page has one loop. */

import { attach, say } from "./attach.js";

const STALE_MS = 30000;
const RETRY_MS = 5000;
const TIMEOUT_MS = 15000;
/* One loop for each id, also when a swap brings another element for it. */
const lives = new Map();

function text(when) {
  return document.getElementById("live-paused").content.textContent.trim().replace("%s", when.toLocaleTimeString(document.documentElement.lang, { hour12: false }));
}

/* Morphs an answer into the page; the elements it changed. */
function apply(region, html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  if (!parsed.content.children.length) region.replaceChildren();
  const changed = [];
  for (const [index, part] of [...parsed.content.children].entries()) {
    const same = part.id ? document.getElementById(part.id) : null;
    const target = same ?? (index === 0 ? region : null);
    if (!target) continue;
    window.Idiomorph.morph(target, part.outerHTML, { morphStyle: same ? "outerHTML" : "innerHTML", ignoreActiveValue: true });
    const now = (same && document.getElementById(part.id)) ?? region;
    window.htmx.process(now);
    now.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: now } }));
    changed.push(now);
  }
  return changed;
}

class Live {
  constructor(start) {
    this.id = start.id;
    this.isQuiet = start.hasAttribute("data-live-quiet");
    this.last = new Date();
    this.parts = [];
    this.end = new AbortController();
    const { signal } = this.end;
    document.addEventListener("visibilitychange", () => { if (!document.hidden && !this.isStopped) this.ask(); }, { signal });
    document.addEventListener("live:refresh", () => this.ask(), { signal });
    this.begin(start);
  }

  begin(start) {
    this.wait = Number(start.dataset.liveInterval ?? RETRY_MS);
    this.isStopped = !this.wait;
    if (!this.isStopped) this.schedule(start.hasAttribute("data-live-now") ? 0 : this.wait);
  }

  /* A morph may replace the element, so it is looked up by id each time. */
  get region() {
    return document.getElementById(this.id);
  }

  schedule(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), ms);
  }

  /* One question at a time, however many ask for one. */
  async ask() {
    clearTimeout(this.timer);
    if (!this.region) return this.forget();
    if (this.isAsking || document.hidden) return;
    this.isAsking = true;
    try {
      await this.poll();
    } catch {
      this.showPaused();
      this.schedule(Math.max(this.wait, RETRY_MS));
    } finally {
      this.isAsking = false;
    }
  }

  /* Its region is gone from the page. */
  forget() {
    this.end.abort();
    lives.delete(this.id);
  }

  async poll() {
    const answer = await fetch(this.region.dataset.liveUrl, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.headers.get("X-Reload")) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const html = await answer.text();
    this.last = new Date();
    this.showFresh();
    if (answer.status !== 204) this.parts = apply(this.region, html);
    this.isStopped = answer.status === 286;
    this.wait = Number(answer.headers.get("X-Next-Poll")) || this.wait || RETRY_MS;
    if (!this.isStopped) this.schedule(this.wait);
    if (!this.isQuiet) document.dispatchEvent(new CustomEvent("live:news"));
  }

  showFresh() {
    clearTimeout(this.staleTimer);
    for (const part of [this.region, ...this.parts]) part.classList.remove("is-stale");
    this.region.querySelector("[data-live-note]")?.remove();
  }

  showPaused() {
    const { region } = this;
    if (this.isQuiet || !region || region.querySelector("[data-live-note]")) return;
    const reload = document.createElement("a");
    reload.href = location.href;
    reload.className = "btn small";
    reload.textContent = document.getElementById("live-paused").dataset.reload;
    const note = document.createElement("div");
    note.className = "banner warn";
    note.dataset.liveNote = "";
    note.append(Object.assign(document.createElement("p"), { className: "banner__text", textContent: text(this.last) }), reload);
    region.prepend(note);
    say(text(this.last));
    /* A number without news must look like one. */
    this.staleTimer = setTimeout(() => {
      for (const part of [this.region, ...this.parts]) part.classList.add("is-stale");
    }, Math.max(0, STALE_MS - (Date.now() - this.last.getTime())));
  }
}

attach("[data-live-url]", (region) => {
  const known = lives.get(region.id);
  if (known) known.begin(region);
  else lives.set(region.id, new Live(region));
});
