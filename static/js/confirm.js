/* The confirm form: its button is off until the number is typed. 9892, 9,892 and 9 892 are the same number.
   The server checks the number again; without script it alone does. */

import { attach } from "./attach.js";

attach("form[data-confirm]", (form) => {
  const field = form.querySelector("[data-confirm-number]");
  const button = form.querySelector("[data-confirm-button]");
  if (!field) return;
  const matches = () => field.value.replace(/[\s.,'’]/gu, "") === field.dataset.confirmNumber;
  function update() {
    if (matches()) button.removeAttribute("aria-disabled");
    else button.setAttribute("aria-disabled", "true");
  }
  field.addEventListener("input", update);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey || !matches())) event.preventDefault();
  });
  update();
});
