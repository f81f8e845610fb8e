/* The campaign list: choosing several, moving by keys, and what a search that runs or fails looks like. */

import { attach, fromTemplate, say } from "./attach.js";

const LOOK_AGAIN_MS = 10000;

/* The bar of the ticked rows stands where the filters were. Bound again after each swap. */
attach("[data-list]", (list) => {
  const boxes = [...list.querySelectorAll("[data-select]")];
  const bar = list.querySelector("[data-selection]");
  const all = list.querySelector("[data-select-all]");
  const filters = document.querySelector("[data-list-form]");
  if (filters) filters.hidden = false;
  if (!bar || !all) return;
  const text = bar.querySelector("[data-selection-text]");
  const scope = bar.querySelector("[data-selection-scope]");
  const every = bar.querySelector("[data-selection-every]");

  const show = () => {
    const n = boxes.filter((box) => box.checked).length;
    if (n < boxes.length) scope.value = "";
    bar.hidden = n === 0;
    if (filters) filters.hidden = n > 0;
    text.textContent = scope.value ? every.dataset.selectionEvery : text.dataset.selectionText.replace("%s", n);
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
    if (every) every.hidden = n < boxes.length || Boolean(scope.value);
  };
  const tick = (isOn) => {
    for (const box of boxes) box.checked = isOn;
    show();
  };
  all.addEventListener("change", () => tick(all.checked));
  for (const box of boxes) box.addEventListener("change", show);
  every?.addEventListener("click", () => {
    scope.value = "all";
    show();
    say(text.textContent);
    bar.querySelector(".selection__actions button").focus();
  });
  bar.querySelector("[data-selection-clear]").addEventListener("click", () => {
    tick(false);
    all.focus();
  });
  bar.querySelector("[data-bulk-tag] input").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    bar.querySelector("[data-tag-add]").click();
  });
  show();
});

/* A row under the keyboard: j and k move, x chooses, Enter opens. */
document.addEventListener("keydown", (event) => {
  if (!("shortcuts" in document.body.dataset) || event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [popover]")) return;
  const links = [...document.querySelectorAll("[data-list] td.name > a")];
  const row = document.activeElement?.closest("[data-list] tbody tr");
  const at = links.findIndex((link) => link.closest("tr") === row);
  if (event.key === "j") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "k") links[Math.max(at - 1, 0)]?.focus();
  else if (event.key === "x" && row) row.querySelector("[data-select]")?.click();
  else if (event.key === "Enter" && row && event.target.matches("[data-select]")) links[at].click();
  else return;
  event.preventDefault();
});

/* While a search runs its old rows are dimmed; when it fails the list says so in their place. */
const region = () => document.getElementById("campaigns");

function showFailed(form) {
  const list = region();
  list.removeAttribute("aria-busy");
  list.replaceChildren(fromTemplate("list-error"));
  list.querySelector("[data-list-again]").addEventListener("click", () => form.requestSubmit());
  say(list.querySelector(".banner__text").textContent);
}

attach("[data-list-form]", (form) => {
  form.addEventListener("htmx:beforeRequest", () => region().setAttribute("aria-busy", "true"));
  form.addEventListener("htmx:afterSettle", () => say(region().dataset.found));
  form.addEventListener("htmx:sendAbort", () => { if (!form.classList.contains("htmx-request")) region().removeAttribute("aria-busy"); });
  /* The page-wide banner would say the same again. */
  form.addEventListener("htmx:beforeSwap", (event) => { if (event.detail.xhr.status >= 500) event.stopPropagation(); });
  form.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) return;
    event.stopPropagation();
    showFailed(form);
  });
  form.addEventListener("htmx:sendError", () => showFailed(form));
});

/* Who comes back to the list finds today's counts. */
let looked = Date.now();
async function countAgain() {
  const tabs = document.getElementById("campaign-tabs");
  if (document.hidden || !tabs || Date.now() - looked < LOOK_AGAIN_MS) return;
  looked = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "HX-Request": "true", "HX-Target": "campaign-tabs" } });
    if (answer.ok) window.Idiomorph.morph(tabs, await answer.text(), { morphStyle: "innerHTML" });
  } catch {
    /* The counts stay as they were; whatever is pressed next says that the network is away. */
  }
}
addEventListener("focus", countAgain);
document.addEventListener("visibilitychange", countAgain);
