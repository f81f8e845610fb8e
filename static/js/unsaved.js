/* A form with an explicit Save ([data-warn-unsaved]) warns before what was typed is lost by leaving the page. */

import { attach } from "./attach.js";

attach("[data-warn-unsaved]", (form) => {
  const read = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
  /* A page that shows again what could not be saved starts unsaved. */
  const start = form.dataset.warnUnsaved === "now" ? null : read();
  let isLeavingOnPurpose = false;
  form.addEventListener("submit", () => { isLeavingOnPurpose = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!isLeavingOnPurpose && read() !== start) event.preventDefault();
  });
});
