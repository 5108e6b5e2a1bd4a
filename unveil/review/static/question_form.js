// What is asked: a question of a kind, or one in own words; and whether it is asked again with places hidden.

import { el, fill } from "./dom.js";

const KINDS = {
  diagnosis: "Diagnosis in three steps", detection: "Is anything abnormal?", localisation: "Where is …?",
  recognition: "What is in this place?", grounding: "Where is this seen …?", report: "Write a report",
};
const HIDES = { "": "nothing", drawn: "your places", truth: "the annotated places", said: "the places that the answers name" };
const ABOUT = { name: "Name of the finding", phrase: "Words of a report", part: "Part of the report" };

/** The form of a question. */
export class QuestionForm {
  constructor(session, { onask, onstop, oninsert }) {
    this.session = session;
    this.kinds = new Map(session.kinds.map((kind) => [kind.kind, kind]));
    const order = Object.keys(KINDS).filter((kind) => this.kinds.has(kind));
    this.kind = el("select", { id: "kind", onchange: () => this.update() },
      order.map((kind) => el("option", { value: kind }, KINDS[kind])), el("option", { value: "" }, "In your own words"));
    this.about = el("input", { type: "text", id: "about", list: "names", autocomplete: "off" });
    this.part = el("select", { id: "part" }, session.parts.map((part) => el("option", {}, part)));
    this.own = el("textarea", { id: "own", rows: 3, placeholder: "Is there an effusion on the left?" });
    this.hide = el("select", { id: "hide" }, Object.entries(HIDES).map(([value, title]) => el("option", { value }, title)));
    this.details = el("div", { class: "details" });
    this.insertion = el("button", { type: "button", class: "quiet", onclick: oninsert }, "Put the drawn place into it");
    this.asking = el("button", { type: "submit", class: "main", disabled: true }, "Ask ", el("kbd", {}, "Ctrl+Enter"));
    this.stopping = el("button", { type: "button", hidden: true, onclick: onstop }, "Stop ", el("kbd", {}, "Esc"));
    this.element = el(
      "form", { class: "question", "aria-label": "question", onsubmit: (event) => { event.preventDefault(); onask(); } },
      el("h2", {}, el("label", { for: "kind" }, "Question")), this.kind, this.details,
      el("datalist", { id: "names" }, session.names.map((name) => el("option", { value: name }))),
      el("label", { class: "again", for: "hide" }, "Then again with hidden: ", this.hide),
      el("div", { class: "row" }, this.asking, this.stopping),
    );
    this.update();
  }

  get needs() {
    return this.kinds.get(this.kind.value)?.needs;
  }

  get hides() {
    return this.hide.value;
  }

  update() {
    const own = !this.kind.value;
    const field = { name: this.about, phrase: this.about, part: this.part }[this.needs];
    fill(
      this.details,
      own && [el("label", { for: "own" }, "Your words"), this.own, this.insertion],
      field && [el("label", { for: field.id }, ABOUT[this.needs]), field],
      this.needs === "place" && el("p", { class: "soft" }, "Draw a box on the image (b); the chosen one, or the last, is asked about."),
    );
  }

  ready(there) {
    this.asking.disabled = !there;
  }

  busy(busy) {
    this.asking.disabled = busy;
    this.stopping.hidden = !busy;
    this.element.setAttribute("aria-busy", String(busy));
  }

  focus() {
    (this.details.querySelector("input, textarea, select") ?? this.kind).focus();
  }

  insert(text) {
    this.own.setRangeText(text, this.own.selectionStart, this.own.selectionEnd, "end");
    this.own.focus();
  }

  /** The question as it is sent, or what it still lacks. */
  question(place) {
    if (!this.kind.value) return this.own.value.trim() ? { question: this.own.value } : "What is to be asked?";
    const about = { name: this.about.value, phrase: this.about.value, part: this.part.value }[this.needs]?.trim();
    if (this.needs === "place" && !place) return "Which place? Draw a box on the image (b).";
    if (this.needs && this.needs !== "place" && !about) return `${ABOUT[this.needs]}?`;
    return { kind: this.kind.value, ...(about && { about }), ...(this.needs === "place" && { place }) };
  }

  /** The question in words. */
  worded(place) {
    if (!this.kind.value) return this.own.value.trim();
    const about = this.needs === "place" ? markup(place) : this.needs === "part" ? this.part.value : this.about.value.trim();
    return this.kinds.get(this.kind.value).question.replace("{}", () => about);
  }
}

/** A box as it stands in texts. */
export const markup = (box) => `<box ${box.map((value) => value.toFixed(2)).join(" ")}>`;
