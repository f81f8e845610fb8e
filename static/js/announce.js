/* Says a new data-announce of a polled region once, through the shell's status region; never on load. */

import { attach, say } from "./attach.js";

attach("[data-announce]", (element) => {
  let said = element.dataset.announce;
  new MutationObserver(() => {
    if (element.dataset.announce === said) return;
    said = element.dataset.announce;
    if (said) say(said);
  }).observe(element, { attributes: true, attributeFilter: ["data-announce"] });
});
