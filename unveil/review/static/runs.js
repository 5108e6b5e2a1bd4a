// The room of runs: a table that follows the folder, and below it what the chosen runs have learnt and answered.

import { get, post } from "./api.js";
import { SLOTS } from "./chart.js";
import { Curves } from "./curves.js";
import { el, fill, say } from "./dom.js";
import { Comparison } from "./runs_compare.js";
import { Samples } from "./runs_samples.js";
import { Table } from "./runs_table.js";

/** Milliseconds between looks at the folder, and where something is running. */
const EVERY = 3000;
const RUNNING = 1000;
/** Runs that are shown at first. */
const FIRST = 3;

export async function start(session, main) {
  await new Runs(session, main).begin();
}

class Runs {
  constructor(session, main) {
    document.title = `${session.folder} · unveil`;
    document.getElementById("who").textContent = session.reviewer;
    document.getElementById("where").textContent = session.folder;
    document.querySelector(".skip").textContent = "To the runs";
    main.classList.add("runs");
    const part = (name) => el("section", { class: `card ${name}` });
    const [table, curves, compared, samples] = ["of-runs", "of-curves", "of-figures", "of-samples"].map(part);
    fill(main, table, curves, compared, samples);
    this.revision = 0;
    this.table = new Table(table, { metrics: session.metrics, titles: session.titles, acts: {
      choose: (row, chosen) => this.choose(row, chosen), stop: (row) => this.askToStop(row), report: (row) => this.report(row),
    } });
    this.curves = new Curves(curves, session);
    this.comparison = new Comparison(compared, session);
    this.samples = new Samples(samples);
  }

  async begin() {
    await this.look();
    this.offer();
    await this.changed();
    this.again();
  }

  /** Until somebody chooses, the runs that are training or were last are shown; whether others are now. */
  offer() {
    const { slots } = this.table;
    if (this.touched || slots.size >= FIRST) return false;
    const rows = [...this.table.rows.values()].filter((row) => row.logs.length && !slots.has(row.number));
    const running = (row) => row.state === "running";
    rows.sort((a, b) => running(b) - running(a) || (b.began ?? b.ended ?? "").localeCompare(a.began ?? a.ended ?? ""));
    const more = rows.slice(0, FIRST - slots.size);
    for (const row of more) this.take(row);
    return more.length > 0;
  }

  /** Gives a run the first slot that is free. */
  take(row) {
    const { slots } = this.table;
    slots.set(row.number, Array.from({ length: SLOTS }, (_, slot) => slot).find((slot) => ![...slots.values()].includes(slot)));
  }

  /** The chosen runs, each with the slot that gives it its colour. */
  get chosen() {
    return [...this.table.slots].map(([number, slot]) => ({ row: this.table.rows.get(number), slot })).filter(({ row }) => row);
  }

  async choose(row, chosen) {
    this.touched = true;
    if (chosen) this.take(row);
    else this.table.slots.delete(row.number);
    await this.changed();
  }

  async changed() {
    this.table.draw();
    await Promise.all([this.curves.choose(this.chosen), this.comparison.choose(this.chosen, this.table.settings), this.samples.choose(this.chosen)]);
  }

  /** Takes in what has changed in the folder since the last look; returns the numbers of the runs that have. */
  async look() {
    const found = await get(`/api/runs?since=${this.revision}`);
    this.revision = found.revision;
    if (!found.rows.length && !found.gone.length && this.seen) return new Set();
    this.seen = true;
    this.table.update(found);
    for (const number of found.gone) this.table.slots.delete(number);
    return new Set([...found.rows.map((row) => row.number), ...found.gone]);
  }

  again() {
    clearTimeout(this.timer);
    const running = [...this.table.rows.values()].some((row) => row.state === "running");
    this.timer = setTimeout(() => this.follow(), running ? RUNNING : EVERY);
  }

  async follow() {
    try {
      if (!document.hidden) {
        const changed = await this.look();
        if (changed.size && this.offer()) this.table.draw();
        const { chosen } = this;
        this.curves.chosen = chosen;
        if (chosen.some(({ row }) => changed.has(row.number))) {
          await Promise.all([this.comparison.choose(chosen, this.table.settings), this.samples.choose(chosen)]);
        }
        await this.curves.load((row) => row.state === "running" || changed.has(row.number));
        await this.samples.follow();
        if (this.lost) say("");
        this.lost = false;
      }
    } catch (error) {
      this.lost = true;
      say(error.message, "bad");
    }
    this.again();
  }

  /** Opens a run's report in a tab of its own; it is loaded as another origin, which may run and load nothing. */
  async report(row) {
    try {
      const { path } = await post(`/api/runs/${row.number}/report`, {});
      window.open(path, "_blank", "noopener");
    } catch (error) {
      say(error.message, "bad");
    }
  }

  askToStop(row) {
    const dialog = el("dialog", { class: "stop", "aria-label": `Stop ${row.name}` });
    fill(
      dialog, el("h1", {}, `Stop ${row.name}?`),
      el("p", {}, "It finishes the update that it is at, keeps a checkpoint and ends, as if somebody had pressed Ctrl-C. Where it is not training, it ends after the batch or before the stage that comes next."),
      el("p", {}, "The command that started it goes on from there (a training: with --resume)."),
      el("div", { class: "row" },
        el("button", { type: "button", class: "main", onclick: async () => {
          dialog.close();
          try {
            await post(`/api/runs/${row.number}/stop`, { began: row.began });
            say(`${row.name} was asked to stop`);
            await this.look();
          } catch (error) {
            say(error.message, "bad");
          }
        } }, "Stop it"),
        el("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Let it run")),
    );
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}
