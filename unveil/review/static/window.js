// Window and level: which values are black and which white. The formula is that of `core/pixels.py`, to the last bit.

/** Width and level in Hounsfield units; for CT alone. */
export const PRESETS = {
  "Soft tissue": [400, 40],
  Lung: [1500, -600],
  Liver: [150, 90],
  Bone: [2500, 480],
  Brain: [80, 40],
};

/** The lowest and the highest value that are shown, from width and level. */
export const ends = ([width, level]) => [level - width / 2, level + width / 2];

/** Width and level from the lowest and the highest value. */
export const widthAndLevel = ([low, high]) => [high - low, (low + high) / 2];

/** The lowest and the highest of values that are numbers. */
export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** To the nearest whole number, halves to the even one, as numpy does; for values from 0 on. */
function rint(value) {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 ? up - 1 : up;
}

/** From a value to its grey level, 0 to 255; `single` counts in 32 bits. */
export function grey([low, high], single) {
  if (!(high > low)) return () => 0;
  const f = single ? Math.fround : (value) => value;
  const [start, range] = [f(low), f(high - low)];
  return (value) => {
    const scaled = f(f(f(f(value) - start) / range) * 255);
    if (!(scaled > 0)) return 0;  // no number, too
    return scaled >= 255 ? 255 : rint(scaled);
  };
}

/** The grey level of a value of a picture with all that the picture says: padding is black, MONOCHROME1 is turned. */
export function shown(picture, window, turned = false) {
  const level = grey(window, picture.single);
  const inverted = Boolean(picture.inverted) !== turned;
  const [first, last] = picture.padding ?? [Infinity, -Infinity];
  return (value) => {
    if (value >= first && value <= last) return 0;
    const found = level(value);
    return inverted ? 255 - found : found;
  };
}

const STARTS = { uint8: [0, 256], int16: [-32768, 65536], uint16: [0, 65536] };
const opaque = (level) => (0xff000000 | (level << 16) | (level << 8) | level) >>> 0;
/** The 32 bits of a pixel of each grey level. */
export const GREYS = Uint32Array.from({ length: 256 }, (_, level) => opaque(level));

/** Pixels by values, `table[value - start]`, of the kinds that have few values; null of the others. */
export function table(picture, window, turned) {
  if (!STARTS[picture.kind]) return null;
  const [start, count] = STARTS[picture.kind];
  const level = shown(picture, window, turned);
  const pixels = new Uint32Array(count);
  for (let k = 0; k < count; k++) pixels[k] = GREYS[level(k + start)];
  return { start, pixels };
}

/** A window after a drag of so many CSS pixels: to the right wider, down higher; `usual` is the picture's own. */
export function dragged([low, high], across, down, usual) {
  const step = Math.max(usual[1] - usual[0], 1e-9) / 256;
  const [width, level] = widthAndLevel([low, high]);
  return ends([Math.max(width + across * step, step / 16), level + down * step]);
}

/** A number as the status line has it. */
export function figure(value) {
  if (!Number.isFinite(value)) return "none";
  return Number.isInteger(value) ? String(value) : value.toPrecision(4).replace(/\.?0+$/, "");
}
