/* Who else has this draft open, and whether somebody saved a newer revision. A hint, never a lock.

   A ping every 10 s while the tab is visible, every 30 s after 2 minutes without input, none while hidden or while a save
   is in flight. A newer revision updates the fields, asks, or becomes the conflict, depending on what is being done here. */

import { fromTemplate, say } from "./attach.js";
import { write } from "./fields.js";
import { post } from "./wire.js";

const PING_MS = 10000;
const IDLE_PING_MS = 30000;
const IDLE_AFTER_MS = 120000;
const FOLLOWED = "chappe:followed";

export function bindPresence({ form, saver, config, onConflict }) {
  let active = performance.now();
  let timer = 0;
  let known = null;
  const isIdle = () => performance.now() - active > IDLE_AFTER_MS;
  const data = () => ({ session: saver.session, revision: saver.revision, is_idle: isIdle() });

  async function ping() {
    clearTimeout(timer);
    if (!document.hidden && !saver.running && !saver.isHeld && saver.state !== "signed-out") {
      try {
        const response = await post(config.urls.presence, data());
        if (response.ok) show(await response.json());
        else if (response.status === 409) onConflict(await response.json());
      } catch {
        /* The save indicator speaks about the network; presence is only a hint. */
      }
    }
    timer = setTimeout(ping, isIdle() ? IDLE_PING_MS : PING_MS);
  }

  function show(answer) {
    const holder = document.querySelector("[data-presence]");
    if (holder.dataset.shown !== answer.people_key) {
      holder.innerHTML = answer.people_html;
      holder.dataset.shown = answer.people_key;
    }
    const now = new Set(answer.editors);
    for (const name of now) if (known && !known.has(name)) say(config.texts.nowEditing.replace("%s", name));
    known = new Set([...(known ?? []), ...now]);
    document.dispatchEvent(new CustomEvent("session:left", { detail: answer.signed_out_in_s }));
    if (answer.newer && answer.newer.revision > saver.revision && !saver.running) follow(answer.newer);
  }

  function follow(newer) {
    if (saver.unsaved.size) return onConflict(newer);
    if (!form.contains(document.activeElement)) return take(newer);
    if (document.querySelector("[data-newer]")) return;
    const line = fromTemplate("newer-template");
    line.querySelector("[data-newer-text]").textContent = newer.message;
    line.querySelector("[data-newer-show]").addEventListener("click", () => { line.remove(); take(newer); });
    document.getElementById("banners").append(line);
    say(newer.message);
  }

  /* Plain fields are filled where they are; what is drawn by the server comes with a reload, nothing being unsaved. */
  function take(newer) {
    const isPlain = Object.entries(newer.values).every(([name, value]) => typeof value === "string" && !config.drawn.includes(name) && write(form, name, value));
    if (!isPlain) {
      sessionStorage.setItem(FOLLOWED, newer.followed);
      return location.reload();
    }
    saver.adopt(newer.revision, newer.values);
    toast(newer.followed);
    form.dispatchEvent(new CustomEvent("editor:followed", { bubbles: true }));
  }

  const toast = (text) => document.dispatchEvent(new CustomEvent("toast", { detail: { text, undo: "" } }));
  const followed = sessionStorage.getItem(FOLLOWED);
  sessionStorage.removeItem(FOLLOWED);
  if (followed) addEventListener("load", () => toast(followed));

  for (const name of ["keydown", "pointerdown"]) addEventListener(name, () => { active = performance.now(); }, { passive: true });
  document.addEventListener("visibilitychange", () => document.hidden || ping());
  addEventListener("pagehide", () => {
    const body = new FormData();
    body.set("session", saver.session);
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    navigator.sendBeacon(config.urls.release, body);
  });
  ping();
}
