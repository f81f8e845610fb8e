/* What goes on only when everything is saved: the next step, Publish, a test, the Save draft button. */

import { say } from "./attach.js";

const STEP_WAIT_MS = 1500;

export function bindWaiting({ form, saver, config, asked }) {
  /* Going on within the editor waits a moment for the save; the copy on this device covers the rest. */
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-saves-first], .steps a");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || !saver.unsaved.size || saver.isHeld) return;
    event.preventDefault();
    await Promise.race([saver.flush(), new Promise((resolve) => setTimeout(resolve, STEP_WAIT_MS))]);
    location.href = link.href;
  });

  /* What acts on the draft acts on what is on the screen: the request starts when everything is saved. */
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.target.closest?.("[data-needs-save]") || !saver.unsaved.size) return;
    event.preventDefault();
    asked.manually = true;
    saver.flush().then((isSaved) => isSaved && event.detail.issueRequest(true));
  });
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("data-save-now")) {
      event.preventDefault();
      asked.manually = true;
      if (await saver.flush()) say(config.texts.draftSaved);
      delete form.dataset.sent;
    }
  });
}
