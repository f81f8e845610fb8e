/* The words and icon that say whether the draft is saved, and what is announced about it.

   Texts come from data- attributes of the indicator's holder, so that one catalogue translates them; %s is a time or a
   number of seconds. Announced: the first save of the page, a save asked for, a failure, the recovery. Never each autosave. */

import { say } from "./attach.js";

const ICONS = {
  clean: "cloud-check", dirty: "cloud", saving: "cloud-upload", saved: "cloud-check", retrying: "cloud-alert",
  offline: "cloud-off", conflict: "cloud-off", refused: "cloud-off", "signed-out": "lock", "read-only": "lock",
};
const KEPT_SAVES = 5;

export function bindIndicator(holder, saver) {
  const indicator = holder.querySelector(".save");
  const text = indicator.querySelector("[data-save-text]");
  const use = indicator.querySelector("use");
  const retry = holder.querySelector("[data-save-retry]");
  const list = document.querySelector("[data-save-list]");
  const texts = holder.dataset;
  let countdown = 0;
  let hasFailed = false;
  let hasSaved = false;
  const asked = { manually: false };

  const put = (state, words) => {
    indicator.dataset.state = state;
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${ICONS[state]}`));
    text.textContent = words;
    retry.hidden = state !== "retrying";
  };

  function retrying(seconds) {
    let left = seconds;
    const tick = () => put("retrying", texts.retrying.replace("%s", left));
    tick();
    countdown = setInterval(() => (left -= 1) > 0 && tick(), 1000);
    if (!hasFailed) say(texts.sayRetrying);
    hasFailed = true;
  }

  function saved(detail) {
    put("saved", texts.saved.replace("%s", detail.saved_at));
    indicator.title = detail.detail;
    if (hasFailed) say(texts.saySaved);
    else if (!hasSaved || asked.manually) say(texts.sayDraftSaved);
    hasFailed = false;
    hasSaved = true;
    asked.manually = false;
    const line = document.createElement("li");
    line.textContent = detail.detail;
    list?.prepend(line);
    while (list?.children.length > KEPT_SAVES) list.lastElementChild.remove();
  }

  saver.addEventListener("state", ({ detail }) => {
    clearInterval(countdown);
    if (detail.state === "retrying") return retrying(detail.seconds);
    if (detail.state === "saved") return saved(detail);
    if (detail.state === "dirty" && hasFailed) return;
    /* The shell announces that the network is gone; saying it twice helps nobody. */
    if (detail.state === "offline") hasFailed = true;
    put(detail.state, texts[detail.state.replace("-o", "O")]);
  });
  retry.addEventListener("click", () => saver.flush());
  return asked;
}
