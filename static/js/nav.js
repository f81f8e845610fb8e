/* The navigation as a drawer on narrow screens: a real button, Esc and a press beside it close, the page behind is inert. */

const nav = document.getElementById("nav");
const toggle = document.querySelector("[data-nav-toggle]");

function set(isOpen) {
  nav.toggleAttribute("data-open", isOpen);
  toggle.setAttribute("aria-expanded", String(isOpen));
  document.getElementById("main").inert = isOpen;
  if (isOpen) nav.querySelector("a").focus();
}

if (nav && toggle) {
  toggle.addEventListener("click", (event) => {
    event.stopPropagation();
    set(!nav.hasAttribute("data-open"));
  });
  document.addEventListener("click", (event) => {
    if (nav.hasAttribute("data-open") && !nav.contains(event.target)) set(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !nav.hasAttribute("data-open")) return;
    set(false);
    toggle.focus();
  });
  /* Tabbing out of the drawer closes it, so the focus never walks unseen behind it. */
  nav.addEventListener("focusout", (event) => {
    if (nav.hasAttribute("data-open") && event.relatedTarget && !nav.contains(event.relatedTarget)) set(false);
  });
  matchMedia("(max-width: 48rem)").addEventListener("change", () => set(false));
}
