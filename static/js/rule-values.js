/* Values of conditions between their controls ([data-part] in a slot) and documents, by kind. What can't be read as its
   kind is kept as typed; the server then says what is wrong with it. */

const number = (text) => {
  const plain = text.trim().replace(/[\s\u00a0\u202f]/g, "").replace(",", ".");
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : text.trim();
};

/* `one, "two, three"` is two texts. */
function split(text) {
  return [...text.matchAll(/\s*"([^"]*)"\s*|[^,]+/g)].map((found) => (found[1] ?? found[0]).trim()).filter(Boolean);
}

const join = (values) => values.map((one) => (String(one).includes(",") ? `"${one}"` : String(one))).join(", ");
const parts = (slot) => [...slot.querySelectorAll("[data-part]")];
const list = (value) => (Array.isArray(value) ? value : value === undefined || value === null || value === "" ? [] : [value]);

export function readValue(kind, slot) {
  const [first, second] = parts(slot);
  switch (kind) {
    case "none": return undefined;
    case "texts": return split(first.value);
    case "number": case "days": return number(first.value);
    case "numbers": return [number(first.value), number(second.value)];
    case "dates": return [first.value, second.value];
    case "flag": return first.value === "true";
    case "choices": case "segments": return [...first.selectedOptions].map((option) => option.value);
    default: return first?.value ?? "";
  }
}

export function writeValue(kind, slot, value) {
  if (value === undefined || value === null) return;
  const [first, second] = parts(slot);
  const given = list(value);
  if (kind === "texts") first.value = join(given);
  else if (kind === "numbers" || kind === "dates") [first.value, second.value] = [given[0] ?? "", given[1] ?? ""];
  else if (kind === "choices" || kind === "segments") for (const option of first.options) option.selected = given.map(String).includes(option.value);
  else if (kind === "days") { if (Number.isFinite(given[0])) first.value = given[0]; }
  else if (kind === "flag") first.value = String(given[0] === true);
  else if (kind === "choice") { if ([...first.options].some((option) => option.value === String(given[0]))) first.value = String(given[0]); }
  else if (kind !== "date" || /^\d{4}-\d\d-\d\d$/.test(given[0] ?? "")) first.value = given[0] === undefined ? "" : String(given[0]);
}
