// Marks in layers: which are seen, which one is chosen, and how those of the layer that can be changed are changed.

import { bounds, moved, stretched, withoutCorner } from "./draw.js";
import { closed } from "./pointer.js";

/** What a viewer knows of marks. Whoever extends it draws them: `draw()`, `view`, `panel`, and `tool` it has of its own. */
export class Marked extends EventTarget {
  #picked = null;
  #choices = new Map();
  #hidden = new WeakSet();

  layers = [];

  /** What lies over the image; a reader's choice of what is seen holds for the layers of the same name. */
  setLayers(layers) {
    this.layers = layers.map((layer) => ({ ...layer, ...this.#choices.get(layer.id) }));
    if (this.#picked && !this.layerOf(this.#picked.layer)?.marks[this.#picked.at]) this.#picked = null;
    this.panel.update();
    this.draw();
  }

  /** What of a layer is seen: {visible, opacity}. */
  setLayer(id, fields) {
    this.#choices.set(id, { ...this.#choices.get(id), ...fields });
    this.setLayers(this.layers);
  }

  layerOf(id) {
    return this.layers.find((layer) => layer.id === id);
  }

  get editable() {
    return this.layers.find((layer) => layer.editable);
  }

  // --------------------------------------------------------------------------------------------------- what is chosen

  /** The mark that is chosen, of any layer, as {layer, at}; null where none is. */
  get picked() {
    return this.#picked;
  }

  /** The number of the chosen mark of the layer that can be changed; -1 where none is. */
  get selected() {
    return this.#picked && this.#picked.layer === this.editable?.id ? this.#picked.at : -1;
  }

  /** Chooses a mark of any layer. */
  pick(layer, at) {
    if (this.#picked?.layer === layer && this.#picked.at === at) return;
    this.#picked = at < 0 ? null : { layer, at };
    this.cornerChosen = -1;
    this.draw();
    this.tell("select", { picked: this.#picked });
  }

  /** Chooses a mark of the layer that can be changed; -1 none. */
  select(at) {
    if (at < 0 && !this.#picked) return;
    this.pick(this.editable?.id, at);
  }

  /** Chooses the next of all marks that are seen, or with -1 the one before. */
  step(by) {
    const all = this.layers.filter((one) => one.visible).flatMap(({ id, marks }) => marks.map((_, at) => ({ layer: id, at })));
    if (!all.length) return;
    const now = all.findIndex(({ layer, at }) => layer === this.#picked?.layer && at === this.#picked.at);
    const { layer, at } = all[now < 0 && by < 0 ? all.length - 1 : (now + by + all.length) % all.length];
    this.pick(layer, at);
  }

  /** The chosen mark of the layer that can be changed; undefined where none is. */
  get chosen() {
    return this.editable?.marks[this.selected];
  }

  /** Hides the chosen mark, or shows it again. */
  hideMark() {
    const mark = this.chosen;
    if (!this.#hidden.delete(mark)) this.#hidden.add(mark);
    this.draw();
  }

  /** Whether a mark of its own is hidden. */
  hides(mark) {
    return this.#hidden.has(mark);
  }

  // -------------------------------------------------------------------------------------------------- what is changed

  /** A new mark, which has no name yet. */
  add(place) {
    if (!this.editable) return;
    this.#picked = { layer: this.editable.id, at: this.editable.marks.length };
    this.#edit([...this.editable.marks, { label: "", finding: null, polygon: [], ...place }], "add");
    this.tool = "select";
  }

  /** Takes away the chosen mark, or of an outline the corner that was taken hold of last. */
  remove() {
    const at = this.selected;
    if (at < 0) return;
    const corner = this.cornerChosen ?? -1;
    this.cornerChosen = -1;
    if (corner >= 0 && this.chosen.polygon?.length > 3) {
      this.#change((mark) => withoutCorner(mark, corner), "resize");
      return;
    }
    this.#picked = null;
    this.#edit(this.editable.marks.toSpliced(at, 1), "remove");
  }

  duplicate() {
    const mark = this.chosen;
    if (!mark?.box) return;
    const copy = { ...moved(mark, 8, 8, this.view.image), finding: null };
    this.#picked = { layer: this.editable.id, at: this.editable.marks.length };
    this.#edit([...this.editable.marks, copy], "add");
  }

  /** Moves the chosen mark by pixels of the image, or with `resize` its right and lower side. */
  nudge(across, down, resize = false) {
    this.#change((mark) => (resize ? stretched : moved)(mark, across, down, this.view.image), resize ? "resize" : "move");
  }

  /** Shows the chosen mark as it would be; `settle` makes it so. */
  preview(mark) {
    this.editable.marks = this.editable.marks.map((one, at) => (at === this.selected ? mark : one));
    this.draw();
  }

  settle(kind) {
    this.#edit(this.editable.marks, kind);
  }

  #change(change, kind) {
    const mark = this.chosen;
    const made = mark?.box ? change(mark) : mark;  // what has no place has none to change
    if (made !== mark) this.#edit(this.editable.marks.map((one) => (one === mark ? made : one)), kind);
  }

  #edit(marks, kind) {
    this.editable.marks = marks;
    this.draw();
    this.tell("edit", { marks, kind });
  }

  // ---------------------------------------------------------------------------------------------------- what is drawn

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

  askName(at) {
    if (at >= 0) this.tell("name", { at });
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
