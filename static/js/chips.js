/* A multiple choice as chips with a search field (ARIA combobox with a listbox); the <select multiple> stays the form's
   field, and all there is without script. */

import { attach, say } from "./attach.js";

/* The cross of the sprite that the page already uses. */
function cross() {
  const icon = document.querySelector("svg.i").cloneNode(true);
  const use = icon.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, "#x"));
  icon.removeAttribute("role");
  icon.removeAttribute("aria-label");
  icon.setAttribute("aria-hidden", "true");
  return icon;
}

attach("select[multiple][data-chips]", (select) => {
  const texts = select.dataset;
  const id = select.id;
  const box = document.createElement("div");
  box.className = "chipfield";
  const chips = Object.assign(document.createElement("ul"), { className: "chips" });
  const input = Object.assign(document.createElement("input"), { className: "input", type: "text", id: `${id}-search`, autocomplete: "off", placeholder: texts.placeholder });
  const list = Object.assign(document.createElement("ul"), { className: "chipfield__list", id: `${id}-list`, hidden: true });
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  const label = document.querySelector(`label[for="${id}"]`);
  label?.setAttribute("for", input.id);
  list.setAttribute("aria-label", label?.textContent.trim() ?? texts.placeholder);
  input.setAttribute("aria-describedby", select.getAttribute("aria-describedby") ?? "");
  box.append(chips, input, list);
  select.hidden = true;
  select.after(box);
  let marked = -1;

  const options = () => [...select.options];
  const isLocked = () => select.form?.dataset.locked !== undefined;

  function set(option, isChosen) {
    if (isLocked()) return;
    option.selected = isChosen;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    say((isChosen ? texts.added : texts.removed).replace("%s", option.textContent.trim()));
    draw();
  }

  function draw() {
    chips.replaceChildren(...options().filter((option) => option.selected).map((option) => {
      const chip = document.createElement("li");
      chip.className = option.dataset.gone === undefined ? "chip is-on" : "chip warn";
      chip.append(option.textContent.trim());
      const remove = Object.assign(document.createElement("button"), { type: "button", className: "chip__remove" });
      remove.append(cross());
      remove.setAttribute("aria-label", texts.remove.replace("%s", option.textContent.trim()));
      remove.addEventListener("click", () => { set(option, false); input.focus(); });
      chip.append(remove);
      return chip;
    }));
    chips.hidden = !chips.children.length;
  }

  function show() {
    const wanted = input.value.trim().toLowerCase();
    const found = options().filter((option) => !option.selected && option.textContent.toLowerCase().includes(wanted));
    list.replaceChildren(...found.map((option, n) => {
      const item = Object.assign(document.createElement("li"), { id: `${id}-option-${n}` });
      item.setAttribute("role", "option");
      item.append(option.textContent.trim());
      if (option.dataset.note) item.append(Object.assign(document.createElement("small"), { textContent: option.dataset.note }));
      item.addEventListener("mousedown", (event) => event.preventDefault());
      item.addEventListener("click", () => pick(option));
      return item;
    }));
    if (!found.length) list.append(Object.assign(document.createElement("li"), { className: "muted", textContent: texts.none }));
    mark(found.length ? 0 : -1);
    open(true);
    return found;
  }

  function open(isOpen) {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
  }

  function mark(n) {
    const items = list.querySelectorAll("[role=option]");
    marked = items.length ? (n + items.length) % items.length : -1;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === marked)));
    input.setAttribute("aria-activedescendant", items[marked]?.id ?? "");
    items[marked]?.scrollIntoView({ block: "nearest" });
  }

  function pick(option) {
    set(option, true);
    input.value = "";
    open(false);
    input.focus();
  }

  input.addEventListener("focus", () => isLocked() || show());
  input.addEventListener("click", () => isLocked() || show());
  input.addEventListener("input", (event) => { event.stopPropagation(); show(); });
  input.addEventListener("blur", () => open(false));
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); list.hidden ? show() : mark(marked + step); }
    else if (event.key === "Enter") { event.preventDefault(); if (!list.hidden) list.querySelectorAll("[role=option]")[marked]?.click(); }
    else if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); open(false); }
    else if (event.key === "Backspace" && !input.value) chips.lastElementChild?.querySelector("button").click();
  });
  select.addEventListener("fields:written", draw);
  draw();
});
