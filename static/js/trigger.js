/* Sample values for the trigger properties that a message uses, kept on this device for one campaign. */

export class TriggerSamples {
  /** `pane` holds a <details data-trigger>; `onChange` after each edit. */
  constructor(pane, onChange) {
    this.box = pane.querySelector("[data-trigger]");
    this.key = `chappe:trigger:${pane.dataset.previewHead.replace(/\?.*/, "")}`;
    this.shown = "";
    this.onChange = onChange;
  }

  get values() {
    try {
      return JSON.parse(localStorage.getItem(this.key)) ?? {};
    } catch {
      return {};
    }
  }

  /** Show a line for each of `names`, a JSON list; the lines stay while the list is the same. */
  offer(names) {
    if (names === this.shown) return;
    this.shown = names;
    const list = JSON.parse(names || "[]");
    this.box.hidden = !list.length;
    const rows = this.box.querySelector("[data-trigger-rows]");
    if (rows.contains(document.activeElement)) return;
    rows.replaceChildren(...list.map((name) => this.#row(name)));
  }

  #row(name) {
    const row = this.box.querySelector("template").content.firstElementChild.cloneNode(true);
    row.querySelector("span").textContent = name;
    const input = row.querySelector("input");
    input.value = this.values[name] ?? "";
    input.addEventListener("input", () => {
      const values = { ...this.values, [name]: input.value };
      if (!input.value) delete values[name];
      try {
        localStorage.setItem(this.key, JSON.stringify(values));
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
      }
      this.onChange();
    });
    return row;
  }
}
