/* What is typed and not yet saved, kept on this device and offered back after a crash, a closed tab or a lost session.

   One copy for a person and a campaign; `part` keeps the buffer of the message editor apart. A full or forbidden storage
   costs only this safety net. */

import { same } from "./fields.js";

export class LocalCopy {
  constructor({ user, campaign, part = "draft" }) {
    this.key = `chappe:${part}:${user}:${campaign}`;
    // Found on this device and not yet taken over or discarded: it stays in the copy beside what is typed now.
    this.aside = new Map();
  }

  /** Keep the values of `unsaved` (a Map), or forget the copy when there is nothing left. */
  keep(unsaved, revision) {
    const fields = new Map([...this.aside, ...unsaved]);
    if (!fields.size) return this.forget();
    try {
      localStorage.setItem(this.key, JSON.stringify({ at: Date.now(), revision, fields: Object.fromEntries(fields) }));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }

  forget() {
    try {
      localStorage.removeItem(this.key);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** {at, revision, fields} with the fields that differ from `server` (a Map), or null; an equal copy is forgotten. */
  differing(server) {
    let copy;
    try {
      copy = JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
    if (!copy) return null;
    const fields = Object.fromEntries(Object.entries(copy.fields).filter(([name, value]) => !same(server.get(name), value)));
    if (Object.keys(fields).length) return { ...copy, fields };
    this.forget();
    return null;
  }
}

/** 14:02, as this person's browser writes it. */
export const timeOf = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
