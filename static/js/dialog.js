/* Native dialogs. data-dialog-open="#id" opens, data-dialog-close closes; a dialog that htmx puts into #dialog opens by
   itself (data-dialog-auto) and leaves the page when closed. The event "dialog:close" (HX-Trigger) closes the top one. */

import { attach } from "./attach.js";

function open(dialog) {
  if (dialog.open) return;
  const opener = document.activeElement;
  dialog.showModal();
  dialog.addEventListener("close", () => {
    if (dialog.hasAttribute("data-dialog-auto")) dialog.remove();
    if (opener?.isConnected && opener !== document.body) opener.focus();
    else document.getElementById("main")?.focus();
  }, { once: true });
}

/* A menu that held the opener is closed first, so that the focus can go back to the menu's button. */
function openFrom(control) {
  const dialog = document.querySelector(control.dataset.dialogOpen);
  if (!dialog) return;
  const menu = control.closest("[popover]");
  if (menu) {
    menu.hidePopover();
    document.querySelector(`[popovertarget="${menu.id}"]`)?.focus();
  }
  open(dialog);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog-open]");
  if (opener) {
    event.preventDefault();
    openFrom(opener);
  } else if (event.target.closest?.("[data-dialog-close]")) {
    event.target.closest("dialog")?.close();
  } else if (event.target.matches?.("dialog.palette")) {
    event.target.close(); // a press on the backdrop; only where nothing can be lost
  }
});

document.addEventListener("dialog:close", () => [...document.querySelectorAll("dialog:modal")].at(-1)?.close());

attach("dialog[data-dialog-auto]", open);
