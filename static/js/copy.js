/* Copy buttons: [data-copy] holds [data-copy-value] and [data-copy-button]; "Copied" shows for 2 s. */

import { say } from "./attach.js";

const SHOWN_MS = 2000;

/* Without the clipboard API (plain http on another host) the value is selected, ready for the keyboard. */
async function copy(value) {
  const text = value.value ?? value.textContent;
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text.trim());
    return true;
  }
  getSelection().selectAllChildren(value);
  return document.execCommand("copy");
}

/* [data-copy-text] on a menu's entry copies that text itself; data-copied is what is said then, as a toast. */
document.addEventListener("click", async (event) => {
  const entry = event.target.closest?.("[data-copy-text]");
  if (!entry) return;
  const value = Object.assign(document.createElement("span"), { textContent: entry.dataset.copyText, className: "sr" });
  document.body.append(value);
  const isDone = await copy(value);
  value.remove();
  if (isDone) document.dispatchEvent(new CustomEvent("toast", { detail: { text: entry.dataset.copied } }));
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy-button]");
  const field = button?.closest("[data-copy]");
  if (!field || !(await copy(field.querySelector("[data-copy-value]")))) return;
  const done = field.querySelector("[data-copy-done]");
  if (!done) return;
  done.hidden = false;
  say(done.textContent);
  setTimeout(() => { done.hidden = true; }, SHOWN_MS);
});
