/* The side panel with checks and info: shown or hidden by its button, which this device remembers for one person. On a
   narrow screen it lies over the page and is closed at first. */

const NARROW = matchMedia("(max-width: 64rem)");

export function bindPanel(user) {
  const panel = document.getElementById("panel");
  const button = document.querySelector("[data-panel-toggle]");
  const key = `chappe:panel:${user}`;

  const put = (isOpen) => {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  };
  const choose = (isOpen) => {
    put(isOpen);
    localStorage.setItem(key, isOpen ? "1" : "");
    if (!isOpen) button.focus();
  };
  put(localStorage.getItem(key) === "1" && !NARROW.matches);
  button.addEventListener("click", () => choose(panel.hidden));
  panel.querySelector("[data-panel-close]").addEventListener("click", () => choose(false));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") choose(false);
  });
}
