// The image viewer: canvas, tools, layers and status line. It knows nothing of saving and of decisions.

import { handles } from "./draw.js";
import { el, fill } from "./dom.js";
import { listen as listenToKeys } from "./keys.js";
import { Marked } from "./marked.js";
import { drawMark, drawName, drawPlace, drawRuler, drawScale, drawSeen, drawSides, heatPicture } from "./overlay.js";
import { listen as listenToPointers } from "./pointer.js";
import { Raster } from "./raster.js";
import { LayerPanel, StatusLine, Toolbar, described } from "./viewer_parts.js";
import { View } from "./view.js";
import { keysOf } from "./viewer_keys.js";
import { PRESETS, ends, extent } from "./window.js";

export class Viewer extends Marked {
  #tool = "select";
  #ruler = null;

  constructor(host, { presetKeys = true } = {}) {
    super();
    this.view = new View();
    this.hidden = false;
    this.presetKeys = presetKeys;
    this.base = el("canvas", { class: "base" });
    this.top = el("canvas", { class: "top", tabindex: 0, role: "img" });
    this.words = el("p", { class: "words" });
    this.stage = el("div", { class: "stage" }, this.base, this.top, this.words);
    this.toolbar = new Toolbar(this);
    this.panel = new LayerPanel(this);
    this.status = new StatusLine();
    host.classList.add("viewer");
    fill(host, this.toolbar.element, this.stage, this.panel.element, this.status.element);
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this.stage);
  }

  // ------------------------------------------------------------------------------------------------------- the image

  /** Shows an image; with `keep` the view stays where it is if the size is the same. */
  show(picture, samples, { keep = false } = {}) {
    const same = this.view.image[0] === picture.width && this.view.image[1] === picture.height;
    this.picture = picture;
    this.samples = samples;
    this.raster = new Raster(picture, samples);
    this.usual = [picture.low, picture.high];
    this.turned = false;
    this.#ruler = null;
    this.points = this.sketch = null;
    this.view.image = [picture.width, picture.height];
    fill(this.words, picture.note);
    this.stage.classList.remove("failed");
    if (!(keep && same)) this.view.fit();
    this.window = this.usual;
    this.toolbar.update();
  }

  /** Says why there is no image; without words, that there is none yet. */
  fail(message = "") {
    this.letGo();
    this.picture = this.samples = this.raster = this.#ruler = null;
    this.points = this.sketch = null;
    this.stage.classList.add("failed");
    fill(this.words, message);
    this.draw();
  }

  /** The values that are shown black and white. */
  get window() {
    return this.range;
  }

  set window(range) {
    this.range = range;
    this.raster?.set(range, this.turned);
    this.draw();
    this.tell("window", { window: range });
  }

  /** A window by its name: a preset of CT, "file" for the file's own, "all" for the whole range. */
  preset(name) {
    if (!this.picture) return;
    if (name === "file") this.window = this.usual;
    else if (name === "all") this.window = extent(this.samples);
    else if (PRESETS[name]) this.window = ends(PRESETS[name]);
  }

  get isCT() {
    return this.picture?.modality === "CT" && this.picture.samples === 1 && !this.picture.note;
  }

  invert() {
    this.turned = !this.turned;
    this.window = this.range;
    this.toolbar.update();
  }

  fit() {
    this.view.fit();
    this.draw();
  }

  actual() {
    this.view.zoomTo(this.view.actual);
    this.draw();
  }

  zoomBy(factor, at) {
    this.view.zoomTo(this.view.scale * factor, at);
    this.draw();
  }

  // ------------------------------------------------------------------------------------------------------- the layers

  /** An attention map {width, height, values, title, mass, ratio} over the image, or null. */
  setMap(map) {
    this.map = map && { opacity: 0, threshold: 0.2, ...map };  // the image itself is seen first
    this.panel.update();
    this.changeMap({});
  }

  changeMap(fields) {
    if (this.map) {
      Object.assign(this.map, fields);
      this.map.picture = heatPicture(this.map, this.map.threshold);
    }
    this.draw();
  }

  /** The part of the image that a model saw, or null. */
  setSeen(box) {
    this.seen = box;
    this.draw();
  }

  /** Hides all that lies over the image, or shows it again. */
  hideAll(hidden = !this.hidden) {
    this.hidden = hidden;
    this.toolbar.update();
    this.draw();
  }

  /** Brings a box into sight where it is not. */
  reveal(box) {
    const [left, top, right, bottom] = this.view.sight;
    if (box[2] < left || box[0] > right || box[3] < top || box[1] > bottom) {
      this.view.centre([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
    }
    this.draw();
  }

  /** Shows for a moment where a box is. */
  flash(box) {
    this.flashed = box;
    this.reveal(box);
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => { this.flashed = null; this.draw(); }, 1200);
  }

  // --------------------------------------------------------------------------------------------------------- drawing

  #resize() {
    const density = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const fitted = Math.abs(this.view.scale - this.view.fitting) < 1e-9 || this.view.canvas[0] === 1;
    for (const canvas of [this.base, this.top]) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    this.view.canvas = [width, height];
    this.view.density = density;
    if (fitted) this.view.fit();
    this.#paint();
  }

  /** Draws with the next frame, however often it is asked for until then. */
  draw() {
    this.asked ??= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.asked);
    this.asked = null;
    const base = this.base.getContext("2d");
    if (this.raster && this.view.canvas[0] > 1) this.raster.draw(base, this.view);
    else base.clearRect(0, 0, this.base.width, this.base.height);
    const top = this.top.getContext("2d");
    top.setTransform(this.view.density, 0, 0, this.view.density, 0, 0);
    top.clearRect(0, 0, ...this.view.canvas);
    if (this.raster && !this.hidden) this.#over(top);
    this.top.setAttribute("aria-label", described(this));
    this.status.update(this);
    this.tell("view", {});
  }

  #over(top) {
    if (this.map?.picture && this.map.opacity > 0) {
      const [left, upper, right, lower] = this.view.boxToScreen([0, 0, ...this.view.image]);
      top.globalAlpha = this.map.opacity;
      top.drawImage(this.map.picture, left, upper, right - left, lower - upper);
      top.globalAlpha = 1;
    }
    const seen = this.layers.filter((one) => one.visible).flatMap((layer) => layer.marks.map((mark, at) => ({ layer, mark, at })))
      .filter(({ mark }) => !this.hides(mark));
    for (const { layer, mark, at } of seen) {
      const chosen = layer.id === this.picked?.layer && at === this.picked.at;
      drawPlace(top, this.view, mark, layer.style, { opacity: layer.opacity, chosen, grips: chosen && layer.editable ? handles(mark) : [] });
    }
    for (const { layer, mark } of seen) drawName(top, this.view, mark, layer.style, layer);  // over the lines of others
    if (this.flashed) drawMark(top, this.view, { box: this.flashed, label: "here" }, "reader", { chosen: true });
    if (this.seen) drawSeen(top, this.view, this.seen);
    if (this.#ruler) drawRuler(top, this.view, ...this.#ruler, this.picture);
    if (this.sketch?.box) drawMark(top, this.view, this.sketch, this.editable?.style ?? "reader", { unnamed: this.editable?.unnamed });
    drawSides(top, this.view, this.picture.orientation);
    drawScale(top, this.view, this.picture);
  }

  // ----------------------------------------------------------------------------------------------------------- input

  get tool() {
    return this.#tool;
  }

  set tool(tool) {
    this.#tool = tool;
    this.points = this.sketch = null;
    this.stage.dataset.tool = tool;
    this.toolbar.update();
    this.draw();
    this.tell("tool", { tool });
  }

  #listen() {
    this.tool = "select";
    this.letGo = listenToPointers(this, this.top);
    this.top.addEventListener("keydown", (event) => this.#key(event));
    this.keys = keysOf(this);
    listenToKeys(this.keys);
  }

  panBy(across, down) {
    this.view.pan(across, down);
    this.draw();
  }

  /** Where the pointer is on the screen; null where it is not on the image. */
  hover(point) {
    this.pointer = point && this.view.toImage(point);
    this.status.update(this);
  }

  set ruler(ends) {
    this.#ruler = ends;
    this.draw();
  }

  #key(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Enter" && this.points) this.closeOutline();
    else if (event.key === "Escape") {
      this.points = this.sketch = this.#ruler = null;
      this.select(-1);
      this.draw();
    } else if (dx !== undefined && !event.ctrlKey && !event.altKey) {
      if (this.chosen?.box) this.nudge(dx, dy, event.shiftKey);
      else this.panBy(-40 * dx, -40 * dy);
    } else return;
    event.preventDefault();
  }
}
