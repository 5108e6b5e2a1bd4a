// Where an image lies on its canvas, in CSS pixels: screen = offset + scale * image. A pixel reaches from its number to the next.

/** The most that an image pixel is enlarged to, in CSS pixels. */
export const LARGEST = 64;
const KEPT_IN_SIGHT = 40;

export class View {
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.image = [1, 1];
    this.canvas = [1, 1];
    this.density = 1;
  }

  /** A point of the image on the screen. */
  toScreen([x, y]) {
    return [this.x + x * this.scale, this.y + y * this.scale];
  }

  /** A point of the screen on the image. */
  toImage([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  /** A box of the image on the screen. */
  boxToScreen([left, top, right, bottom]) {
    return [...this.toScreen([left, top]), ...this.toScreen([right, bottom])];
  }

  /** A box of the screen on the image. */
  boxToImage([left, top, right, bottom]) {
    return [...this.toImage([left, top]), ...this.toImage([right, bottom])];
  }

  /** The part of the image that is in sight. */
  get sight() {
    const [left, top, right, bottom] = this.boxToImage([0, 0, ...this.canvas]);
    const [width, height] = this.image;
    return [Math.max(0, left), Math.max(0, top), Math.min(width, right), Math.min(height, bottom)];
  }

  /** The scale at which the whole image is in sight. */
  get fitting() {
    return Math.min(this.canvas[0] / this.image[0], this.canvas[1] / this.image[1]);
  }

  /** One pixel of the image on one of the screen. */
  get actual() {
    return 1 / this.density;
  }

  fit() {
    this.scale = this.fitting;
    this.centre([this.image[0] / 2, this.image[1] / 2]);
  }

  /** Brings a point of the image into the middle. */
  centre([x, y]) {
    this.#place(this.canvas[0] / 2 - x * this.scale, this.canvas[1] / 2 - y * this.scale);
  }

  /** Sets the scale; what is under the point `at` of the screen stays there. */
  zoomTo(scale, at = [this.canvas[0] / 2, this.canvas[1] / 2]) {
    const [x, y] = this.toImage(at);
    const least = Math.min(this.fitting / 4, this.actual);
    this.scale = Math.min(Math.max(scale, least), Math.max(LARGEST, this.fitting));
    this.#place(at[0] - x * this.scale, at[1] - y * this.scale);
  }

  pan(across, down) {
    this.#place(this.x + across, this.y + down);
  }

  /** On whole pixels of the screen, so that 1:1 is not blurred, and never wholly out of sight. */
  #place(x, y) {
    const kept = [0, 1].map((k) => Math.min(KEPT_IN_SIGHT, this.image[k] * this.scale, this.canvas[k]));
    const held = (value, k) => Math.min(Math.max(value, kept[k] - this.image[k] * this.scale), this.canvas[k] - kept[k]);
    const whole = (value) => Math.round(value * this.density) / this.density;
    this.x = whole(held(x, 0));
    this.y = whole(held(y, 1));
  }
}
