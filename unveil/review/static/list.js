// The queue at the side: what there is to decide, a page of it at a time, and which part of it is gone through.

import { get } from "./api.js";
import { el, fill, reveal, say } from "./dom.js";
import { decided } from "./verdicts.js";

const PAGE = 100;

/** The queue as a list. `onopen(entry)` is called for what is chosen, `onchoose()` where other items are gone through. */
export class List {
  constructor(host, { verdicts, onopen, onchoose }) {
    this.host = host;
    this.onopen = onopen;
    this.onchoose = onchoose;
    this.verdicts = verdicts;
    this.which = "all";
    this.filter = el("select", { "aria-label": "which items", onchange: () => this.choose(this.filter.value).catch(failed) });
    this.rows = el("ol", { class: "entries" });
    this.none = el("p", { class: "soft", hidden: true }, "None.");
    this.more = el("button", { type: "button", class: "quiet", onclick: () => this.load().catch(failed) }, "More");
    fill(host, el("h2", {}, "Queue"), this.filter, this.rows, this.none, this.more);
  }

  /** Shows the queue from its beginning: all, to do, done, or by verdict or by what has put it there. */
  async choose(which) {
    this.which = which;
    this.next = 0;
    fill(this.rows);
    this.onchoose?.();
    await this.load();
  }

  /** What of the queue is gone through, in words; nothing where it is all. */
  get chosen() {
    return this.which === "all" ? "" : this.titles.get(this.which) ?? this.which;
  }

  /** So many entries from a place on, or back from there, of those that are gone through. */
  async from(place, count, back = false) {
    const asked = new URLSearchParams({ start: Math.max(0, place), count, which: this.which, back });
    return place < 0 ? [] : (await get(`/api/queue?${asked}`)).entries;
  }

  async load() {
    if (this.next === null) return;
    const asked = this.asked = new URLSearchParams({ start: this.next, count: PAGE, which: this.which });
    const page = await get(`/api/queue?${asked}`);
    if (this.asked !== asked) return;  // others were chosen meanwhile
    this.next = page.next;
    this.rows.append(...page.entries.map((entry) => this.row(entry)));
    this.more.hidden = page.next === null;
    this.none.hidden = this.rows.children.length > 0;
    this.offer(page.reasons);
    this.mark(this.open);
  }

  /** What can be chosen. */
  offer(reasons) {
    const groups = [
      ["", [["all", "All"], ["todo", "To do"], ["done", "Done"]]],
      ["Decided", this.verdicts.map((verdict) => [verdict, decided(verdict)])],
      ["In the queue for", reasons.map((why) => [why, why])],
    ];
    this.titles = new Map(groups.flatMap(([, options]) => options));
    const made = (options) => options.map(([value, title]) => el("option", { value, selected: value === this.which }, title));
    fill(this.filter, groups.flatMap(([title, options]) => (
      title && options.length ? el("optgroup", { label: title }, made(options)) : made(options)
    )));
  }

  row(entry) {
    return el("li", { dataset: { number: entry.number } }, el(
      "button", { type: "button", class: "quiet", onclick: () => this.onopen(entry) },
      state(entry.verdict), el("bdi", {}, entry.name), el("small", { class: "soft" }, entry.why),
    ));
  }

  /** Marks the item that is open, and what was decided about it. */
  mark(number, verdict) {
    this.open = number;
    for (const row of this.rows.children) {
      const own = Number(row.dataset.number) === number;
      if (!own) row.removeAttribute("aria-current");
      else {
        row.setAttribute("aria-current", "true");
        reveal(row, this.host);
      }
      if (own && verdict !== undefined) row.querySelector(".state").replaceWith(state(verdict));
    }
  }
}

const failed = (error) => say(error.message, "bad");

function state(verdict) {
  const title = verdict ? decided(verdict).toLowerCase() : "to do";
  return el("span", { class: `state ${verdict ?? "todo"}`, role: "img", title, "aria-label": title });
}
