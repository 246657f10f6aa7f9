// The painter's state as plain values, how its text is read and written: a port of control/identity/state.py. A
// state is {size: [width, height], frames, slots: [{name, colour, visible, keys: [{frame, shapes, ease, turn}]}]}; keys are in
// the order of their frames, shapes as in shapes.mjs with their numbers rounded as Python writes them, turn is degrees or
// null. States never change: edits.mjs makes new ones that share the rest.
import { MASK_EASES } from "./keyframes.mjs";
import { pixelsOf } from "./shapes.mjs";
import { UserError } from "../shared/errors.mjs";

export const FORMAT = "fulldit-masks";
export const VERSION = 1;
export const COLORS = ["#ff0000", "#00ff00", "#0000ff", "#ffb000", "#00c8ff", "#d000ff", "#ffff00", "#ff80b0"];
export const MOST_SLOTS = COLORS.length;
export const MOST_KEYS = 2000;
export const MOST_FRAMES = 10_000;
export const MOST_SHAPES = 500;
export const MOST_POINTS = 5000;
const MOST_CHARACTERS = 32 * 2 ** 20;
const FIELDS = {
  bitmap: ["runs", "size"],
  polygon: ["points"],
  ellipse: ["centre", "size", "turn"],
  box: ["centre", "size", "turn"],
  brush: ["points"],
};

const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const quoted = (text) =>
  text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
