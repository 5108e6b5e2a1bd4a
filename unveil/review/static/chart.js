// A chart of lines over updates, as SVG: axes with names, a line for each run in a colour, a dash and a mark of its own.

import { fill } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = { left: 52, right: 12, top: 20, bottom: 34 };
/** Points up to which each has its mark. */
const FEW = 24;
/** How many runs can be told apart by colour. */
export const SLOTS = 8;

/** An element of SVG with attributes. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children.flat());
  return made;
}

/** Round values that part a range in about `count` steps, the outer ones within it. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step);
}

/** A number as briefly as an axis or a readout needs it. */
export function brief(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 4 : digits)));
}

/** An exponential mean of values, null where there is none; 0 leaves them as they are. */
export function smoothed(values, weight) {
  if (!weight) return values;
  let [mean, share] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return mean / share;
  });
}

/** At most two points for each pixel across, the lowest and the highest, so that a peak of one update is seen. */
export function thinned(points, width) {
  if (points.length <= 2 * width) return points;
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const columns = new Map();
  for (const point of points) {
    const column = Math.floor(((point[0] - first) / (last - first || 1)) * (width - 1));
    const kept = columns.get(column);
    if (!kept) columns.set(column, [point, point]);
    else if (point[1] < kept[0][1]) kept[0] = point;
    else if (point[1] > kept[1][1]) kept[1] = point;
  }
  return [...columns.values()].flatMap(([low, high]) => (low === high ? [low] : low[0] <= high[0] ? [low, high] : [high, low]));
}

/** The mark of a run at a place: a shape of its own. */
export function mark(slot, x, y, size = 3) {
  const shape = slot % 4;
  const name = `mark series-${slot}`;
  if (shape === 0) return svg("circle", { class: name, cx: x, cy: y, r: size });
  if (shape === 1) return svg("rect", { class: name, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  const corners = shape === 2
    ? [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]] : [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]];
  return svg("polygon", { class: name, points: corners.map(([a, b]) => `${x + a * size},${y + b * size}`).join(" ") });
}

/** How a run is drawn, for a legend. */
export function swatch(slot) {
  return svg("svg", { class: "swatch", viewBox: "0 0 28 12", width: 28, height: 12, "aria-hidden": "true" },
    svg("path", { class: `line series-${slot}`, d: "M1 6H27" }), mark(slot, 14, 6));
}

/**
 * A chart of one figure. `series` are { slot, name, steps, values, faint }, values null where there is no number; a line
 * that is `faint` stands behind. `onat(step)` is told the update under the pointer, null outside.
 */
