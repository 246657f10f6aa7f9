// Builds the editor's page elements: toolbar, viewport, timeline, and the fields of the chosen key.
import { button, easeList, element, partsOf } from "../shared/elements.mjs";
import { EASINGS } from "./easing.mjs";
import { t } from "../shared/words.mjs";

const FIELDS = [
  ["x", "right", "How far right of the start, in subject distances", 0.05],
  ["y", "up", "How far above the start, in subject distances", 0.05],
  ["z", "ahead", "How far ahead of the start; the subject is at 1", 0.05],
  ["pan", "pan", "Turn to the right, in degrees", 1],
  ["tilt", "tilt", "Turn up, in degrees", 1],
  ["roll", "roll", "Roll clockwise, in degrees", 1],
  ["fov", "lens", "Horizontal field of view, in degrees", 1],
];
// Digits after the point in these fields.
export const DIGITS = { x: 2, y: 2, z: 2, pan: 1, tilt: 1, roll: 1, fov: 1 };

const eases = (part, title, first) => easeList(part, title, Object.keys(EASINGS), first);

/** All elements of the editor: {root, part}, where part holds them by their data-do or data-field. */
export function buildPanel() {
  const tools = element("div", { class: "group", role: "group", "aria-label": t("Tool") },
    button("move", "Move the camera (W)"), button("turn", "Turn the camera (E)"), button("aim", "Aim the camera at a point (R)"));
  const keys = element("div", { class: "group" },
    button("add", "Add a key camera at the playhead (K)"), button("remove", "Delete the key camera (Delete)"));
  const steps = element("div", { class: "group" }, button("undo", "Undo (Ctrl+Z)"), button("redo", "Redo (Ctrl+Shift+Z)"));
  const presets = element("select", { title: t("Start from a movement"), "aria-label": t("Start from a movement"), "data-do": "preset" },
    new Option(t("Start from…"), ""));
  const looks = element("select", { title: t("Look from"), "aria-label": t("Look from"), "data-do": "look" });
  looks.append(...[["View", ""], ["Three quarters", "home"], ["From above", "top"], ["From behind", "front"], ["From the side", "side"]]
    .map(([text, value]) => new Option(t(text), value)));
  const view = element("div", { class: "group" }, button("fit", "Show the whole path (F)"),
    button("through", "Look through the camera (C)"), button("expand", "Large editor (X)"));
  const bar = element("div", { class: "bar" }, tools, keys, steps, presets, element("i", { class: "gap" }), looks, view);

  const canvas = element("canvas", { class: "view", role: "img", "aria-label": t("The camera path in 3D") });
  const note = element("div", { class: "note", role: "status" });
  const inset = element("button", { type: "button", class: "inset", title: t("Look through the camera (C)"), "aria-label": t("Look through the camera") },
    element("span", {}, t("camera")));
  const stage = element("div", { class: "stage" }, canvas, inset, note);

  const play = button("play", "Play (Space)");
  const clock = element("output", { class: "clock", title: t("Frame and time at the playhead") });
  const strip = element("canvas", { class: "timeline", role: "img", "aria-label": t("Timeline"),
    title: t("Drag to scrub, double-click to add a keyframe, drag diamonds to retime") });
  const time = element("div", { class: "time" }, element("div", { class: "player" }, play, clock), strip);

  const row = element("div", { class: "fields" });
  const which = element("span", { class: "which" });
  row.append(which);
  for (const [part, label, title, step] of FIELDS) {
    const input = element("input", { type: "number", step, "data-field": part, title: t(title), "aria-label": t(title) });
    row.append(element("label", { class: part }, element("span", {}, t(label)), input));
  }
  const at = element("input", { type: "number", step: 1, min: 0, "data-field": "frame", title: t("The frame of this keyframe"), "aria-label": t("The frame of this keyframe") });
  row.querySelector(".which").after(element("label", { class: "frame" }, element("span", {}, t("frame")), at));
  const looking = element("select", { "data-field": "aimed", title: t("Where this key camera looks"), "aria-label": t("Where this key camera looks") },
    new Option(t("freely"), "free"), new Option(t("at the subject"), "subject"), new Option(t("at a point"), "point"));
  row.append(
    element("label", { class: "wide" }, element("span", {}, t("looks")), looking),
    element("label", { class: "wide" }, element("span", {}, t("to the next")), eases("ease", "Easing up to the next keyframe", "even speed")),
    element("i", { class: "rule" }),
    element("label", { class: "wide" }, element("span", {}, t("whole path")), eases("whole", "Easing over the whole path", "as keyed")),
  );
  const turns = element("select", { "data-field": "turns", "aria-label": t("Turns"),
    title: t("fluid: smooth rotation through all keyframes. exact: never rotates past a keyframe.") },
    new Option(t("fluid"), "fluid"), new Option(t("exact"), "exact"));
  row.append(element("label", { class: "wide" }, element("span", {}, t("turns")), turns));

  const root = element("div", { class: "fulldit-editor fulldit-camera", tabindex: "0", role: "application",
    "aria-label": t("Camera path editor"), "data-capture-wheel": "true" }, bar, stage, time, row);
  return { root, part: { canvas, note, inset, strip, clock, which, row, stage, ...partsOf(root) } };
}
