// The image viewer: canvas, tools, layers and status line. It knows nothing of saving and of decisions.

import { boxBetween, handleAt, handles, markAt, moved, outline, resized, stretched, withCorner, withoutCorner } from "./draw.js";
import { el, fill } from "./dom.js";
import { listen } from "./keys.js";
import { drawMark, drawRuler, drawScale, drawSeen, drawSides, heatPicture } from "./overlay.js";
import { Raster } from "./raster.js";
import { LayerPanel, StatusLine, Toolbar } from "./viewer_parts.js";
import { View } from "./view.js";
import { PRESETS, dragged, ends } from "./window.js";

const REACH = 9;  // CSS pixels at which something is taken hold of
const STEP = 1.25;

export class Viewer extends EventTarget {
  #tool = "select";
  #selected = -1;

  constructor(host, { presetKeys = true } = {}) {
    super();
    this.view = new View();
    this.layers = [];
    this.hidden = new Map();
    this.naked = false;
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
    this.ruler = null;
    this.drawing = null;
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
    else if (name === "all") this.window = this.#extent();
    else if (PRESETS[name]) this.window = ends(PRESETS[name]);
  }

  #extent() {
    let [low, high] = [Infinity, -Infinity];
    for (const value of this.samples) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
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
    this.layers = layers.map((layer) => ({ ...layer, ...this.hidden.get(layer.id) }));
    const count = this.editable?.marks.length ?? 0;
    if (this.#selected >= count) this.#selected = -1;
    this.panel.update();
    this.draw();
  }

  /** What of a layer is seen: {visible, opacity}. */
  setLayer(id, fields) {
    this.hidden.set(id, { ...this.hidden.get(id), ...fields });
    this.setLayers(this.layers);
  }

