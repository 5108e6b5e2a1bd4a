// The room of reviews.

import { get, image, post } from "./api.js";
import { el, fill, say } from "./dom.js";

export async function start(session, main) {
  document.title = `${session.file} · unveil`;
  document.getElementById("who").textContent = session.reviewer;
  const { entries } = await get("/api/queue?start=0&count=50");
  const item = await get(`/api/items/${entries[0].number}`);
  const { picture, samples } = await image(`/api/items/${entries[0].number}/image`);
  fill(main, el("pre", {}, JSON.stringify({ item, picture, samples: samples.length }, null, 1)));
  main.append(el("button", { class: "main", onclick: async () => {
    try {
      await post(`/api/items/${item.number}/decision`, { verdict: "accept", revision: item.revision, sha256: item.sha256 });
      say("kept");
    } catch (error) { say(error.message, "bad"); }
  } }, "Accept"));
}
