// The room of reviews: one item after the other, what is changed on it, and what is decided about it.

import { Ahead, imageAhead, imageOf } from "./ahead.js";
import { Failed, get, post } from "./api.js";
import { el, fill, say } from "./dom.js";
import { ending } from "./ending.js";
import { help, listen } from "./keys.js";
import { layersOf } from "./layers.js";
import { List } from "./list.js";
import { load, started } from "./load.js";
import { Panel } from "./panel.js";
import { VERDICTS, decided } from "./verdicts.js";
import { Viewer } from "./viewer.js";
import { Work, same, whole } from "./work.js";

/** Items that are fetched ahead. */
const AHEAD = 3;

export async function start(session, main) {
  await new Review(session, main).begin();
}

class Review {
  constructor(session, main) {
    this.session = session;
    this.main = main;
    document.title = `${session.file} · unveil`;
    document.getElementById("who").textContent = session.reviewer;
    this.where = document.getElementById("where");
    const image = el("div", { class: "image" });
    const side = el("aside", { class: "side", "aria-label": "decision" });
    const queue = el("nav", { class: "queue", "aria-label": "queue", hidden: true });
    main.classList.add("review");
    fill(main, queue, image, side);
    document.querySelector(".top").append(this.bar(queue));
    this.viewer = new Viewer(image, { presetKeys: session.subject !== "pair" });
    this.ahead = new Ahead();
    this.list = new List(queue, { verdicts: session.verdicts, onopen: (entry) => this.open(entry), onchoose: () => this.tellWhere() });
    this.panel = new Panel(side, session, this.acts());
    this.viewer.addEventListener("edit", ({ detail }) => {
      this.work.change({ marks: detail.marks.map(whole) });
      this.panel.askName();
    });
    this.viewer.addEventListener("name", ({ detail }) => this.panel.rename(detail.at));
    this.viewer.addEventListener("select", () => this.panel.showPicked());
    listen(this.keys());
    addEventListener("pagehide", () => this.work?.leave({ keepalive: true }));
    addEventListener("hashchange", () => this.openNamed());
  }

