// What is done on one item before it is saved: its state, its steps, the time it was looked at, and its draft.

import { put } from "./api.js";
import { History } from "./history.js";

const AUTOSAVE = 500;  // milliseconds after the last change

/** The state of an item as it was sent, or as its draft or its decision left it. */
export function begun(item) {
  const decided = item.decision;
  const marks = decided?.after ?? item.marks;
  const side = { chosen: "chosen", rejected: "rejected" };
  const texts = Object.fromEntries(item.texts.filter((text) => text.field).map((text) => [text.field, text.text]));
  for (const [field, text] of Object.entries(decided?.texts ?? {})) {
    const at = decided.order ? decided.order.indexOf(side[field] ?? "") : -1;
    texts[at >= 0 ? ["left", "right"][at] : field] = text;
  }
  return {
    marks: marks.map(whole), texts, preferred: preferredSide(decided), reasons: decided?.reasons ?? [],
    severity: decided?.severity ?? null, comment: decided?.comment ?? "",
  };
}

/** The side of the screen that a decision prefers. */
function preferredSide(decided) {
  if (!decided?.preferred) return null;
  return decided.preferred === "tie" ? "tie" : ["left", "right"][decided.order.indexOf(decided.preferred)];
}

/** A mark with all of its fields, which are not sent where they are empty. */
export const whole = (mark) => ({ label: mark.label, box: mark.box ?? null, polygon: mark.polygon ?? [], finding: mark.finding ?? null });

/** The work on one item. `onchange(state)` is called after each step; `onfail(error)` where a draft cannot be kept. */
export class Work {
  constructor(item, { onchange, onfail }) {
    this.item = item;
    this.onchange = onchange;
    this.onfail = onfail;
    this.sent = begun(item);
    this.history = new History(this.sent);
    if (item.draft && item.draft.sha256 === item.sha256) this.history.push(item.draft.state);
    this.seconds = 0;
    this.since = document.visibilityState === "visible" ? performance.now() : null;
    this.watch = () => this.lookAway(document.visibilityState !== "visible");
    document.addEventListener("visibilitychange", this.watch);
  }

  get state() {
    return this.history.state;
  }

  /** A step: some fields of the state anew. */
  change(fields, tag = null) {
    this.history.push({ ...this.state, ...fields }, tag);
    this.changed();
  }

  undo() {
    this.history.undo();
    this.changed();
  }

  redo() {
    this.history.redo();
    this.changed();
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), AUTOSAVE);
    this.onchange(this.state);
  }

  /** Whether texts or marks differ from what was shown. */
  get edited() {
    const { marks, texts } = this.state;
    const shown = Object.fromEntries(this.item.texts.filter((text) => text.field).map((text) => [text.field, text.text]));
    return !same(marks, this.item.marks.map(whole)) || Object.entries(texts).some(([field, text]) => text !== shown[field]);
  }

  /** Whether there is anything that is not saved. */
  get open() {
    return !same(this.state, this.sent);
  }

  /** Keeps the draft on the server, so that a closed page goes on where it was. */
  async keep(options = {}) {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      const draft = this.open ? { sha256: this.item.sha256, state: this.state } : null;
      await put(`/api/items/${this.item.number}/draft`, draft, options);
    } catch (error) {
      this.onfail(error);
    }
  }

  /** Keeps at once what waits to be kept, as when another item is opened, or with `keepalive` the page is left. */
  async leave(options) {
    if (this.timer !== undefined) await this.keep(options);
  }

  lookAway(away) {
    if (this.since !== null) this.seconds += (performance.now() - this.since) / 1000;
    this.since = away ? null : performance.now();
  }

  /** The decision as it is posted. */
  decision(verdict, revision = this.item.revision) {
    this.lookAway(document.visibilityState !== "visible");
    const { marks, texts, preferred, reasons, severity, comment } = this.state;
    const taken = verdict === "withdraw" ? {} : { preferred, reasons, severity, comment, texts };
    if (verdict !== "withdraw" && !same(marks, this.item.marks.map(whole))) taken.marks = marks;
    return { verdict, revision, sha256: this.item.sha256, lead_time: this.seconds, ...taken };
  }

  /** A decision was saved: what waits to be kept is kept with it. */
  saved() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Something else is shown: its time is over. */
  end() {
    this.lookAway(true);
    document.removeEventListener("visibilitychange", this.watch);
    this.leave();
  }
}

/** Whether two values are the same as JSON. */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
