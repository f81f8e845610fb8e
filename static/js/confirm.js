/* The confirm form: its button is off until the number is typed. 9892, 9,892 and 9 892 are the same number, whatever space
   it is grouped by. While it is sent nothing in it can be pressed; a refusal is read out and gets the focus.
   The server checks all of it again; without script it alone does. */

import { alertRegion, attach } from "./attach.js";

attach("form[data-confirm]", (form) => {
  const field = form.querySelector("[data-confirm-number]");
  const button = form.querySelector("[data-confirm-button]");
  const words = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const resting = words.data;
  let isSending = false;

  const matches = () => !field || field.value.replace(/[\s.,'’]/gu, "") === field.dataset.confirmNumber;
  function update() {
    if (matches()) button.removeAttribute("aria-disabled");
    else button.setAttribute("aria-disabled", "true");
  }
  function rest() {
    isSending = form.inert = false;
    button.removeAttribute("aria-busy");
    words.data = resting;
  }

  field?.addEventListener("input", update);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const isTyped = event.target === field;
    if (event.metaKey || event.ctrlKey || (isTyped && !matches())) event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    if (isSending || !matches()) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    /* At once: a second click may come before anything else does. */
    isSending = true;
    /* After the form was read, which leaves out what is inert only in some browsers. */
    setTimeout(() => {
      if (event.defaultPrevented && !form.matches("[hx-post]")) return rest();
      form.inert = true;
      button.setAttribute("aria-busy", "true");
      words.data = button.dataset.msgBusy;
    }, 0);
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    /* Our own refusals are swapped in, so htmx calls them successful. */
    const { status } = event.detail.xhr;
    if (status >= 200 && status < 400) return;
    rest();
    const region = alertRegion();
    region.tabIndex = -1;
    region.focus();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) rest(); });
  if (field) update();
});
