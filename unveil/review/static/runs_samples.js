// What the models of a run have answered: texts, and the image with the true places and those of the answer.

import { get, image } from "./api.js";
import { brief } from "./chart.js";
import { el, fill } from "./dom.js";
import { Viewer } from "./viewer.js";
import { shown as withPlaces } from "./words.js";

const AT_ONCE = 30;

/** The samples of the chosen runs, one source of them at a time; the newest come first while a run is training. */
export class Samples {
  constructor(host) {
    this.host = host;
    this.source = el("select", { "aria-label": "samples of", onchange: () => this.open() });
    this.earlier = el("button", { type: "button", onclick: () => this.page(-1) }, "Earlier");
    this.later = el("button", { type: "button", onclick: () => this.page(1) }, "Later");
    this.where = el("span", { class: "soft" });
    this.list = el("ol", { class: "samples-list", tabindex: 0, "aria-label": "samples" });
    this.words = el("p", { class: "bad", role: "status" });
    const picture = el("div", { class: "picture" });
    fill(host, el("div", { class: "heading" }, el("h1", {}, "Samples"), this.source, this.earlier, this.later, this.where),
      this.words, el("div", { class: "beside" }, this.list, picture));
    this.viewer = new Viewer(picture);
    this.known = "";
    host.hidden = true;
  }

  /** Offers what other runs have: [{ row, slot }, …]. */
  async choose(chosen) {
    const found = await Promise.all(chosen.filter(({ row }) => row.samples).map(async ({ row }) => (await get(`/api/runs/${row.number}/sources`)).map((one) => ({ ...one, row }))));
    const sources = found.flat();
    const known = JSON.stringify(sources.map(({ row, key }) => [row.number, key]));
    if (known === this.known) return;
    this.known = known;
    this.sources = sources;
    const now = this.source.value;
    const value = ({ row, key }) => `${row.number} ${key}`;
    fill(this.source, sources.map((one) => el("option", { value: value(one), selected: value(one) === now }, `${[one.row.name, one.model].filter(Boolean).join("/")}: ${one.title}`)));
    this.host.hidden = !sources.length;
    if (sources.length && this.source.value !== now) await this.open();
  }

  get chosen() {
    return this.sources?.find(({ row, key }) => `${row.number} ${key}` === this.source.value);
  }

  async open() {
    this.start = this.chosen?.key.endsWith("samples.jsonl") ? -AT_ONCE : 0;  // of those that come, the last ones
    this.following = this.start < 0;
    this.showing = null;
    await this.load();
  }

  async page(by) {
    this.start = Math.max(0, (this.first ?? 0) + by * AT_ONCE);
    this.following = this.start + AT_ONCE >= this.total && this.chosen.key.endsWith("samples.jsonl");
    await this.load();
  }

  /** Reads on where samples are drawn in training, and shows the newest where those were shown. */
  async follow() {
    if (this.following && this.chosen?.row.state === "running") await this.load();
  }

  async load() {
    const source = this.chosen;
    if (!source) return;
    try {
      const start = this.following ? -AT_ONCE : this.start;
      const found = await get(`/api/runs/${source.row.number}/samples?source=${encodeURIComponent(source.key)}&start=${start}&count=${AT_ONCE}`);
      if (source !== this.chosen) return;
      fill(this.words);
      if (found.total === this.total && found.start === this.first && this.showing) return;
      Object.assign(this, { total: found.total, first: found.start });
      this.#list(found);
    } catch (error) {
      fill(this.words, error.message);
      fill(this.list);
      this.viewer.fail("");
    }
  }

  #list({ total, start, rows }) {
    fill(this.where, total ? `${start + 1} to ${start + rows.length} of ${total}` : "none yet");
    this.earlier.disabled = start === 0;
    this.later.disabled = start + rows.length >= total;
    const ordered = rows[0]?.drawn ? [...rows].reverse() : rows;
    fill(this.list, ordered.map((row) => el("li", { dataset: { number: row.number } }, this.#entry(row))));
    if (ordered.length) this.show(ordered[0]);
    else this.viewer.fail("No sample was drawn yet.");
  }

  #entry(row) {
    const about = [row.step !== undefined && row.step !== null && `update ${row.step}`, row.kind, row.modality, row.cut && "cut at its limit", row.id].filter(Boolean).join(", ");
    return [
      el("button", { type: "button", class: "quiet", onclick: () => this.show(row) }, el("b", {}, row.name), about && el("small", { class: "soft" }, ` ${about}`)),
      row.rewards?.length > 0 && el("small", {}, `rewards ${row.rewards.map((one) => brief(one)).join(", ")}`),
      el("dl", {}, row.texts.flatMap(({ title, text }) => [el("dt", {}, title), el("dd", { dir: "auto" }, withPlaces(text, { onbox: () => this.show(row) }))])),
    ];
  }

  async show(row) {
    const source = this.chosen;
    this.showing = row.number;
    for (const item of this.list.children) {
      if (Number(item.dataset.number) === row.number) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
    try {
      const { picture, samples } = await image(`/api/runs/${source.row.number}/image?source=${encodeURIComponent(source.key)}&sample=${row.number}`);
      if (this.showing !== row.number || source !== this.chosen) return;
      this.viewer.show({ ...picture, note: row.drawn ? "Drawn in: true places green, those of the best answer blue, of the worst red." : picture.note }, samples);
      this.viewer.setLayers(row.drawn ? [] : [layer("truth", "Truth", row.truth), layer("model", "Answer", row.said)]);
      this.host.dataset.shown = row.name;
    } catch (error) {
      if (this.showing === row.number) this.viewer.fail(error.message);
    }
  }
}

function layer(style, title, marks) {
  return { id: style, title, style, visible: true, opacity: 1, editable: false, marks: marks.map(({ label, box, polygon }) => ({ label, box: box ?? null, polygon: polygon ?? [], finding: null })) };
}
