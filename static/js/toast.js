/* Toasts of reversible success: 8 s, waiting while pointed at or focused; ⌘Z or Ctrl+Z undoes the newest that can be.
   The event "toast" with {text, undo} makes one. */

import { attach, fromTemplate, say } from "./attach.js";

const SHOWN_MS = 8000;

function remove(toast) {
  const hadFocus = toast.contains(document.activeElement);
  toast.remove();
  if (hadFocus) document.getElementById("main")?.focus();
}

attach("[data-toast]", (toast) => {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const start = () => {
    stop();
    timer = setTimeout(() => remove(toast), SHOWN_MS);
  };
  const resume = () => { if (!toast.matches(":hover, :focus-within")) start(); };
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stop);
  toast.addEventListener("pointerleave", resume);
  toast.addEventListener("focusout", () => setTimeout(resume));
  toast.querySelector("[data-toast-close]").addEventListener("click", () => remove(toast));
  start();
  say(toast.querySelector(".toast__text").textContent);
});

/* Where text is typed the keys undo the typing. */
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "z" || !(event.metaKey || event.ctrlKey) || event.shiftKey || event.altKey) return;
  if (event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, [contenteditable], .cm-editor")) return;
  const form = [...document.querySelectorAll("[data-toast-undo]")].at(-1);
  if (!form) return;
  event.preventDefault();
  form.requestSubmit();
});

document.addEventListener("toast", (event) => {
  const { text, undo } = event.detail;
  const toast = fromTemplate("toast-template");
  toast.querySelector(".toast__text").textContent = text;
  const form = toast.querySelector("[data-toast-undo]");
  if (undo) form.action = undo;
  else form.remove();
  document.getElementById("toasts").append(toast);
  document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: toast } }));
});