  bar(queue) {
    const toggle = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
      queue.hidden = !queue.hidden;
      toggle.setAttribute("aria-expanded", String(!queue.hidden));
      this.list.mark(this.list.open);
    } }, "Queue");
    return el(
      "span", { class: "bar" }, toggle,
      el("button", { type: "button", onclick: () => ending() }, "Summary"),
      el("button", { type: "button", onclick: () => this.showKeys() }, "Keys ", el("kbd", {}, "?")),
    );
  }

  async begin() {
    await this.list.choose("all");
    if (!(await this.openNamed())) await this.openPlace(this.session.first ?? 0);
  }

  /** The item that the address names; whether there is one. */
  async openNamed() {
    const number = new URLSearchParams(location.hash.slice(1)).get("item");
    if (number === null || Number(number) === this.item?.number) return false;
    try {
      await this.open(await get(`/api/find?number=${encodeURIComponent(number)}`));
      return true;
    } catch (error) {
      say(error.message, "bad");
      return false;
    }
  }

  /** Opens the next of the items that are gone through, from a place of the queue on, or back from there; whether it
   * did. */
  async openPlace(place, back = false) {
    let entries;
    try {
      entries = await this.list.from(place, 1 + AHEAD, back);
    } catch (error) {
      say(error.message, "bad");
      return false;
    }
    if (!entries.length) {
      await this.end(back);
      return false;
    }
    const opened = await this.open(entries[0]);
    if (opened) this.ahead.fetch(entries.slice(1));
    return opened;
  }

  /** Says that there are no more. */
  end(back) {
    const { chosen } = this.list;
    if (back) return say(chosen ? `this is the first one of “${chosen}”` : "this is the first one");
    if (!this.item) fill(this.panel.host, el("p", {}, "There is nothing to decide yet."));
    return ending(chosen && `No further one of “${chosen}”, of which alone you go through.`).catch((error) => say(error.message, "bad"));
  }

  /** Shows an entry; whether it could be. */
  async open(entry) {
    const began = performance.now();
    this.opening?.abort();
    const opening = this.opening = new AbortController();
    const { signal } = opening;
    try {
      await this.work?.leave();
      const early = await this.ahead.take(entry);
      if (signal.aborted) return false;
      const told = get(`/api/items/${entry.number}`, { signal });  // by which it is noted that it is seen
      told.catch(() => {});  // said below
      const waits = this.image(entry, signal).then((image) => ({ image }), (fault) => ({ fault }));
      if (early) this.show(early, entry);
      else this.show(await told, entry);
      const { image, fault } = await waits;
      const item = await told;
      if (signal.aborted) return false;
      const begun = this.item !== early || this.work.open || this.main.inert;
      if (early && !begun && !same(early, item)) this.show(item, entry);  // changed since, as in another tab
      if (fault) this.viewer.fail(fault.message);
      else this.viewer.show(image.picture, image.samples);
      this.layers();
      this.viewer.setMap(item.map ? await get(`/api/items/${entry.number}/map`, { signal }) : null);
      this.main.dataset.shown = item.name;
      performance.measure("item", { start: began, end: performance.now(), detail: { ahead: Boolean(early) } });
      return true;
    } catch (error) {
      if (error.name !== "AbortError") say(error.message, "bad");
      return this.item?.number === entry.number;
    }
  }

  /** The image of an entry, which may be here already: then it is noted that it is seen. */
  async image(entry, signal) {
    if (!started(imageAhead(entry))) return load(imageOf(entry), { signal });
    const image = await load(imageAhead(entry), { signal });
    await post(`${imageOf(entry)}/shown`, {});
    return image;
  }

  show(item, entry = this.entry) {
    const other = item.number !== this.item?.number;
    this.work?.end();
    this.item = item;
    this.entry = entry;
    this.work = new Work(item, {
      onchange: (state) => { this.panel.update(state); this.layers(); },
      onfail: (error) => say(`the draft is not kept: ${error.message}`, "bad"),
    });
    this.viewer.select(-1);
    if (other) this.viewer.fail();  // no marks over another item's image
    this.panel.show(item, this.work);
    this.list.mark(item.number, item.decision?.verdict ?? null);
    history.replaceState(null, "", `#item=${item.number}`);
    this.tellWhere();
    this.layers();
    this.lock(false);
  }

  tellWhere() {
    if (!this.entry) return;
    const { chosen } = this.list;
    this.where.textContent = `${this.entry.place + 1} of ${this.session.total} · ${this.session.decided} decided${chosen && ` · only “${chosen}”`}`;
  }

  layers() {
    this.viewer.setLayers(layersOf(this.item, this.work.state));
  }

  /** While something is saved nothing can be changed: it would be neither saved nor kept. */
  lock(locked) {
    if (locked === this.main.inert) return;
    const { activeElement } = document;
    if (locked) {
      this.focused = this.main.contains(activeElement) ? activeElement : null;
      this.viewer.letGo();
    }
    this.main.inert = locked;
    this.main.setAttribute("aria-busy", String(locked));
    if (!locked) (this.focused?.isConnected ? this.focused : this.focused && this.main)?.focus({ preventScroll: true });
  }

  acts() {
    return {
      text: (field, text) => this.work.change({ texts: { ...this.work.state.texts, [field]: text } }, `text ${field}`),
      showBox: (layer, box) => this.showBox(layer, box),
      select: (layer, at) => {
        this.viewer.pick(layer, at);
        const box = this.viewer.layerOf(layer)?.marks[at]?.box;
        if (box) this.viewer.reveal(box);
      },
      picked: () => {
        const { layer, at } = this.viewer.picked ?? {};
        return layer && { layer, at, box: this.viewer.layerOf(layer)?.marks[at]?.box?.join(" ") };
      },
      add: () => this.add(),
      relabel: (at, label) => this.marks((marks) => marks.map((mark, k) => (k === at ? { ...mark, label } : mark)), `name ${at}`),
      remove: (at) => this.marks((marks) => marks.filter((_, k) => k !== at)),
      has: (one) => this.work.state.marks.some((mark) => alike(mark, one)),
      take: (all) => this.take(all),
      reason: (reason) => this.work.change({ reasons: toggled(this.work.state.reasons, reason) }),
      severity: (level) => this.work.change({ severity: this.work.state.severity === level ? null : level }),
      comment: (comment) => this.work.change({ comment }, "comment"),
      prefer: (side) => this.prefer(side),
      submit: () => this.submit(),
      decide: (verdict) => this.decide(verdict),
      withdraw: () => this.withdraw(),
    };
  }

  /** Chooses the mark of a layer that lies at a box, and brings it into sight. */
  showBox(layer, box) {
    const at = this.viewer.layerOf(layer)?.marks.findIndex((mark) => same(mark.box, box)) ?? -1;
    if (at < 0) return this.viewer.flash(box);
    this.viewer.pick(layer, at);
    return this.viewer.reveal(box);
  }

  /** A finding of the image as a whole, without a place and yet without a name. */
  add() {
    if (this.item.subject !== "record") return;
    this.marks((marks) => [...marks, whole({ label: "" })]);
    this.panel.askName();
  }

  /** Takes suggestions over, but for what is there. */
  take(all) {
    const { marks } = this.work.state;
    const taken = all.filter((one, at) => ![...marks, ...all.slice(0, at)].some((other) => alike(other, one)));
    if (!taken.length) return say(all.length > 1 ? "all of them are among the findings" : "it is among the findings");
    return this.marks((now) => [...now, ...taken.map(whole)]);
  }

  marks(change, tag = null) {
    this.work.change({ marks: change(this.work.state.marks) }, tag);
  }

  prefer(side) {
    this.work.change({ preferred: this.work.state.preferred === side ? null : side });
  }

  /** Saves what stands there: accepted as it is, or corrected. */
  submit() {
    if (this.item.subject === "pair" && !this.work.state.preferred) return say("Which side is better? 1, 2, or 0 for neither.", "bad");
    if (this.work.state.marks.some((mark) => !mark.label.trim())) {
      this.panel.askName();
      return say("What is it? Each finding needs a name.", "bad");
    }
    return this.decide(this.work.edited ? "edit" : "accept");
  }

  async decide(verdict, revision = undefined) {
    if (this.main.inert) return;
    const { item, work, entry } = this;
    const saving = this.saving = {};
    this.lock(true);
    try {
      const saved = await post(`/api/items/${item.number}/decision`, work.decision(verdict, revision));
      work.saved();
      if (!item.decision && verdict !== "withdraw") this.session.decided += 1;
      if (item.decision && verdict === "withdraw") this.session.decided -= 1;
      this.last = entry;
      if (verdict === "withdraw" || (this.session.blind && !item.decision)) {
        this.show(saved);
        if (verdict === "withdraw" && !same(work.state, this.work.state)) this.work.change(work.state);  // to go on from
        say(verdict === "withdraw" ? "taken back" : "saved: now it is told; Ctrl+Right goes on");
      } else {
        say(`${decided(saved.decision.verdict)}: saved`);
        this.list.mark(item.number, saved.decision.verdict);
        if (!(await this.openPlace(entry.place + 1)) && this.item === item) this.show(saved, entry);
      }
    } catch (error) {
      if (error instanceof Failed && error.status === 409) this.conflict(verdict, error.about.decision);
      else say(`not saved: ${error.message}`, "bad");
    } finally {
      if (this.saving === saving) this.lock(false);  // else the item after it is being saved
    }
  }

  /** Another tab was first: look at what was decided there, or decide over it knowingly. */
  conflict(verdict, other) {
    const dialog = el("dialog", { "aria-label": "Decided elsewhere" });
    const close = (then) => () => { dialog.close(); then(); };
    fill(
      dialog, el("h1", {}, "Decided elsewhere meanwhile"),
      el("p", {}, `In another tab: ${decided(other.verdict).toLowerCase()}, ${other.time.slice(11, 19)} UTC. Nothing of yours is lost.`),
      el("div", { class: "row" },
        el("button", { type: "button", class: "main", onclick: close(() => this.open(this.entry)) }, "Look at it"),
        el("button", { type: "button", onclick: close(() => this.decide(verdict, other.revision)) }, "Save mine over it")),
    );
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  withdraw() {
    return this.item.decision ? this.decide("withdraw") : undefined;
  }

  /** Back by one step; where there is none, the last decision is opened, to be taken back. */
  async undo() {
    document.activeElement?.blur();  // a field that is being filled in is not filled anew
    if (this.work.history.canUndo) return this.work.undo();
    if (this.item.decision) return this.withdraw();
    if (!this.last) return say("there is nothing to undo");
    const last = this.last;
    this.last = null;
    return (await this.open(last)) ? this.withdraw() : undefined;
  }

  redo() {
    document.activeElement?.blur();
    this.work.redo();
  }

  step(by) {
    return this.openPlace(this.entry.place + by, by < 0);
  }

  keys() {
    const pair = () => this.item?.subject === "pair";
    const there = () => Boolean(this.work);
    const verdicts = Object.entries(VERDICTS).filter(([, [, key]]) => key.length === 1);
    this.table = [
      { keys: ["Ctrl+Enter"], says: "save: accepted, or as it was changed", typing: true, when: there, act: () => { this.submit(); } },
      { keys: ["Ctrl+Space"], says: "skip", typing: true, when: there, act: () => { this.decide("skip"); } },
      { keys: ["Ctrl+Right"], says: "next", typing: true, when: there, act: () => { this.step(1); } },
      { keys: ["Ctrl+Left"], says: "previous", typing: true, when: there, act: () => { this.step(-1); } },
      { keys: ["Ctrl+Z"], says: "undo; of a saved item, take the decision back", typing: "untouched", when: there, act: () => { this.undo(); } },
      { keys: ["Ctrl+Shift+Z", "Ctrl+Y"], says: "redo", typing: "untouched", when: there, act: () => { this.redo(); } },
      ...verdicts.map(([verdict, [title, key]]) => ({ keys: [key], says: title.toLowerCase(), when: there, act: () => { this.decide(verdict); } })),
      { keys: ["e"], says: "edit the text", when: there, act: () => { this.panel.edit(); } },
      { keys: ["1"], says: "of a pair: left is better", when: pair, act: () => this.prefer("left") },
      { keys: ["2"], says: "of a pair: right is better", when: pair, act: () => this.prefer("right") },
      { keys: ["0"], says: "of a pair: neither", when: pair, act: () => this.prefer("tie") },
      { keys: ["y"], says: "take over all that models suggest", when: () => this.item?.suggestions?.length, act: () => this.take(this.item.suggestions) },
      { keys: ["l"], says: "add a finding without a place", when: () => this.item?.subject === "record", act: () => this.add() },
      { keys: ["?"], says: "these keys", act: () => this.showKeys() },
    ];
    return this.table;
  }

  showKeys() {
    help([["Decisions", this.table], ["Image", this.viewer.keys ?? []]]);
  }
}

/** Whether two marks are one: of one name at one place. */
const alike = (one, other) => one.label === other.label && same(one.box ?? null, other.box ?? null);
const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);
