/* How the editor talks to the server: JSON, with the token of now and with a limit to waiting. */

const TIMEOUT_MS = 30000;
// Browsers refuse larger bodies on requests that outlive the page.
const KEEPALIVE_BYTES = 60000;

export function post(url, data) {
  const body = JSON.stringify(data);
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf() },
    body,
    keepalive: body.length < KEEPALIVE_BYTES,
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

/** A random UUID, also where the page is not served over HTTPS and crypto.randomUUID is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

/** The CSRF token as of now: signing in again in another tab changes the cookie, not this page. */
export function csrf() {
  const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : (document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
}
