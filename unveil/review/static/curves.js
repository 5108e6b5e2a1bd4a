// Learning curves of the chosen runs: of each log only what was appended is asked for, and all charts follow one pointer.

import { get } from "./api.js";
import { Chart, brief, smoothed, swatch } from "./chart.js";
import { el, fill } from "./dom.js";

const HEIGHT = 190;
const UNITS = [
  [/(^|_)loss$/, "nats per token"], [/^entropy/, "nats per token"], [/^kl/, "nats"], [/per_s$/, "per second"], [/^length/, "tokens"],
  [/iou/, "IoU, 0 to 1"], [/accuracy|specificity|sensitivity|unusable|share|_zero$|_none$|_alike$|^cut$/, "share, 0 to 1"],
  [/reward|localisation|relevance|vision/, "reward"],
];

/** What a figure is counted in, for its axis. */
export const unitOf = (figure) => UNITS.find(([pattern]) => pattern.test(figure))?.[1] ?? "value";

/** A log of training as it grows: `figures` are values over updates, by name. */
export class Log {
  constructor(run, part) {
    this.path = `/api/runs/${run}/log?part=${encodeURIComponent(part)}`;
    this.clear();
    Object.assign(this, { next: 0, mark: "" });
  }

  clear() {
    this.figures = new Map();
    this.faults = 0;
  }

  /** Reads what was appended; whether there was anything. */
  async load() {
    let grown = false;
    for (let more = true; more;) {
      const found = await get(`${this.path}&start=${this.next}&mark=${encodeURIComponent(this.mark)}`);
      if (found.anew) this.clear();
      grown ||= found.anew || found.rows.length > 0;
      for (const [step, figures] of found.rows) this.#add(step, figures);
      this.faults += found.faults;
      ({ next: this.next, mark: this.mark, more } = found);
    }
    return grown;
  }

  #add(step, figures) {
    for (const [name, value] of Object.entries(figures)) {
      if (!this.figures.has(name)) this.figures.set(name, { steps: [], values: [] });
      const line = this.figures.get(name);
      line.steps.push(step);
      line.values.push(value);
    }
  }
}

/** The charts of the chosen runs. `titles` are names of figures, `together` which of them are shown first. */
export class Curves {
  constructor(host, { titles, together }) {
    this.titles = titles;
    this.first = [...together.flat(), "val_score"];
    this.logs = new Map();
    this.charts = new Map();
    this.asked = new Set();
    this.chosen = [];
    this.weight = 0;
    this.legend = el("ul", { class: "legend", "aria-label": "lines" });
    this.grid = el("div", { class: "charts" });
    this.others = el("details", { class: "others" });
    this.empty = el("p", { class: "soft" });
    const smooth = el("input", { type: "range", min: 0, max: 0.95, step: 0.05, value: 0, oninput: () => {
      this.weight = Number(smooth.value);
      this.draw();
    } });
    fill(host, el("div", { class: "heading" }, el("h1", {}, "Learning curves"), el("label", { class: "smooth" }, "Smooth ", smooth)),
      this.legend, this.empty, this.grid, this.others);
    new ResizeObserver(() => this.draw()).observe(this.grid);
  }

  /** Follows other runs: [{ row, slot }, …]. */
  async choose(chosen) {
    this.chosen = chosen;
    await this.load(() => true);
    this.draw();
  }

