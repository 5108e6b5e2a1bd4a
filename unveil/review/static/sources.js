// Where the image comes from that a model is tried on: a file, or one of the records.

import { ask, post } from "./api.js";
import { el, fill, say } from "./dom.js";

/** Controls by which an image is chosen. `ontake(promise)` is called with what the server will tell of it. */
export class Sources {
  constructor(session, { ontake }) {
    this.session = session;
    this.ontake = ontake;
    this.input = el("input", { type: "file", hidden: true, "aria-label": "image file", tabindex: -1, onchange: () => {
      if (this.input.files[0]) this.open(this.input.files[0]);
      this.input.value = "";
    } });
    this.about = el("p", { class: "soft about" }, "PNG, JPEG, TIFF, BMP, WEBP, DICOM, NIfTI; it stays in memory.");
    this.number = el("input", { type: "number", min: 1, max: session.records, "aria-label": "number of the record", onchange: () => this.go(Number(this.number.value)) });
    this.element = el(
      "section", { class: "sources" }, el("h2", {}, "Image"),
      el("div", { class: "row" }, el("button", { type: "button", onclick: () => this.choose() }, "Open an image… ", el("kbd", {}, "o")), this.input),
      session.records > 0 && el(
        "div", { class: "row records" },
        el("button", { type: "button", "aria-label": "the record before", onclick: () => this.step(-1) }, "‹"),
        el("label", {}, "Record ", this.number, ` of ${session.records}`),
        el("button", { type: "button", "aria-label": "the next record", onclick: () => this.step(1) }, "›"),
      ),
      this.about,
    );
  }

  choose() {
    this.input.click();
  }

  open(file) {
    if (file.size > this.session.most_bytes) {
      return say(`an image may have ${Math.round(this.session.most_bytes / 2 ** 20)} MB`, "bad");
    }
    fill(this.about, "reading the image …");
    return this.ontake(ask("/api/images", { method: "POST", body: file }).then((response) => response.json()).catch((error) => {
      fill(this.about, error.message);
      throw error;
    }));
  }

  step(by) {
    return this.go((Number(this.number.value) || 0) + by);
  }

  go(number) {
    if (!Number.isInteger(number) || number < 1 || number > this.session.records) {
      return say(`records are numbered from 1 to ${this.session.records}`, "bad");
    }
    this.number.value = number;
    return this.ontake(post(`/api/records/${number - 1}`, {}));
  }

  /** What is known of the image. */
  tell(about) {
    const words = [about.name, about.modality, about.split, `${about.width} × ${about.height} pixels`];
    fill(this.about, words.filter(Boolean).join(" · "));
    if (!about.name) this.number.value = "";
  }
}
