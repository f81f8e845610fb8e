/* Regions that keep themselves up to date: <div id data-live-url data-live-interval="2000">.
   The answer is one or more elements; each is morphed into the element of its id, the first into the region if there is
   none. `X-Next-Poll: <ms>` sets the next interval, status 286 or 204 with no header ends, `X-Reload: 1` reloads.
   Hidden tabs ask nothing and catch up on return. data-live-now asks at once; data-live-quiet shows no failure. */

import { attach, say } from "./attach.js";

const STALE_MS = 30000;

function text(when) {
  return document.getElementById("live-paused").content.textContent.trim().replace("%s", when.toLocaleTimeString(document.documentElement.lang, { hour12: false }));
}

function apply(region, html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  for (const [index, part] of [...parsed.content.children].entries()) {
    const same = part.id ? document.getElementById(part.id) : null;
    const target = same ?? (index === 0 ? region : null);
    if (!target) continue;
    window.Idiomorph.morph(target, part.outerHTML, { morphStyle: same ? "outerHTML" : "innerHTML", ignoreActiveValue: true });
    const now = (same && document.getElementById(part.id)) ?? region;
    window.htmx.process(now);
    now.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: now } }));
  }
  if (!parsed.content.children.length) region.replaceChildren();
}

attach("[data-live-url]", (start) => {
  const id = start.id;
  const isQuiet = start.hasAttribute("data-live-quiet");
  let wait = Number(start.dataset.liveInterval) || 5000;
  let timer = 0;
  let last = new Date();
  let isDue = false;
  /* A morph may replace the element, so it is looked up by id each time. */
  const region = () => (id ? document.getElementById(id) : start);

  function showPaused() {
    if (isQuiet || !region()) return;
    let note = region().querySelector("[data-live-note]");
    if (!note) {
      const reload = document.createElement("a");
      reload.href = location.href;
      reload.className = "btn small";
      reload.textContent = document.getElementById("live-paused").dataset.reload;
      note = document.createElement("div");
      note.className = "banner warn";
      note.dataset.liveNote = "";
      note.append(Object.assign(document.createElement("p"), { className: "banner__text", textContent: text(last) }), reload);
      region().prepend(note);
      say(text(last));
    }
    region().classList.toggle("is-stale", Date.now() - last.getTime() >= STALE_MS);
  }

  async function poll() {
    timer = 0;
    if (!region()?.isConnected) return;
    if (document.hidden) { isDue = true; return; }
    let next = wait;
    try {
      const answer = await fetch(region().dataset.liveUrl, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(15000) });
      if (answer.headers.get("X-Reload")) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      last = new Date();
      if (answer.status !== 204) apply(region(), await answer.text());
      region()?.classList.remove("is-stale");
      region()?.querySelector("[data-live-note]")?.remove();
      if (answer.status === 286) return;
      wait = Number(answer.headers.get("X-Next-Poll")) || wait;
      next = wait;
    } catch {
      showPaused();
      next = Math.max(wait, 5000);
    }
    timer = setTimeout(poll, next);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !isDue) return;
    isDue = false;
    poll();
  });
  document.addEventListener("live:refresh", () => {
    clearTimeout(timer);
    poll();
  });
  timer = setTimeout(poll, start.hasAttribute("data-live-now") ? 0 : wait);
});
