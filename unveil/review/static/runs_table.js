// The table of runs: sorted by any column, filtered by name, with what sets the runs apart.

import { SLOTS, brief, swatch } from "./chart.js";
import { el, fill } from "./dom.js";

export const STATES = {
  running: "running", finished: "finished", stopped: "stopped", failed: "failed", killed: "ended without a word", unknown: "not known",
};
const EXPLAINED = {
  killed: "It was killed, or the machine went down: nobody is making it any more, and it is not finished.",
  stopped: "Somebody ended it, by Ctrl-C or here; what it had done is kept.",
  unknown: "Nothing in its folder says whether it has ended.",
};
/** Columns of settings that are shown unless others are chosen. */
const FEW = 5;

/** Names in order, 9 before 10. */
const ORDER = new Intl.Collator(undefined, { numeric: true });
/** The last figures of training, which have a column where a run has no others. */
const LAST = ["loss", "val_loss", "reward", "val_score"];

const last = (row, name) => row.logs.map((log) => log.last[name]).findLast((value) => value !== undefined);

/** A figure with its interval. */
export function figure(cell) {
  if (!cell) return "–";
  const limits = cell.low === undefined ? "" : ` [${cell.low.toFixed(2)}, ${cell.high.toFixed(2)}]`;
  return `${cell.value.toFixed(2)}${limits}`;
}

