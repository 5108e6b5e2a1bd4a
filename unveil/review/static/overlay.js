// What lies over an image: marks by colour and kind of line, their names, a ruler, letters of orientation, a map.

/** Colour and dashes of each kind of layer: told apart without colour too. */
export const STYLES = {
  truth: { colour: "#3fd0ff", dashes: [] },
  model: { colour: "#ffb23f", dashes: [7, 4] },
  other: { colour: "#e79bff", dashes: [2, 3] },
  reader: { colour: "#8fe388", dashes: [9, 3, 2, 3] },
};
const STATES = { tp: "found", fp: "not annotated", fn: "not found" };
const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", S: "I", I: "S" };
const FONT = "600 12px system-ui, sans-serif";
/** Colours of a map from 0 to 1: dark, red, yellow, white; even in lightness. */
const HEAT = [[10, 5, 40], [120, 20, 110], [220, 60, 60], [250, 170, 40], [255, 255, 210]];

/** The colour of a value from 0 to 1 as [red, green, blue]. */
export function heat(value) {
  const at = Math.min(Math.max(value, 0), 1) * (HEAT.length - 1);
  const first = Math.min(Math.floor(at), HEAT.length - 2);
  return HEAT[first].map((from, k) => Math.round(from + (at - first) * (HEAT[first + 1][k] - from)));
}

/** A mark on the screen, and its name; `chosen` with the handles by which it is taken hold of. */
export function drawMark(context, view, mark, style, options) {
  drawPlace(context, view, mark, style, options);
  drawName(context, view, mark, style, options);
}

/** The place of a mark alone. */
export function drawPlace(context, view, mark, style, { opacity = 1, chosen = false, grips = [] } = {}) {
  if (!mark.box) return;
  const { colour, dashes } = STYLES[style] ?? STYLES.other;
  context.save();
  context.globalAlpha = opacity;
  context.lineJoin = "round";
  for (const [stroke, width, dashed] of [["rgb(0 0 0 / .6)", chosen ? 6 : 4.5, []], [colour, chosen ? 3 : 2, dashes]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.setLineDash(dashed);
    path(context, view, mark);
    context.stroke();
  }
  context.setLineDash([]);
  if (chosen) grips.forEach((grip) => handle(context, view.toScreen(grip.at), grip.between, colour));
  context.restore();
}

function path(context, view, mark) {
  context.beginPath();
  if (mark.polygon?.length) {
    mark.polygon.forEach((corner, k) => context[k ? "lineTo" : "moveTo"](...view.toScreen(corner)));
    context.closePath();
    return;
  }
  const [left, top, right, bottom] = view.boxToScreen(mark.box);
  context.rect(left, top, right - left, bottom - top);
}

function handle(context, [x, y], between, colour) {
  context.beginPath();
  if (between) context.arc(x, y, 3, 0, 7);
  else context.rect(x - 4.5, y - 4.5, 9, 9);
  context.fillStyle = between ? colour : "#fff";
  context.fill();
  context.strokeStyle = "#000";
  context.lineWidth = 1;
  context.stroke();
}

/** What stands at a mark. Its label may be read from the right, or turn what follows: it is set apart (U+2068, U+2069). */
export function nameOf({ label, confidence, state }) {
  const sure = confidence === null || confidence === undefined ? "" : ` ${Math.round(confidence * 100)} %`;
  const found = STATES[state] ? ` · ${STATES[state]}` : "";
  return `\u2068${label || "name?"}\u2069${sure}${found}`;
}

/** The name of a mark, outside of it where there is room: it covers no lesion. An `unnamed` layer's marks need none. */
export function drawName(context, view, mark, style, { opacity = 1, unnamed = false } = {}) {
  if (!mark.box || (unnamed && !mark.label)) return;
  const { colour } = STYLES[style] ?? STYLES.other;
  const text = nameOf(mark);
  const [left, top, , bottom] = view.boxToScreen(mark.box);
  context.save();
  context.globalAlpha = opacity;
  context.font = FONT;
  const width = context.measureText(text).width + 8;
  const x = Math.min(Math.max(left, 0), Math.max(0, view.canvas[0] - width));
  const y = top >= 18 ? top - 18 : bottom <= view.canvas[1] - 18 ? bottom + 2 : Math.max(top, 0) + 2;
  context.fillStyle = "rgb(8 12 16 / .8)";
  context.fillRect(x, y, width, 16);
  context.fillStyle = colour;
  context.textBaseline = "middle";
  context.fillText(text, x + 4, y + 8.5);
  context.restore();
}

/** A text with a dark edge, so that it can be read on any grey. */
function plain(context, text, x, y, align = "center") {
  context.font = FONT;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / .7)";
  context.strokeText(text, x, y);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
  context.textAlign = "start";
}

