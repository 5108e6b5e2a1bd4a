// The marks of an item as layers on the image: its own, those in its texts, the truth of an answer, what models suggest.

import { boxesOf } from "./words.js";

const STYLES = { question: "reader", answer: "model", left: "model", right: "other", truth: "truth" };

/** What tells a text of an item from the others. */
export const keyOf = (text) => text.field || text.title.toLowerCase();

/** The layers of an item whose work is in a state, for `viewer.setLayers`. */
export function layersOf(item, state) {
  const record = item.subject === "record";
  const own = { id: "own", title: "Annotation", style: "truth", editable: true, marks: state.marks };
  const layers = [...(record ? [own] : item.texts.map((text) => ofText(item, text, state))), ...suggested(item.suggestions ?? [])];
  return layers.filter((layer) => layer.editable || layer.marks.length).map((layer) => (
    { visible: true, opacity: 1, editable: false, ...layer, marks: layer.marks.map((mark) => ({ ...mark, polygon: mark.polygon ?? [] })) }
  ));
}

/** The places of one text, with the names that are known of them. */
function ofText(item, text, state) {
  const key = keyOf(text);
  const title = titleOf(text);
  const style = item.subject === "dialogue" && key === "answer" ? "truth" : STYLES[key] ?? "other";
  return { id: key, title, style, marks: placesOf(item, text, state).map((mark) => ({ ...mark, label: mark.label || title })) };
}

/** What a text is called on the page. */
export const titleOf = (text) => text.title || { left: "Left", right: "Right" }[text.field] || "Text";

/** The places that a text names, as marks: of a model's answer as they were read, of others as they stand in it now. */
export function placesOf(item, text, state) {
  const key = keyOf(text);
  if (item.subject === "prediction" && key === "answer") return item.said;
  if (item.subject === "prediction" && key === "truth") return item.truth;
  const boxes = boxesOf(text.field ? state.texts[text.field] : text.text);
  const named = item.subject === "dialogue" && key === "answer" && item.marks.length === boxes.length ? item.marks : [];
  return boxes.map((box, at) => ({ box, label: named[at]?.label ?? "" }));
}

function suggested(all) {
  return [...new Set(all.map((one) => one.model))].map((model) => (
    { id: `model ${model}`, title: model, style: "model", marks: all.filter((one) => one.model === model) }
  ));
}
