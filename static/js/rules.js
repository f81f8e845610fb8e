/* The rule builder of audiences/_rule_builder.html. What is on the screen is the state; the hidden field is the group as
   JSON, "null" without conditions. It is read again when somebody else writes the field (event "fields:written"). */

import { attach, say } from "./attach.js";
import "./chips.js";
import { readValue, writeValue } from "./rule-values.js";

let serial = 0;

attach("[data-rules]", (box) => {
  const input = box.querySelector("[data-rules-value]");
  const root = box.querySelector("[data-rules-root]");
  const copy = (name) => box.querySelector(`template[data-t="${name}"]`).content.firstElementChild.cloneNode(true);
  const named = (attribute, name) => [...box.querySelectorAll("template")].find((one) => one.dataset[attribute] === name)?.content;
  const isLocked = () => input.form?.dataset.locked !== undefined;

  function group(model) {
    const made = copy("group");
    made.querySelector("[data-match]").value = model.match === "any" ? "any" : "all";
    for (const one of model.rules ?? []) append(made, one);
    return made;
  }

  function append(to, model) {
    const item = copy("item");
    item.append(Array.isArray(model.rules) ? group(model) : rule(model));
    listOf(to).append(item);
    return item;
  }

  function rule(model) {
    const made = copy("rule");
    const field = made.querySelector("[data-field]");
    if (model.field && ![...field.options].some((option) => option.value === model.field)) {
      field.append(new Option(box.dataset.gone.replace("%s", model.field.split(".").slice(1).join(".")), model.field));
    }
    field.value = model.field ?? "";
    offer(made, model.op);
    show(made, model.value);
    return made;
  }

  /* The questions of the chosen field. */
  function offer(made, chosen) {
    const op = made.querySelector("[data-op]");
    const offered = named("opsFor", made.querySelector("[data-field]").value);
    op.replaceChildren(...(offered ? offered.cloneNode(true).children : []));
    op.hidden = !offered;
    if ([...op.options].some((option) => option.value === chosen)) op.value = chosen;
  }

  /* The control for the value of the chosen question; what was typed stays when it fits. */
  function show(made, value) {
    const slot = made.querySelector("[data-value]");
    const kind = made.querySelector("[data-op]").selectedOptions[0]?.dataset.kind ?? "none";
    const field = made.querySelector("[data-field]").value;
    slot.dataset.kind = kind;
    slot.replaceChildren();
    if (kind === "none") return;
    const control = copy(`value-${kind === "segments" ? "choices" : kind}`);
    slot.append(control);
    const select = slot.querySelector("select[data-part]");
    const choices = named("choicesFor", field);
    if (select && choices) select.append(choices.cloneNode(true));
    if (select?.multiple) {
      select.id = `rule-value-${++serial}`;
      slot.querySelector("label").htmlFor = select.id;
    }
    writeValue(kind, slot, value);
    slot.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true, detail: { elt: slot } }));
  }

  const listOf = (element) => element.querySelector(":scope > [data-list]");
  const itemsOf = (element) => [...listOf(element).children];

  function collect(element) {
    const rules = itemsOf(element).map((item) => {
      const inner = item.lastElementChild;
      if (!inner.matches("[data-rule]")) return collect(inner);
      const slot = inner.querySelector("[data-value]");
      const found = { field: inner.querySelector("[data-field]").value, op: inner.querySelector("[data-op]").value };
      return slot.dataset.kind === "none" ? found : { ...found, value: readValue(slot.dataset.kind, slot) };
    });
    return { match: element.querySelector("[data-match]").value, rules };
  }

  /* Words between the lines, and which lines can move. */
  function dress(element) {
    const items = itemsOf(element);
    const word = element.querySelector("[data-match]").selectedOptions[0].dataset.word;
    element.querySelector(".rules__match").hidden = items.length < 2;
    items.forEach((item, i) => {
      item.querySelector("[data-word-slot]").textContent = i ? word : "";
      const tools = item.lastElementChild.querySelector(".rules__tools");
      tools.querySelector("[data-up]").disabled = i === 0 || isLocked();
      tools.querySelector("[data-down]").disabled = i === items.length - 1 || isLocked();
      if (!item.lastElementChild.matches("[data-rule]")) dress(item.lastElementChild);
    });
  }

  function commit(message) {
    dress(root.firstElementChild);
    const found = collect(root.firstElementChild);
    input.value = found.rules.length ? JSON.stringify(found) : "null";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    if (message) say(message);
  }

  function render() {
    let model = null;
    try { model = JSON.parse(input.value || "null"); } catch { model = null; }
    root.replaceChildren(group(Array.isArray(model?.rules) ? model : { match: "all", rules: [] }));
    root.firstElementChild.classList.add("rules__group--root");
    dress(root.firstElementChild);
    if (isLocked()) for (const control of root.querySelectorAll("input, select, button")) control.disabled = true;
  }

  box.addEventListener("input", (event) => {
    if (event.target === input) return;
    event.stopPropagation();
    const made = event.target.closest("[data-rule]");
    if (event.target.matches("[data-field]")) { offer(made); show(made); }
    if (event.target.matches("[data-op]")) show(made, readValue(made.querySelector("[data-value]").dataset.kind, made.querySelector("[data-value]")));
    commit();
  });
  /* Chips and lists tell by "change"; nothing of it is a field of the form. */
  box.addEventListener("change", (event) => {
    if (event.target === input) return;
    event.stopPropagation();
    if (event.target.multiple) commit();
  });

  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const owner = button?.closest(".rules__group");
    if (!owner || isLocked()) return;
    if (button.matches("[data-add-rule], [data-add-group]")) {
      const added = append(owner, button.matches("[data-add-rule]") ? {} : { match: "any", rules: [{}] });
      commit(box.dataset.msgAdded);
      added.querySelector("[data-field]").focus();
      return;
    }
    const item = button.closest(".rules__item");
    if (!item) return;
    if (button.matches("[data-up]")) item.previousElementSibling?.before(item);
    if (button.matches("[data-down]")) item.nextElementSibling?.after(item);
    if (button.matches("[data-remove]")) {
      const next = item.nextElementSibling ?? item.previousElementSibling;
      const around = item.closest(".rules__list").parentElement;
      item.remove();
      commit(box.dataset.msgRemoved);
      (next?.querySelector("[data-field]") ?? around.querySelector(":scope > .rules__add > [data-add-rule]")).focus();
    } else if (button.matches("[data-up], [data-down]")) {
      commit(box.dataset.msgMoved);
      (button.disabled ? item.querySelector("[data-remove]") : button).focus();
    }
  });

  input.addEventListener("fields:written", render);
  render();
});