  /** An attention map {width, height, values, title, mass, ratio} over the image, or null. */
  setMap(map) {
    this.map = map && { opacity: 0.5, threshold: 0.2, ...map };
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
  hideAll(naked = !this.naked) {
    this.naked = naked;
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
    this.draw();
    this.#tell("select", { at });
  }

  remove() {
    const at = this.#selected;
    if (at < 0) return;
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
    if (this.raster && !this.naked) this.#over(top);
    this.top.setAttribute("aria-label", this.#described());
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
    if (this.ruler) drawRuler(top, this.view, ...this.ruler, this.picture.spacing);
    if (this.drawing?.mark) drawMark(top, this.view, this.drawing.mark, this.editable?.style ?? "reader");
    drawSides(top, this.view, this.picture.orientation);
    drawScale(top, this.view, this.picture.spacing);
  }

  #described() {
    if (!this.picture) return `no image: ${this.words.textContent}`;
    const marks = this.layers.filter((layer) => layer.visible).map((layer) => `${layer.title}: ${layer.marks.length} marks`);
    return `image of ${this.picture.width} by ${this.picture.height} pixels. ${this.naked ? "marks hidden" : marks.join(", ")}`;
  }

  // ----------------------------------------------------------------------------------------------------------- input

  get tool() {
    return this.#tool;
  }

  set tool(tool) {
    this.#tool = tool;
    this.drawing = null;
    this.stage.dataset.tool = tool;
    this.toolbar.update();
    this.draw();
    this.#tell("tool", { tool });
  }

  #listen() {
    this.tool = "select";
    const { top } = this;
    top.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(STEP ** (-event.deltaY / (event.deltaMode ? 3 : 100)), this.#at(event));
    }, { passive: false });
    top.addEventListener("contextmenu", (event) => event.preventDefault());
    top.addEventListener("pointerdown", (event) => this.#down(event));
    top.addEventListener("pointermove", (event) => this.#move(event));
    top.addEventListener("pointerup", (event) => this.#up(event));
    top.addEventListener("pointercancel", () => { this.held = null; this.fingers.clear(); });
    top.addEventListener("pointerleave", () => { this.pointer = null; this.status.update(this); });
    top.addEventListener("dblclick", () => this.#finish());
    top.addEventListener("keydown", (event) => this.#key(event));
    this.fingers = new Map();
    this.keys = this.#keys();
    listen(this.keys);
  }

  #at(event) {
    const { left, top } = this.top.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #down(event) {
    if (!this.picture) return;
    const at = this.#at(event);
    this.top.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, at);
    if (this.fingers.size === 2) {
      this.held = { tool: "pinch", ...this.#pinch() };
      return;
    }
    const tool = event.button === 1 ? "pan" : event.button === 2 ? "window" : this.#tool;
    const point = this.view.toImage(at);
    this.held = { tool, last: at, from: point };
    if (tool === "select") this.#take(point, event.shiftKey);
    else if (tool === "polygon") this.#corner(point);
    else if (tool === "ruler") this.ruler = [point, point];
  }

  #pinch() {
    const [a, b] = [...this.fingers.values()];
    return { apart: Math.hypot(a[0] - b[0], a[1] - b[1]), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  }

  /** Takes hold of a handle or of a mark, or of the image where there is none. */
  #take(point, remove) {
    const reach = REACH / this.view.scale;
    const layer = this.editable;
    const own = layer?.visible && !this.naked ? layer.marks[this.#selected] : undefined;
    const grip = own && handleAt(own, point, reach);
    if (grip && remove && !grip.between) return this.#change((mark) => withoutCorner(mark, grip.number), "resize");
    if (grip) {
      const mark = grip.between ? withCorner(own, grip.number, grip.at) : own;
      this.held = { ...this.held, grip: grip.between ? grip.number + 1 : grip.number, mark };
      return undefined;
    }
    const at = layer?.visible && !this.naked ? markAt(layer.marks, point, reach) : -1;
    this.select(at);
    if (at >= 0) this.held.mark = layer.marks[at];
    else this.held.tool = "pan";
    return undefined;
  }

  #corner(point) {
    const points = [...(this.drawing?.points ?? []), point];
    const [first] = points;
    const reach = REACH / this.view.scale;
    if (points.length > 3 && Math.hypot(point[0] - first[0], point[1] - first[1]) < reach) {
      points.pop();
      this.#finish(points);
    } else this.#sketch(points);
  }

  #sketch(points, to = points.at(-1)) {
    const polygon = [...points, to];
    const [across, down] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
    const box = [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)];
    this.drawing = { points, mark: { label: "", polygon, box } };
    this.draw();
  }

  /** Closes the outline that is being drawn. */
  #finish(points = this.drawing?.points) {
    if (this.#tool !== "polygon" || !points) return;
    const polygon = outline(points, this.view.image);
    this.drawing = null;
    if (polygon) {
      const [across, down] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
      this.#add({ box: [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)], polygon });
    } else this.draw();
  }

