/* Show password: [data-password-toggle] beside an input; the label says what pressing does. */

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-password-toggle]");
  if (!button) return;
  const input = document.getElementById(button.getAttribute("aria-controls"));
  const isShown = input.type === "text";
  input.type = isShown ? "password" : "text";
  button.setAttribute("aria-pressed", String(!isShown));
  input.focus();
});

/* Demo sign-ins fill the form, they don't send it. */
document.addEventListener("click", (event) => {
  const row = event.target.closest?.("[data-fill-email]");
  if (!row) return;
  document.getElementById("id_username").value = row.dataset.fillEmail;
  document.getElementById("id_password").value = row.dataset.fillPassword;
  document.querySelector("[data-sign-in]").focus();
});
