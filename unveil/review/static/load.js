// Images that were fetched, the last ones kept: what is fetched before it is needed appears at once.

import { image } from "./api.js";

/** Bytes of samples that are kept. */
export const MOST = 256 * 2 ** 20;

const known = new Map();  // by path, the one used last at the end

/** An image by the path that the server gives it at, as { picture, samples }; `signal` gives up waiting, and ends the
 * request where nobody waits for it any more. Throws what `api.image` throws, and an AbortError. */
export function load(path, { signal } = {}) {
  if (signal?.aborted) return Promise.reject(aborted());
  let entry = known.get(path);
  if (!entry) {
    const controller = new AbortController();
    entry = { controller, waiting: 0, bytes: 0, done: false };
    entry.promise = image(path, { signal: controller.signal });
    entry.promise.then(
      ({ samples }) => { entry.done = true; entry.bytes = samples.byteLength; trim(path); },
      () => { if (known.get(path) === entry) known.delete(path); },  // to be asked for anew
    );
  }
  known.delete(path);
  known.set(path, entry);
  entry.waiting++;
  return new Promise((resolve, reject) => {
    const leave = () => {
      entry.waiting--;
      signal?.removeEventListener("abort", abort);
    };
    const abort = () => {
      leave();
      if (!entry.waiting && !entry.done) {
        if (known.get(path) === entry) known.delete(path);
        entry.controller.abort();
      }
      reject(aborted());
    };
    signal?.addEventListener("abort", abort);
    entry.promise.then((value) => { leave(); resolve(value); }, (error) => { leave(); reject(error); });
  });
}

const aborted = () => new DOMException("given up", "AbortError");

/** Forgets the images used longest ago until the others fit; the one of `path` stays. */
function trim(path) {
  let bytes = [...known.values()].reduce((sum, entry) => sum + entry.bytes, 0);
  for (const [other, entry] of known) {
    if (bytes <= MOST) return;
    if (other === path || !entry.done) continue;
    known.delete(other);
    bytes -= entry.bytes;
  }
}

/** Whether an image is here, or on its way. */
export const started = (path) => known.has(path);

/** Whether an image is here already. */
export const has = (path) => Boolean(known.get(path)?.done);

/** Forgets an image, or all. */
export function forget(path) {
  if (path === undefined) known.clear();
  else known.delete(path);
}
