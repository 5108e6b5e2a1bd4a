// Files that the page hands over.

import { el } from "./dom.js";

/** Hands a file to whoever looks at the page. */
export function download(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
