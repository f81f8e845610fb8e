/* Says how many things a search found, whenever htmx brings a list (#… with data-found) that says another number. */

import { say } from "./attach.js";

let said = document.querySelector("[data-found]")?.dataset.found;

document.addEventListener("htmx:afterSettle", () => {
  const found = document.querySelector("[data-found]")?.dataset.found;
  if (found && found !== said) say(found);
  said = found;
});
