// Texts beside one another: which words differ, and boxes in a text as chips that belong to boxes on the image.

import { el } from "./dom.js";

const PIECES = /<box [^<>]*>|\s+|[\u202a-\u202e\u2066-\u2069]|[^\s<\u202a-\u202e\u2066-\u2069]+|</g;
/** Characters that turn the direction of what follows: not seen, and used to make a text read as another. */
const TURNS = /^[\u202a-\u202e\u2066-\u2069]$/;
const BOX = /^<box ((?:-?\d+(?:\.\d+)? ?){4})>$/;
/** Words of both texts beyond which no difference is sought: it takes time and memory by their product. */
const MOST = 4_000_000;

/** A text in words, boxes and spaces. */
export const pieces = (text) => text.match(PIECES) ?? [];

/** The box [x1, y1, x2, y2] that a piece is, or null. */
export function boxOf(piece) {
  const found = BOX.exec(piece);
  return found ? found[1].trim().split(" ").map(Number) : null;
}

/** All boxes of a text. */
export const boxesOf = (text) => pieces(text).map(boxOf).filter(Boolean);

/** Which pieces of two texts are in both, by the longest common subsequence: two lists of booleans. */
export function common(left, right) {
  const kept = [left.map(() => false), right.map(() => false)];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) {
    kept[0][start] = kept[1][start] = true;
    start += 1;
  }
  let [i, j] = [left.length, right.length];
  while (i > start && j > start && left[i - 1] === right[j - 1]) kept[0][--i] = kept[1][--j] = true;
  const [rows, columns] = [i - start, j - start];
  if (rows * columns > MOST) return kept;
  const table = Array.from({ length: rows + 1 }, () => new Uint16Array(columns + 1));
  for (let a = rows - 1; a >= 0; a -= 1) {
    for (let b = columns - 1; b >= 0; b -= 1) {
      table[a][b] = left[start + a] === right[start + b]
        ? table[a + 1][b + 1] + 1 : Math.max(table[a + 1][b], table[a][b + 1]);
    }
  }
  for (let a = 0, b = 0; a < rows && b < columns;) {
    if (left[start + a] === right[start + b]) kept[0][start + a++] = kept[1][start + b++] = true;
    else if (table[a + 1][b] >= table[a][b + 1]) a += 1;
    else b += 1;
  }
  return kept;
}

/**
 * A text as elements. Where `beside` is given, words that it lacks are marked; `onbox(box)` is called for a chosen chip,
 * whose place lies in `layer`.
 */
export function shown(text, { beside, onbox, layer } = {}) {
  const own = pieces(text);
  const kept = beside === undefined ? own.map(() => true) : common(own, pieces(beside))[0];
  return own.map((piece, at) => {
    const box = boxOf(piece);
    if (box) return chip({ box }, { layer, onbox, same: kept[at] });
    if (TURNS.test(piece)) return turn(piece);
    return kept[at] || !piece.trim() ? piece : el("mark", {}, piece);
  });
}

/** A character that would turn the text, as its number. */
function turn(piece) {
  const number = `U+${piece.codePointAt(0).toString(16).toUpperCase()}`;
  return el("span", { class: "turn", title: `${number}: a character that is not seen and turns the text after it` }, number);
}

/** A place, with its name where it has one, as a button that shows it on the image. */
export function chip({ box, label }, { layer = "", onbox, same = true }) {
  const words = box.map(Math.round).join(", ");
  return el("button", {
    type: "button", class: same ? "chip" : "chip differs", title: "show this place",
    "aria-label": `show the place ${label ? `of ${label}, ` : ""}${words}`, dataset: { layer, box: box.join(" ") }, onclick: () => onbox?.(box),
  }, label && el("bdi", {}, label), label && " ", words);
}