/** Where the sides of the image lie in the patient: columns lead to the first letter, rows to the second. */
export function drawSides(context, view, orientation) {
  if (!orientation) return;
  const [across, down] = orientation;
  const [width, height] = view.canvas;
  plain(context, OPPOSITE[across] ?? "", 12, height / 2);
  plain(context, across, width - 12, height / 2);
  plain(context, OPPOSITE[down] ?? "", width / 2, 12);
  plain(context, down, width / 2, height - 12);
}

/** What a length in millimetres rests on: a projection enlarges, and by how much is not known of the detector alone. */
export const restsOn = ({ spacing_source: source }) => (source === "ImagerPixelSpacing" ? " at the detector" : "");

/** The length between two points of the image: in millimetres where the spacing is known, else in pixels. */
export function lengthOf([x, y], [u, v], picture) {
  const { spacing } = picture;
  if (!spacing) return `${Math.hypot(u - x, v - y).toFixed(1)} px`;
  return `${Math.hypot((u - x) * spacing[1], (v - y) * spacing[0]).toFixed(1)} mm${restsOn(picture)}`;
}

/** A ruler between two points of the image. */
export function drawRuler(context, view, from, to, picture) {
  const [a, b] = [view.toScreen(from), view.toScreen(to)];
  for (const [stroke, width] of [["rgb(0 0 0 / .7)", 4], ["#fff", 1.5]]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...a);
    context.lineTo(...b);
    context.stroke();
  }
  plain(context, lengthOf(from, to, picture), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2 - 12);
}

/** A bar of a round length at the lower left. */
export function drawScale(context, view, picture) {
  const { spacing } = picture;
  if (!spacing) return;
  const most = 120 / view.scale * spacing[1];
  const step = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((k) => k * step).find((one) => one <= most) ?? step;
  const width = length / spacing[1] * view.scale;
  const y = view.canvas[1] - 16;
  for (const [stroke, thick] of [["rgb(0 0 0 / .7)", 5], ["#fff", 2]]) {
    context.strokeStyle = stroke;
    context.lineWidth = thick;
    context.beginPath();
    context.moveTo(14, y);
    context.lineTo(14 + width, y);
    context.stroke();
  }
  plain(context, `${length} mm${restsOn(picture)}`, 14, y - 12, "left");
}

/** The part of the image that a model saw. */
export function drawSeen(context, view, seen) {
  const [left, top, right, bottom] = view.boxToScreen(seen);
  context.save();
  context.strokeStyle = "#fff";
  context.lineWidth = 1;
  context.setLineDash([1, 4]);
  context.strokeRect(left, top, right - left, bottom - top);
  context.restore();
}

/** A map of values from 0 to 1 as a picture, what is below `threshold` left out. */
export function heatPicture({ width, height, values }, threshold) {
  const canvas = new OffscreenCanvas(width, height);
  const data = new ImageData(width, height);
  values.forEach((value, k) => data.data.set([...heat(value), value >= threshold ? 255 : 0], 4 * k));
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}
