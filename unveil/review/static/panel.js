// The panel beside the image: what the item is, its texts, its marks, and what is decided about it.

import { el, fill, reveal } from "./dom.js";
import { keyOf, placesOf, titleOf } from "./layers.js";
import { VERDICTS, decided } from "./verdicts.js";
import { chip, shown } from "./words.js";

const REASONS = {
  "wrong-location": "wrong place", "wrong-finding": "wrong name", "missing-finding": "finding missing",
  "wrong-severity": "wrong severity", "negation-error": "denied or not", "unsafe-advice": "unsafe advice",
  "ambiguous-truth": "truth is ambiguous",
};
const SIDES = { left: ["Left", "1"], right: ["Right", "2"], tie: ["Neither", "0"] };
const COMPLETENESS = {
  partial: "Only some of what is there was annotated: what a model names besides is not proven wrong.",
  unknown: "Whether all that is there was annotated is not known: what a model names besides is not proven wrong.",
};
/** What has put an item into the queue (docs/how-to/review.md, "What comes first"). */
export const WHY = {
  check: "A check has found something wrong with it.",
  "presence differs": "A model says that something is abnormal and nothing is annotated, or the other way round.",
  "not annotated": "A model names a place that is not annotated.",
  "place differs": "A model sees the same finding elsewhere.",
  "name differs": "A model gives the place another name.",
  "not seen": "A model does not see what is annotated.",
  "wrong answer": "The annotation says otherwise.",
  "low confidence": "A model is unsure of a place.",
  "near the decision": "A model is as sure of yes as of no.",
  "rare finding": "Few images have this finding.",
  random: "Drawn at random, to tell the share of errors in the whole file.",
};

/** The panel of one item; `acts` are what its controls do. */
export class Panel {
  constructor(host, session, acts) {
    this.host = host;
    this.session = session;
    this.acts = acts;
    this.editing = new Set();
  }

  /** Shows an item's work from the beginning. */
  show(item, work) {
    this.item = item;
    this.work = work;
    this.editing = new Set();
    this.texts = el("div", { class: "texts" });
    this.marks = el("div", { class: "marks" });
    this.choice = el("div", { class: "choice" });
    fill(
      this.host, this.about(), this.texts, item.subject === "record" ? this.marks : null,
      this.suggestions(), this.readings(), this.details(), this.choice,
    );
    this.update(work.state);
  }

  about() {
    const { about, name, why } = this.item;
    const words = [about.modality, about.dataset, about.split, about.width && `${about.width} × ${about.height} pixels`];
    const who = [about.patient && `patient ${about.patient}`, about.study && `study ${about.study}`, about.file];
    return el(
      "header", { class: "about" },
      el("h1", {}, name),
      el("p", { class: "soft" }, [...words, ...who].filter(Boolean).flatMap((word, at) => [at ? " · " : "", el("bdi", {}, word)])),
      why && el("p", { class: "why" }, el("span", { class: "tag" }, why), WHY[why] && el("small", { class: "soft" }, " ", WHY[why])),
      COMPLETENESS[about.completeness] && el("p", { class: "notice" }, COMPLETENESS[about.completeness]),
    );
  }

