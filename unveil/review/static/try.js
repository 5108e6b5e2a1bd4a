// The room in which a model is tried: an image, a question, and what one or two models say.

import { ask, get, image as fetched, post } from "./api.js";
import { Answers } from "./answers.js";
import { el, fill, say } from "./dom.js";
import { download } from "./download.js";
import { help, listen } from "./keys.js";
import { QuestionForm, markup } from "./question_form.js";
import { Sources } from "./sources.js";
import { Viewer } from "./viewer.js";

const STYLES = ["model", "other"];

export async function start(session, main) {
  new Trial(session, main);
}

class Trial {
  constructor(session, main) {
    this.session = session;
    document.title = `Try ${session.models.map((model) => model.name).join(" and ")} · unveil`;
    document.getElementById("where").textContent = session.models.map((model) => (model.host ? `${model.name} at ${model.host}` : model.name)).join(" · ");
    document.querySelector(".top").append(el("span", { class: "bar" },
      el("button", { type: "button", onclick: () => this.showKeys() }, "Keys ", el("kbd", {}, "?"))));
    const image = el("div", { class: "image" });
    const side = el("aside", { class: "side", "aria-label": "question and answers" });
    main.classList.add("review", "try");
    fill(main, image, side);
    this.viewer = new Viewer(image);
    this.viewer.addEventListener("edit", ({ detail }) => { this.drawn = detail.marks; this.layers(); });
    this.sources = new Sources(session, { ontake: (asked) => this.take(asked) });
    this.form = new QuestionForm(session, { onask: () => this.ask(), onstop: () => this.stop(), oninsert: () => this.insert() });
    this.answers = new Answers({ onshow: (said) => this.show(said), onplace: (box) => this.viewer.flash(box), onpicture: () => this.picture() });
    fill(side, this.sources.element, this.form.element, this.answers.element);
    listen(this.keys());
    this.dropped(main);
    this.viewer.fail("Drop an image here, or open one.");
    this.drawn = [];
  }

  /** What is dropped on the page, or pasted, is its image. */
  dropped(main) {
    for (const name of ["dragover", "dragenter"]) addEventListener(name, (event) => { event.preventDefault(); main.classList.add("dropping"); });
    for (const name of ["dragleave", "drop"]) addEventListener(name, (event) => { event.preventDefault(); main.classList.remove("dropping"); });
    addEventListener("drop", (event) => this.file(event.dataTransfer.files[0]));
    addEventListener("paste", (event) => { if (event.clipboardData.files.length) this.file(event.clipboardData.files[0]); });
  }

  file(file) {
    if (!file) return say("that is no file", "bad");
    return this.sources.open(file);
  }

  /** Shows the image that `asked`, a promise, tells of. */
  async take(asked) {
    this.stop();
    const turn = this.turn = (this.turn ?? 0) + 1;
    try {
      const about = await asked;
      if (turn !== this.turn) return;
      await this.shown(about.image);
      if (turn !== this.turn) return;
      this.about = about;
      say("");  // nothing is wrong any more
      this.drawn = [];
      this.said = null;
      this.answers.clear();
      this.sources.tell(about);
      this.form.ready(true);
      this.layers();
      this.form.focus();
    } catch (error) {
      say(error.message, "bad");
    }
  }

  /** Brings a held image onto the screen. */
  async shown(number) {
    if (this.onScreen === number) return;
    const { picture, samples } = await fetched(`/api/images/${number}`);
    this.viewer.show(picture, samples, { keep: true });
    this.onScreen = number;
  }

  layers() {
    const marks = this.about?.marks ?? [];
    const layers = [{ id: "drawn", title: "Your places", style: "reader", visible: true, opacity: 1, editable: Boolean(this.about), unnamed: true, marks: this.drawn }];
    if (marks.length) layers.push({ id: "truth", title: "Annotation", style: "truth", visible: true, opacity: 1, marks: whole(marks) });
    for (const said of this.said?.round ?? []) {
      if (said.answer) {
        layers.push({ id: `model ${said.model}`, title: this.session.models[said.model].name, style: STYLES[said.model], visible: true, opacity: 1, marks: whole(said.answer.marks) });
      }
    }
    this.viewer.setLayers(layers);
  }

  /** Shows what an answer is about: its image, the places of all answers to it, and where its model looked. */
  async show(said) {
    this.said?.cell.mark(false);
    this.said = said;
    said.cell.mark(true);
    try {
      await this.shown(said.image);
    } catch (error) {
      return say(error.message, "bad");
    }
    this.layers();
    return this.looks(said);
  }

  /** Shows where a model looked, faintly at first, and as strongly as was chosen last. */
  looks({ answer }) {
    const opacity = this.viewer.map?.opacity ?? 0.35;
    this.viewer.setMap(answer?.map ? { ...answer.map, opacity } : null);
  }

