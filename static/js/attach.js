/* Binding by data- attributes: `attach("[data-x]", (element) => …)` runs once for each element that is in the page
   or comes into it later through htmx. Also the two live regions of the shell. */

const bound = new WeakMap();

export function attach(selector, bind) {
  const run = (root) => {
    const found = root.matches?.(selector) ? [root] : [];
    for (const element of [...found, ...root.querySelectorAll(selector)]) {
      const done = bound.get(element) ?? bound.set(element, new Set()).get(element);
      if (done.has(bind)) continue;
      done.add(bind);
      bind(element);
    }
  };
  run(document);
  document.addEventListener("htmx:load", (event) => run(event.detail?.elt ?? event.target));
}

/* Announce politely, through the one status region. The text is finished and translated. */
export function say(text) {
  const region = document.getElementById("say");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

/* Where an error is shown and announced: inside the open dialog, because what is behind one can't be reached. */
export function alertRegion() {
  const dialogs = [...document.querySelectorAll("dialog:modal")];
  return dialogs.at(-1)?.querySelector("[data-dialog-alert]") ?? document.getElementById("shout");
}

/* A copy of what a <template id> holds. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/* The CSRF token that base.html gives to htmx, for our own fetch calls. */
export function csrf() {
  return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
}
