// What models have said: a card for each question, with a row for the image as it is and one with places hidden.

import { el, fill } from "./dom.js";
import { download } from "./download.js";
import { shown } from "./words.js";

/** All answers about one image, the last question first. */
export class Answers {
  constructor(acts) {
    this.acts = acts;
    this.element = el("section", { class: "answers", "aria-label": "answers" });
  }

  clear() {
    fill(this.element);
  }

  /** A card for a question that is being asked. */
  begin(question, models, about) {
    const card = new Card(question, models, about, this.acts);
    this.element.prepend(card.element);
    return card;
  }
}

class Card {
  constructor(question, models, about, acts) {
    this.question = question;
    this.about = about;
    this.models = models;
    this.acts = acts;
    this.rounds = [];
    this.rows = el("div", { class: "rounds" });
    this.notes = el("div", {});
    this.element = el(
      "article", { class: "asked" }, el("h3", {}, ...shown(question, { onbox: acts.onplace })), this.rows, this.notes,
      el("div", { class: "row saving" },
        el("button", { type: "button", class: "quiet", onclick: () => this.save() }, "Save the answers"),
        el("button", { type: "button", class: "quiet", onclick: () => acts.onpicture() }, "Save the picture")),
    );
  }

  note(words) {
    this.notes.append(el("p", { class: "soft" }, words));
  }

  /** Cells for the answers of one round, one for each model. */
  row(round) {
    const cells = round.map((said) => new Cell(said, this.models[said.model], this.rounds[0]?.[said.model], this.acts));
    this.rounds.push(round);
    this.rows.append(el("div", { class: `round of-${cells.length}` }, cells.map((cell) => cell.element)));
    return cells;
  }

  /** Hands over what was said as JSON. */
  save() {
    const answers = this.rounds.flat().filter((said) => said.answer).map(({ model, hides, answer }) => {
      const { map, ...told } = answer;
      return { model: this.models[model].name, host: this.models[model].host, hides, ...told };
    });
    const { name, sha256, width, height } = this.about;
    const text = JSON.stringify({ question: this.question, image: { name, sha256, width, height }, saved: new Date().toISOString(), answers }, null, 2);
    download(new Blob([text], { type: "application/json" }), "answers.json");
  }
}

/** One answer while it comes, and when it is there; `before` is that of the same model to the image as it is. */
class Cell {
  constructor(said, model, before, acts) {
    this.before = before;
    this.acts = acts;
    this.text = el("p", { class: "said" }, "…");
    this.told = el("div", { class: "told", "aria-live": "polite" });
    this.button = el("button", { type: "button", class: "quiet", title: "show it on the image", "aria-pressed": "false", onclick: () => acts.onshow(said) },
      model.name, said.hides.length ? el("span", { class: "tag" }, "hidden") : null);
    said.cell = this;
    this.element = el(
      "section", { class: "cell", "aria-busy": "true" },
      el("h4", {}, this.button),
      this.text, this.told,
    );
  }

  /** Whether this answer is what the image shows. */
  mark(shows) {
    this.button.setAttribute("aria-pressed", String(shows));
  }

  write(text) {
    fill(this.text, text);
  }

  fail(words) {
    this.element.setAttribute("aria-busy", "false");
    fill(this.told, el("p", { class: "notice" }, words));
  }

  done(answer) {
    this.element.setAttribute("aria-busy", "false");
    const beside = this.before?.answer?.text;
    fill(this.text, ...shown(answer.text, { beside, onbox: this.acts.onplace }));
    const places = answer.marks.map((mark) => el("li", {},
      el("button", { type: "button", class: "quiet", onclick: () => this.acts.onplace(mark.box) }, mark.label || "a place"),
      el("span", {}, mark.confidence === null ? "confidence not known" : `${Math.round(mark.confidence * 100)} %`)));
    fill(
      this.told,
      places.length > 0 && el("ul", { "aria-label": "places" }, places),
      !answer.readable && el("p", { class: "notice" }, "What was asked for cannot be read from this answer."),
      answer.cut && el("p", { class: "notice" }, "Cut at the length limit (--max-new-tokens)."),
      beside !== undefined && el("p", { class: "soft" }, beside === answer.text ? "The same words as with the image as it is." : "Underlined: other than with the image as it is."),
      answer.no_map && el("p", { class: "soft" }, `Where it looks is not known: ${answer.no_map}.`),
      el("p", { class: "soft" }, `${answer.seconds.toFixed(1)} s${answer.tokens ? `, ${answer.tokens} tokens` : ""}`),
    );
  }
}