  /** Reads on in the logs of the chosen runs for which `due(row)` holds; faults of a log are told beside its name. */
  async load(due) {
    const reading = this.chosen.filter(({ row }) => due(row)).flatMap(({ row }) => row.logs.map((log) => this.#log(row, log.name)));
    const grown = await Promise.all(reading.map(async (log) => {
      try {
        log.words = "";
        return await log.load();
      } catch (error) {
        log.words = error.message;
        return true;
      }
    }));
    if (grown.some(Boolean)) this.draw();
  }

  #log(row, part) {
    const key = `${row.number}/${part}`;
    if (!this.logs.has(key)) this.logs.set(key, new Log(row.number, part));
    return this.logs.get(key);
  }

  /** The lines that are drawn: each log of each chosen run, as { slot, name, log }. */
  get lines() {
    return this.chosen.flatMap(({ row, slot }) => row.logs.map((part) => ({
      slot, name: part.name ? `${row.name}/${part.name}` : row.name, model: row.logs.length > 1 ? part.name : "", log: this.#log(row, part.name),
    })));
  }

  draw() {
    const { lines } = this;
    fill(this.legend, this.chosen.map(({ row, slot }) => el("li", {}, swatch(slot), row.name, this.#words(row))));
    const there = [...new Set(lines.flatMap(({ log }) => [...log.figures.keys()]))];
    const shown = [...this.first.filter((name) => there.includes(name)), ...there.filter((name) => this.asked.has(name) && !this.first.includes(name))];
    fill(this.empty, this.chosen.length ? (there.length ? "" : "Nothing was logged yet.") : "Choose runs in the table to see how they learn.");
    for (const name of this.charts.keys()) if (!shown.includes(name)) this.charts.delete(name);
    const figures = shown.map((name) => this.#chart(name));
    if (this.grid.children.length !== figures.length || figures.some(({ figure }, n) => this.grid.children[n] !== figure)) {
      fill(this.grid, figures.map(({ figure }) => figure));
    }
    for (const name of shown) this.#update(name, lines);
    this.#choices(there.filter((name) => !this.first.includes(name)));
  }

  #words(row) {
    const faults = row.logs.map(({ name }) => this.#log(row, name)).map((log) => log.words || (log.faults ? `${log.faults} lines of its log cannot be read` : ""));
    const told = faults.filter(Boolean).join("; ");
    return told && el("small", { class: "bad" }, ` ${told}`);
  }

  #chart(name) {
    if (!this.charts.has(name)) {
      const title = this.titles[name] ?? worded(name);
      const chart = new Chart({ title, unit: unitOf(name), onat: (step) => this.#show(step) });
      const readout = el("p", { class: "readout", "aria-live": "polite" });
      this.charts.set(name, { chart, readout, figure: el("figure", { dataset: { figure: name } }, el("figcaption", {}, title), chart.element, readout) });
    }
    return this.charts.get(name);
  }

  #update(name, lines) {
    const { chart, figure } = this.charts.get(name);
    const series = lines.flatMap(({ slot, name: run, model, log }) => {
      const line = log.figures.get(name);
      if (!line) return [];
      const mean = { slot, name: run, model, steps: line.steps, values: smoothed(line.values, this.weight) };
      return this.weight ? [{ ...mean, values: line.values, faint: true }, mean] : [mean];
    });
    chart.draw(series, Math.max(220, Math.round(figure.clientWidth) || 320), HEIGHT);
  }

  #show(step) {
    for (const { chart, readout } of this.charts.values()) {
      chart.show(step);
      const told = step === null ? [] : chart.valuesAt(step);
      fill(readout, told.length ? `update ${step}: ` : "", told.flatMap(([one, value], n) => [n ? ", " : "", swatch(one.slot), one.model && ` ${one.model}`, ` ${brief(value, 4)}`]));
    }
  }

  #choices(names) {
    const known = names.join(" ");
    if (this.offered === known) return;
    this.offered = known;
    this.others.hidden = !names.length;
    fill(this.others, el("summary", {}, `${names.length} more figures`), el("div", { class: "row" }, names.map((name) => el("button", {
      type: "button", "aria-pressed": String(this.asked.has(name)), onclick: (event) => {
        if (!this.asked.delete(name)) this.asked.add(name);
        event.target.setAttribute("aria-pressed", String(this.asked.has(name)));
        this.draw();
      },
    }, this.titles[name] ?? worded(name)))));
  }
}

/** A figure's name in words, where it has no title. */
export function worded(name) {
  const words = name.replace(/^val_/, "").replaceAll("_", " ");
  return `${words[0].toUpperCase()}${words.slice(1)}${name.startsWith("val_") ? " (validation)" : ""}`;
}
