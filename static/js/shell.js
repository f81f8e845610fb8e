/* The one module every page loads: it brings the behaviours of the shell, and lets our error fragments in. */

import { alertRegion, attach, say } from "./attach.js";
import "./copy.js";
import "./dialog.js";
import "./live.js";
import "./menu.js";
import "./nav.js";
import "./network.js";
import "./palette.js";
import "./password.js";
import "./shortcuts.js";
import "./theme.js";
import "./toast.js";
import "./zone.js";

/* config/errors.py aims refusals at #shout; htmx swaps no error by itself. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400 || xhr.getResponseHeader("HX-Retarget") !== "#shout") return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
  event.detail.target = alertRegion();
});

/* On a narrow screen the tab one is at may be beyond the edge. */
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

/* Tabs that were signed out save as soon as somebody is signed in again in another one. */
if (document.querySelector(".topbar__user")) new BroadcastChannel("chappe:signed-in").postMessage("");

/* When a swap takes away what had the focus, the heading of the new content gets it. */
let isFocusLost = false;
document.addEventListener("htmx:beforeSwap", (event) => {
  isFocusLost = event.detail.shouldSwap && event.detail.target.contains(document.activeElement);
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (!isFocusLost || document.activeElement !== document.body) return;
  isFocusLost = false;
  const heading = event.detail.elt.querySelector("h1, h2, h3") ?? document.getElementById("main");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
});

/* A new request makes the old refusal moot. */
document.addEventListener("htmx:beforeRequest", () => document.getElementById("shout")?.replaceChildren());

/* The pressed button shows that something runs, but only when it takes longer than a blink. */
const timers = new WeakMap();
const pressed = (event) => event.detail.requestConfig?.triggeringEvent?.submitter
  ?? (event.detail.elt.matches("button, .btn") ? event.detail.elt : null);
document.addEventListener("htmx:beforeSend", (event) => {
  const button = pressed(event);
  if (button) timers.set(event.detail.xhr, setTimeout(() => button.setAttribute("aria-busy", "true"), 600));
});
document.addEventListener("htmx:afterRequest", (event) => {
  clearTimeout(timers.get(event.detail.xhr));
  pressed(event)?.removeAttribute("aria-busy");
});

/* The same for plain forms; a second press of the same button sends nothing. */
const SENT_MS = 10000;
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || form.closest("[hx-post], [hx-get]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  /* Only after all listeners have run is it known whether the form really leaves. */
  setTimeout(() => {
    if (event.defaultPrevented) return;
    form.dataset.sent = "1";
    const timer = setTimeout(() => submitter?.setAttribute("aria-busy", "true"), 600);
    /* A download leaves the page where it is. */
    setTimeout(() => {
      clearTimeout(timer);
      delete form.dataset.sent;
      submitter?.removeAttribute("aria-busy");
    }, SENT_MS);
  }, 0);
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});

/* An error summary takes the focus when the page comes with one. */
attach("[data-focus-here]", (element) => element.focus());

/* A link to a field leads into it: where the target itself takes no focus, its first control does. */
function focusField() {
  const target = location.hash.startsWith("#f-") ? document.getElementById(location.hash.slice(1)) : null;
  if (!target || target.contains(document.activeElement)) return;
  // A control that a script replaced is hidden; what replaced it stands beside it.
  const place = target.checkVisibility() ? target : target.parentElement;
  const controls = [...place.querySelectorAll("input, select, textarea, button, a[href]")];
  controls.find((control) => control.checkVisibility({ visibilityProperty: true }))?.focus();
}
/* After the browser has gone to the target itself, which takes the focus from where it is. */
addEventListener("load", () => requestAnimationFrame(focusField));
addEventListener("hashchange", focusField);

/* What is off says why and does nothing. */
document.addEventListener("click", (event) => {
  const off = event.target.closest?.('[aria-disabled="true"]');
  if (!off) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const reasons = (off.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent.trim() ?? "");
  say(reasons.join(" ").trim().replace(/\s+/g, " "));
}, true);

/* Keys are named as on this person's keyboard. */
if (/Mac|iPhone|iPad/.test(navigator.platform)) {
  for (const key of document.querySelectorAll("[data-mod-key]")) key.textContent = key.dataset.modKey;
}
