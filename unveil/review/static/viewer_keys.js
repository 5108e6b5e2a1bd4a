// The keys of the image viewer.

import { PRESETS } from "./window.js";

const STEP = 1.25;
const TOOLS = {
  v: ["select", "choose and change marks"], b: ["box", "draw a box"], g: ["polygon", "draw an outline, corner by corner"],
  t: ["pan", "move the image"], w: ["window", "set the window by dragging"], m: ["ruler", "measure"],
};

/** The table of keys that act on a viewer (`keys.js`). */
export function keysOf(viewer) {
  const there = () => Boolean(viewer.picture);
  const some = () => viewer.selected >= 0;
  const tools = Object.entries(TOOLS).map(([key, [tool, says]]) => (
    { keys: [key], says, when: there, act: () => { viewer.tool = tool; } }
  ));
  const presets = Object.keys(PRESETS).map((name, at) => ({
    keys: [String(at + 1)], says: `of a CT: ${name.toLowerCase()} window`,
    when: () => viewer.presetKeys && viewer.isCT, act: () => viewer.preset(name),
  }));
  return [
    ...tools,
    { keys: ["h"], says: "hide or show all that lies over the image", act: () => viewer.hideAll() },
    { keys: ["i"], says: "exchange black and white", when: there, act: () => viewer.invert() },
    { keys: ["f"], says: "fit the image", when: there, act: () => viewer.fit() },
    { keys: ["/"], says: "one pixel of the image on one of the screen", when: there, act: () => viewer.actual() },
    { keys: ["+", "="], says: "larger", when: there, act: () => viewer.zoomBy(STEP) },
    { keys: ["-"], says: "smaller", when: there, act: () => viewer.zoomBy(1 / STEP) },
    { keys: ["]"], says: "next mark", when: there, act: () => viewer.step(1) },
    { keys: ["["], says: "previous mark", when: there, act: () => viewer.step(-1) },
    { keys: ["Backspace", "Delete"], says: "delete the chosen mark, or corner of an outline", when: some, act: () => viewer.remove() },
    { keys: ["Ctrl+D"], says: "copy the chosen mark", when: some, act: () => viewer.duplicate() },
    { keys: ["u"], says: "choose none", when: () => Boolean(viewer.picked), act: () => viewer.select(-1) },
    { keys: ["Alt+H"], says: "hide the chosen mark, or show it again", when: some, act: () => viewer.hideMark() },
    ...presets,
    { keys: ["Left", "Right", "Up", "Down"], says: "on the image: move the chosen mark, with Shift its size; else the image",
      when: () => false, act: () => false },
  ];
}
