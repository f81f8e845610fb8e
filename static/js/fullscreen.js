/* The message editor over the whole screen. What is typed in it reaches the draft at Done or Save (or before a test), not
   by the periodic autosave; until then it is kept on this device and offered back. */

import { alertRegion, fromTemplate, say } from "./attach.js";
import { Body } from "./body.js";
import { same, valueOf } from "./fields.js";
import { LocalCopy, timeOf } from "./localcopy.js";
import { Preview } from "./preview.js";

export function bindFullscreen({ form, saver, config, onDone }) {
  const dialog = document.getElementById("message-editor");
  if (!dialog) return;
  const onDevice = new LocalCopy({ ...config, part: "message" });
  const body = dialog.querySelector("textarea[name='compose.body']");
  const state = dialog.querySelector("[data-buffer-state]");
  const editor = new Body(dialog, body, () => changed());

  const values = () => {
    const all = new Map();
    for (const control of dialog.querySelectorAll("[name^='compose.']")) {
      const value = valueOf(control);
      if (value !== undefined) all.set(control.name, value);
    }
    return all;
  };
  for (const [name, value] of values()) saver.server.set(name, value);
  const unsaved = () => new Map([...values()].filter(([name, value]) => !same(saver.server.get(name), value)));
  const preview = new Preview(dialog.querySelector("[data-preview]"), () => new Map([...saver.unsaved, ...values()]));

  function changed() {
    const edits = unsaved();
    onDevice.keep(edits, saver.revision);
    state.textContent = edits.size ? state.dataset.dirty : state.dataset.clean;
    preview.soon();
  }

  async function open() {
    if (form.dataset.locked !== undefined) return;
    dialog.showModal();
    await editor.show();
    editor.focus();
    changed();
    preview.render();
  }

  async function save() {
    const edits = unsaved();
    for (const [name, value] of edits) saver.edit(name, value);
    const isSaved = await saver.flush();
    if (isSaved) {
      onDevice.forget();
      state.textContent = state.dataset.saved;
    } else if (saver.isHeld) dialog.close();
    else alertRegion().replaceChildren(fromTemplate("kept-template"));
    return isSaved;
  }

  function take(fields) {
    for (const [name, value] of Object.entries(fields)) {
      const control = dialog.querySelector(`[name="${name}"]`);
      if (control?.type !== "radio") control.value = value;
      else dialog.querySelector(`[name="${name}"][value="${value}"]`).checked = true;
    }
    editor.show();
    changed();
  }

  for (const button of document.querySelectorAll("[data-message-edit]")) button.addEventListener("click", open);
  dialog.querySelector("[data-buffer-save]").addEventListener("click", async () => (await save()) && say(config.texts.draftSaved));
  dialog.querySelector("[data-buffer-done]").addEventListener("click", async () => {
    if (await save()) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save().then((isSaved) => isSaved && say(config.texts.draftSaved)); }
  });
  /* Esc and the cross leave without sending; what was typed stays on this device and in the editor. */
  dialog.addEventListener("close", () => { onDone(); note(); });
  dialog.addEventListener("input", (event) => event.target.name?.startsWith("compose.") && event.target.type !== "radio" && changed());
  dialog.addEventListener("change", (event) => {
    if (event.target.name === "compose.body_kind") editor.change(event.target.value).then(changed);
    else if (event.target.name?.startsWith("compose.")) changed();
  });
  for (const tab of dialog.querySelectorAll("[data-pane]")) {
    tab.addEventListener("change", () => { for (const pane of dialog.querySelectorAll("[data-pane-of]")) pane.hidden = pane.dataset.paneOf !== tab.value; });
  }

  function note() {
    const line = document.querySelector("[data-message-unsent]");
    line.hidden = !unsaved().size;
  }

  const found = onDevice.differing(saver.server);
  if (found) {
    onDevice.aside = new Map(Object.entries(found.fields));
    const line = fromTemplate("message-found-template");
    const text = line.querySelector("[data-recovery-text]");
    text.textContent = text.dataset.recoveryText.replace("%s", timeOf(found.at));
    line.querySelector("[data-recovery-review]").addEventListener("click", async () => { line.remove(); onDevice.aside.clear(); await open(); take(found.fields); });
    line.querySelector("[data-recovery-discard]").addEventListener("click", () => { line.remove(); onDevice.aside.clear(); onDevice.keep(unsaved(), saver.revision); });
    document.getElementById("banners").append(line);
  }
}
