// Builds the painter's page elements: toolbar, stage, slots with their timeline, and the fields of the key.
import { button, easeList, element, icon, partsOf } from "../shared/elements.mjs";
import { MASK_EASES } from "./keyframes.mjs";
import { t } from "../shared/words.mjs";

export const TOOLS = {
  brush: "Brush (B)", eraser: "Eraser (E)", select: "Select, move, size and turn shapes (V)", move: "Move the whole mask; after a keyframe this makes one here (M)", box: "Box (R)",
  ellipse: "Ellipse (O)", polygon: "Polygon (P)", lasso: "Lasso (L)", fill: "Fill a hole or an outline (G)",
}; // prettier-ignore

const CARD = [
  ["Tools", [["B E", "brush, eraser"], ["V", "select"], ["R O", "box, ellipse"], ["P L", "polygon, lasso"], ["G", "fill"],
    ["M", "move the whole mask"], ["S, or Alt", "cut instead of add"],
    ["Ctrl", "replace instead of add"], ["[ ]", "brush size, also Alt + wheel"], ["Shift", "straight, square, in steps"]]],
  ["Time", [["← →", "one frame, with Shift ten"], ["↑ ↓", "previous, next keyframe"], ["Space", "play"], ["K", "add a keyframe"],
    ["N", "no mask until the next keyframe"], ["T", "follow the video from here"], ["orange, red", "Follow doubts these frames"], ["Ctrl C, V", "copy and paste a keyframe"]]],
  ["View", [["wheel", "zoom"], ["Space + drag", "pan, also with the middle button"], ["F", "fit the whole frame"],
    ["I", "onion skin"], ["X", "large painter"], ["1 2 3", "slot"], ["H", "hide or show the slot"]]],
  ["Edit", [["Ctrl Z", "undo, with Shift redo"], ["Delete", "the shape, else the keyframe"], ["Ctrl A", "select all shapes"],
    ["arrows", "move the selected shapes"], ["Alt + click", "remove a polygon's corner"], ["double-click", "add a corner"]]],
]; // prettier-ignore

function card() {
  const box = element("div", { class: "card", role: "dialog", "aria-label": t("Keyboard shortcuts") });
  for (const [title, rows] of CARD) {
    const list = element("dl", {}, element("dt", { class: "title" }, t(title)));
    for (const [keys, what] of rows) list.append(element("dt", {}, element("kbd", {}, t(keys))), element("dd", {}, t(what)));
    box.append(list);
  }
  return box;
}

/** All elements of the painter: {root, part}, where part holds them by their data-do or data-field. */
export function buildPanel() {
  const tools = element("div", { class: "group tools", role: "group", "aria-label": t("Tool") });
  for (const [name, title] of Object.entries(TOOLS)) tools.append(button(name, title));
  const cuts = element("button", { type: "button", class: "word", "data-do": "cuts", "aria-label": t("Add or cut"),
    title: t("Whether shapes add to the mask or cut from it (S); Alt does the opposite") }, t("Add")); // prettier-ignore
  const size = element("input", { type: "range", min: "0", max: "100", step: "0.5", "data-field": "size",
    title: t("Size of brush and eraser ([ and ])"), "aria-label": t("Size of brush and eraser") }); // prettier-ignore
  const steps = element("div", { class: "group" }, button("undo", "Undo (Ctrl+Z)"), button("redo", "Redo (Ctrl+Shift+Z)"));
  const view = element("div", { class: "group" }, button("onion", "Onion skin: the previous and next keyframe (I)"),
    button("fit", "Fit the whole frame (F)"), button("help", "Keyboard shortcuts (?)"), button("expand", "Large painter (X)")); // prettier-ignore
  const bar = element("div", { class: "bar" }, tools, element("div", { class: "group" }, cuts), element("label", { class: "size" }, size),
    steps, element("i", { class: "gap" }), view); // prettier-ignore

  const canvas = (name) => element("canvas", { class: `layer-${name}` });
  const [back, masks, over] = ["back", "masks", "over"].map(canvas);
  over.setAttribute("role", "img");
  over.setAttribute("aria-label", t("The frame with its masks"));
  const ring = element("div", { class: "ring" });
  const hint = element("div", { class: "hint" });
  const note = element("div", { class: "note", role: "status" });
  const banner = element("div", { class: "banner" }, element("span", {}, t("The incoming masks are not the ones that were edited.")),
    element("button", { type: "button", class: "word strong", "data-do": "take" }, t("Take the new masks"))); // prettier-ignore
  const stage = element("div", { class: "stage" }, back, masks, over, ring, hint, note, banner, card());

  const clock = element("output", { class: "clock", title: t("Frame at the playhead") });
  const player = element("div", { class: "player" }, button("play", "Play (Space)"), clock, element("i", { class: "gap" }),
    button("add", "Add a slot", "add_slot")); // prettier-ignore
  const rows = element("div", { class: "layers" });
  const strip = element("canvas", { class: "timeline", role: "img", "aria-label": t("Timeline"),
    title: t("Drag to scrub, double-click to add a keyframe, drag diamonds to move keyframes") });
  const time = element("div", { class: "time" }, element("div", { class: "side" }, player, rows), strip);

  const which = element("span", { class: "which" });
  const frame = element("input", { type: "number", step: 1, min: 0, "data-field": "frame", title: t("The frame of this keyframe"), "aria-label": t("The frame of this keyframe") });
  const ease = easeList("ease", "How the mask changes up to the next keyframe", MASK_EASES, "even speed", ["hold"]);
  const turn = element("input", { type: "number", step: 5, "data-field": "turn", placeholder: t("auto"),
    "aria-label": t("Rotation up to the next keyframe"),
    title: t("Rotation up to the next keyframe, in degrees clockwise; empty: found automatically") }); // prettier-ignore
  const keys = element("div", { class: "group" }, button("add", "Add a keyframe here (K)"), button("copy", "Copy this keyframe (Ctrl+C); paste with Ctrl+V"),
    button("leave", "Leave: no mask from here to the next keyframe (N)"), button("remove", "Delete the keyframe (Delete)")); // prettier-ignore
  const follow = element("button", { type: "button", class: "word strong", "data-do": "follow",
    title: t("Follow this mask through the video, to the next keyframe or the end (T)") }, icon("follow"), element("span", {}, t("Follow"))); // prettier-ignore
  const row = element("div", { class: "fields" }, which, keys, element("label", { class: "frame" }, element("span", {}, t("frame")), frame),
    element("label", { class: "wide" }, element("span", {}, t("to the next")), ease),
    element("label", {}, element("span", {}, t("turn")), turn), element("i", { class: "gap" }), follow); // prettier-ignore
  const report = element("div", { class: "report", role: "status", title: t("What is painted, and the report of the last run; click to see all of it") });

  const root = element("div", { class: "fulldit-editor fulldit-masks", tabindex: "0",
    role: "application", "aria-label": t("Mask painter"), "data-capture-wheel": "true" }, bar, stage, time, row, report); // prettier-ignore
  return { root, part: { stage, back, masks, over, ring, hint, note, banner, strip, clock, rows, time, which, row, report,
    card: stage.querySelector(".card"), ...partsOf(root) } }; // prettier-ignore
}
