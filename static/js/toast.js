/* Toasts of reversible success: 8 s, waiting while pointed at or focused. The event "toast" with {text, undo} makes one. */

import { attach, fromTemplate, say } from "./attach.js";

const SHOWN_MS = 8000;

function remove(toast) {
  const hadFocus = toast.contains(document.activeElement);
  toast.remove();
  if (hadFocus) document.getElementById("main")?.focus();
}

attach("[data-toast]", (toast) => {
  let timer = 0;
  const start = () => { timer = setTimeout(() => remove(toast), SHOWN_MS); };
  const stop = () => clearTimeout(timer);
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stop);
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, start);
  toast.querySelector("[data-toast-close]").addEventListener("click", () => remove(toast));
  start();
  say(toast.querySelector(".toast__text").textContent);
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
