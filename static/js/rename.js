/* The campaign's name, edited where it stands: a button turns the heading into a field, Enter keeps, Esc takes back. */

export function bindName(form, saver) {
  const box = document.querySelector("[data-rename]");
  if (!box) return;
  const [heading, button, input] = ["h1", "[data-rename-start]", "input"].map((selector) => box.querySelector(selector));
  let before = input.value;

  const show = (isEditing) => {
    heading.hidden = button.hidden = isEditing;
    input.hidden = !isEditing;
  };
  const finish = (isKept) => {
    if (input.hidden) return;
    if (!isKept || !input.value.trim()) {
      input.value = before;
      saver.edit("name", before);
    }
    heading.textContent = input.value;
    show(false);
    button.focus();
  };

  show(false);
  button.addEventListener("click", () => {
    before = input.value;
    show(true);
    input.select();
  });
  input.addEventListener("fields:written", () => { heading.textContent = input.value; });
  input.addEventListener("blur", () => finish(true));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    finish(event.key === "Enter");
    if (event.key === "Enter") saver.flush();
  });
}
