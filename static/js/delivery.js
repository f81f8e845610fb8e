/* The Delivery step: time and zone stand in the card of the chosen kind, and a kind that is chosen first gets a start. */

import { form } from "./editor.js";

const FILLED = { at: ["delivery.zone"], repeat: ["delivery.repeat_from", "delivery.time", "delivery.zone"] };
const moment = form.querySelector("[data-moment]");

function place() {
  const home = form.querySelector(`[data-moment-of="${form.elements["delivery.kind"].value}"]`);
  if (home && moment.parentElement !== home) home.append(moment);
}

/* Through an event, so that it is saved like anything typed. */
function fill(kind) {
  for (const name of FILLED[kind] ?? []) {
    const control = form.elements[name];
    if (control.value) continue;
    control.value = control.dataset.first;
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

form.addEventListener("change", (event) => {
  if (event.target.name !== "delivery.kind") return;
  place();
  fill(event.target.value);
});
form.addEventListener("fields:written", place);
place();
