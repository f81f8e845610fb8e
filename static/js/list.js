/* The campaign list: choosing several, and saying how many a search found. Bound again after each swap. */

import { attach, say } from "./attach.js";

attach("[data-list]", (list) => {
  const boxes = [...list.querySelectorAll("[data-select]")];
  const bar = list.querySelector("[data-selection]");
  const all = list.querySelector("[data-select-all]");
  if (!bar || !all) return;
  const text = bar.querySelector("[data-selection-text]");

  const show = () => {
    const n = boxes.filter((box) => box.checked).length;
    bar.hidden = n === 0;
    text.textContent = text.dataset.selectionText.replace("%s", n);
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  for (const box of boxes) box.addEventListener("change", show);
  bar.querySelector("[data-selection-clear]").addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    show();
    all.focus();
  });
  show();
});

/* A row under the keyboard: j and k move, x chooses, Enter opens. */
document.addEventListener("keydown", (event) => {
  if (!("shortcuts" in document.body.dataset) || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [popover]")) return;
  const links = [...document.querySelectorAll("[data-list] td.name > a")];
  const row = document.activeElement?.closest("[data-list] tr");
  const at = links.findIndex((link) => link.closest("tr") === row);
  if (event.key === "j") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "k") links[Math.max(at - 1, 0)]?.focus();
  else if (event.key === "x" && row) row.querySelector("[data-select]")?.click();
  else return;
  event.preventDefault();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.matches?.("[data-list-form]")) document.getElementById("campaigns")?.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterSwap", () => {
  const list = document.getElementById("campaigns");
  if (list?.dataset.said !== list?.dataset.found) say(list.dataset.found);
  if (list) list.dataset.said = list.dataset.found;
});
