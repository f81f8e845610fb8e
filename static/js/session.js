/* The session's end: a warning two minutes before, with a way to stay, and the news that another tab signed in again. */

import { fromTemplate, say } from "./attach.js";
import { post } from "./wire.js";

const WARN_S = 120;
const LAST_S = 60;

export function bindSession({ config, onSignedIn }) {
  let timer = 0;
  const banner = fromTemplate("leaving-template");
  const text = banner.querySelector("[data-leaving-text]");
  const button = banner.querySelector("[data-leaving-stay]");

  /* The ending is known anew with each answer of the server: another tab may have stayed. */
  function know(left) {
    if (typeof left !== "number") return;
    clearTimeout(timer);
    if (left > WARN_S) {
      banner.remove();
      timer = setTimeout(() => know(WARN_S), (left - WARN_S) * 1000);
    } else if (left > 0) {
      warn(left <= LAST_S ? text.dataset.one : text.dataset.two);
      timer = setTimeout(() => know(Math.min(LAST_S, left - LAST_S)), Math.min(LAST_S, left) * 1000);
    } else banner.remove();
  }

  function warn(words) {
    const dialog = [...document.querySelectorAll("dialog:modal")].at(-1)?.querySelector("[data-dialog-alert]");
    if (!banner.isConnected) (dialog ?? document.getElementById("banners")).append(banner);
    if (text.textContent === words) return;
    text.textContent = words;
    say(`${words} ${button.textContent}`);
  }

  button.addEventListener("click", async () => {
    const response = await post(config.urls.stay, {}).catch(() => null);
    const answer = response?.ok ? await response.json().catch(() => null) : null;
    if (!answer) return;
    know(answer.signed_out_in_s);
    text.textContent = "";
    say(button.dataset.stayed);
  });
  document.addEventListener("session:left", ({ detail }) => know(detail));
  new BroadcastChannel("chappe:signed-in").addEventListener("message", onSignedIn);
  know(config.signed_out_in_s);
}
