/* A long form with an explicit Save ([data-signed-in-at], a cheap address) leaves the page only when it will be let in:
   the sign-in page would take what was typed. Signing in elsewhere changes the token, so the form gets that of now. */

import { alertRegion, attach } from "./attach.js";
import { csrf } from "./wire.js";

attach("[data-signed-in-at]", (form) => {
  let isAsking = false;
  let isSure = false;

  const show = (name) => alertRegion().replaceChildren(form.querySelector(`template[data-why="${name}"]`).content.cloneNode(true));
  const ask = () => fetch(form.dataset.signedInAt, { headers: { Accept: "application/json" } }).then((answer) => answer.status, () => 0);

  form.addEventListener("submit", async (event) => {
    if (isSure) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (isAsking) return;
    isAsking = true;
    const status = await ask();
    isAsking = false;
    if (status === 401) return show("signed-out");
    if (status === 0) return show("away");
    form.elements.csrfmiddlewaretoken.value = csrf();
    isSure = true;
    form.requestSubmit(event.submitter);
    isSure = false;
  }, true);
});
