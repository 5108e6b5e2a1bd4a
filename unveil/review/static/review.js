// The room of reviews: one item after the other, what is changed on it, and what is decided about it.

import { Failed, get, post } from "./api.js";
import { el, fill, say } from "./dom.js";
import { ending } from "./ending.js";
import { help, listen } from "./keys.js";
import { List } from "./list.js";
import { has, load } from "./load.js";
import { Panel, VERDICTS } from "./panel.js";
import { Viewer } from "./viewer.js";
import { Work, whole } from "./work.js";

/** Items whose images are fetched ahead. */
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
    this.list = new List(queue, { onopen: (entry) => this.open(entry) });
    this.panel = new Panel(side, session, this.acts());
    this.viewer.addEventListener("edit", ({ detail }) => {
      this.work.change({ marks: detail.marks.map(whole) });
      this.panel.askName();
    });
    this.viewer.addEventListener("name", ({ detail }) => this.panel.rename(detail.at));
    this.viewer.addEventListener("select", () => this.panel.showMarks(this.work.state));
    listen(this.keys());
    addEventListener("pagehide", () => this.work?.leave());
    addEventListener("hashchange", () => this.openNamed());
  }

  bar(queue) {
    const toggle = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
      queue.hidden = !queue.hidden;
      toggle.setAttribute("aria-expanded", String(!queue.hidden));
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

  /** The entry at a place of the queue, or what is said where there is none. */
  async openPlace(place) {
    const { entries } = await get(`/api/queue?start=${Math.max(0, place)}&count=${1 + AHEAD}`);
    if (!entries.length) {
      if (!this.item) fill(this.panel.host, el("p", {}, "There is nothing to decide yet."));
      return ending();
    }
    await this.open(entries[0]);
    for (const entry of entries.slice(1)) load(`${imageOf(entry)}?ahead=true`).catch(() => {});  // told when it is shown
  }

  async open(entry) {
    const began = performance.now();
    await this.work?.leave();
    this.opening?.abort();
    const opening = this.opening = new AbortController();
    try {
      const waits = load(imageOf(entry), { signal: opening.signal }).then((image) => ({ image }), (fault) => ({ fault }));
      const item = await get(`/api/items/${entry.number}`, { signal: opening.signal });
      this.entry = entry;
      this.show(item);
      const { image, fault } = await waits;
      if (opening.signal.aborted) return;
      if (fault) this.viewer.fail(fault.message);
      else this.viewer.show(image.picture, image.samples);
      this.layers();
      this.viewer.setMap(item.map ? await get(`/api/items/${entry.number}/map`, { signal: opening.signal }) : null);
      this.main.dataset.shown = item.name;
      performance.measure("item", { start: began, end: performance.now(), detail: { ahead: has(imageOf(entry)) } });
    } catch (error) {
      if (error.name !== "AbortError") say(error.message, "bad");
    }
  }

  show(item) {
    this.item = item;
    this.work = new Work(item, {
      onchange: (state) => { this.panel.update(state); this.layers(); },
      onfail: (error) => say(`the draft is not kept: ${error.message}`, "bad"),
    });
    this.panel.show(item, this.work);
    this.list.mark(item.number);
    history.replaceState(null, "", `#item=${item.number}`);
    this.where.textContent = `${this.entry.place + 1} of ${this.session.total} · ${this.session.decided} decided`;
    this.layers();
  }

  layers() {
    const { suggestions = [], subject } = this.item;
    const own = { id: "own", title: subject === "record" ? "Annotation" : "Answer", style: "truth", visible: true, opacity: 1, editable: subject === "record" };
    const marks = this.work.state.marks.map((mark) => ({ ...mark, polygon: mark.polygon ?? [] }));
    const layers = [{ ...own, marks }];
    for (const model of new Set(suggestions.map((one) => one.model))) {
      layers.push({ id: model, title: model, style: "model", visible: true, opacity: 1, editable: false,
        marks: suggestions.filter((one) => one.model === model).map((one) => ({ ...one, polygon: [] })) });
    }
    this.viewer.setLayers(layers);
  }

  acts() {
    return {
      text: (field, text) => this.work.change({ texts: { ...this.work.state.texts, [field]: text } }, `text ${field}`),
      showBox: (box) => this.viewer.flash?.(box),
      select: (at) => this.viewer.select(at),
      selected: () => this.viewer.selected,
      relabel: (at, label) => this.marks((marks) => marks.map((mark, k) => (k === at ? { ...mark, label } : mark))),
      remove: (at) => this.marks((marks) => marks.filter((_, k) => k !== at)),
      take: (all) => this.marks((marks) => [...marks, ...all.map(whole)]),
      reason: (reason) => this.work.change({ reasons: toggled(this.work.state.reasons, reason) }),
      severity: (level) => this.work.change({ severity: this.work.state.severity === level ? null : level }),
      comment: (comment) => this.work.change({ comment }, "comment"),
      prefer: (side) => this.prefer(side),
      submit: () => this.submit(),
      decide: (verdict) => this.decide(verdict),
      withdraw: () => this.withdraw(),
    };
  }

  marks(change) {
    this.work.change({ marks: change(this.work.state.marks) });
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
    if (this.saving) return;
    const { item, work } = this;
    this.saving = true;
    try {
      const saved = await post(`/api/items/${item.number}/decision`, work.decision(verdict, revision));
      work.done();
      if (!item.decision && verdict !== "withdraw") this.session.decided += 1;
      if (item.decision && verdict === "withdraw") this.session.decided -= 1;
      this.list.mark(item.number, saved.decision?.verdict ?? null);
      this.last = this.entry;
      if (verdict === "withdraw" || (this.session.blind && !item.decision)) {
        this.show(saved);
        say(verdict === "withdraw" ? "taken back" : "saved: now it is told; Ctrl+Right goes on");
      } else {
        say(`${VERDICTS[verdict]?.[0] ?? "Corrected"}: saved`);
        await this.openPlace(this.entry.place + 1);
      }
    } catch (error) {
      if (error instanceof Failed && error.status === 409) this.conflict(verdict, error.about.decision);
      else say(`not saved: ${error.message}`, "bad");
    } finally {
      this.saving = false;
    }
  }

  /** Another tab was first: look at what was decided there, or decide over it knowingly. */
  conflict(verdict, other) {
    const dialog = el("dialog", { "aria-label": "Decided elsewhere" });
    const close = (then) => () => { dialog.close(); then(); };
    fill(
      dialog, el("h1", {}, "Decided elsewhere meanwhile"),
      el("p", {}, `In another tab: ${VERDICTS[other.verdict]?.[0] ?? other.verdict}, ${other.time.slice(11, 19)} UTC. Nothing of yours is lost.`),
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
    await this.open(last);
    return this.withdraw();
  }

  redo() {
    document.activeElement?.blur();
    this.work.redo();
  }

  step(by) {
    const place = this.entry.place + by;
    return place < 0 ? say("this is the first one") : this.openPlace(place);
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
      { keys: ["y"], says: "take over all that models suggest", when: () => this.item?.suggestions?.length, act: () => this.acts().take(this.item.suggestions) },
      { keys: ["?"], says: "these keys", act: () => this.showKeys() },
    ];
    return this.table;
  }

  showKeys() {
    help([["Decisions", this.table], ["Image", this.viewer.keys ?? []]]);
  }
}

const imageOf = (entry) => `/api/items/${entry.number}/image`;
const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);
