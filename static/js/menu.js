/* Popover menus: placed beside their button, arrow keys move, the focus goes back when they close. */

import { attach } from "./attach.js";

const GAP = 4;

/* Where several open it, the one in the same layer. */
const buttonOf = (menu) => {
  const buttons = [...document.querySelectorAll(`[popovertarget="${menu.id}"]`)];
  return buttons.find((button) => button.closest("dialog") === menu.closest("dialog")) ?? buttons[0];
};
const itemsOf = (menu) => [...menu.querySelectorAll("a[href], button, input:not([type=hidden])")].filter((item) => item.offsetParent);

function place(menu) {
  const button = buttonOf(menu);
  if (!button) return;
  const at = button.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  const start = at.left + box.width > innerWidth - GAP ? at.right - box.width : at.left;
  const below = at.bottom + GAP;
  const above = at.top - GAP - box.height;
  menu.style.left = `${Math.max(GAP, start)}px`;
  menu.style.top = `${below + box.height > innerHeight && above > 0 ? above : below}px`;
}

function move(menu, step) {
  const items = itemsOf(menu);
  const next = items.indexOf(document.activeElement) + step;
  items.at(next >= items.length ? 0 : next)?.focus();
}

const KEYS = {
  ArrowDown: (menu) => move(menu, 1),
  ArrowUp: (menu) => move(menu, -1),
  Home: (menu) => itemsOf(menu)[0]?.focus(),
  End: (menu) => itemsOf(menu).at(-1)?.focus(),
};

attach("[data-menu], [data-popover]", (menu) => {
  const isMenu = menu.hasAttribute("data-menu");
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    place(menu);
    if (isMenu) itemsOf(menu)[0]?.focus({ preventScroll: true });
  });
  if (!isMenu) return;
  menu.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea") || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key](menu);
  });
  /* Choosing closes, also where htmx takes over; a group of switches stays open. */
  menu.addEventListener("click", (event) => {
    if (event.target.closest('.menu__item:not([aria-disabled="true"])')) menu.hidePopover();
  });
});

/* Arrow down on the closed button opens it. */
document.addEventListener("keydown", (event) => {
  const button = event.target.closest?.("[popovertarget]");
  const menu = button && event.key === "ArrowDown" ? document.getElementById(button.getAttribute("popovertarget")) : null;
  if (!menu?.hasAttribute("data-menu") || menu.matches(":popover-open")) return;
  event.preventDefault();
  menu.showPopover();
});

/* A menu does not follow its button while the page scrolls under it. */
addEventListener("scroll", () => {
  for (const menu of document.querySelectorAll("[data-menu]:popover-open")) place(menu);
}, { passive: true });
