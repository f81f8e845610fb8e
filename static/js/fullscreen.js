/* The message editor over the whole screen. What is typed in it reaches the draft at Done or Save (or before a test, or
   when the preview is asked for), not by the periodic autosave; until then it is kept on this device and offered back. */

import { alertRegion, fromTemplate, say } from "./attach.js";
import { Body } from "./body.js";
import { goToLine } from "./code.js";
import { toTop } from "./conflict.js";
import { same, valueOf } from "./fields.js";
import { LocalCopy, timeOf } from "./localcopy.js";
import { PlainText } from "./plain-text.js";
import { bindPreviewKeys } from "./preview-keys.js";
import { Preview } from "./preview.js";

export function bindFullscreen({ form, saver, config, onDone }) {
  const dialog = document.getElementById("message-editor");
  if (!dialog) return null;
  const onDevice = new LocalCopy({ ...config, part: "message" });
  const body = dialog.querySelector("textarea[name='compose.body']");
  const state = dialog.querySelector("[data-buffer-state]");
  const editor = new Body(dialog, body, () => changed());
  const text = new PlainText(dialog, { body: () => editor.now, onChange: () => changed() });

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
  bindPreviewKeys(preview, { isOurs: () => dialog.open, onShow: () => dialog.open && unsaved().size && save() });

  function changed() {
    const edits = unsaved();
    onDevice.keep(edits, saver.revision);
    state.textContent = edits.size ? state.dataset.dirty : state.dataset.clean;
    text.show();
    preview.soon();
  }

  async function open() {
    if (form.dataset.locked !== undefined || dialog.open) return;
    dialog.showModal();
    await editor.show();
    editor.focus();
    changed();
    preview.render();
  }

  /** Open at a line of the code, or of one's own plain text. */
  async function goTo({ field, line }) {
    await open();
    show(field === "text" ? "text" : "code");
    if (field === "text") goToLine(dialog.querySelector("[name='compose.text']"), line);
    else editor.goTo(line);
  }

  async function save() {
    const edits = unsaved();
    for (const [name, value] of edits) saver.edit(name, value);
    const isSaved = await saver.flush();
    if (isSaved) {
      /* What was found on this device and not decided on stays there. */
      onDevice.keep(unsaved(), saver.revision);
      state.textContent = state.dataset.saved;
      text.saved();
    } else if (saver.isHeld) dialog.close();
    else alertRegion().replaceChildren(fromTemplate("kept-template"));
    return isSaved;
  }
  const saveNow = async () => (await save()) && say(config.texts.draftSaved);

  function take(fields) {
    for (const [name, value] of Object.entries(fields)) {
      const control = dialog.querySelector(`[name="${name}"]`);
      if (control?.type !== "radio") control.value = value;
      else dialog.querySelector(`[name="${name}"][value="${value}"]`).checked = true;
    }
    editor.show();
    changed();
  }

  const panes = dialog.querySelectorAll("[data-pane]");
  function show(name) {
    for (const tab of panes) tab.checked = tab.value === name;
    for (const pane of dialog.querySelectorAll("[data-pane-of]")) pane.hidden = pane.dataset.paneOf !== name;
    text.show();
  }
  for (const tab of panes) tab.addEventListener("change", () => show(tab.value));

  for (const button of document.querySelectorAll("[data-message-edit]")) button.addEventListener("click", open);
  dialog.querySelector("[data-buffer-save]").addEventListener("click", saveNow);
  dialog.querySelector("[data-buffer-done]").addEventListener("click", async () => {
    if (await save()) dialog.close();
  });
  bindTest(dialog, save);
  dialog.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "s") { event.preventDefault(); saveNow(); }
  });
  /* Esc and the cross leave without sending; what was typed stays on this device and in the editor. */
  dialog.addEventListener("close", () => { onDone(); note(); });
  dialog.addEventListener("input", (event) => event.target.name?.startsWith("compose.") && event.target.type !== "radio" && changed());
  dialog.addEventListener("change", (event) => {
    if (event.target.name === "compose.body_kind") editor.change(event.target.value).then(changed);
    else if (event.target.name?.startsWith("compose.")) changed();
  });
  dialog.addEventListener("preview:goto", (event) => goTo(event.detail));

  function note() {
    const line = document.querySelector("[data-message-unsent]");
    line.hidden = !unsaved().size;
  }

  offerBack({ onDevice, saver, unsaved, review: async (fields) => { await open(); take(fields); } });
  return { open, goTo };
}

/* A test is of what is on the screen: it saves first. Inside the dialog only what is in it can be reached. */
function bindTest(dialog, save) {
  const popover = document.getElementById("test-popover");
  const home = popover.parentElement;
  dialog.querySelector("[data-buffer-test]").addEventListener("click", async (event) => {
    event.preventDefault();
    if (!(await save())) return;
    dialog.append(popover);
    popover.showPopover();
  });
  dialog.addEventListener("close", () => home.append(popover));
}

function offerBack({ onDevice, saver, unsaved, review }) {
  const found = onDevice.differing(saver.server);
  if (!found) return;
  onDevice.aside = new Map(Object.entries(found.fields));
  const line = fromTemplate("message-found-template");
  const text = line.querySelector("[data-recovery-text]");
  text.textContent = text.dataset.recoveryText.replace("%s", timeOf(found.at));
  line.querySelector("[data-recovery-review]").addEventListener("click", () => { line.remove(); onDevice.aside.clear(); review(found.fields); });
  line.querySelector("[data-recovery-discard]").addEventListener("click", () => { line.remove(); onDevice.aside.clear(); onDevice.keep(unsaved(), saver.revision); });
  document.getElementById("banners").append(line);
  toTop();
}
