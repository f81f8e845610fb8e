/* Somebody saved first: the fields are locked but stay readable, the typed text can be copied, and after Refresh each
   field can be taken over again. The same panel offers back what a crash or a closed tab left on this device. */

import { alertRegion, fromTemplate, say } from "./attach.js";
import { words } from "./fields.js";
import { timeOf } from "./localcopy.js";

const REFRESHED = "chappe:refreshed";
const locked = (event) => event.preventDefault();

/** Make every control readable and unchangeable; choices can't be read-only, so they refuse the change. */
export function lock(form, reason) {
  for (const control of form.elements) {
    if (/^(text|search|number|date|time|textarea|email)$/.test(control.type)) control.readOnly = true;
    else if (/^(checkbox|radio|select-one|select-multiple)$/.test(control.type)) {
      control.setAttribute("aria-disabled", "true");
      for (const name of ["click", "keydown", "mousedown"]) control.addEventListener(name, locked);
    }
  }
  form.dataset.locked = "";
  for (const button of document.querySelectorAll("[data-needs-save]")) {
    button.setAttribute("aria-disabled", "true");
    button.title = reason;
  }
}

const asText = (form, fields, config) => Object.entries(fields)
  .map(([name, value]) => `${config.labels[name] ?? name}\n${words(form, name, value, config.texts)}`).join("\n\n");

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.querySelector("span").textContent = button.dataset.copied;
  say(button.dataset.copied);
}

export function showConflict({ form, saver, config, detail }) {
  if (form.dataset.locked !== undefined) return;
  lock(form, config.texts.outOfDate);
  const banner = fromTemplate("conflict-template");
  banner.querySelector("[data-conflict-text]").textContent = detail.message;
  const parts = [[config.texts.theyChanged, detail.changed], [config.texts.youChanged, [...saver.unsaved.keys()].map((name) => config.labels[name] ?? name).join(", ")]];
  banner.querySelector("[data-conflict-fields]").textContent = parts.filter(([, what]) => what).map(([text, what]) => text.replace("%s", what)).join(" ");
  banner.querySelector("[data-conflict-copy]").addEventListener("click", (event) => copy(event.currentTarget, asText(form, Object.fromEntries(saver.unsaved), config)));
  banner.querySelector("[data-conflict-refresh]").addEventListener("click", () => refresh());
  alertRegion().replaceChildren(banner);
}

export function refresh() {
  sessionStorage.setItem(REFRESHED, "1");
  location.reload();
}

/** A reload keeps how far the page was scrolled; what was found on this device is above that. */
export function toTop() {
  history.scrollRestoration = "manual";
  scrollTo(0, 0);
}

/** After a refresh open the panel at once; otherwise say in one line what was found. */
export function offerBack({ form, saver, copyOnDevice, config }) {
  const found = copyOnDevice.differing(saver.server);
  const isRefreshed = sessionStorage.getItem(REFRESHED);
  sessionStorage.removeItem(REFRESHED);
  if (!found) return;
  copyOnDevice.aside = new Map(Object.entries(found.fields));
  if (isRefreshed) return panel({ form, saver, copyOnDevice, config, found });
  const line = fromTemplate("recovery-template");
  const text = line.querySelector("[data-recovery-text]");
  text.textContent = text.dataset.recoveryText.replace("%s", timeOf(found.at));
  line.querySelector("[data-recovery-review]").addEventListener("click", () => { line.remove(); panel({ form, saver, copyOnDevice, config, found }); });
  line.querySelector("[data-recovery-discard]").addEventListener("click", () => { line.remove(); copyOnDevice.aside.clear(); copyOnDevice.keep(saver.unsaved, saver.revision); });
  document.getElementById("banners").replaceChildren(line);
  toTop();
  say(text.textContent);
}

function panel({ form, saver, copyOnDevice, config, found }) {
  const box = fromTemplate("mine-template");
  const row = box.querySelector("[data-mine-row]");
  const title = box.querySelector("[data-mine-title]");
  title.textContent = title.dataset.mineTitle.replace("%s", timeOf(found.at));
  const left = copyOnDevice.aside;
  const settle = (name, line) => {
    left.delete(name);
    line.remove();
    if (!left.size) close();
    copyOnDevice.keep(saver.unsaved, saver.revision);
  };
  const close = () => { left.clear(); box.remove(); copyOnDevice.keep(saver.unsaved, saver.revision); };
  for (const [name, value] of left) {
    const line = row.cloneNode(true);
    line.querySelector("[data-mine-label]").textContent = config.labels[name] ?? name;
    line.querySelector("[data-mine-yours]").textContent = words(form, name, value, config.texts);
    line.querySelector("[data-mine-now]").textContent = words(form, name, saver.server.get(name) ?? "", config.texts);
    line.querySelector("[data-mine-copy]").addEventListener("click", (event) => copy(event.currentTarget, words(form, name, value, config.texts)));
    line.querySelector("[data-mine-use]").addEventListener("click", () => { config.use(name, value); settle(name, line); });
    row.before(line);
  }
  row.remove();
  box.querySelector("[data-mine-dismiss]").addEventListener("click", close);
  document.getElementById("mine").replaceChildren(box);
  toTop();
  box.querySelector("h2").focus();
}
