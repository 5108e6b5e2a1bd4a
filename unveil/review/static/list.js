// The queue at the side: what there is to decide, a page of it at a time, and which part of it is gone through.

import { get } from "./api.js";
import { el, fill } from "./dom.js";

const PAGE = 100;

/** The queue as a list. `onopen(entry)` is called for what is chosen. */
export class List {
  constructor(host, { onopen }) {
    this.host = host;
    this.onopen = onopen;
    this.which = "all";
    this.entries = [];
    this.filter = el("select", { "aria-label": "which items", onchange: () => this.choose(this.filter.value) });
    this.rows = el("ol", { class: "entries" });
    this.more = el("button", { type: "button", class: "quiet", onclick: () => this.load() }, "More");
    fill(host, el("h2", {}, "Queue"), this.filter, this.rows, this.more);
  }

  /** Shows the queue from its beginning: all, to do, done, or by what has put it there. */
  async choose(which) {
    this.which = which;
    this.entries = [];
    this.next = 0;
    fill(this.rows);
    await this.load();
  }

  async load() {
    if (this.next === null) return;
    const which = encodeURIComponent(this.which);
    const page = await get(`/api/queue?start=${this.next}&count=${PAGE}&which=${which}`);
    this.next = page.next;
    this.entries.push(...page.entries);
    this.rows.append(...page.entries.map((entry) => this.row(entry)));
    this.more.hidden = page.next === null;
    const options = [["all", "All"], ["todo", "To do"], ["done", "Done"], ...page.reasons.map((why) => [why, why])];
    fill(this.filter, options.map(([value, title]) => el("option", { value, selected: value === this.which }, title)));
  }

  row(entry) {
    return el("li", { dataset: { number: entry.number } }, el(
      "button", { type: "button", class: "quiet", onclick: () => this.onopen(entry) },
      el("span", { class: `state ${entry.verdict ?? "todo"}`, title: entry.verdict ?? "to do" }), entry.name,
      el("small", { class: "soft" }, entry.why),
    ));
  }

  /** Marks the item that is open, and what was decided about it. */
  mark(number, verdict) {
    for (const row of this.rows.children) {
      const own = Number(row.dataset.number) === number;
      row.toggleAttribute("aria-current", own);
      if (own && verdict !== undefined) row.querySelector(".state").className = `state ${verdict ?? "todo"}`;
    }
  }
}
