// Boxes and outlines as they are drawn and changed: geometry in pixels of the image, exact, and never out of it.

/** The least side of a box in pixels of the image. */
export const LEAST = 1;
/** Where a box is taken hold of: [x, y] as 0 for the lesser end, 1 for the greater, 0.5 for neither. */
const HANDLES = [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]];
const CURSORS = ["nwse", "ns", "nesw", "ew", "nwse", "ns", "nesw", "ew"];

const held = (value, least, most) => Math.min(Math.max(value, least), most);

/** The box around an outline. */
export function bounds(polygon) {
  const [across, down] = [polygon.map(([x]) => x), polygon.map(([, y]) => y)];
  return [Math.min(...across), Math.min(...down), Math.max(...across), Math.max(...down)];
}

/** The box between two points, in the image of `size`; null where it is too small. */
export function boxBetween([x, y], [u, v], [width, height]) {
  const box = [
    held(Math.min(x, u), 0, width), held(Math.min(y, v), 0, height),
    held(Math.max(x, u), 0, width), held(Math.max(y, v), 0, height),
  ];
  return box[2] - box[0] >= LEAST && box[3] - box[1] >= LEAST ? box : null;
}

/** The outline of points, in the image of `size`; null where it encloses next to nothing. */
export function outline(points, [width, height]) {
  const inside = points.map(([x, y]) => [held(x, 0, width), held(y, 0, height)]);
  const kept = inside.filter(([x, y], k) => {
    const [u, v] = inside[(k + 1) % inside.length];
    return Math.hypot(x - u, y - v) > 1e-6;
  });
  return kept.length >= 3 && area(kept) >= LEAST ? kept : null;
}

function area(polygon) {
  const twice = polygon.reduce((sum, [x, y], k) => {
    const [u, v] = polygon[(k + 1) % polygon.length];
    return sum + x * v - u * y;
  }, 0);
  return Math.abs(twice) / 2;
}

const isOutline = (mark) => Boolean(mark.polygon?.length);

/** Where a mark is taken hold of: { at, cursor, number } and, between two corners of an outline, { between: true }. */
export function handles(mark) {
  if (isOutline(mark)) {
    const corners = mark.polygon.map((at, number) => ({ at, number, cursor: "move" }));
    const middles = mark.polygon.map(([x, y], number) => {
      const [u, v] = mark.polygon[(number + 1) % mark.polygon.length];
      return { at: [(x + u) / 2, (y + v) / 2], number, cursor: "copy", between: true };
    });
    return [...corners, ...middles];
  }
  if (!mark.box) return [];
  const [left, top, right, bottom] = mark.box;
  return HANDLES.map(([a, b], number) => (
    { at: [left + a * (right - left), top + b * (bottom - top)], number, cursor: `${CURSORS[number]}-resize` }
  ));
}

/** A mark moved by so much, and held in the image. */
export function moved(mark, across, down, [width, height]) {
  if (!mark.box) return mark;
  const [left, top, right, bottom] = mark.box;
  const dx = held(across, -left, width - right);
  const dy = held(down, -top, height - bottom);
  return {
    ...mark,
    box: [left + dx, top + dy, right + dx, bottom + dy],
    polygon: mark.polygon?.map(([x, y]) => [x + dx, y + dy]) ?? [],
  };
}

/** A mark with its handle brought to a point; one side never passes the other. */
export function resized(mark, number, [x, y], [width, height]) {
  if (isOutline(mark)) {
    const polygon = mark.polygon.map((corner, k) => (k === number ? [held(x, 0, width), held(y, 0, height)] : corner));
    return area(polygon) < LEAST ? mark : { ...mark, polygon, box: bounds(polygon) };
  }
  const [a, b] = HANDLES[number];
  let [left, top, right, bottom] = mark.box;
  if (a === 0) left = held(x, 0, right - LEAST);
  if (a === 1) right = held(x, left + LEAST, width);
  if (b === 0) top = held(y, 0, bottom - LEAST);
  if (b === 1) bottom = held(y, top + LEAST, height);
  return { ...mark, box: [left, top, right, bottom] };
}

/** A mark whose right and lower side are moved; an outline is stretched. */
export function stretched(mark, across, down, size) {
  if (!mark.box) return mark;
  const [left, top, right, bottom] = mark.box;
  const { box } = resized({ box: mark.box }, 4, [right + across, bottom + down], size);
  if (!isOutline(mark)) return { ...mark, box };
  const grown = [(box[2] - left) / (right - left), (box[3] - top) / (bottom - top)];
  const polygon = mark.polygon.map(([x, y]) => [left + (x - left) * grown[0], top + (y - top) * grown[1]]);
  return area(polygon) < LEAST ? mark : { ...mark, polygon, box: bounds(polygon) };
}

/** An outline with one corner more, after that of a number. */
export function withCorner(mark, number, at) {
  const polygon = mark.polygon.toSpliced(number + 1, 0, at);
  return { ...mark, polygon, box: bounds(polygon) };
}

/** An outline without a corner; as it was where three are left. */
export function withoutCorner(mark, number) {
  if (mark.polygon.length <= 3) return mark;
  const polygon = mark.polygon.toSpliced(number, 1);
  return area(polygon) < LEAST ? mark : { ...mark, polygon, box: bounds(polygon) };
}

function within([x, y], polygon) {
  let inside = false;
  polygon.forEach(([a, b], k) => {
    const [c, d] = polygon[(k + 1) % polygon.length];
    if (b > y !== d > y && x < a + ((y - b) * (c - a)) / (d - b)) inside = !inside;
  });
  return inside;
}

/** The handle at a point, as far as `reach` from it; undefined where there is none. */
export function handleAt(mark, [x, y], reach) {
  return handles(mark)
    .map((handle) => ({ ...handle, away: Math.hypot(handle.at[0] - x, handle.at[1] - y) + (handle.between ? reach / 4 : 0) }))
    .filter(({ away }) => away <= reach)
    .sort((one, other) => one.away - other.away)[0];
}

/** The smallest mark at a point, as far as `reach` from it; -1 where there is none. */
export function markAt(marks, [x, y], reach) {
  const found = marks
    .map((mark, number) => ({ number, mark }))
    .filter(({ mark: { box, polygon } }) => {
      if (!box || x < box[0] - reach || y < box[1] - reach || x > box[2] + reach || y > box[3] + reach) return false;
      return !polygon?.length || within([x, y], polygon) || handleAt({ polygon }, [x, y], reach) !== undefined;
    });
  const size = ({ mark: { box } }) => (box[2] - box[0]) * (box[3] - box[1]);
  return found.sort((one, other) => size(one) - size(other))[0]?.number ?? -1;
}
