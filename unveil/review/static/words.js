// Texts beside one another: which words differ, and boxes in a text as chips that belong to boxes on the image.

import { el } from "./dom.js";

const PIECES = /<box [^<>]*>|\s+|[^\s<]+|</g;
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
 * A text as elements. Where `beside` is given, words that it lacks are marked; `onbox(box)` is called for a chosen chip.
 */
export function shown(text, { beside, onbox } = {}) {
  const own = pieces(text);
  const kept = beside === undefined ? own.map(() => true) : common(own, pieces(beside))[0];
  return own.map((piece, at) => {
    const box = boxOf(piece);
    if (box) return chip(box, kept[at], onbox);
    return kept[at] || !piece.trim() ? piece : el("mark", {}, piece);
  });
}

function chip(box, same, onbox) {
  const words = box.map(Math.round).join(", ");
  return el("button", {
    type: "button", class: same ? "chip" : "chip differs", title: "show this place",
    "aria-label": `show the place ${words}`, dataset: { box: box.join(" ") }, onclick: () => onbox?.(box),
  }, words);
}
