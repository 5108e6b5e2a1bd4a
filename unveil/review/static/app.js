// The page: which room it is, and what is said where it cannot begin.

import { get } from "./api.js";
import { el, fill } from "./dom.js";

const ROOMS = { review: "./review.js", try: "./try.js", runs: "./runs.js" };

async function begin() {
  const main = document.getElementById("main");
  try {
    const session = await get("/api/session");
    const room = await import(ROOMS[document.documentElement.dataset.room]);
    await room.start(session, main);
  } catch (error) {
    fill(main, el("section", { class: "card fault" }, el("h1", {}, "This page cannot begin"), el("p", {}, error.message)));
    console.error(error);
  }
}

begin();
