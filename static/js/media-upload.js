/* Uploading images one by one: a line with its progress for each, then the question for its alternative text, or the
   sentence that says why it was refused. Used by the library and by the picker of the message editor. */

import { fromTemplate, say } from "./attach.js";
import { csrf } from "./wire.js";

const texts = () => document.getElementById("media-line").dataset;

/* XMLHttpRequest, because fetch does not tell how much of a body is sent. */
function post(url, file, extra, onProgress) {
  return new Promise((resolve) => {
    const body = new FormData();
    body.set("file", file);
    for (const [name, value] of Object.entries(extra)) body.set(name, value);
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrf());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress((100 * event.loaded) / event.total));
    request.addEventListener("loadend", () => {
      try {
        resolve({ isStored: request.status >= 200 && request.status < 300, ...JSON.parse(request.responseText) });
      } catch {
        resolve({ isStored: false, message: request.status === 401 ? request.responseText : texts().away });
      }
    });
    request.send(body);
  });
}

/** Upload `file`; its line is put last into `list`. Returns the form that asks for its text, or null when it was refused. */
export async function upload(file, { url, list, extra = {} }) {
  const line = fromTemplate("media-line");
  line.querySelector("[data-media-name]").textContent = file.name;
  list.append(line);
  const bar = line.querySelector("[data-media-progress]");
  const answer = await post(url, file, extra, (percent) => { bar.value = percent; });
  if (!answer.isStored) {
    refuse(line, answer.message);
    say(texts().refused.replace("%s", file.name));
    return null;
  }
  line.innerHTML = answer.html;
  say(texts().stored.replace("%s", file.name));
  return line.querySelector("form");
}

function refuse(line, reason) {
  line.querySelector("[data-media-progress]").remove();
  line.querySelector("[data-media-state]").remove();
  const words = fromTemplate("media-refusal");
  words.querySelector("[data-media-reason]").textContent = reason;
  words.querySelector("[data-media-dismiss]").addEventListener("click", () => line.remove());
  line.append(words);
}

/** Save the alternative text of a form of `upload`; returns what was stored, or null with the reason beside the field. */
export async function describe(form) {
  const problem = form.querySelector("[data-media-problem]");
  const headers = { Accept: "application/json", "X-CSRFToken": csrf() };
  const response = await fetch(form.action, { method: "POST", body: new FormData(form), headers }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  problem.hidden = Boolean(response?.ok);
  if (!response?.ok) {
    problem.textContent = answer?.message ?? texts().away;
    say(problem.textContent);
    return null;
  }
  form.elements.alt.value = form.dataset.alt = answer.alt;
  form.toggleAttribute("data-decorative", answer.is_decorative);
  const saved = form.querySelector("[data-media-saved]");
  saved.hidden = false;
  say(texts().saved);
  return answer;
}

/** A smaller copy of an image by the button that offers it: its address and size, or null with the reason in the form. */
export async function smaller(button) {
  const body = new URLSearchParams({ width: button.dataset.width });
  const headers = { Accept: "application/json", "X-CSRFToken": csrf() };
  const response = await fetch(button.dataset.mediaSmaller, { method: "POST", body, headers }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (response?.ok) return answer;
  const problem = button.form.querySelector("[data-media-problem]");
  problem.hidden = false;
  problem.textContent = answer?.message ?? texts().away;
  say(problem.textContent);
  return null;
}

/** The images among what was pasted or dropped. Other files come along, so that their refusal is told in words. */
export const filesOf = (transfer) => [...(transfer?.files ?? [])];
