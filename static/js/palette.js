/* The command palette: a combobox over the options the server rendered; the last ones search for what was typed. */

import { attach } from "./attach.js";

attach("[data-palette]", (palette) => {
  const input = palette.querySelector("input");
  const options = [...palette.querySelectorAll('[role="option"]')];
  const none = palette.querySelector("[data-palette-none]");
  const shown = () => options.filter((option) => !option.hidden);

  function select(option) {
    for (const each of options) each.setAttribute("aria-selected", String(each === option));
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function filter() {
    const typed = input.value.trim();
    const words = typed.toLocaleLowerCase().split(/\s+/);
    for (const option of options) {
      if (option.dataset.searchUrl) {
        option.hidden = !typed;
        option.querySelector("span").textContent = option.dataset.text.replace("%s", typed);
      } else {
        const text = option.textContent.toLocaleLowerCase();
        option.hidden = !words.every((word) => text.includes(word));
      }
    }
    none.hidden = shown().length > 0;
    select(shown()[0]);
  }

  function go(option) {
    const { href, searchUrl } = option.dataset;
    palette.close();
    if (href) location.assign(href);
    else if (searchUrl) location.assign(`${searchUrl}?q=${encodeURIComponent(input.value.trim())}`);
  }

  input.addEventListener("input", filter);
  input.addEventListener("keydown", (event) => {
    const now = shown();
    const at = now.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") select(now[(at + 1) % now.length]);
    else if (event.key === "ArrowUp") select(now.at(at - 1));
    else if (event.key === "Enter") now[at]?.click();
    else return;
    event.preventDefault();
  });
  for (const option of options) {
    option.addEventListener("click", () => go(option));
    option.addEventListener("pointermove", () => select(option));
  }
  /* Each opening starts afresh. */
  new MutationObserver(() => {
    if (!palette.open) return;
    input.value = "";
    filter();
  }).observe(palette, { attributeFilter: ["open"] });
});
