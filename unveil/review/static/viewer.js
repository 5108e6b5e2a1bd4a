// The image viewer: canvas, tools, layers and status line. It knows nothing of saving and of decisions.

import { bounds, handles, moved, stretched, withoutCorner } from "./draw.js";
import { el, fill } from "./dom.js";
import { listen as listenToKeys } from "./keys.js";
import { drawMark, drawRuler, drawScale, drawSeen, drawSides, heatPicture } from "./overlay.js";
import { closed, listen as listenToPointers } from "./pointer.js";
import { Raster } from "./raster.js";
import { LayerPanel, StatusLine, Toolbar, described } from "./viewer_parts.js";
import { View } from "./view.js";
import { keysOf } from "./viewer_keys.js";
import { PRESETS, ends, extent } from "./window.js";

export class Viewer extends EventTarget {
  #tool = "select";
  #selected = -1;
  #ruler = null;

  constructor(host, { presetKeys = true } = {}) {
    super();
    this.view = new View();
    this.layers = [];
    this.choices = new Map();
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
    const same = this.picture?.width === picture.width && this.picture?.height === picture.height;
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

  /** Says why there is no image. */
  fail(message) {
    this.picture = this.samples = this.raster = null;
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
    this.#tell("window", { window: range });
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

  /** What lies over the image; a reader's choice of what is seen holds for the layers of the same name. */
  setLayers(layers) {
    this.layers = layers.map((layer) => ({ ...layer, ...this.choices.get(layer.id) }));
    const count = this.editable?.marks.length ?? 0;
    if (this.#selected >= count) this.#selected = -1;
    this.panel.update();
    this.draw();
  }

  /** What of a layer is seen: {visible, opacity}. */
  setLayer(id, fields) {
    this.choices.set(id, { ...this.choices.get(id), ...fields });
    this.setLayers(this.layers);
  }

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

  /** Shows for a moment where a box is. */
  flash(box) {
    this.flashed = box;
    const [left, top, right, bottom] = this.view.sight;
    if (box[2] < left || box[0] > right || box[3] < top || box[1] > bottom) {
      this.view.centre([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
    }
    this.draw();
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => { this.flashed = null; this.draw(); }, 1200);
  }

  get editable() {
    return this.layers.find((layer) => layer.editable);
  }

  get selected() {
    return this.#selected;
  }

  /** Chooses a mark of the layer that can be changed; -1 none. */
  select(at) {
    if (at === this.#selected) return;
    this.#selected = at;
    this.cornerChosen = -1;
    this.draw();
    this.#tell("select", { at });
  }

  /** The mark that is chosen; undefined where none is. */
  get chosen() {
    return this.editable?.marks[this.#selected];
  }

  /** Takes away the chosen mark, or of an outline the corner that was taken hold of last. */
  remove() {
    const at = this.#selected;
    if (at < 0) return;
    const corner = this.cornerChosen ?? -1;
    this.cornerChosen = -1;
    if (corner >= 0 && this.chosen.polygon?.length > 3) {
      this.#change((mark) => withoutCorner(mark, corner), "resize");
      return;
    }
    this.#selected = -1;
    this.#edit(this.editable.marks.toSpliced(at, 1), "remove");
  }

  duplicate() {
    const mark = this.editable?.marks[this.#selected];
    if (!mark?.box) return;
    const copy = { ...moved(mark, 8, 8, this.view.image), finding: null };
    this.#selected = this.editable.marks.length;
    this.#edit([...this.editable.marks, copy], "add");
  }

  /** Moves the chosen mark by pixels of the image, or with `resize` its right and lower side. */
  nudge(across, down, resize = false) {
    this.#change((mark) => (resize ? stretched : moved)(mark, across, down, this.view.image), resize ? "resize" : "move");
  }

  #change(change, kind) {
    const at = this.#selected;
    if (at >= 0) this.#edit(this.editable.marks.map((mark, k) => (k === at ? change(mark) : mark)), kind);
  }

  #edit(marks, kind) {
    this.editable.marks = marks;
    this.draw();
    this.#tell("edit", { marks, kind });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
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
    this.#tell("view", {});
  }

  #over(top) {
    if (this.map?.picture && this.map.opacity > 0) {
      const [left, upper, right, lower] = this.view.boxToScreen([0, 0, ...this.view.image]);
      top.globalAlpha = this.map.opacity;
      top.drawImage(this.map.picture, left, upper, right - left, lower - upper);
      top.globalAlpha = 1;
    }
    for (const layer of this.layers.filter((one) => one.visible)) {
      layer.marks.forEach((mark, at) => {
        const chosen = layer.editable && at === this.#selected;
        if (this.hiddenMarks?.has(mark)) return;
        drawMark(top, this.view, mark, layer.style, { opacity: layer.opacity, chosen, grips: chosen ? handles(mark) : [] });
      });
    }
    if (this.flashed) drawMark(top, this.view, { box: this.flashed, label: "here" }, "reader", { chosen: true });
    if (this.seen) drawSeen(top, this.view, this.seen);
    if (this.#ruler) drawRuler(top, this.view, ...this.#ruler, this.picture.spacing);
    if (this.sketch?.box) drawMark(top, this.view, this.sketch, this.editable?.style ?? "reader");
    drawSides(top, this.view, this.picture.orientation);
    drawScale(top, this.view, this.picture.spacing);
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
    this.#tell("tool", { tool });
  }

  #listen() {
    this.tool = "select";
    listenToPointers(this, this.top);
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

  /** What is being drawn, {box}, or null. */
  draft(place) {
    this.sketch = place && { label: "", polygon: [], ...place };
    this.draw();
  }

  /** The outline that is being drawn, with the pointer as its next corner. */
  drafted(point) {
    if (!this.points) return;
    const polygon = [...this.points, point];
    this.draft({ polygon, box: bounds(polygon) });
  }

  /** A further corner of an outline; one at the first corner closes it. */
  corner(point, reach) {
    const [first] = this.points ?? [];
    if (this.points?.length > 2 && Math.hypot(point[0] - first[0], point[1] - first[1]) < reach) this.closeOutline();
    else {
      this.points = [...(this.points ?? []), point];
      this.drafted(point);
    }
  }

  closeOutline() {
    const place = this.points && closed(this.points, this.view.image);
    this.points = this.sketch = null;
    if (place) this.add(place);
    else this.draw();
  }

  /** A new mark, which has no name yet. */
  add(place) {
    if (!this.editable) return;
    this.#selected = this.editable.marks.length;
    this.#edit([...this.editable.marks, { label: "", finding: null, polygon: [], ...place }], "add");
    this.tool = "select";
  }

  askName(at) {
    if (at >= 0) this.#tell("name", { at });
  }

  /** Shows the chosen mark as it would be; `settle` makes it so. */
  preview(mark) {
    this.editable.marks = this.editable.marks.map((one, at) => (at === this.#selected ? mark : one));
    this.draw();
  }

  settle(kind) {
    this.#edit(this.editable.marks, kind);
  }

  /** Hides the chosen mark, or shows it again. */
  hideMark() {
    const mark = this.chosen;
    this.hiddenMarks ??= new WeakSet();
    if (this.hiddenMarks.has(mark)) this.hiddenMarks.delete(mark);
    else this.hiddenMarks.add(mark);
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
      if (this.#selected >= 0) this.nudge(dx, dy, event.shiftKey);
      else this.panBy(-40 * dx, -40 * dy);
    } else return;
    event.preventDefault();
  }
}
