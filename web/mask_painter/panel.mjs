// Builds the painter's page elements: toolbar, stage, slots with their timeline, and the fields of the key.
import { button, easeList, element, icon, partsOf } from "../shared/elements.mjs";
import { MASK_EASES } from "./keyframes.mjs";

export const TOOLS = {
  brush: "Brush (B)", eraser: "Eraser (E)", select: "Select, move, size and turn shapes (V)", box: "Box (R)",
  ellipse: "Ellipse (O)", polygon: "Polygon (P)", lasso: "Lasso (L)", fill: "Fill a hole or an outline (G)",
}; // prettier-ignore

const CARD = [
  ["Tools", [["B E", "brush, eraser"], ["V", "select"], ["R O", "box, ellipse"], ["P L", "polygon, lasso"], ["G", "fill"],
    ["S, or Alt", "cut instead of add"], ["[ ]", "brush size, also Alt + wheel"], ["Shift", "straight, square, in steps"]]],
  ["Time", [["← →", "a frame, with Shift ten"], ["↑ ↓", "key before, key after"], ["Space", "play"], ["K", "key here"],
    ["N", "leave: gone until the next key"], ["T", "follow the video from here"], ["Ctrl C, V", "copy and paste a key"]]],
  ["View", [["wheel", "nearer, further"], ["Space + drag", "shift, also the middle button"], ["F", "whole picture"],
    ["I", "neighboring keys"], ["X", "large painter"], ["1 2 3", "slot"], ["H", "hide or show the slot"]]],
  ["Edit", [["Ctrl Z", "undo, with Shift redo"], ["Delete", "shape, else key"], ["Ctrl A", "pick all shapes"],
    ["arrows", "move what is picked"], ["Alt + click", "take a polygon's corner away"], ["double-click", "one more corner"]]],
]; // prettier-ignore

function card() {
  const box = element("div", { class: "card", role: "dialog", "aria-label": "Keys" });
  for (const [title, rows] of CARD) {
    const list = element("dl", {}, element("dt", { class: "title" }, title));
    for (const [keys, what] of rows) list.append(element("dt", {}, element("kbd", {}, keys)), element("dd", {}, what));
    box.append(list);
  }
  return box;
}

/** All elements of the painter: {root, part}, where part holds them by their data-do or data-field. */
export function buildPanel() {
  const tools = element("div", { class: "group tools", role: "group", "aria-label": "Tool" });
  for (const [name, title] of Object.entries(TOOLS)) tools.append(button(name, title));
  const cuts = element("button", { type: "button", class: "word", "data-do": "cuts", "aria-label": "Add or cut",
    title: "Whether shapes add to the mask or cut from it (S); Alt turns it round" }, "Add"); // prettier-ignore
  const size = element("input", { type: "range", min: "0", max: "100", step: "0.5", "data-field": "size",
    title: "Size of brush and eraser ([ and ])", "aria-label": "Size of brush and eraser" }); // prettier-ignore
  const steps = element("div", { class: "group" }, button("undo", "Undo (Ctrl+Z)"), button("redo", "Redo (Ctrl+Shift+Z)"));
  const view = element("div", { class: "group" }, button("onion", "Onion skin: the keys before and after (I)"),
    button("fit", "Whole picture (F)"), button("help", "All keys (?)"), button("expand", "Large painter (X)")); // prettier-ignore
  const bar = element("div", { class: "bar" }, tools, element("div", { class: "group" }, cuts), element("label", { class: "size" }, size),
    steps, element("i", { class: "gap" }), view); // prettier-ignore

  const canvas = (name) => element("canvas", { class: `layer-${name}` });
  const [back, masks, over] = ["back", "masks", "over"].map(canvas);
  over.setAttribute("aria-label", "The picture with its masks");
  const ring = element("div", { class: "ring" });
  const hint = element("div", { class: "hint" });
  const note = element("div", { class: "note", role: "status" });
  const banner = element("div", { class: "banner" }, element("span", {}, "Other tracks come in than those that were edited."),
    element("button", { type: "button", class: "word strong", "data-do": "take" }, "Take the new track")); // prettier-ignore
  const stage = element("div", { class: "stage" }, back, masks, over, ring, hint, note, banner, card());

  const clock = element("output", { class: "clock", title: "Frame at the playhead" });
  const player = element("div", { class: "player" }, button("play", "Play (Space)"), clock, element("i", { class: "gap" }),
    button("add", "Another slot", "add_slot")); // prettier-ignore
  const rows = element("div", { class: "layers" });
  const strip = element("canvas", { class: "timeline", title: "Drag to scrub, double-click to add a key, drag diamonds to move keys" });
  const time = element("div", { class: "time" }, element("div", { class: "side" }, player, rows), strip);

  const which = element("span", { class: "which" });
  const frame = element("input", { type: "number", step: 1, min: 0, "data-field": "frame", title: "The frame of this key", "aria-label": "The frame of this key" });
  const ease = easeList("ease", "How the mask goes to the next key", MASK_EASES, "even speed", ["hold"]);
  const turn = element("input", { type: "number", step: 5, "data-field": "turn", placeholder: "auto", "aria-label": "Turn to the next key",
    title: "By how many degrees it turns until the next key, clockwise; empty: the nearest fit" }); // prettier-ignore
  const keys = element("div", { class: "group" }, button("add", "Add a key here (K)"), button("copy", "Copy this key (Ctrl+C); paste with Ctrl+V"),
    button("leave", "Leave: gone from here to the next key (N)"), button("remove", "Delete the key (Delete)")); // prettier-ignore
  const follow = element("button", { type: "button", class: "word strong", "data-do": "follow",
    title: "Carry this mask along the video, to the next key or the end (T)" }, icon("follow"), element("span", {}, "Follow")); // prettier-ignore
  const row = element("div", { class: "fields" }, which, keys, element("label", { class: "frame" }, element("span", {}, "frame"), frame),
    element("label", { class: "wide" }, element("span", {}, "to the next"), ease),
    element("label", {}, element("span", {}, "turn"), turn), element("i", { class: "gap" }), follow); // prettier-ignore
  const report = element("div", { class: "report", title: "What the last run says; click for all of it" });

  const root = element("div", { class: "fulldit-editor fulldit-masks", tabindex: "0", "data-capture-wheel": "true" }, bar, stage, time, row, report);
  return { root, part: { stage, back, masks, over, ring, hint, note, banner, strip, clock, rows, time, which, row, report,
    card: stage.querySelector(".card"), ...partsOf(root) } }; // prettier-ignore
}