  /** Asks all models, and once more with places hidden where that is wanted. */
  async ask() {
    if (this.controller) return;
    if (!this.about) return void say("open an image first (o)", "bad");
    const sent = this.form.question(this.place);
    if (typeof sent === "string") return void say(sent, "bad");
    say("");
    const controller = this.controller = new AbortController();
    const hide = this.form.hides;
    this.form.busy(true);
    const card = this.answers.begin(this.form.worded(this.place), this.session.models, this.about);
    try {
      const plain = await this.round(card, this.about.image, sent, [], controller.signal);
      if (hide && !controller.signal.aborted) {
        const places = this.places(hide, plain);
        if (!places.length) card.note(NOTHING[hide]);
        else {
          const hidden = await post("/api/hidden", { image: this.about.image, places });
          await this.round(card, hidden.image, sent, places, controller.signal);
        }
      }
    } catch (error) {
      if (error.name !== "AbortError") say(error.message, "bad");
    } finally {
      this.controller = null;
      this.form.busy(false);
    }
  }

  /** The places that are hidden, as they were drawn, annotated or named by the answers. */
  places(hide, round) {
    const marks = { drawn: this.drawn, truth: this.about.marks, said: round.flatMap((one) => one.answer?.marks ?? []) }[hide];
    return marks.map((mark) => mark.box).filter(Boolean);
  }

  /** One question to all models about one image. */
  async round(card, image, sent, places, signal) {
    const round = this.session.models.map((_, model) => ({ model, image, hides: places }));
    for (const said of round) said.round = round;
    const cells = card.row(round);
    await this.show(round[0]);
    await Promise.all(round.map((said, k) => this.hear(said, cells[k], { ...sent, image, model: said.model }, signal)));
    return round;
  }

  async hear(said, cell, sent, signal) {
    try {
      const response = await ask("/api/answers", { method: "POST", json: sent, signal });
      for await (const line of lines(response)) {
        if (line.error) return cell.fail(line.error);
        if (line.text) cell.write(line.text);
        if (line.answer) {
          said.answer = line.answer;
          cell.done(line.answer);
          if (this.said?.round === said.round) {
            this.layers();
            if (this.said === said) this.looks(said);
          }
        }
      }
      return said.answer ? undefined : cell.fail("the server does not answer any more");
    } catch (error) {
      return cell.fail(error.name === "AbortError" ? "stopped" : error.message);
    }
  }

  /** The place that is chosen, or was drawn last. */
  get place() {
    return (this.viewer.chosen ?? this.drawn.at(-1))?.box;
  }

  stop() {
    this.controller?.abort();
  }

  /** Puts the place that was drawn last into the words of the question. */
  insert() {
    if (!this.place) return say("draw a box on the image first (b)", "bad");
    return this.form.insert(markup(this.place));
  }

  /** Saves the image as it is seen, with all that lies over it. */
  picture() {
    const { base, top } = this.viewer;
    const canvas = el("canvas", { width: base.width, height: base.height });
    const context = canvas.getContext("2d");
    context.drawImage(base, 0, 0);
    context.drawImage(top, 0, 0);
    canvas.toBlob((blob) => download(blob, "answer.png"), "image/png");
  }

  keys() {
    this.table = [
      { keys: ["Ctrl+Enter"], says: "ask", typing: true, act: () => { this.ask(); } },
      { keys: ["Escape"], says: "stop the answer", typing: true, when: () => Boolean(this.controller), act: () => { this.stop(); } },
      { keys: ["o"], says: "open an image", act: () => { this.sources.choose(); } },
      { keys: ["q"], says: "to the question", act: () => { this.form.focus(); } },
      { keys: ["Ctrl+Right"], says: "of the records: the next one", typing: true, when: () => this.session.records > 0, act: () => { this.sources.step(1); } },
      { keys: ["Ctrl+Left"], says: "of the records: the one before", typing: true, when: () => this.session.records > 0, act: () => { this.sources.step(-1); } },
      { keys: ["?"], says: "these keys", act: () => this.showKeys() },
    ];
    return this.table;
  }

  showKeys() {
    help([["Trying", this.table], ["Image", this.viewer.keys ?? []]]);
  }
}

const NOTHING = {
  drawn: "Nothing was hidden: no place was drawn.", truth: "Nothing was hidden: nothing is annotated here.",
  said: "Nothing was hidden: the answers name no place.",
};
const whole = (marks) => marks.map((mark) => ({ ...mark, polygon: mark.polygon ?? [] }));

/** The lines of JSON of a response, as they come. */
async function* lines(response) {
  let rest = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + part).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}
