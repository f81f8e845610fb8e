/* The Audience step: keeps the one document that the estimate and "Is someone in it?" read in step with the form. */

import "./chips.js";
import { form } from "./editor.js";
import { read } from "./fields.js";

const source = document.getElementById("audience-json");

function parsed(text) {
  try {
    return JSON.parse(text || "null");
  } catch {
    return null;
  }
}

function update() {
  const values = read(form);
  const number = (name) => (/^\d+$/.test(values.get(name)?.trim() ?? "") ? Number(values.get(name)) : null);
  const next = JSON.stringify({
    segments: values.get("audience.segments"),
    segments_match: values.get("audience.segments_match") ?? "any",
    conditions: parsed(values.get("audience.conditions")),
    exclude: values.get("audience.exclude"),
    subscription_group: values.get("audience.subscription_group") ?? "",
    limit: number("audience.limit"),
    control_percent: number("audience.control_percent") ?? 0,
  });
  if (source.value === next) return;
  source.value = next;
  for (const type of ["input", "change"]) source.dispatchEvent(new Event(type, { bubbles: true }));
}

form.addEventListener("input", (event) => event.target === source || update());
form.addEventListener("change", (event) => event.target === source || update());
form.addEventListener("fields:written", update);
update();
