/* One banner for the whole page when the network or the server is away; it tries again by itself.
   Other modules report by the events "net:down" and "net:up" on document. */

import { alertRegion, fromTemplate, say } from "./attach.js";

const region = document.getElementById("net");
const WAITS_S = [2, 4, 8, 16, 30];
let tries = 0;
let timer = 0;

function clear() {
  clearInterval(timer);
  timer = 0;
  tries = 0;
  region?.replaceChildren();
}

function show(banner) {
  clearInterval(timer);
  region?.replaceChildren(banner);
  return banner;
}

async function probe() {
  try {
    const answer = await fetch("/livez", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(String(answer.status));
    clear();
    document.dispatchEvent(new CustomEvent("net:up"));
  } catch {
    down();
  }
}

function down() {
  if (!region || !navigator.onLine) return offline();
  const banner = show(fromTemplate("net-down"));
  const text = banner.querySelector("[data-net-text]");
  let left = WAITS_S[Math.min(tries, WAITS_S.length - 1)];
  const tick = () => { text.textContent = text.dataset.netText.replace("%s", String(left)); };
  tick();
  if (tries === 0) say(text.textContent);
  tries += 1;
  timer = setInterval(() => {
    left -= 1;
    if (left > 0) return tick();
    clearInterval(timer);
    probe();
  }, 1000);
  banner.querySelector("[data-net-now]").addEventListener("click", () => { clearInterval(timer); probe(); });
}

function offline() {
  if (region && !region.querySelector("[data-offline]")) {
    show(fromTemplate("net-offline")).dataset.offline = "";
    say(region.textContent.trim());
  }
}

if (region) {
  addEventListener("offline", offline);
  addEventListener("online", clear);
  document.addEventListener("net:down", () => { if (!timer) down(); });
  document.addEventListener("htmx:sendError", () => { if (!timer) down(); });
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 401) {
      const banner = fromTemplate("net-signed-out");
      banner.querySelector("[data-net-here]").href = location.href;
      alertRegion()?.replaceChildren(banner);
    } else alertRegion()?.replaceChildren(fromTemplate("net-error"));
  });
}
