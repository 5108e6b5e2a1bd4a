// An image on a canvas: only what is in sight is computed, from values that were averaged to about the screen's grain.

import { GREYS, shown, table } from "./window.js";

/** Of one side of what is in sight, that is computed around it, so that panning need not compute. */
const MARGIN = 0.25;
/** Pixels of the screen to one of the image from which on it is shown as a square. */
const CRISP = 4;

const pyramids = new WeakMap();

/** The image at full, half, quarter … size; each is made when it is first needed and kept as long as the samples are. */
function pyramid(picture, samples) {
  if (!pyramids.has(samples)) {
    pyramids.set(samples, [{ width: picture.width, height: picture.height, samples }]);
  }
  return pyramids.get(samples);
}

/** A level of half the size; of an odd side, the last pixel stands for two. */
function halved({ width, height, samples }, channels) {
  const across = (width + 1) >> 1;
  const down = (height + 1) >> 1;
  const whole = !(samples instanceof Float32Array || samples instanceof Float64Array);
  const made = new samples.constructor(across * down * channels);
  for (let y = 0, to = 0; y < down; y++) {
    const row = 2 * y * width * channels;
    const below = 2 * y + 1 < height ? width * channels : 0;
    for (let x = 0; x < across; x++) {
      const right = 2 * x + 1 < width ? channels : 0;
      let at = row + 2 * x * channels;
      for (let c = 0; c < channels; c++, at++) {
        const mean = (samples[at] + samples[at + right] + samples[at + below] + samples[at + right + below]) / 4;
        made[to++] = whole ? Math.round(mean) : mean;
      }
    }
  }
  return { width: across, height: down, samples: made };
}

export class Raster {
  constructor(picture, samples) {
    this.picture = picture;
    this.levels = pyramid(picture, samples);
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext("2d");
    this.part = null;
    this.colours = null;
  }

  /** Which values are shown how: from now on `window` as [low, high], and `turned` where black and white are exchanged. */
  set(window, turned) {
    this.window = window;
    this.turned = turned;
    this.colours = null;
    this.part = null;
  }

  /** Draws what is in sight. */
  draw(context, view) {
    const { density } = view;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    const [left, top, right, bottom] = view.sight;
    if (!(right > left && bottom > top)) return;
    const number = this.#number(view.scale * density);
    if (!this.#has(number, [left, top, right, bottom])) this.#make(number, [left, top, right, bottom]);
    const part = this.part;
    const grain = view.scale * density;
    const size = grain * 2 ** number;
    const [x, y] = [view.x * density, view.y * density];
    context.imageSmoothingEnabled = grain < CRISP && grain !== 1;
    context.imageSmoothingQuality = "low";
    context.save();
    context.beginPath();
    context.rect(x, y, this.picture.width * grain, this.picture.height * grain);
    context.clip();
    context.drawImage(
      this.canvas, 0, 0, part.width, part.height,
      x + part.left * size, y + part.top * size, part.width * size, part.height * size,
    );
    context.restore();
  }

  /** The level whose pixels are no larger than the screen's. */
  #number(grain) {
    const { width, height } = this.picture;
    let number = 0;
    while (grain * 2 ** (number + 1) <= 1.001 && Math.min(width, height) >> (number + 1) >= 1) number++;
    while (this.levels.length <= number) this.levels.push(halved(this.levels.at(-1), this.picture.samples));
    return number;
  }

  #has(number, box) {
    const part = this.part;
    if (!part || part.number !== number) return false;
    const [left, top, right, bottom] = this.#onLevel(number, box, 0);
    return left >= part.left && top >= part.top && right <= part.left + part.width && bottom <= part.top + part.height;
  }

  #onLevel(number, [left, top, right, bottom], margin) {
    const { width, height } = this.levels[number];
    const size = 2 ** number;
    const [dx, dy] = [(right - left) * margin, (bottom - top) * margin];
    return [
      Math.max(0, Math.floor((left - dx) / size)), Math.max(0, Math.floor((top - dy) / size)),
      Math.min(width, Math.ceil((right + dx) / size)), Math.min(height, Math.ceil((bottom + dy) / size)),
    ];
  }

  #make(number, box) {
    const [left, top, right, bottom] = this.#onLevel(number, box, this.colours ? MARGIN : 0);
    const [width, height] = [right - left, bottom - top];
    if (this.canvas.width < width || this.canvas.height < height) {
      this.canvas.width = Math.max(this.canvas.width, width);
      this.canvas.height = Math.max(this.canvas.height, height);
    }
    const data = new ImageData(width, height);
    this.#fill(new Uint32Array(data.data.buffer), this.levels[number], left, top, width, height);
    this.context.putImageData(data, 0, 0);
    this.part = { number, left, top, width, height };
  }

  #fill(out, { width: stride, samples }, left, top, width, height) {
    if (this.picture.samples === 3) return this.#fillColour(out, stride, samples, left, top, width, height);
    this.colours ??= table(this.picture, this.window, this.turned) ?? shown(this.picture, this.window, this.turned);
    const known = this.colours.pixels;
    const start = this.colours.start;
    for (let y = 0, to = 0; y < height; y++) {
      let at = (top + y) * stride + left;
      const last = at + width;
      if (known) while (at < last) out[to++] = known[samples[at++] - start];
      else while (at < last) out[to++] = GREYS[this.colours(samples[at++])];
    }
  }

  #fillColour(out, stride, samples, left, top, width, height) {
    this.colours ??= true;
    const turn = this.turned ? 0x00ffffff : 0;
    for (let y = 0, to = 0; y < height; y++) {
      let at = ((top + y) * stride + left) * 3;
      for (let x = 0; x < width; x++, at += 3) {
        out[to++] = (0xff000000 | (samples[at + 2] << 16) | (samples[at + 1] << 8) | samples[at]) ^ turn;
      }
    }
  }
}
