/* Problems of the code by line, asked from the server after a pause, shown in the gutter of the code editor. */

import { csrf } from "./wire.js";

const PAUSE_MS = 700;

export class Lint {
  constructor(url) {
    Object.assign(this, { url, timer: 0, controller: null });
  }

  /** Ask for the problems of `body` and mark them in `code`; an answer that comes too late is dropped. */
  soon(code, { kind, body }) {
    clearTimeout(this.timer);
    this.controller?.abort();
    this.timer = setTimeout(() => this.#ask(code, { kind, body }), PAUSE_MS);
  }

  async #ask(code, data) {
    const mine = (this.controller = new AbortController());
    const headers = { "X-CSRFToken": csrf(), Accept: "application/json" };
    try {
      const response = await fetch(this.url, { method: "POST", body: new URLSearchParams(data), headers, signal: mine.signal });
      if (response.ok) code.setProblems((await response.json()).problems);
    } catch (error) {
      /* Without an answer the old marks stay; saving and Review say what is wrong as well. */
      if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
    }
  }
}