  #add(place) {
    if (!this.editable) return;
    this.#selected = this.editable.marks.length;
    this.#edit([...this.editable.marks, { label: "", finding: null, polygon: [], ...place }], "add");
    this.tool = "select";
  }

  #move(event) {
    const at = this.#at(event);
    this.pointer = this.view.toImage(at);
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, at);
    const { held } = this;
    if (!held) {
      if (this.drawing?.points) this.#sketch(this.drawing.points, this.pointer);
      this.status.update(this);
      return;
    }
    const [dx, dy] = held.last ? [at[0] - held.last[0], at[1] - held.last[1]] : [0, 0];
    held.last = at;
    if (held.tool === "pinch") this.#pinched(held);
    else if (held.tool === "pan") this.view.pan(dx, dy);
    else if (held.tool === "window") this.window = dragged(this.range, dx, dy, this.usual);
    else if (held.tool === "ruler") this.ruler = [held.from, this.pointer];
    else if (held.tool === "box") this.drawing = { mark: { label: "", box: boxBetween(held.from, this.pointer, this.view.image) } };
    else if (held.mark) this.#dragMark(held);
    this.draw();
  }

  #pinched(held) {
    if (this.fingers.size < 2) return;
    const now = this.#pinch();
    this.view.pan(now.middle[0] - held.middle[0], now.middle[1] - held.middle[1]);
    this.view.zoomTo(this.view.scale * now.apart / held.apart, now.middle);
    Object.assign(held, now);
  }

  #dragMark(held) {
    const size = this.view.image;
    const [dx, dy] = [this.pointer[0] - held.from[0], this.pointer[1] - held.from[1]];
    const mark = held.grip === undefined ? moved(held.mark, dx, dy, size) : resized(held.mark, held.grip, this.pointer, size);
    held.made = mark;
    this.editable.marks = this.editable.marks.map((one, at) => (at === this.#selected ? mark : one));
  }

  #up(event) {
    this.fingers.delete(event.pointerId);
    const { held } = this;
    this.held = null;
    if (!held) return;
    if (held.tool === "box") {
      const { mark } = this.drawing ?? {};
      this.drawing = null;
      if (mark?.box) this.#add({ box: mark.box });
      else this.draw();
    } else if (held.made) this.#edit(this.editable.marks, held.grip === undefined ? "move" : "resize");
  }

  #key(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Enter" && this.drawing?.points) this.#finish();
    else if (event.key === "Escape") { this.drawing = this.ruler = null; this.select(-1); this.draw(); }
    else if (dx !== undefined && !event.ctrlKey && !event.altKey) {
      if (this.#selected >= 0) this.nudge(dx, dy, event.shiftKey);
      else { this.view.pan(-40 * dx, -40 * dy); this.draw(); }
    } else return;
    event.preventDefault();
  }

  #keys() {
    const there = () => Boolean(this.picture);
    const some = () => this.#selected >= 0;
    const tools = { v: ["select", "choose and change marks"], b: ["box", "draw a box"], g: ["polygon", "draw an outline"],
      t: ["pan", "move the image"], w: ["window", "set the window by dragging"], m: ["ruler", "measure"] };
    const step = (by) => () => this.select(((this.#selected + by) % (this.editable?.marks.length || 1) + (this.editable?.marks.length || 1)) % (this.editable?.marks.length || 1));
    return [
      ...Object.entries(tools).map(([key, [tool, says]]) => ({ keys: [key], says, when: there, act: () => { this.tool = tool; } })),
      { keys: ["h"], says: "hide or show all that lies over the image", act: () => this.hideAll() },
      { keys: ["i"], says: "exchange black and white", when: there, act: () => this.invert() },
      { keys: ["f"], says: "fit the image", when: there, act: () => this.fit() },
      { keys: ["/"], says: "one pixel of the image on one of the screen", when: there, act: () => this.actual() },
      { keys: ["+", "="], says: "larger", when: there, act: () => this.zoomBy(STEP) },
      { keys: ["-"], says: "smaller", when: there, act: () => this.zoomBy(1 / STEP) },
      { keys: ["]"], says: "next mark", when: there, act: step(1) },
      { keys: ["["], says: "previous mark", when: there, act: step(-1) },
      { keys: ["Backspace", "Delete"], says: "delete the chosen mark", when: some, act: () => this.remove() },
      { keys: ["Ctrl+D"], says: "copy the chosen mark", when: some, act: () => this.duplicate() },
      { keys: ["u"], says: "choose none", when: some, act: () => this.select(-1) },
      { keys: ["Alt+H"], says: "hide the chosen mark, or show it again", when: some, act: () => this.#hideMark() },
      ...Object.keys(PRESETS).map((name, at) => ({ keys: [String(at + 1)], says: `of a CT: ${name.toLowerCase()} window`,
        when: () => this.presetKeys && this.isCT, act: () => this.preset(name) })),
      { keys: ["Left", "Right", "Up", "Down"], says: "on the image: move the chosen mark, with Shift its size; else the image" , when: () => false, act: () => false },
    ];
  }

  #hideMark() {
    const mark = this.editable.marks[this.#selected];
    this.hiddenMarks ??= new WeakSet();
    if (this.hiddenMarks.has(mark)) this.hiddenMarks.delete(mark);
    else this.hiddenMarks.add(mark);
    this.draw();
  }
}
