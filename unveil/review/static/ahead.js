// What is next in the queue, fetched before it is needed. It is noted as sent, and as seen only once it is shown.

import { get } from "./api.js";
import { load } from "./load.js";

/** Where the image of an entry is asked for. */
export const imageOf = (entry) => `/api/items/${entry.number}/image`;
/** Where it is asked for ahead of need. */
export const imageAhead = (entry) => `${imageOf(entry)}?ahead=true`;

/** Items that nobody has looked at yet, by their numbers. */
export class Ahead {
  #items = new Map();

  /** Fetches entries and their images, and forgets the items of others. What fails is told when it is shown. */
  fetch(entries) {
    this.#items = new Map(entries.map((entry) => [entry.number, this.#items.get(entry.number) ?? this.#ask(entry)]));
    for (const entry of entries) load(imageAhead(entry)).catch(() => {});
  }

  #ask(entry) {
    return get(`/api/items/${entry.number}?ahead=true`).catch(() => null);
  }

  /** The item of an entry, which is forgotten; null where it is not here. */
  async take(entry) {
    const item = await this.#items.get(entry.number);
    this.#items.delete(entry.number);
    return item ?? null;
  }
}
