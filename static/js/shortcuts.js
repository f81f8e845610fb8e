/* Single keys, off unless <body data-shortcuts>: ? sheet, / search, c new campaign, g then a letter goes to a page.
   ⌘K and Ctrl+K always open the palette. Nothing happens inside inputs, menus and dialogs. */

const CHORD_MS = 1200;
let chordUntil = 0;

const isTyping = (element) => Boolean(element.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], .cm-editor"));

function press(selector) {
  const target = document.querySelector(selector);
  target?.click();
  return Boolean(target);
}

function single(key) {
  if (performance.now() < chordUntil) {
    chordUntil = 0;
    return press(`[data-goto="${CSS.escape(key)}"]`);
  }
  if (key === "g") {
    chordUntil = performance.now() + CHORD_MS;
    return true;
  }
  if (key === "/") {
    const search = document.querySelector("[data-search]");
    search?.focus();
    return Boolean(search);
  }
  if (key === "c") return press("[data-goto-new]");
  if (key !== "?") return false;
  document.getElementById("shortcuts")?.showModal();
  return true;
}

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    if (document.querySelector("dialog:modal:not(#palette)")) return;
    event.preventDefault();
    if (!document.getElementById("palette")?.open) press('[data-dialog-open="#palette"]');
    return;
  }
  const isPlain = !event.metaKey && !event.ctrlKey && !event.altKey && !event.isComposing && !event.repeat;
  if (!isPlain || !("shortcuts" in document.body.dataset) || isTyping(event.target)) return;
  if (document.querySelector("dialog:modal, [popover]:popover-open")) return;
  if (single(event.key)) event.preventDefault();
});
