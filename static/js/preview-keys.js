/* ⌘⇧P and ⌘⇧D: show or hide a preview, and go through its views. The button data-preview-toggle does the first as well. */

import { say } from "./attach.js";

const HIDDEN = "chappe:preview-hidden";

/** Binds `preview` while `isOurs()`; its pane can be hidden, which this device remembers. `onShow` when it is shown again. */
export function bindPreviewKeys(preview, { isOurs, onShow = () => {} }) {
  const { pane } = preview;
  const buttons = document.querySelectorAll(`[data-preview-toggle="${pane.id}"]`);
  const put = (isHidden) => {
    pane.hidden = isHidden;
    for (const button of buttons) {
      button.setAttribute("aria-expanded", String(!isHidden));
      button.title = isHidden ? button.dataset.show : button.dataset.hide;
      button.querySelector("span").textContent = button.title;
    }
  };
  const toggle = () => {
    put(!pane.hidden);
    localStorage.setItem(HIDDEN, pane.hidden ? "1" : "");
    if (pane.hidden) return;
    preview.render();
    onShow();
  };
  put(localStorage.getItem(HIDDEN) === "1");
  for (const button of buttons) button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (!(event.metaKey || event.ctrlKey) || !event.shiftKey || event.altKey || !isOurs()) return;
    if (event.code === "KeyP") {
      event.preventDefault();
      toggle();
      if (buttons[0]) say(pane.hidden ? buttons[0].dataset.hidden : buttons[0].dataset.shown);
    } else if (event.code === "KeyD" && !pane.hidden) {
      event.preventDefault();
      say(preview.nextView());
    }
  });
}
