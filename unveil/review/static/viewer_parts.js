// What stands around the image: tools and windows above it, layers and the map below it, and what is under the pointer.

import { el, fill } from "./dom.js";
import { STYLES, heat, restsOn } from "./overlay.js";
import { PRESETS, figure, widthAndLevel } from "./window.js";

const TOOLS = { select: ["Choose", "v"], pan: ["Pan", "t"], window: ["Window", "w"], box: ["Box", "b"], polygon: ["Outline", "g"], ruler: ["Measure", "m"] };

/** Buttons of the tools, windows and sizes. */
export class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.tools = Object.entries(TOOLS).map(([tool, [title, key]]) => el("button", {
      type: "button", title: `${title} (${key})`, dataset: { tool }, onclick: () => { viewer.tool = tool; },
    }, title));
    this.windows = el("select", { "aria-label": "window", onchange: () => { viewer.preset(this.windows.value); this.windows.value = ""; } });
    this.inverted = el("button", { type: "button", title: "exchange black and white (i)", onclick: () => viewer.invert() }, "Invert");
    this.shown = el("button", { type: "button", title: "hide all that lies over the image (h)", onclick: () => viewer.hideAll() }, "Hide marks");
    this.element = el(
      "div", { class: "tools", role: "toolbar", "aria-label": "image" }, ...this.tools, this.windows, this.inverted,
      el("button", { type: "button", title: "fit the image (f)", onclick: () => viewer.fit() }, "Fit"),
      el("button", { type: "button", title: "one pixel on one of the screen (/)", onclick: () => viewer.actual() }, "1:1"), this.shown,
    );
  }

  update() {
    const { viewer } = this;
    for (const button of this.tools) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === viewer.tool));
      button.hidden = ["box", "polygon"].includes(button.dataset.tool) && viewer.layers.length > 0 && !viewer.editable;
    }
    this.inverted.setAttribute("aria-pressed", String(Boolean(viewer.turned)));
    this.shown.setAttribute("aria-pressed", String(viewer.hidden));
    const grey = viewer.picture?.samples === 1;
    this.windows.hidden = !grey;
    const names = viewer.isCT ? Object.entries(PRESETS).map(([name, [width, level]]) => [name, `${name} ${width} / ${level}`]) : [];
    const rows = [["", "Windows"], ["file", "as in the file"], ["all", "whole range"], ...names];
    if (grey) fill(this.windows, rows.map(([value, title]) => el("option", { value }, title)));
  }
}

/** Which layers are seen and how strongly, and the map's own settings. */
export class LayerPanel {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = el("div", { class: "layers" });
  }

  update() {
    const { viewer } = this;
    if (this.element.contains(document.activeElement) && this.count === viewer.layers.length) return;
    this.count = viewer.layers.length;
    fill(this.element, viewer.layers.map((layer) => this.row(layer)), viewer.map && this.map(viewer.map));
    viewer.toolbar?.update();
  }

  row(layer) {
    const { viewer } = this;
    return el(
      "span", { class: "layer" },
      el("label", {}, el("input", { type: "checkbox", checked: layer.visible, onchange: (event) => viewer.setLayer(layer.id, { visible: event.target.checked }) }),
        swatch(layer.style), `${layer.title} (${layer.marks.length})`),
      el("input", { type: "range", min: 0.1, max: 1, step: 0.1, value: layer.opacity, "aria-label": `opacity of ${layer.title}`,
        oninput: (event) => viewer.setLayer(layer.id, { opacity: Number(event.target.value) }) }),
    );
  }

  map(map) {
    const { viewer } = this;
    const slider = (name, most) => el("label", {}, `${name} `, el("input", { type: "range", min: 0, max: most, step: 0.05, value: map[name],
      oninput: (event) => viewer.changeMap({ [name]: Number(event.target.value) }) }));
    const bar = el("canvas", { width: 96, height: 10, role: "img", "aria-label": "colours from 0 to the largest value" });
    const context = bar.getContext("2d");
    for (let x = 0; x < 96; x += 1) {
      context.fillStyle = `rgb(${heat(x / 95).join(" ")})`;
      context.fillRect(x, 0, 1, 10);
    }
    const told = map.mass === undefined ? "" : `${Math.round(map.mass * 100)} % in the boxes, ${map.ratio?.toFixed(1) ?? "–"} times their area`;
    return el("span", { class: "layer" }, map.title ?? "Attention", slider("opacity", 1), slider("threshold", 0.95), "0", bar, "1", el("small", {}, told));
  }
}

function swatch(style) {
  const { colour, dashes } = STYLES[style] ?? STYLES.other;
  const canvas = el("canvas", { width: 26, height: 10, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  context.strokeStyle = colour;
  context.lineWidth = 3;
  context.setLineDash(dashes);
  context.moveTo(0, 5);
  context.lineTo(26, 5);
  context.stroke();
  return canvas;
}

/** What is under the pointer, and how the image is shown. */
export class StatusLine {
  constructor() {
    this.element = el("p", { class: "status" });
  }

  update({ picture, samples, pointer, range, view }) {
    if (!picture) return fill(this.element, " ");
    const parts = [`${Math.round(view.scale * view.density * 100)} %`];
    if (picture.samples === 1 && range) {
      const [width, level] = widthAndLevel(range);
      parts.unshift(`window ${figure(width)} / ${figure(level)}`);
    }
    const [x, y] = (pointer ?? [-1, -1]).map(Math.floor);
    if (x >= 0 && y >= 0 && x < picture.width && y < picture.height) {
      const at = (y * picture.width + x) * picture.samples;
      const values = [...samples.subarray(at, at + picture.samples)].map(figure).join(", ");
      const unit = picture.modality === "CT" && !picture.note ? " HU" : "";
      const place = picture.spacing ? ` (${(pointer[0] * picture.spacing[1]).toFixed(1)}, ${(pointer[1] * picture.spacing[0]).toFixed(1)} mm${restsOn(picture)})` : "";
      parts.push(`${x}, ${y}${place}: ${values}${unit}`);
    }
    return fill(this.element, parts.join(" · "));
  }
}

/** An image and what lies over it, in words. */
export function described({ picture, layers, hidden, words }) {
  if (!picture) return `no image: ${words.textContent}`;
  const marks = layers.filter((layer) => layer.visible).map((layer) => `${layer.title}: ${layer.marks.length} marks`);
  return `image of ${picture.width} by ${picture.height} pixels. ${hidden ? "marks hidden" : marks.join(", ")}`;
}
