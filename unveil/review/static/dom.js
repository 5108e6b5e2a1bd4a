// Elements made of values. Texts are only ever set as texts: nothing that comes from a file becomes markup.

/** An element: `el("button", { class: "quiet", onclick: f }, "Text", other)`. */
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || (value === false && !key.startsWith("aria-"))) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "dataset") Object.assign(made.dataset, value);
    else if (value === true && !key.startsWith("aria-")) made.setAttribute(key, "");
    else made.setAttribute(key, String(value));
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** Puts other children in the place of an element's own. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Tells something to who reads the screen and to who hears it; what is wrong stays until something else is said. */
export function say(text, kind = "note") {
  const place = document.getElementById("said");
  place.className = kind;
  place.textContent = text;
  clearTimeout(say.timer);
  if (kind === "note") say.timer = setTimeout(() => { place.textContent = ""; }, 4000);
}

/** Scrolls a box so far that an element in it is in its middle, where it is not in sight. The page itself stays. */
export function reveal(element, box, covered = 0) {
  const [own, seen] = [element.getBoundingClientRect(), box.getBoundingClientRect()];
  if (own.top >= seen.top && own.bottom <= seen.bottom - covered) return;
  box.scrollTop += (own.top + own.bottom) / 2 - (seen.top + seen.bottom - covered) / 2;
}