export class Chart {
  constructor({ title, unit, onat }) {
    this.title = title;
    this.unit = unit;
    this.series = [];
    this.at = null;
    this.element = svg("svg", { class: "chart", role: "img", tabindex: 0 });
    const tell = (step) => onat?.(step);
    this.element.addEventListener("pointermove", (event) => tell(this.#step(event)));
    this.element.addEventListener("pointerleave", () => tell(null));
    this.element.addEventListener("blur", () => tell(null));
    this.element.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !this.steps.length) return;
      event.preventDefault();
      const here = this.at === null ? (by > 0 ? -1 : this.steps.length) : this.steps.indexOf(this.at);
      tell(this.steps[Math.min(Math.max(here + by, 0), this.steps.length - 1)]);
    });
  }

  /** All updates at which any run has a value. */
  get steps() {
    return [...new Set(this.series.filter((one) => !one.faint).flatMap((one) => one.steps))].sort((a, b) => a - b);
  }

  /** What the lines that reach an update have there, or last had before it, and at which: [[series, value, step], …]. */
  valuesAt(step) {
    return this.series.filter((one) => !one.faint && step <= one.steps.at(-1)).flatMap((one) => {
      let found = -1;
      for (let n = 0; n < one.steps.length && one.steps[n] <= step; n += 1) if (one.values[n] !== null) found = n;
      return found < 0 ? [] : [[one, one.values[found], one.steps[found]]];
    });
  }

  draw(series, width, height) {
    Object.assign(this, { series, width, height });
    const points = series.flatMap((one) => one.steps.map((step, n) => [step, one.values[n]])).filter(([, value]) => value !== null);
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.element.setAttribute("height", height);
    this.element.setAttribute("aria-label", this.#described());
    if (!points.length) return void fill(this.element);
    const [low, high] = padded(points.map(([, value]) => value));
    this.range = extent(points.map(([step]) => step));
    const [first, last] = this.range;
    this.x = (step) => MARGIN.left + ((step - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
    this.y = (value) => height - MARGIN.bottom - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    this.cursor = svg("g", { class: "cursor" });
    fill(this.element, ...this.#axes(low, high, first, last), ...this.#lines(), this.cursor);
    this.show(this.at);
  }

  #axes(low, high, first, last) {
    const { width, height } = this;
    const [bottom, right] = [height - MARGIN.bottom, width - MARGIN.right];
    const up = ticks(low, high, Math.max(2, Math.round(height / 30)));
    const across = ticks(first, last, Math.max(2, Math.round(width / 90))).filter(Number.isInteger);
    return [
      ...up.flatMap((value) => [
        svg("path", { class: "grid", d: `M${MARGIN.left} ${this.y(value)}H${right}` }),
        svg("text", { class: "tick", x: MARGIN.left - 6, y: this.y(value) + 4, "text-anchor": "end" }, brief(value)),
      ]),
      ...across.flatMap((step) => [
        svg("path", { class: "axis", d: `M${this.x(step)} ${bottom}v4` }),
        svg("text", { class: "tick", x: this.x(step), y: bottom + 16, "text-anchor": "middle" }, brief(step, 6)),
      ]),
      svg("path", { class: "axis", d: `M${MARGIN.left} ${bottom}H${right}` }),
      svg("text", { class: "name", x: right, y: height - 3, "text-anchor": "end" }, "update"),
      svg("text", { class: "name", x: 2, y: 11 }, this.unit),
    ];
  }

  #lines() {
    return this.series.flatMap((one) => {
      const pieces = whole(one.steps, one.values);
      const style = `line series-${one.slot}${one.faint ? " faint" : ""}`;
      const drawn = pieces.map((points) => svg("path", {
        class: style, d: `M${thinned(points, this.width).map(([step, value]) => `${this.x(step).toFixed(1)} ${this.y(value).toFixed(1)}`).join("L")}`,
      }));
      const all = pieces.flat();
      const marked = one.faint ? [] : all.length <= FEW ? all : [all.at(-1)];
      return [...drawn, ...marked.map(([step, value]) => mark(one.slot, this.x(step), this.y(value))), ...this.#named(one, all.at(-1))];
    });
  }

  /** The name of a line at its end, where its run has several in this chart. */
  #named(one, last) {
    const several = this.series.filter((other) => other.slot === one.slot && !other.faint).length > 1;
    if (one.faint || !last || !several || !one.model) return [];
    return [svg("text", { class: `of-line series-${one.slot}`, x: this.x(last[0]) + (this.x(last[0]) < MARGIN.left + 40 ? 6 : -6), y: Math.max(MARGIN.top + 2, this.y(last[1]) - 7),
      "text-anchor": this.x(last[0]) < MARGIN.left + 40 ? "start" : "end" }, one.model)];
  }

  /** Shows an update by a line across the chart and a mark for each run's value there. */
  show(step) {
    this.at = step;
    if (!this.cursor) return;
    if (step === null || step < this.range[0] || step > this.range[1]) return void fill(this.cursor);
    fill(
      this.cursor,
      svg("path", { class: "at", d: `M${this.x(step)} ${MARGIN.top}V${this.height - MARGIN.bottom}` }),
      ...this.valuesAt(step).map(([one, value, at]) => mark(one.slot, this.x(at), this.y(value), 4)),
    );
  }

  #step(event) {
    if (!this.x || !this.steps.length) return null;
    const box = this.element.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * this.width;
    return this.steps.reduce((best, step) => (Math.abs(this.x(step) - at) < Math.abs(this.x(best) - at) ? step : best));
  }

  #described() {
    const told = this.series.filter((one) => !one.faint).flatMap((one) => {
      const last = one.values.findLastIndex((value) => value !== null);
      return last < 0 ? [] : [`${one.name} ${brief(one.values[last])} after update ${one.steps[last]}`];
    });
    return `${this.title} over updates${this.unit ? `, in ${this.unit}` : ""}: ${told.join("; ") || "no value yet"}`;
  }
}

/** The first and the last update; a single one stands in the middle. */
function extent(steps) {
  const [first, last] = ends(steps);
  return first === last ? [first - 1, last + 1] : [first, last];
}

function ends(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

/** The range of values with a little room at both ends. */
function padded(values) {
  const [low, high] = ends(values);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low - room < 0 ? Math.min(low, 0) : low - room, high + room];
}

/** The pieces of a line between values that are no numbers. */
function whole(steps, values) {
  const pieces = [];
  let open = null;
  steps.forEach((step, n) => {
    if (values[n] === null) open = null;
    else if (open) open.push([step, values[n]]);
    else pieces.push(open = [[step, values[n]]]);
  });
  return pieces;
}
