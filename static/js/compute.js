/* Compute stats: the button is busy while a worker counts and off for the seconds in which nobody may ask again; what
   came out is said once, to whoever pressed. How it stands is read from #delivery-computed, which the panel's loop keeps. */

import { attach } from "./attach.js";

attach("form[data-compute]", (form) => {
  const button = form.querySelector("button");
  const why = form.querySelector("#compute-why");
  const source = () => document.getElementById("delivery-computed");
  let timer = 0;
  let isAwaited = false;

  function setOff(isOff) {
    why.hidden = !isOff;
    if (isOff) {
      button.setAttribute("aria-disabled", "true");
      button.setAttribute("aria-describedby", why.id);
    } else {
      button.removeAttribute("aria-disabled");
      button.removeAttribute("aria-describedby");
    }
  }

  function show() {
    const { computing, wait, result } = source().dataset;
    if (computing) {
      isAwaited = true;
      button.setAttribute("aria-busy", "true");
      return;
    }
    button.removeAttribute("aria-busy");
    if (isAwaited && result) document.dispatchEvent(new CustomEvent("toast", { detail: { text: result } }));
    isAwaited = false;
    clearTimeout(timer);
    setOff(Number(wait) > 0);
    if (Number(wait) > 0) timer = setTimeout(() => setOff(false), Number(wait) * 1000);
  }

  show();
  document.addEventListener("live:news", show);
});
