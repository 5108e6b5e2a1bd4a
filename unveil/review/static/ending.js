// What was decided, and how it goes on: the commands that take it back into training.

import { get } from "./api.js";
import { el, fill, say } from "./dom.js";
import { decided } from "./verdicts.js";

/** A dialog with the counts so far and the next commands; `note` says what else ends here. */
export async function ending(note = "") {
  const told = await get("/api/summary");
  const dialog = el("dialog", { class: "ending", "aria-label": "What was decided" });
  const left = told.total - told.decided;
  fill(
    dialog,
    el("h1", {}, left ? `${told.decided} of ${told.total} decided` : "All is decided"),
    note && el("p", {}, note),
    el("table", {}, el("tbody", {}, Object.entries(told.verdicts).map(([verdict, count]) => el(
      "tr", {}, el("th", { scope: "row" }, decided(verdict)), el("td", {}, count),
    )))),
    told.sampled && el("p", {}, told.sampled),
    el("p", {}, "Decisions are in ", el("code", {}, told.file), "; each is there as soon as it is made."),
    told.commands.length > 0 && el("h2", {}, "Back into training"),
    ...told.commands.map((command) => el("p", { class: "command" }, el("code", {}, words(command)), copier(command))),
    el("button", { type: "button", onclick: () => dialog.close() }, "Go on"),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** A command in words that are broken only where one is longer than a line. */
const words = (command) => command.split(" ").flatMap((word, at) => [at ? " " : "", el("span", {}, word)]);

function copier(text) {
  return el("button", {
    type: "button", class: "quiet", onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        say("copied");
      } catch {
        say("the browser does not let this page copy: mark the line and copy it", "bad");
      }
    },
  }, "Copy");
}
