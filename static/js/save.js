/* Saves the draft: 1 s after a pause, every 10 s while typing, and on demand. It knows values, not the page.

   One request at a time. A request without an answer is repeated as it was, with the same save_id, so that a lost answer
   is no conflict; newer edits wait for their own request. Nothing gives up while something is unsaved.

   Events: "state" (detail.state: clean, dirty, saving, saved, retrying, offline, conflict, signed-out, refused),
   "saved" (detail: the server's answer), "conflict" (detail: the server's answer), "edits" (what is unsaved has changed). */

import { same } from "./fields.js";
import { post, uuid } from "./wire.js";

const PAUSE_MS = 1000;
const LONGEST_MS = 10000;
const SLOW_MS = 600;
const RETRY_S = [2, 4, 8, 16, 30];

export class Saver extends EventTarget {
  constructor({ url, session, revision, values, step }) {
    super();
    Object.assign(this, { url, session, revision, step, state: "clean", edits: new Map(), attempt: null, nFailed: 0, running: null });
    this.server = new Map(Object.entries(values));
    addEventListener("online", () => this.nFailed && this.flush());
  }

  /** Everything typed that the server has not acknowledged. */
  get unsaved() {
    return new Map([...(this.attempt?.fields ?? []), ...this.edits]);
  }

  get isHeld() {
    return this.state === "conflict" || this.state === "refused";
  }

  edit(name, value) {
    const known = this.attempt?.fields.has(name) ? this.attempt.fields.get(name) : this.server.get(name);
    if (same(known, value)) this.edits.delete(name);
    else this.edits.set(name, value);
    this.#emit("edits");
    if (this.isHeld || this.nFailed || this.state === "signed-out") return;
    if (!this.edits.size) return void (this.attempt || this.#show("clean"));
    if (!this.running) this.#show("dirty");
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.flush(), PAUSE_MS);
    this.longest ??= setTimeout(() => this.flush(), LONGEST_MS);
  }

  /** Save now what is unsaved; resolves to whether all of it is on the server. */
  async flush() {
    this.#clearTimers();
    if (this.isHeld) return false;
    if (this.running) return (await this.running) && this.flush();
    if (!this.attempt && !this.edits.size) return true;
    this.running = this.#send();
    const isSaved = await this.running.finally(() => (this.running = null));
    return isSaved && this.edits.size ? this.flush() : isSaved;
  }

  /** The page goes away: what no request carries yet follows the open one. */
  leave() {
    if (this.isHeld) return;
    if (!this.running) return void this.flush();
    if (this.edits.size) this.#post({ save_id: uuid(), base: this.attempt.base + 1, fields: this.edits }).catch(() => {});
  }

  /** Take over what somebody else saved; `values` are on this page now. */
  adopt(revision, values) {
    this.revision = revision;
    for (const [name, value] of Object.entries(values)) this.server.set(name, value);
  }

  async #send() {
    this.attempt ??= { save_id: uuid(), base: this.revision, fields: this.edits };
    if (this.attempt.fields === this.edits) this.edits = new Map();
    const slow = setTimeout(() => this.nFailed || this.#show("saving"), SLOW_MS);
    try {
      const response = await this.#post(this.attempt);
      const isJson = response.headers.get("Content-Type")?.includes("json");
      return this.#answered(response.status, isJson ? await response.json() : {});
    } catch {
      return this.#failed();
    } finally {
      clearTimeout(slow);
    }
  }

  #post({ save_id, base, fields }) {
    return post(this.url, { session: this.session, base_revision: base, save_id, step: this.step, fields: Object.fromEntries(fields) });
  }

  #answered(status, answer) {
    if (status === 200) return this.#saved(answer);
    if (status === 409 && this.#isOurs(answer)) return this.#rebase(answer);
    if (status >= 500 || status === 429) return this.#failed();
    const state = status === 409 ? "conflict" : status === 401 ? "signed-out" : "refused";
    this.#show(state, answer);
    if (state === "conflict") this.#emit("conflict", answer);
    return false;
  }

  #saved(answer) {
    for (const [name, value] of this.attempt.fields) this.server.set(name, value);
    Object.assign(this, { revision: answer.revision, attempt: null, nFailed: 0 });
    this.#show(this.edits.size ? "dirty" : "saved", answer);
    this.#emit("saved", answer);
    return true;
  }

  /** The newer revision says what this page already says: an earlier request of this tab arrived late. */
  #isOurs(answer) {
    const here = new Map([...this.server, ...this.unsaved]);
    const changed = Object.entries(answer.values ?? {});
    return answer.is_self && changed.length > 0 && changed.every(([name, value]) => same(here.get(name), value));
  }

  #rebase(answer) {
    this.adopt(answer.revision, answer.values);
    Object.assign(this.attempt, { save_id: uuid(), base: answer.revision });
    return this.#send();
  }

  #failed() {
    const seconds = RETRY_S[Math.min(this.nFailed++, RETRY_S.length - 1)];
    this.#show(navigator.onLine ? "retrying" : "offline", { seconds });
    if (navigator.onLine) this.retry = setTimeout(() => this.flush(), seconds * 1000);
    return false;
  }

  #clearTimers() {
    for (const timer of ["pause", "longest", "retry"]) this[timer] = clearTimeout(this[timer]);
  }

  #show(state, detail = {}) {
    this.state = state;
    this.#emit("state", { ...detail, state });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
