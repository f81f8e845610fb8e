/* The theme switch: shown at once, stored with the person's preferences. */

import { csrf } from "./attach.js";

const root = document.documentElement;
const current = () => root.dataset.theme ?? "system";

function show(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const button of document.querySelectorAll('[data-theme-form] button[name="theme"]')) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}

function store(form, theme) {
  const before = current();
  show(theme);
  const body = new URLSearchParams({ theme });
  fetch(form.action, { method: "POST", body, headers: { ...csrf(), Accept: "application/json" }, redirect: "manual" })
    .catch(() => show(before));
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-theme-form]")) return;
  event.preventDefault();
  store(event.target, event.submitter.value);
});

/* "Switch theme" of the palette: to the other of light and dark. */
document.addEventListener("click", (event) => {
  const form = event.target.closest?.("[data-theme-next]") && document.querySelector("[data-theme-form]");
  if (!form) return;
  const isDark = current() === "dark" || (current() === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  store(form, isDark ? "light" : "dark");
});
