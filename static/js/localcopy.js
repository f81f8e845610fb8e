/* What is typed and not yet saved, kept on this device and offered back after a crash, a closed tab or a lost session.

   One copy for each open page, so that one tab never forgets what another one holds; `part` keeps the buffer of the message
   editor apart. A new page takes over what it finds. A full or forbidden storage costs only this safety net. */

import { same } from "./fields.js";

export class LocalCopy {
  constructor({ user, campaign, session, part = "draft" }) {
    this.place = `chappe:${part}:${user}:${campaign}`;
    this.key = `${this.place}:${session}`;
    // Found on this device and not yet taken over or discarded: it stays in the copy beside what is typed now.
    this.aside = new Map();
  }

  /** Keep the values of `unsaved` (a Map), or forget the copy when there is nothing left. */
  keep(unsaved, revision) {
    const fields = new Map([...this.aside, ...unsaved]);
    if (!fields.size) return this.forget();
    this.#store({ at: Date.now(), revision, fields: Object.fromEntries(fields) });
  }

  forget() {
    this.#remove([this.key]);
  }

  /** {at, revision, fields} with the fields that differ from `server` (a Map), of two copies the later; or null. */
  differing(server) {
    const found = this.#found();
    const all = Object.assign({}, ...found.map(({ copy }) => copy.fields));
    const fields = Object.fromEntries(Object.entries(all).filter(([name, value]) => !same(server.get(name), value)));
    const others = found.map(({ key }) => key).filter((key) => key !== this.key);
    if (!Object.keys(fields).length) {
      this.#remove([this.key, ...others]);
      return null;
    }
    const copy = { ...found.at(-1).copy, fields };
    /* The others go only when this one is there. */
    if (this.#store(copy)) this.#remove(others);
    return copy;
  }

  /** Every copy of this person and campaign, oldest first. */
  #found() {
    try {
      return Object.keys(localStorage)
        .filter((key) => key === this.place || key.startsWith(`${this.place}:`))
        .map((key) => ({ key, copy: JSON.parse(localStorage.getItem(key)) }))
        .filter(({ copy }) => copy?.fields)
        .sort((one, other) => one.copy.at - other.copy.at);
    } catch {
      return [];
    }
  }

  #store(copy) {
    try {
      localStorage.setItem(this.key, JSON.stringify(copy));
      return true;
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      return false;
    }
  }

  #remove(keys) {
    try {
      for (const key of keys) localStorage.removeItem(key);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }
}

/** 14:02, as this person's browser writes it. */
export const timeOf = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
