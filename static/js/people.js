/* Find a person to preview as: a search in a popover, filled from the server as somebody types. */

const popover = document.getElementById("people");
const search = popover?.querySelector("[data-people-search]");
const list = popover?.querySelector("#people-list");
const note = popover?.querySelector("[data-people-none]");
const PAUSE_MS = 250;
let found = () => {};
let url = "";
let timer = 0;
let asked = null;

/** Open beside the button `near`, whose data-preview-find is the address; `onFound({value, label})` when one is chosen. */
export function findPerson(near, onFound) {
  if (!popover) return;
  [found, url] = [onFound, near.dataset.previewFind];
  search.value = "";
  show([], note.dataset.start);
  (near.closest("dialog") ?? document.body).append(popover);
  popover.showPopover();
  const at = near.getBoundingClientRect();
  const box = popover.getBoundingClientRect();
  popover.style.left = `${Math.max(8, Math.min(at.right - box.width, innerWidth - box.width - 8))}px`;
  popover.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - box.height - 8))}px`;
  popover.opener = near;
  search.focus();
}

function show(people, text) {
  list.replaceChildren(...people.map(({ value, label }, n) => {
    const option = Object.assign(document.createElement("div"), { className: "picker__option", id: `people-${n}`, textContent: label });
    option.setAttribute("role", "option");
    option.dataset.value = value;
    return option;
  }));
  note.textContent = text;
  note.hidden = people.length > 0;
  mark(list.firstElementChild);
}

function mark(option) {
  for (const other of list.children) other.setAttribute("aria-selected", String(other === option));
  search.setAttribute("aria-activedescendant", option?.id ?? "");
  option?.scrollIntoView({ block: "nearest" });
}

async function ask() {
  asked?.abort();
  const mine = (asked = new AbortController());
  if (!search.value.trim()) return show([], note.dataset.start);
  try {
    const response = await fetch(`${url}?q=${encodeURIComponent(search.value)}`, { headers: { Accept: "application/json" }, signal: mine.signal });
    const { people } = response.ok ? await response.json() : { people: [] };
    show(people, note.dataset.none);
  } catch (error) {
    if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
  }
}

function choose(option) {
  if (!option) return;
  popover.hidePopover();
  popover.opener.focus();
  found({ value: option.dataset.value, label: option.textContent });
}

function keys(event) {
  const options = [...list.children];
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && options.length) mark(options.at((at + step) % options.length));
  else if (event.key === "Enter") choose(options[at]);
  else return;
  event.preventDefault();
}

if (popover) {
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, PAUSE_MS); });
  search.addEventListener("keydown", keys);
  list.addEventListener("click", (event) => choose(event.target.closest("[role=option]")));
}