const written = (value) => {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
  if (plain(value)) return `{${Object.entries(value).map(([name, entry]) => `${quoted(name)}: ${written(entry)}`).join(", ")}}`;
  return String(value);
};
/** A value as an error shows it (as Python would write it): never longer than a line. */
function shown(value) {
  const text = written(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
const field = (value, name, other) => (Object.hasOwn(value, name) ? value[name] : other);

// A limit as Python's :g writes it.
const limit = (value) => (Math.abs(value) < 1e6 ? String(value) : value.toExponential().replace(/e\+(\d)$/, "e+0$1"));

function numbers(value, count, what, low, high, whole = false) {
  let fits = Array.isArray(value) && value.length === count;
  fits = fits && value.every((entry) => typeof entry === "number" && entry >= low && entry <= high);
  if (!fits || (whole && !value.every(Number.isInteger))) {
    if (count === 1) throw new UserError(`${what} is ${shown(value[0])}; a number from ${limit(low)} to ${limit(high)} was expected`);
    throw new UserError(
      `${what} is ${shown(value)}; ${count} ${whole ? "whole numbers" : "numbers"} from ${limit(low)} to ${limit(high)} were expected`,
    );
  }
  return value;
}

const rounded = (value, digits) => Number(value.toFixed(digits)) + 0;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const place = (value) => clamp(rounded(value, 5), -4, 5);
const side = (value, most) => clamp(rounded(value, 5), 1e-5, most);

const normals = new WeakSet();
/**
 * A shape with its fields in Python's order, its numbers within the limits and rounded as Python writes them. A shape
 * that is normal already is returned itself.
 */
export function normal(shape) {
  if (normals.has(shape)) return shape;
  const made = normalized(shape);
  normals.add(made);
  return made;
}

function normalized(shape) {
  const out = { kind: shape.kind };
  if (shape.op === "subtract") out.op = "subtract";
  if (shape.kind === "bitmap") return { ...out, size: [...shape.size], runs: shape.runs };
  if (shape.kind === "polygon") return { ...out, points: shape.points.map((point) => point.map(place)) };
  if (shape.kind === "brush")
    return { ...out, points: shape.points.map(([x, y, radius]) => [place(x), place(y), side(radius, 1)]) };
  out.centre = shape.centre.map(place);
  out.size = shape.size.map((length) => side(length, 10));
  const turn = clamp(rounded(shape.turn ?? 0, 4), -1e6, 1e6);
  return turn ? { ...out, turn } : out;
}

function readShape(value, where) {
  if (!plain(value)) throw new UserError(`${where} is ${shown(value)}; an object with a kind was expected`);
  const kind = field(value, "kind", null);
  if (typeof kind !== "string" || !Object.hasOwn(FIELDS, kind))
    throw new UserError(`the kind of ${where} is ${shown(kind)}: choose one of ${Object.keys(FIELDS).join(", ")}`);
  const op = field(value, "op", "add");
  if (op !== "add" && op !== "subtract") throw new UserError(`the op of ${where} is ${shown(op)}: choose add or subtract`);
  const unknown = Object.keys(value).filter((name) => !FIELDS[kind].includes(name) && name !== "kind" && name !== "op");
  const missing = FIELDS[kind].filter((name) => name !== "turn" && !Object.hasOwn(value, name));
  if (unknown.length || missing.length) {
    const name = (unknown.length ? unknown : missing).sort()[0];
    throw new UserError(
      `${where} ${unknown.length ? "has the unknown field" : "lacks the field"} '${name}':` +
        ` ${"aeiou".includes(kind[0]) ? "an" : "a"} ${kind} has ${FIELDS[kind].join(", ")}`,
    );
  }
  if (kind === "bitmap") {
    numbers(value.size, 2, `'size' of ${where}`, 1, 16384, true);
    if (typeof value.runs !== "string") throw new UserError(`'runs' of ${where} is ${shown(value.runs)}; a text was expected`);
    try {
      pixelsOf(value);
    } catch (error) {
      throw new UserError(`'runs' of ${where} cannot be read: ${error.clause}; was the state cut or changed?`);
    }
  } else if (kind === "polygon" || kind === "brush") {
    const [least, size] = kind === "polygon" ? [3, 2] : [1, 3];
    const { points } = value;
    if (!Array.isArray(points) || points.length < least || points.length > MOST_POINTS) {
      const count = Array.isArray(points) ? `${points.length} points` : shown(points);
      throw new UserError(`'points' of ${where} is ${count}; a list of ${least} to ${MOST_POINTS} was expected`);
    }
    points.forEach((point, number) => numbers(point, size, `point ${number} of ${where}`, -4, 5));
    if (kind === "brush" && points.some((point) => !(point[2] > 0 && point[2] <= 1)))
      throw new UserError(`a radius of ${where} is not above 0 and at most 1 (shares of the height)`);
  } else {
    numbers(value.centre, 2, `'centre' of ${where}`, -4, 5);
    numbers(value.size, 2, `'size' of ${where}`, 0, 10);
    numbers([field(value, "turn", 0)], 1, `'turn' of ${where}`, -1e6, 1e6);
    if (Math.min(...value.size) <= 0)
      throw new UserError(`'size' of ${where} is ${shown(value.size)}; two numbers above 0 were expected`);
  }
  return normal(value);
}

function readKey(value, frames, where) {
  if (!plain(value)) throw new UserError(`${where} is ${shown(value)}; an object with a frame and shapes was expected`);
  const unknown = Object.keys(value).filter((name) => !["frame", "time", "shapes", "ease", "turn"].includes(name));
  if (unknown.length)
    throw new UserError(`${where} has the unknown field '${unknown.sort()[0]}': a key has frame (or time), shapes, ease, turn`);
  const [framed, timed] = [Object.hasOwn(value, "frame"), Object.hasOwn(value, "time")];
  if (framed === timed) throw new UserError(`${where} has ${framed ? "both a frame and a time" : "no frame"}: give one of them`);
  const frame = framed
    ? numbers([value.frame], 1, `'frame' of ${where}`, 0, frames - 1)[0]
    : numbers([value.time], 1, `'time' of ${where}`, 0, 1)[0] * (frames - 1);
  const listed = field(value, "shapes", []);
  if (!Array.isArray(listed) || listed.length > MOST_SHAPES)
    throw new UserError(`'shapes' of ${where} is not a list of at most ${MOST_SHAPES} shapes`);
  const ease = field(value, "ease", "linear");
  if (!MASK_EASES.includes(ease))
    throw new UserError(`the ease of ${where} is ${shown(ease)}: choose one of ${MASK_EASES.join(", ")}`);
  const turn = value.turn ?? null;
  if (turn !== null) numbers([turn], 1, `'turn' of ${where}`, -36000, 36000);
  const shapes = listed.map((shape, number) => readShape(shape, `shape ${number} of ${where}`));
  return { frame: rounded(frame, 5), shapes, ease, turn: turn === null ? null : rounded(turn, 4) };
}

// What Python's str.strip removes.
const EDGE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const EDGES = new RegExp(`^${EDGE}|${EDGE}$`, "g");
/** A slot's name as it is kept: trimmed, at most 200 characters; "" if nothing is left. */
export const nameText = (text) =>
  [...text.replace(/\p{Surrogate}/gu, "\ufffd").replace(EDGES, "")].slice(0, 200).join("").replace(EDGES, "");

function readSlot(value, number, frames) {
  let where = `slot ${number}`;
  if (!plain(value)) throw new UserError(`${where} of the masks is ${shown(value)}; an object with name and keys was expected`);
  const unknown = Object.keys(value).filter((name) => !["name", "colour", "visible", "keys"].includes(name));
  if (unknown.length)
    throw new UserError(`${where} has the unknown field '${unknown.sort()[0]}': a slot has name, colour, visible, keys`);
  const name = field(value, "name", `object ${number + 1}`);
  const length = typeof name === "string" ? [...name.replace(EDGES, "")].length : 0;
  if (!(length > 0 && length <= 200))
    throw new UserError(`the name of ${where} is ${shown(name)}; a text of 1 to 200 characters was expected`);
  where = `slot '${name}'`;
  const color = field(value, "colour", COLORS[number]);
  if (typeof color !== "string" || !/^#[0-9a-fA-F]{6}$/.test(color))
    throw new UserError(`the color of ${where} is ${shown(color)}; one like #ff8000 was expected`);
  const visible = field(value, "visible", true);
  if (typeof visible !== "boolean")
    throw new UserError(`'visible' of ${where} is ${shown(visible)}; true or false was expected`);
  const listed = field(value, "keys", []);
  if (!Array.isArray(listed) || listed.length > MOST_KEYS)
    throw new UserError(`'keys' of ${where} is ${shown(listed)}; a list of at most ${MOST_KEYS} was expected`);
  const keys = listed.map((key, n) => readKey(key, frames, `key ${n} of ${where}`)).sort((a, b) => a.frame - b.frame);
  keys.forEach((key, n) => {
    if (n && keys[n - 1].frame === key.frame)
      throw new UserError(`${where}: two mask keys stand at frame ${key.frame}: keep one of them`);
  });
  return { name: nameText(name), colour: color, visible, keys };
}

/**
 * The state in a text. Throws an Error that names slot, key and field, in Python's words.
 * @param {string} text
 */
export function parse(text) {
  if (text.length > MOST_CHARACTERS)
    throw new UserError(`the masks are a text of ${text.length} characters; at most ${MOST_CHARACTERS} are read`);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`the masks are not JSON (${error.message}): was the text cut?`);
  }
  if (!plain(value) || value.format !== FORMAT)
    throw new UserError(`the masks are ${shown(value)}; a JSON object with "format": "${FORMAT}" was expected`);
  if (value.version !== VERSION)
    throw new UserError(`the masks are of version ${shown(value.version)}; this pack reads version ${VERSION}`);
  for (const name of ["size", "frames", "slots"])
    if (!Object.hasOwn(value, name)) throw new UserError(`the masks lack the field '${name}'`);
  numbers(value.size, 2, "'size' of the masks", 1, 16384, true);
  numbers([value.frames], 1, "'frames' of the masks", 1, MOST_FRAMES, true);
  if (!Array.isArray(value.slots) || value.slots.length > MOST_SLOTS)
    throw new UserError(`'slots' of the masks is ${shown(value.slots)}; a list of at most ${MOST_SLOTS} was expected`);
  return {
    size: [...value.size],
    frames: value.frames,
    slots: value.slots.map((slot, number) => readSlot(slot, number, value.frames)),
  };
}

/** A number as Python writes a float: 1.0, 0.25, 1e-05. */
function real(value) {
  if (Number.isInteger(value)) return `${value}.0`;
  if (Math.abs(value) >= 1e-4) return String(value);
  const [digits, power] = value.toExponential().split("e-");
  return `${digits}e-${power.padStart(2, "0")}`;
}
const list = (values, write = real) => `[${values.map(write).join(",")}]`;
const texts = new WeakMap();

/** The text of one shape, kept as long as the shape lives. */
export function shapeText(shape) {
  if (!texts.has(shape)) texts.set(shape, writeShape(normal(shape)));
  return texts.get(shape);
}

function writeShape(shape) {
  const start = `{"kind":"${shape.kind}"${shape.op ? ',"op":"subtract"' : ""}`;
  if (shape.kind === "bitmap") return `${start},"size":[${shape.size}],"runs":"${shape.runs}"}`;
  if (shape.points) return `${start},"points":${list(shape.points, (point) => list(point))}}`;
  const turn = shape.turn === undefined ? "" : `,"turn":${real(shape.turn)}`;
  return `${start},"centre":${list(shape.centre)},"size":${list(shape.size)}${turn}}`;
}

function keyText(key) {
  const ease = key.ease === "linear" ? "" : `,"ease":"${key.ease}"`;
  const turn = key.turn === null ? "" : `,"turn":${real(key.turn)}`;
  const frame = Number.isInteger(key.frame) ? key.frame : real(key.frame);
  return `{"frame":${frame},"shapes":${list(key.shapes, shapeText)}${ease}${turn}}`;
}

/**
 * The text of a state, exactly as Python would write it again after reading it. The text of a shape is computed once.
 * @returns {string}
 */
export function serialize(state) {
  const slots = state.slots.map(
    (slot) =>
      `{"name":${JSON.stringify(slot.name)},"colour":"${slot.colour}","visible":${slot.visible},"keys":${list(slot.keys, keyText)}}`,
  );
  return (
    `{"format":"${FORMAT}","version":${VERSION},"size":[${state.size}],"frames":${state.frames},"slots":[${slots.join(",")}]}`
  );
}
