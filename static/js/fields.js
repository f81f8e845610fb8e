/* The fields of a form as plain values: text, true or false for one checkbox, a list of texts for a multiple choice or
   for checkboxes of one name (data-many). */

const NAMED = /^name$|\./;

/** Name → value of every draft field in `form`; controls of open layers (data-buffered) are left out. */
export function read(form) {
  const values = new Map();
  for (const control of form.elements) {
    if (!NAMED.test(control.name) || control.closest("[data-buffered]")) continue;
    const value = valueOf(control);
    if (value !== undefined) values.set(control.name, value);
  }
  return values;
}

const isMany = (control) => control.dataset.many !== undefined;

/** The value of one control; undefined for a radio that is not chosen. */
export function valueOf(control) {
  if (control.type === "radio") return control.checked ? control.value : undefined;
  if (isMany(control)) return [...control.form.elements].filter((one) => one.name === control.name && one.checked).map((one) => one.value);
  if (control.type === "checkbox") return control.checked;
  if (control.multiple) return [...control.selectedOptions].map((option) => option.value);
  return control.value.replaceAll("\r\n", "\n");
}

/** Put `value` into the control(s) called `name` without pretending that somebody typed; false when there is none. */
export function write(form, name, value) {
  const controls = [...form.elements].filter((control) => control.name === name);
  for (const control of controls) {
    if (control.type === "radio") control.checked = control.value === value;
    else if (isMany(control)) control.checked = value.includes(control.value);
    else if (control.type === "checkbox") control.checked = value === true;
    else if (control.multiple) for (const option of control.options) option.selected = value.includes(option.value);
    else control.value = value;
    control.dispatchEvent(new CustomEvent("fields:written", { bubbles: true }));
  }
  return controls.length > 0;
}

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The value in words, as far as the page knows them: the text of chosen options, else the value itself. */
export function words(form, name, value, texts) {
  if (typeof value === "boolean") return value ? texts.on : texts.off;
  const controls = [...form.elements].filter((control) => control.name === name);
  const labels = (Array.isArray(value) ? value : [value]).map((one) => {
    for (const control of controls) {
      const option = control.options && [...control.options].find((candidate) => candidate.value === one);
      if (option) return option.textContent.trim();
      if (isMany(control) && control.value === one) return control.getAttribute("aria-label");
      if (control.type === "radio" && control.value === one) return control.closest("label")?.textContent.trim().split("\n")[0] ?? one;
    }
    return one ?? "";
  });
  return labels.join(", ") || texts.empty;
}
