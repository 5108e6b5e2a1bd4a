// The chosen runs beside one another: figures as points with intervals, and the settings in which they differ.

import { get } from "./api.js";
import { svg, swatch, mark, ticks, brief } from "./chart.js";
import { el, fill } from "./dom.js";
import { figure, setting } from "./runs_table.js";

const [LEFT, WIDTH, LINE] = [8, 260, 18];

/** A section with the figures and the settings of the chosen runs. */
export class Comparison {
  constructor(host, { metrics }) {
    this.metrics = metrics;
    this.host = host;
    this.scores = new Map();
    this.host.hidden = true;
  }

  /** Shows other runs: [{ row, slot }, …]. */
  async choose(chosen, settings) {
    this.chosen = chosen;
    this.settings = settings;
    this.host.hidden = !chosen.length;
    await Promise.all(chosen.filter(({ row }) => Object.keys(row.figures).length).map(async ({ row }) => {
      const key = `${row.number} ${row.ended} ${row.seconds}`;
      if (this.scores.get(row.number)?.key === key) return;
      try {
        this.scores.set(row.number, { key, models: await get(`/api/runs/${row.number}/scores`) });
      } catch (error) {
        this.scores.set(row.number, { key, models: {}, words: error.message });
      }
    }));
    this.draw();
  }

  draw() {
    const lines = this.chosen.flatMap(({ row, slot }) => Object.entries(this.scores.get(row.number)?.models ?? {}).map(([model, metrics]) => ({ row, slot, model, metrics })));
    const shown = Object.keys(this.metrics).filter((name) => lines.some(({ metrics }) => metrics[name]));
    const faults = this.chosen.map(({ row }) => this.scores.get(row.number)?.words).filter(Boolean);
    fill(
      this.host, el("div", { class: "heading" }, el("h1", {}, "Compared")),
      faults.map((words) => el("p", { class: "bad" }, words)),
      shown.length > 0 && el("p", { class: "soft" }, "Values with 95 % intervals. Intervals of two runs that overlap do not say that they are alike: a run's report tests differences of its models on the same images."),
      shown.length > 0 && el("div", { class: "forests" }, shown.map((name) => this.#forest(name, lines.filter(({ metrics }) => metrics[name])))),
      this.#settings(),
    );
  }

  #forest(name, lines) {
    const cells = lines.map(({ metrics }) => metrics[name]);
    const low = Math.min(0, ...cells.map((cell) => cell.low ?? cell.value));
    const high = Math.max(1, ...cells.map((cell) => cell.high ?? cell.value));
    const x = (value) => LEFT + ((value - low) / (high - low)) * (WIDTH - 2 * LEFT);
    const bar = ({ slot }, cell) => svg("svg", { class: "interval", viewBox: `0 0 ${WIDTH} ${LINE}`, "aria-hidden": "true" },
      ticks(low, high, 4).map((at) => svg("path", { class: "grid", d: `M${x(at)} 0V${LINE}` })),
      cell.low === undefined ? [] : svg("path", { class: `line solid series-${slot}`, d: `M${x(cell.low)} ${LINE / 2}H${x(cell.high)}` }),
      mark(slot, x(cell.value), LINE / 2, 4));
    return el("table", { class: "forest" }, el("caption", {}, this.metrics[name]), el("tbody", {}, lines.map((line, n) => el(
      "tr", {}, el("th", { scope: "row" }, swatch(line.slot), `${line.row.name}/${line.model}`), el("td", {}, bar(line, cells[n])),
      el("td", { class: "number" }, figure(cells[n]), el("small", { class: "soft" }, cells[n].n === undefined ? "" : ` n ${brief(cells[n].n, 6)}`)),
    ))));
  }

  #settings() {
    const of = (row, name) => JSON.stringify(row.settings[name]);
    const apart = this.settings.filter((name) => new Set(this.chosen.map(({ row }) => of(row, name))).size > 1);
    if (this.chosen.length < 2) return null;
    if (!apart.length) return el("p", { class: "soft" }, "These runs have the same settings.");
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "settings that differ" }, el(
      "table", { class: "table" }, el("caption", {}, "Settings that differ"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Setting"), this.chosen.map(({ row, slot }) => el("th", { scope: "col" }, swatch(slot), ` ${row.name}`)))),
      el("tbody", {}, apart.map((name) => el("tr", {}, el("th", { scope: "row" }, name.replaceAll("_", " ")), this.chosen.map(({ row }) => el("td", {}, setting(row.settings[name])))))),
    ));
  }
}
