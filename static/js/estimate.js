/* A live count: <div data-estimate data-estimate-url data-estimate-source="#field"> asks the server 600 ms after the
   field or form changes. data-estimate-as="conditions" wraps a bare group; data-estimate-words="#id" gets the sentence. */

import { attach } from "./attach.js";

const PAUSE_MS = 600;

attach("[data-estimate]", (box) => {
  const source = document.querySelector(box.dataset.estimateSource);
  let timer = 0;
  let running = null;
  let asked = null;

  function audience() {
    if (!box.dataset.estimateAs) return source.value;
    let conditions = null;
    try { conditions = JSON.parse(source.value || "null"); } catch { return ""; }
    return JSON.stringify({ segments: [], segments_match: "any", conditions, exclude: [], limit: null, control_percent: 0 });
  }

  async function ask() {
    clearTimeout(timer);
    const text = audience();
    asked = text;
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const slow = setTimeout(() => box.classList.add("is-counting"), 600);
    try {
      const answer = await fetch(box.dataset.estimateUrl, { method: "POST", body: new URLSearchParams({ audience: text }), headers: { ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true" }, signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      box.innerHTML = await answer.text();
      window.htmx.process(box);
      const words = box.dataset.estimateWords && document.querySelector(box.dataset.estimateWords);
      if (words) words.textContent = box.querySelector("[data-estimate-sentence]")?.textContent ?? "";
    } catch (error) {
      if (error.name === "AbortError") return;
      box.querySelector(".skeleton")?.remove();
      box.querySelector("[data-estimate-failed]")?.removeAttribute("hidden");
      box.querySelector("[data-estimate-result]")?.classList.add("is-stale");
    } finally {
      clearTimeout(slow);
      if (running === mine) box.classList.remove("is-counting");
    }
  }

  function later() {
    if (audience() === asked) return;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  }

  for (const type of ["input", "change"]) source.addEventListener(type, later);
  box.addEventListener("click", (event) => event.target.closest("[data-estimate-again]") && ask());
  timer = setTimeout(ask, 0);
});

/* Buttons that ask about the same audience: data-with-audience names the field it is in. */
document.addEventListener("htmx:configRequest", (event) => {
  const source = document.querySelector(event.detail.elt.dataset.withAudience || "#no-audience");
  if (source) event.detail.parameters.audience = source.value;
});
