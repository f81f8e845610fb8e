/* Search in the API docs: what has none of the words is hidden, in the page and in its table of contents. */

import { say } from "./attach.js";

const box = document.querySelector("[data-docs-search]");
const field = box.querySelector("input");
const none = document.querySelector("[data-docs-none]");
const entries = [...document.querySelectorAll("[data-docs-entry]")].map((element) => ({ element, text: element.textContent.toLowerCase() }));
const sections = [...document.querySelectorAll(".docs__body > section:not([data-docs-entry])")].map((element) => ({ element, text: element.textContent.toLowerCase() }));

function hideEmpty() {
  for (const group of document.querySelectorAll(".docs__group")) {
    let next = group.nextElementSibling;
    let isShown = false;
    for (; next && !next.matches(".docs__group"); next = next.nextElementSibling) isShown ||= !next.hidden;
    group.hidden = !isShown;
  }
  for (const title of document.querySelectorAll("[data-docs-group]")) {
    title.hidden = ![...title.nextElementSibling.children].some((item) => !item.hidden);
  }
}

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.includes(word));
  let n = 0;
  for (const { element, text } of entries) {
    element.hidden = !has(text);
    n += element.hidden ? 0 : 1;
    const link = document.querySelector(`.docs__toc a[href="#${element.dataset.docsOf}"]`);
    if (link) link.closest("li").hidden = element.hidden;
  }
  for (const { element, text } of sections) {
    element.hidden = !has(text);
    n += element.hidden ? 0 : 1;
  }
  hideEmpty();
  none.hidden = n > 0;
  if (!n) say(none.textContent);
}

box.hidden = false;
field.addEventListener("input", search);
/* An address with an anchor must show what it leads to. */
addEventListener("hashchange", () => {
  const target = document.getElementById(location.hash.slice(1));
  if (!target?.closest("[hidden]")) return;
  field.value = "";
  search();
  target.scrollIntoView();
});