  /** Brings what is shown to a state. */
  update(state) {
    this.showTexts(state);
    this.showMarks(state);
    this.showTaken();
    this.showChoice(state);
    for (const box of this.host.querySelectorAll("[data-reason]")) box.checked = state.reasons.includes(box.dataset.reason);
    for (const button of this.host.querySelectorAll("[data-severity]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.severity) === state.severity));
    }
    const comment = this.host.querySelector("#comment");
    if (comment && document.activeElement !== comment) comment.value = state.comment;
  }

  showTexts(state) {
    if (this.texts.contains(document.activeElement) && document.activeElement.matches("textarea")) return;
    const pair = this.item.subject === "pair";
    fill(this.texts, this.item.texts.map((text) => this.text(text, state, pair)));
    this.texts.classList.toggle("pair", pair);
    this.showPicked();
  }

  text(text, state, pair) {
    const now = text.field ? state.texts[text.field] : text.text;
    const other = pair && { left: state.texts.right, right: state.texts.left }[text.field];
    const edits = this.editing.has(text.field);
    const title = titleOf(text);
    const [layer, onbox] = [keyOf(text), (box) => this.acts.showBox(keyOf(text), box)];
    const read = this.item.subject === "prediction" ? placesOf(this.item, text, state) : [];
    const changed = text.field && now !== text.text;
    return el(
      "section", { class: `text ${text.field}`, dataset: { text: layer } },
      el(
        "h2", {}, title, changed && el("span", { class: "tag" }, "changed"),
        text.editable && el("button", {
          type: "button", class: "quiet", "aria-pressed": edits, "aria-label": `edit ${title.toLowerCase()}`,
          onclick: () => this.edit(text.field),
        }, edits ? "Done" : "Edit"),
      ),
      edits
        ? el("textarea", {
          "aria-label": title, dir: "auto", oninput: (event) => this.acts.text(text.field, event.target.value),
        }, now)
        : el("p", { dir: "auto" }, shown(now, { beside: other || undefined, onbox, layer })),
      !edits && layer === "answer" && read.length > 0 && el("p", { class: "read" }, read.map((mark) => chip(mark, { layer, onbox }))),
    );
  }

  /** Opens or closes a text for changes; without a name the first that can be changed. */
  edit(field = this.item.texts.find((text) => text.editable)?.field) {
    if (field === undefined) return;
    document.activeElement?.blur();
    if (!this.editing.delete(field)) this.editing.add(field);
    this.showTexts(this.work.state);
    this.texts.querySelector(`.${field} textarea`)?.focus();
  }

  showMarks(state) {
    if (this.item.subject !== "record") return;
    if (this.marks.contains(document.activeElement) && document.activeElement.matches("input")) return;
    const list = el("datalist", { id: "labels" }, this.session.labels.map((label) => el("option", { value: label })));
    const rows = state.marks.map((mark, at) => this.mark(mark, at));
    fill(
      this.marks,
      el("h2", {}, "Findings", el("button", {
        type: "button", class: "quiet", title: "a finding of the image as a whole, without a place", onclick: () => this.acts.add(),
      }, "Add finding ", el("kbd", {}, "l"))),
      list, rows.length ? el("ol", {}, rows) : el("p", { class: "soft" }, "None."),
    );
    this.showPicked();
  }

  /** Marks what belongs to the mark that is chosen on the image. */
  showPicked() {
    const picked = this.acts.picked();
    for (const one of this.host.querySelectorAll("[data-layer]")) {
      const { layer, at, box } = one.dataset;
      const own = picked && layer === picked.layer && (at === undefined ? box === picked.box : Number(at) === picked.at);
      if (!own) one.removeAttribute("aria-current");
      else if (!one.hasAttribute("aria-current")) {
        one.setAttribute("aria-current", "true");
        one.closest("details")?.setAttribute("open", "");
        reveal(one, this.host, this.choice.offsetHeight);
      }
    }
  }

  /** Puts the cursor where a finding has no name yet. */
  askName() {
    const at = this.work.state.marks.findIndex((mark) => !mark.label.trim());
    if (at >= 0) this.rename(at);
  }

  /** Puts the cursor into the name of a finding. */
  rename(at) {
    const name = this.marks.querySelectorAll("input")[at];
    name?.focus();
    name?.select();
  }

  mark(mark, at) {
    const place = mark.box ? mark.box.map(Math.round).join(", ") : "no place";
    return el(
      "li", { dataset: { layer: "own", at } },
      el("input", {
        value: mark.label, list: "labels", dir: "auto", "aria-label": `name of finding ${at + 1}`, placeholder: "name", maxlength: 200,
        oninput: (event) => this.acts.relabel(at, event.target.value), onfocus: () => this.acts.select("own", at),
      }),
      el("button", { type: "button", class: "quiet place", title: "show on the image", onclick: () => this.acts.select("own", at) }, place),
      el("button", { type: "button", class: "quiet", "aria-label": `delete finding ${at + 1}`, onclick: () => this.acts.remove(at) }, "✕"),
    );
  }

  suggestions() {
    const all = this.item.suggestions ?? [];
    if (!all.length) return null;
    const counts = {};
    return el(
      "details", { class: "suggestions" }, el("summary", {}, `${all.length} suggested by models`),
      el("ul", {}, all.map((one) => {
        const [layer, at] = [`model ${one.model}`, counts[one.model] = (counts[one.model] ?? -1) + 1];
        const sure = one.confidence === null ? "" : ` ${Math.round(one.confidence * 100)} %`;
        return el(
          "li", { dataset: { layer, at } },
          el("button", { type: "button", class: "quiet", title: "show on the image", onclick: () => this.acts.select(layer, at) },
            el("bdi", {}, one.label), sure, el("small", { class: "soft" }, " ", el("bdi", {}, one.model))),
          el("button", { type: "button", class: "quiet take", onclick: () => this.acts.take([one]) }, "Take over"),
        );
      })),
      el("button", { type: "button", class: "quiet", onclick: () => this.acts.take(all) }, "Take all over ", el("kbd", {}, "y")),
    );
  }

  /** Tells of each suggestion whether it is among the findings. */
  showTaken() {
    const buttons = this.host.querySelectorAll(".suggestions .take");
    buttons.forEach((button, at) => {
      const taken = this.acts.has(this.item.suggestions[at]);
      button.setAttribute("aria-disabled", String(taken));
      button.textContent = taken ? "Taken over" : "Take over";
    });
  }

  readings() {
    const read = this.item.readings ?? [];
    if (!read.length) return null;
    return el("section", { class: "readings" }, el("h2", {}, "Readings"), el("ul", {}, read.map((one) => el(
      "li", {}, el("bdi", {}, one.reader), `: ${decided(one.verdict).toLowerCase()}`,
      one.comment && el("p", { class: "soft", dir: "auto" }, one.comment),
    ))));
  }

  details() {
    const levels = Array.from({ length: this.session.severities[1] }, (_, at) => at + 1);
    return el(
      "details", { class: "reasons" }, el("summary", {}, "Reasons, severity, comment"),
      el("fieldset", {}, el("legend", {}, "Reasons"), this.session.reasons.map((reason) => el("label", {}, el("input", {
        type: "checkbox", dataset: { reason }, onchange: () => this.acts.reason(reason),
      }), ` ${REASONS[reason] ?? reason}`))),
      el("fieldset", {}, el("legend", {}, "How grave for the patient"), el("div", { class: "levels" }, levels.map((level) => el("button", {
        type: "button", dataset: { severity: level }, "aria-label": `severity ${level} of ${levels.length}`, onclick: () => this.acts.severity(level),
      }, level)))),
      el("label", { for: "comment" }, "Comment"),
      el("textarea", { id: "comment", dir: "auto", maxlength: 20000, oninput: (event) => this.acts.comment(event.target.value) }),
    );
  }

  showChoice(state) {
    const { decision, subject } = this.item;
    const verdict = decision?.verdict;
    const sides = subject === "pair" && Object.entries(SIDES).map(([side, [title, key]]) => el("button", {
      type: "button", "aria-pressed": state.preferred === side, onclick: () => this.acts.prefer(side),
    }, title, " ", el("kbd", {}, key)));
    const saved = this.work.edited ? "Save what was changed" : subject === "pair" ? "Save" : "Accept";
    fill(
      this.choice,
      sides && el("div", { class: "row", role: "group", "aria-label": "which side is better" }, el("span", { class: "soft" }, "Better:"), sides),
      el("button", { type: "button", class: "main", onclick: () => this.acts.submit() }, saved, " ", el("kbd", {}, "Ctrl+Enter")),
      el("div", { class: "row" }, Object.entries(VERDICTS).filter(([name]) => name !== "accept").map(([name, [title, key]]) => el("button", {
        type: "button", "aria-pressed": verdict === name, onclick: () => this.acts.decide(name),
      }, title, " ", el("kbd", {}, key)))),
      decision && el("p", { class: "soft" }, `${decided(verdict)}, ${decision.time.slice(0, 16).replace("T", " ")} UTC. `, el("button", {
        type: "button", class: "quiet", onclick: () => this.acts.withdraw(),
      }, "Take it back")),
    );
  }
}
