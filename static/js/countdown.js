/* <span data-countdown="<ISO time>" data-countdown-now="<server time of the page>">: counts down on the server's clock.
   Texts come from data-msg-days, -hours and -minutes with %d, %h, %m; under ten minutes it shows 9:59. At zero the
   page asks for news. Announced at ten minutes and at one minute only. */

import { attach, say } from "./attach.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

function words(element, seconds) {
  if (seconds < 10 * MINUTE) return `${Math.floor(seconds / MINUTE)}:${String(seconds % MINUTE).padStart(2, "0")}`;
  const days = Math.floor(seconds / DAY);
  const hours = Math.floor((seconds % DAY) / HOUR);
  const minutes = Math.floor((seconds % HOUR) / MINUTE);
  const { msgDays, msgHours, msgMinutes } = element.dataset;
  const pattern = days ? msgDays : hours ? msgHours : msgMinutes;
  return pattern.replace("%d", days).replace("%h", hours).replace("%m", minutes);
}

attach("[data-countdown]", (element) => {
  const until = Date.parse(element.dataset.countdown);
  const offset = Date.parse(element.dataset.countdownNow) - Date.now();
  const announced = new Set();
  function tick() {
    if (!element.isConnected) return;
    const left = Math.max(0, Math.ceil((until - Date.now() - offset) / 1000));
    const text = words(element, left);
    if (element.textContent !== text) element.textContent = text;
    for (const mark of [10 * MINUTE, MINUTE]) {
      if (left > mark || left < mark - 1 || announced.has(mark)) continue;
      announced.add(mark);
      say(element.closest("p")?.textContent.trim() ?? text);
    }
    if (left === 0) document.dispatchEvent(new CustomEvent("live:refresh"));
    setTimeout(tick, left === 0 ? 2000 : left > HOUR ? 10000 : 250);
  }
  tick();
});
