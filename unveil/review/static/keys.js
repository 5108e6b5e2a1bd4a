// Keys: one table, which is also what the help shows. Single keys do nothing while somebody types, none while a dialog is
// open or something is being saved.

import { el, fill } from "./dom.js";

const TYPED = "input, textarea, select, [contenteditable]";

/** How a pressed key is spelled in a table: "Ctrl+Shift+Z", "Alt+H", "e", "?". */
export function spelled(event) {
  const held = [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : ""].filter(Boolean);
  const plain = event.key === " " ? "Space" : event.key.replace(/^Arrow/, "");
  if (!held.length) return plain.length === 1 ? plain.toLowerCase() : plain;
  if (event.shiftKey) held.push("Shift");
  return [...held, plain.length === 1 ? plain.toUpperCase() : plain].join("+");
}

/**
 * Listens for the keys of a table of {keys, says, act, when, typing}. `typing` keys work in a text field too,
 * "untouched" ones in a field in which nothing was typed; `act` is called with the event, and where it returns false
 * the key goes on to who else wants it.
 */
export function listen(table) {
  const acts = new Map(table.flatMap((row) => row.keys.map((key) => [key, row])));
  const pressed = (event) => {
    const row = acts.get(spelled(event));
    if (!row || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open], main[inert]") || (event.target.closest?.(TYPED) && !taken(row, event.target))) return;
    if (row.when && !row.when()) return;
    if (row.act(event) !== false) event.preventDefault();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

const taken = ({ typing }, field) => (typing === "untouched" ? field.value === field.defaultValue : typing);

/** A dialog that tells the keys of some tables, each under its title. */
export function help(tables) {
  const dialog = el("dialog", { class: "help", "aria-label": "Keys" });
  const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close ", el("kbd", {}, "Esc"));
  fill(dialog, el("h1", {}, "Keys"), ...tables.map(([title, rows]) => el("section", {}, el("h2", {}, title), listed(rows))), close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  dialog.scrollTop = 0;  // the browser scrolls to what has the focus
}

function listed(rows) {
  return el("dl", {}, rows.filter((row) => row.says).flatMap((row) => [
    el("dt", {}, ...row.keys.flatMap((key, at) => [at ? " " : "", el("kbd", {}, key)])), el("dd", {}, row.says),
  ]));
}
