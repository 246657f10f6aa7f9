// The editor's page elements: toolbar, viewport, timeline, and the fields of the chosen key. Builds them and nothing more.
import { EASINGS } from "./easing.mjs";

const ICONS = {
  move: "M12 2v20M2 12h20M12 2l-3 3M12 2l3 3M12 22l-3-3M12 22l3-3M2 12l3-3M2 12l3 3M22 12l-3-3M22 12l-3 3",
  turn: "M20 11a8 8 0 1 0-2.3 6.2M20 4v7h-7",
  aim: "M12 3v4M12 17v4M3 12h4M17 12h4M12 12h.01M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14",
  add: "M12 5v14M5 12h14",
  remove: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  undo: "M9 14L4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "M15 14l5-5-5-5M20 9H10a6 6 0 0 0 0 12h3",
  play: "M7 4l13 8-13 8z",
  pause: "M8 4v16M16 4v16",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  shrink: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  fit: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 12a3 3 0 1 0 6 0 3 3 0 0 0-6 0",
  through: "M3 7h12v10H3zM15 11l6-3v8l-6-3",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  if (name === "play") path.setAttribute("fill", "currentColor");
  svg.append(path);
  return svg;
}

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name === "class") made.className = value;
    else if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const button = (name, title, part = name) =>
  element("button", { type: "button", title, "aria-label": title.split(" (")[0], "data-do": part }, icon(name));

const FIELDS = [
  ["x", "right", "How far right of the start, in subject distances", 0.05],
  ["y", "up", "How far above the start, in subject distances", 0.05],
  ["z", "ahead", "How far ahead of the start; the subject stands at 1", 0.05],
  ["pan", "pan", "Turn to the right, in degrees", 1],
  ["tilt", "tilt", "Turn upwards, in degrees", 1],
  ["roll", "roll", "Roll clockwise, in degrees", 1],
  ["fov", "lens", "Horizontal field of view, in degrees", 1],
];
// Digits after the point in these fields.
export const DIGITS = { x: 2, y: 2, z: 2, pan: 1, tilt: 1, roll: 1, fov: 1 };
// The page shows the everyday eases first; the names are those of the state.
const EVERYDAY = ["linear", "smooth", "in", "out", "smoother"];

function easeList(part, title, first) {
  const words = (name) => name.replaceAll("_", " ");
  const list = element("select", { title, "aria-label": title, "data-field": part });
  list.append(...EVERYDAY.map((name) => new Option(name === "linear" ? first : words(name), name)));
  const more = element("optgroup", { label: "more" });
  more.append(...Object.keys(EASINGS).filter((n) => !EVERYDAY.includes(n)).map((name) => new Option(words(name), name)));
  list.append(more);
  return list;
}

/** All elements of the editor: {root, part}, where part holds them by their data-do or data-field. */
export function buildPanel() {
  const tools = element("div", { class: "group", role: "group", "aria-label": "Tool" },
    button("move", "Move the camera (W)"), button("turn", "Turn the camera (E)"), button("aim", "Aim the camera at a point (R)"));
  const keys = element("div", { class: "group" },
    button("add", "Add a key camera at the playhead (K)"), button("remove", "Delete the key camera (Delete)"));
  const steps = element("div", { class: "group" }, button("undo", "Undo (Ctrl+Z)"), button("redo", "Redo (Ctrl+Shift+Z)"));
  const presets = element("select", { title: "Start from a movement", "aria-label": "Start from a movement", "data-do": "preset" },
    new Option("Start from…", ""));
  const looks = element("select", { title: "Look from", "aria-label": "Look from", "data-do": "look" });
  looks.append(...[["View", ""], ["Three quarters", "home"], ["From above", "top"], ["From behind", "front"], ["From the side", "side"]]
    .map(([text, value]) => new Option(text, value)));
  const view = element("div", { class: "group" }, button("fit", "Show the whole path (F)"),
    button("through", "Look through the camera (C)"), button("expand", "Large editor (X)"));
  const bar = element("div", { class: "bar" }, tools, keys, steps, presets, element("i", { class: "gap" }), looks, view);

  const canvas = element("canvas", { class: "view", "aria-label": "The camera path in 3D" });
  const note = element("div", { class: "note", role: "status" });
  const inset = element("button", { type: "button", class: "inset", title: "Look through the camera (C)" }, element("span", {}, "camera"));
  const stage = element("div", { class: "stage" }, canvas, inset, note);

  const play = button("play", "Play (Space)");
  const clock = element("output", { class: "clock", title: "Frame and time at the playhead" });
  const strip = element("canvas", { class: "timeline", title: "Drag to scrub, double-click to add a key, drag diamonds to retime" });
  const time = element("div", { class: "time" }, element("div", { class: "player" }, play, clock), strip);

  const row = element("div", { class: "fields" });
  const which = element("span", { class: "which" });
  row.append(which);
  for (const [part, label, title, step] of FIELDS) {
    const input = element("input", { type: "number", step, "data-field": part, title, "aria-label": title });
    row.append(element("label", { class: part }, element("span", {}, label), input));
  }
  const at = element("input", { type: "number", step: 1, min: 0, "data-field": "frame", title: "The frame of this key", "aria-label": "The frame of this key" });
  row.querySelector(".which").after(element("label", { class: "frame" }, element("span", {}, "frame"), at));
  const looking = element("select", { "data-field": "aimed", title: "Where this key camera looks", "aria-label": "Where this key camera looks" },
    new Option("freely", "free"), new Option("at the subject", "subject"), new Option("at a point", "point"));
  row.append(
    element("label", { class: "wide" }, element("span", {}, "looks"), looking),
    element("label", { class: "wide" }, element("span", {}, "to the next"), easeList("ease", "How the speed is spread up to the next key", "even speed")),
    element("i", { class: "rule" }),
    element("label", { class: "wide" }, element("span", {}, "whole path"), easeList("whole", "How the speed is spread over the whole path", "as keyed")),
  );
  const turns = element("select", { "data-field": "turns", title: "fluid: smooth turning through all keys. exact: never turns past a key.", "aria-label": "Turns" },
    new Option("fluid", "fluid"), new Option("exact", "exact"));
  row.append(element("label", { class: "wide" }, element("span", {}, "turns"), turns));

  const root = element("div", { class: "fulldit-camera", tabindex: "0", "data-capture-wheel": "true" }, bar, stage, time, row);
  const part = { canvas, note, inset, strip, clock, which, row, stage };
  root.querySelectorAll("[data-do]").forEach((found) => (part[found.dataset.do] = found));
  root.querySelectorAll("[data-field]").forEach((found) => (part[found.dataset.field] = found));
  return { root, part };
}

export function setIcon(target, name) {
  target.replaceChildren(icon(name));
}