/** A time between now and then in words, or how long something took. */
export function lasting(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const time = (text) => (text ? text.slice(0, 16).replace("T", " ") : "–");

/** A setting in words; one that was left to the program is not set. */
export const setting = (value) => (value === undefined ? "–" : value === null ? "not set" : value === true ? "yes" : value === false ? "no" : String(value));

/** The figures of a row's model: the one of a name, or the last that was trained. */
export function modelOf(row, name) {
  const models = Object.keys(row.figures);
  return name ? (models.includes(name) ? name : null) : models.at(-1) ?? null;
}

/** The table; `acts` are { choose(row, chosen), stop(row), report(row) }. */
export class Table {
  constructor(host, { metrics, titles, acts }) {
    Object.assign(this, { metrics, titles, acts, rows: new Map(), made: new Map(), slots: new Map(), settings: [], hidden: null, sorted: { key: "began", down: true } });
    this.filter = el("input", { type: "search", placeholder: "Filter by name", "aria-label": "filter by name", oninput: () => this.draw() });
    this.model = el("select", { "aria-label": "figures of", onchange: () => this.draw() });
    this.columns = el("details", { class: "columns" });
    this.count = el("span", { class: "soft" });
    this.head = el("thead");
    this.body = el("tbody");
    this.notes = el("p", { class: "notice" });
    fill(
      host,
      el("div", { class: "heading" }, el("h1", {}, "Runs"), this.count, this.filter, el("label", {}, "Figures of ", this.model), this.columns),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of runs" }, el("table", { class: "table" }, this.head, this.body)),
      this.notes,
    );
  }

  /** Takes in what has changed (`RunTable.changes`). */
  update({ rows, gone, settings, notes }) {
    for (const number of gone) for (const of of [this.rows, this.made]) of.delete(number);
    for (const row of rows) this.rows.set(row.number, row);
    this.settings = settings;
    this.hidden ??= null;
    fill(this.notes, notes.join("; "));
    const models = [...new Set([...this.rows.values()].flatMap((row) => Object.keys(row.figures)))];
    const now = this.model.value;
    fill(this.model, el("option", { value: "" }, "the last trained"), models.map((name) => el("option", { value: name, selected: name === now }, name)));
    this.draw();
  }

  get columnsShown() {
    const metrics = Object.keys(this.metrics).filter((name) => [...this.rows.values()].some((row) => Object.values(row.figures).some((of) => of[name])));
    const logged = [...this.rows.values()].filter((row) => row.logs.length && !Object.keys(row.figures).length);
    const shown = this.settings.filter((name) => (this.hidden ? !this.hidden.has(name) : this.#usual().includes(name)));
    return [
      { key: "name", title: "Run", of: (row) => row.name },
      { key: "state", title: "State", of: (row) => Object.keys(STATES).indexOf(row.state) },
      { key: "began", title: "Began or ended (UTC)", of: (row) => row.began ?? row.ended },
      ...metrics.map((name) => ({ key: name, title: this.metrics[name], number: true, cell: (row) => this.#figure(row, name), of: (row) => row.figures[modelOf(row, this.model.value)]?.[name]?.value })),
      ...LAST.filter((name) => logged.some((row) => last(row, name) !== undefined)).map((name) => ({ key: `last ${name}`, title: this.titles[name] ?? name, number: true, cell: (row) => brief(last(row, name)), of: (row) => last(row, name) })),
      ...shown.map((name) => ({ key: `setting ${name}`, title: name.replaceAll("_", " "), setting: true, cell: (row) => setting(row.settings[name]), of: (row) => row.settings[name] })),
    ];
  }

  #usual() {
    return this.settings.filter((name) => !/^(version|content) of /.test(name)).slice(0, FEW);
  }

  #figure(row, name) {
    const model = modelOf(row, this.model.value);
    const cell = model && row.figures[model][name];
    return cell ? el("span", { title: `${model}, n ${cell.n ?? "unknown"}, 95 % interval` }, figure(cell)) : "–";
  }

  draw() {
    const columns = this.columnsShown;
    const wanted = this.filter.value.trim().toLowerCase();
    const all = [...this.rows.values()];
    const shown = all.filter((row) => row.name.toLowerCase().includes(wanted)).sort(this.#order(columns));
    const running = all.filter((row) => row.state === "running").length;
    fill(this.count, `${wanted ? `${shown.length} of ` : ""}${all.length} run${all.length === 1 ? "" : "s"}${running ? `, ${running} running` : ""}`);
    this.#offer();
    const held = this.head.contains(document.activeElement) || this.body.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    fill(this.head, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, "compare")), columns.map((column) => this.#title(column)), el("th", { scope: "col" }, el("span", { class: "unseen" }, "what to do"))));
    this.#show(shown.map((row) => this.#known(row, columns)), !shown.length && el("tr", {}, el("td", { colspan: columns.length + 2, class: "soft" }, all.length ? "No run has this in its name." : "There is no run in this folder yet.")));
    if (held) this.body.parentElement.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  }

  /** Puts rows in their place, unless they stand there already. */
  #show(rows, instead) {
    const wanted = instead ? [instead] : rows;
    const { children } = this.body;
    if (children.length !== wanted.length || wanted.some((row, n) => children[n] !== row)) fill(this.body, wanted);
  }

  /** A row's element, made anew only where it would be another: a thousand of them take half a second. */
  #known(row, columns) {
    const slot = this.slots.get(row.number);
    const key = `${slot} ${slot === undefined && this.slots.size >= SLOTS} ${this.model.value} ${columns.map((column) => column.key)}`;
    const known = this.made.get(row.number);
    if (known?.row === row && known.key === key) return known.element;
    const element = this.#row(row, columns);
    this.made.set(row.number, { row, key, element });
    return element;
  }

  #title({ key, title, number, setting: isSetting }) {
    const on = this.sorted.key === key;
    return el("th", { scope: "col", class: number ? "number" : isSetting ? "setting" : "", "aria-sort": on ? (this.sorted.down ? "descending" : "ascending") : "none" }, el("button", {
      type: "button", class: "quiet", dataset: { focus: `by ${key}` }, onclick: () => {
        this.sorted = { key, down: on ? !this.sorted.down : Boolean(number) || key === "began" };
        this.draw();
      },
    }, title, el("span", { "aria-hidden": "true" }, on ? (this.sorted.down ? " ▾" : " ▴") : "")));
  }

  /** Rows by the chosen column, those without a value last either way. */
  #order(columns) {
    const { of } = columns.find(({ key }) => key === this.sorted.key) ?? columns[0];
    const sign = this.sorted.down ? -1 : 1;
    return (a, b) => {
      const [x, y] = [of(a) ?? null, of(b) ?? null];
      if (x === null || y === null) return (x === null) - (y === null) || ORDER.compare(a.name, b.name);
      const apart = typeof x === "number" && typeof y === "number" ? x - y : ORDER.compare(String(x), String(y));
      return sign * apart || ORDER.compare(a.name, b.name);
    };
  }

  #row(row, columns) {
    const slot = this.slots.get(row.number);
    const chosen = slot !== undefined;
    return el(
      "tr", { class: chosen ? "chosen" : "", dataset: { run: row.name } },
      el("td", {}, el("label", { class: "choose" }, el("input", {
        type: "checkbox", checked: chosen, disabled: !chosen && this.slots.size >= SLOTS, dataset: { focus: `choose ${row.number}` },
        "aria-label": `compare ${row.name}`, onchange: (event) => this.acts.choose(row, event.target.checked),
      }), chosen && swatch(slot))),
      columns.map(({ key, cell, number }) => (
        key === "name" ? el("th", { scope: "row" }, row.name, row.command && row.command !== "run" && el("small", { class: "soft" }, ` ${row.command}`))
          : key === "state" ? el("td", {}, this.#state(row))
            : key === "began" ? el("td", { class: "time" }, row.state === "running" ? `since ${time(row.began)}` : time(row.ended ?? row.began), row.seconds !== null && el("small", { class: "soft" }, ` ${lasting(row.seconds)}`))
              : el("td", { class: number ? "number" : "setting" }, cell(row))
      )),
      el("td", { class: "acts" }, this.#acts(row)),
    );
  }

  #state(row) {
    const last = row.logs.at(-1)?.last ?? {};
    const doing = row.state === "running" && [row.at_work, last.step !== undefined && row.at_work.startsWith("train") && `update ${last.step}`].filter(Boolean).join(", ");
    return [
      el("span", { class: `state-of ${row.state}`, title: EXPLAINED[row.state] }, row.asked_to_stop && row.state === "running" ? "stopping" : STATES[row.state]),
      doing && el("small", { class: "soft" }, doing), row.why && el("small", { class: "soft" }, row.why),
      ...row.problems.map((words) => el("small", { class: "bad" }, words)),
    ];
  }

  #acts(row) {
    const button = (name, act, title) => el("button", { type: "button", class: "quiet", dataset: { focus: `${name} ${row.number}` }, "aria-label": `${title} ${row.name}`, onclick: () => act(row) }, title);
    return [
      row.report && button("report", this.acts.report, "Report"),
      row.stoppable && !row.asked_to_stop && button("stop", this.acts.stop, "Stop"),
    ];
  }

  /** Which settings have a column. */
  #offer() {
    const known = this.settings.join("\n");
    this.columns.hidden = !this.settings.length;
    if (this.offered === known) return;
    this.offered = known;
    const usual = this.#usual();
    fill(this.columns, el("summary", {}, `Settings that differ (${this.settings.length})`), el("div", { class: "choices" }, this.settings.map((name) => el("label", {}, el("input", {
      type: "checkbox", checked: this.hidden ? !this.hidden.has(name) : usual.includes(name), onchange: (event) => {
        this.hidden ??= new Set(this.settings.filter((one) => !usual.includes(one)));
        if (event.target.checked) this.hidden.delete(name);
        else this.hidden.add(name);
        this.draw();
      },
    }), ` ${name.replaceAll("_", " ")}`))));
  }
}
