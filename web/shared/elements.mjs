// Helpers that build the editors' page elements; the texts that they are given are translated.
import { t } from "./words.mjs";

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
  select: "M5 3l14 8-6 1.6L10 19z",
  brush: "M20 3c-4 2-8 6-10 9l2 2c3-2 7-6 8-11M9 13c-3 0-4 2-4 4 0 1.5-1 2.5-2 3 4 1 8-1 8-5",
  eraser: "M8 20l-5-5L13 5l6 6-9 9zM8 10l6 6M8 20h12",
  polygon: "M12 3l9 7-3.5 11h-11L3 10z",
  lasso: "M12 4c5 0 9 2.5 9 6s-4 6-9 6-9-2.5-9-6 4-6 9-6M8 15.5c-1 2 0 3.5-2 5.5",
  ellipse: "M12 5c5 0 9 3 9 7s-4 7-9 7-9-3-9-7 4-7 9-7",
  box: "M4 6h16v12H4z",
  fill: "M5 12l7-8 7 7-7 8zM5 12h14M20 15c1 1.5 1.5 2.5 1.5 3.3a1.5 1.5 0 0 1-3 0c0-.8.5-1.8 1.5-3.3",
  onion: "M9 6a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 6a6 6 0 0 1 0 12",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.400M12 18h.01",
  close: "M6 6l12 12M18 6L6 18",
  eye: "M2 12c3-5 6.5-7 10-7s7 2 10 7c-3 5-6.5 7-10 7s-7-2-10-7M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  hidden: "M3 3l18 18M10 5.3c4-.8 8 1 12 6.700-1 1.700-2 3-3.2 4M6 7c-1.5 1.2-2.8 2.8-4 5 4 6.5 9 8.3 14 5.8",
  leave: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  follow: "M3 12h10M9 8l4 4-4 4M16 5h5v14h-5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
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

export function setIcon(target, name) {
  target.replaceChildren(icon(name));
}

/** An element with attributes (one that is undefined is left out) and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name === "class") made.className = value;
    else if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button with an icon; its title is translated and may end in the keyboard shortcut, in parentheses. */
export function button(name, title, part = name) {
  const text = t(title);
  return element("button", { type: "button", title: text, "aria-label": text.split(" (")[0], "data-do": part }, icon(name));
}

/** The elements inside of `root` by their data-do or data-field. */
export function partsOf(root) {
  const part = {};
  root.querySelectorAll("[data-do]").forEach((child) => (part[child.dataset.do] = child));
  root.querySelectorAll("[data-field]").forEach((child) => (part[child.dataset.field] = child));
  return part;
}

// The page shows the everyday eases first; the names are those of the states.
const EVERYDAY = ["linear", "smooth", "in", "out", "smoother"];

/** A list of eases by name; `linear` is called `first`. Those in `before` come first. */
export function easeList(part, title, names, first, before = []) {
  const words = (name) => t(name.replaceAll("_", " "));
  const list = element("select", { title: t(title), "aria-label": t(title), "data-field": part });
  list.append(...[...before, ...EVERYDAY].map((name) => new Option(name === "linear" ? t(first) : words(name), name)));
  const more = element("optgroup", { label: t("more") });
  const rest = names.filter((name) => !EVERYDAY.includes(name) && !before.includes(name));
  more.append(...rest.map((name) => new Option(words(name), name)));
  list.append(more);
  return list;
}

// Writing the same text again would make the browser lay out the page again.
export const write = (target, text) => target.textContent !== text && (target.textContent = text);
