/* The campaign editor: binds the form to the saver, and the saver to everything that has to wait for it. */

import { say } from "./attach.js";
import { offerBack, showConflict } from "./conflict.js";
import { read, valueOf, write } from "./fields.js";
import { bindIndicator } from "./indicator.js";
import { LocalCopy } from "./localcopy.js";
import { bindPanel } from "./panel.js";
import { bindName } from "./rename.js";
import { bindPresence } from "./presence.js";
import { Saver } from "./save.js";
import { bindSession } from "./session.js";
import { bindWaiting } from "./waiting.js";

const SIGNED_OUT_PROBE_MS = 4000;

const form = document.getElementById("editor");
const config = JSON.parse(document.getElementById("editor-config").textContent);
config.texts = { ...document.getElementById("editor-texts").dataset };
const saver = new Saver({ url: config.urls.save, session: config.session, revision: config.revision, values: config.values, step: config.step });
const copyOnDevice = new LocalCopy(config);
const asked = bindIndicator(document.querySelector("[data-save]"), saver);
const onConflict = (detail) => {
  saver.state = "conflict";
  saver.dispatchEvent(new CustomEvent("state", { detail: { state: "conflict" } }));
  showConflict({ form, saver, config, detail });
};

config.use = (name, value) => {
  write(form, name, value);
  saver.edit(name, value);
};

/* Where the browser filled in something else than the server sent (a reload in Firefox), the server wins. */
for (const [name, value] of read(form)) if (!saver.server.has(name)) saver.server.set(name, value);
for (const [name, value] of saver.server) if (typeof value === "string" && !config.drawn.includes(name)) write(form, name, value);

const edited = (event) => {
  const control = event.target;
  if (!control.name || control.form !== form || control.closest("[data-buffered]") || form.dataset.locked !== undefined) return;
  const value = valueOf(control);
  if (control.name === "name" && !value.trim()) return;
  if (value !== undefined && read(form).has(control.name)) saver.edit(control.name, value);
};
document.addEventListener("input", edited);
document.addEventListener("change", edited);

saver.addEventListener("edits", () => copyOnDevice.keep(saver.unsaved, saver.revision));
saver.addEventListener("conflict", ({ detail }) => showConflict({ form, saver, config, detail }));
saver.addEventListener("saved", ({ detail }) => {
  copyOnDevice.keep(saver.unsaved, saver.revision);
  for (const [selector, html] of Object.entries(detail.fragments)) {
    const place = document.querySelector(selector);
    if (!place || place.innerHTML === html || place.contains(document.activeElement)) continue;
    const scrolled = place.querySelector(".steps")?.scrollLeft;
    place.innerHTML = html;
    if (scrolled) place.querySelector(".steps").scrollLeft = scrolled;
  }
  for (const place of document.querySelectorAll("[data-alerts-for]")) place.innerHTML = detail.field_alerts[place.dataset.alertsFor] ?? "";
});

saver.addEventListener("state", ({ detail }) => {
  const dialog = document.getElementById("signed-out");
  if (detail.state === "signed-out" && !dialog.open) dialog.showModal();
  if (detail.state === "saved" && dialog.open) dialog.close();
  if (detail.state === "refused") {
    const banner = document.getElementById("refused-template").content.firstElementChild.cloneNode(true);
    banner.querySelector("[data-refused-text]").textContent = detail.message ?? config.texts.refused;
    document.getElementById("shout").replaceChildren(banner);
  }
});
const probe = () => saver.state === "signed-out" && saver.flush();
setInterval(() => document.hidden || probe(), SIGNED_OUT_PROBE_MS);
addEventListener("focus", probe);
bindSession({ config, onSignedIn: probe });
bindPanel(config.user);

document.addEventListener("keydown", (event) => {
  const isMod = event.metaKey || event.ctrlKey;
  if (isMod && !event.shiftKey && event.key.toLowerCase() === "s") {
    event.preventDefault();
    if (document.querySelector("dialog:modal")) return;
    asked.manually = true;
    if (saver.unsaved.size) saver.flush();
    else say(config.texts.draftSaved);
  } else if (event.altKey && !isMod && /^Digit[1-5]$/.test(event.code)) {
    event.preventDefault();
    document.querySelectorAll(".steps a")[event.code.slice(5) - 1]?.click();
  } else if (isMod && event.key === "Enter" && !document.querySelector("dialog:modal")) {
    event.preventDefault();
    [...document.querySelectorAll(".steps a")].at(-1).click();
  }
});

document.addEventListener("visibilitychange", () => document.hidden && saver.flush());
addEventListener("pagehide", () => saver.leave());
addEventListener("beforeunload", (event) => {
  if (saver.unsaved.size && (saver.nFailed || saver.isHeld || saver.state === "signed-out")) event.preventDefault();
});

document.querySelector(".steps [aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
bindName(form, saver);
bindWaiting({ form, saver, config, asked });
bindPresence({ form, saver, config, onConflict });
offerBack({ form, saver, copyOnDevice, config });
document.documentElement.dataset.editor = "ready";

/** For the modules of single steps. */
export { config, form, onConflict, saver };
