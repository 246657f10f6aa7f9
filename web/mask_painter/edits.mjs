// Every change of the painter's state as a function from state to state: nothing here knows the page. Slots and keys go by
// their numbers. If there is nothing to change, the same state is returned. text.mjs defines the state.
import { eased } from "../camera_path/easing.mjs";
import { resize } from "./raster.mjs";
import { grown, HOLD, MASK_EASES, MaskDrawing } from "./keyframes.mjs";
import { bitmapOf, rasterize } from "./shapes.mjs";
import { COLORS, MOST_KEYS, MOST_POINTS, MOST_SHAPES, MOST_SLOTS, nameText, normal, shapeText } from "./text.mjs";

// A key with a longer text is shortened: its strokes become one bitmap. 24 keys of this length are less than 200 KB.
export const KEY_TEXT = 8000;
// The longest side of a bitmap; in-betweens use half of it.
const RASTER_SIDE = 1280;

/** A state with nothing painted: one slot, no key. */
export const empty = (width, height, frames) => addSlot({ size: [width, height], frames, slots: [] });

const withSlot = (state, slot, change) => ({
  ...state,
  slots: state.slots.map((entry, k) => (k === slot ? { ...entry, ...change } : entry)),
});
const keysOf = (state, slot) => state.slots[slot].keys;
const withKeys = (state, slot, keys) => withSlot(state, slot, { keys: [...keys].sort((a, b) => a.frame - b.frame) });
const withKey = (state, slot, index, change) =>
  withSlot(state, slot, { keys: keysOf(state, slot).map((key, k) => (k === index ? { ...key, ...change } : key)) });

/** [height, width] at which bitmaps of a state are made. */
export function rasterSize(state, most = RASTER_SIDE) {
  const [width, height] = state.size, share = Math.min(1, most / Math.max(width, height));
  return [Math.max(1, Math.round(height * share)), Math.max(1, Math.round(width * share))];
}

// Slots

/** The state with a new slot in the first unused color; the same state if there are MOST_SLOTS already. */
export function addSlot(state, { name, color } = {}) {
  if (state.slots.length >= MOST_SLOTS) return state;
  const names = state.slots.map((slot) => slot.name), taken = state.slots.map((slot) => slot.colour.toLowerCase());
  let number = state.slots.length + 1;
  while (names.includes(`object ${number}`)) number++;
  const free = COLORS.find((entry) => !taken.includes(entry)) ?? COLORS[state.slots.length];
  const slot = { name: nameText(name ?? "") || `object ${number}`, colour: color ?? free, visible: true, keys: [] };
  return { ...state, slots: [...state.slots, slot] };
}

export const removeSlot = (state, slot) => ({ ...state, slots: state.slots.filter((_, k) => k !== slot) });

export function renameSlot(state, slot, name) {
  const text = nameText(name);
  return text && text !== state.slots[slot].name ? withSlot(state, slot, { name: text }) : state;
}

/** @param {string} color like #ff8000; anything else changes nothing */
export const recolor = (state, slot, color) =>
  /^#[0-9a-fA-F]{6}$/.test(color) && color !== state.slots[slot].colour ? withSlot(state, slot, { colour: color }) : state;

export const toggleVisible = (state, slot) => withSlot(state, slot, { visible: !state.slots[slot].visible });

/** The state with slot number `from` moved to number `to`. */
export function reorder(state, from, to) {
  if (from === to || !state.slots[from] || !state.slots[to]) return state;
  const slots = state.slots.filter((_, k) => k !== from);
  slots.splice(to, 0, state.slots[from]);
  return { ...state, slots };
}

// Keys

/** The number of a slot's key at a frame, or -1. */
export const keyAt = (state, slot, frame) => keysOf(state, slot).findIndex((key) => key.frame === frame);

/** The in-between that `insertKey` at a frame needs to be drawn; null where it needs none. */
export function pairToInsert(state, slot, frame) {
  const keys = state.slots[slot]?.keys ?? [];
  if (!keys.length || keyAt(state, slot, frame) >= 0) return null;
  return new MaskDrawing(keys, ...rasterSize(state, RASTER_SIDE / 2)).pair(frame);
}

/**
 * The state with a key at a frame that shows what the frame shows already: [state, its number]. An existing key is kept as
 * it is. Between two keys the in-between becomes a bitmap, and a fixed turn is split between its two halves.
 */
export function insertKey(state, slot, frame) {
  const keys = keysOf(state, slot), there = keyAt(state, slot, frame);
  if (there >= 0) return [state, there];
  if (keys.length >= MOST_KEYS) return [state, -1];
  const key = { frame, shapes: [], ease: "linear", turn: null };
  let changed = keys;
  if (keys.length) {
    const [height, width] = rasterSize(state, RASTER_SIDE / 2);
    const drawing = new MaskDrawing(keys, height, width), { index, between } = drawing.at(frame);
    const before = keys[index], after = keys[index + 1];
    key.shapes = between ? [shortBitmap(drawing.mask(frame), height, width, { least: height })] : before.shapes;
    if (before.frame < frame && after) {
      key.ease = before.ease;
      if (before.turn !== null && before.ease !== HOLD) {
        const turn = before.turn * eased((frame - before.frame) / (after.frame - before.frame), before.ease);
        key.turn = Number((before.turn - turn).toFixed(4));
        changed = keys.map((entry) => (entry === before ? { ...entry, turn: Number(turn.toFixed(4)) } : entry));
      }
    }
  }
  const made = withKeys(state, slot, [...changed, key]);
  return [made, keyAt(made, slot, frame)];
}

export const removeKey = (state, slot, index) =>
  withSlot(state, slot, { keys: keysOf(state, slot).filter((_, k) => k !== index) });

/** The state with a key at another frame: [state, its number]. If that frame has a key, the next free one in that direction. */
export function moveKey(state, slot, index, frame) {
  const keys = keysOf(state, slot), from = keys[index].frame, step = frame < from ? -1 : 1;
  let to = Math.min(Math.max(Math.round(frame), 0), state.frames - 1);
  while (keys.some((key, k) => k !== index && key.frame === to)) to += step;
  if (to < 0 || to > state.frames - 1 || to === from) return [state, index];
  const made = withKeys(state, slot, keys.map((key, k) => (k === index ? { ...key, frame: to } : key)));
  return [made, keyAt(made, slot, to)];
}

/** How the speed is spread from a key to the next: a name of MASK_EASES. */
export const setEase = (state, slot, index, ease) =>
  MASK_EASES.includes(ease) && ease !== keysOf(state, slot)[index].ease ? withKey(state, slot, index, { ease }) : state;

/** By how many degrees the mask turns until the next key; null: found by the best fit. */
export const setTurn = (state, slot, index, turn) =>
  withKey(state, slot, index, { turn: !Number.isFinite(turn) ? null : Number(Math.min(Math.max(turn, -36000), 36000).toFixed(4)) });

/** The state with a copy of a key at another frame, replacing a key there: [state, the copy's number]. */
export function duplicateKey(state, slot, index, frame) {
  const keys = keysOf(state, slot), key = keys[index];
  const to = Math.min(Math.max(Math.round(frame), 0), state.frames - 1);
  if (to === key.frame) return [state, index];
  const made = withKeys(state, slot, [...keys.filter((entry) => entry.frame !== to), { ...key, frame: to }]);
  return [made, keyAt(made, slot, to)];
}

/** The key without shapes: out of the frame from there to the next. */
export const clearKey = (state, slot, index) =>
  keysOf(state, slot)[index].shapes.length ? withKey(state, slot, index, { shapes: [] }) : state;

/**
 * The state with the keys from frame `first` to `last` replaced by others, as a propagation makes them.
 * @param {object[]} made keys with frame and shapes; ease and turn may be left out
 */
export function replaceKeys(state, slot, first, last, made) {
  const kept = keysOf(state, slot).filter((key) => key.frame < first || key.frame > last);
  const fresh = made.filter((key) => key.frame >= first && key.frame <= last);
  const full = fresh.map((key) => ({ ease: "linear", turn: null, ...key, shapes: key.shapes.map(normal) }));
  return withKeys(state, slot, [...kept, ...full].slice(0, MOST_KEYS));
}

/** The state for another number of frames: its keys are spread over them, on whole frames where these are free. */
export function withFrames(state, frames) {
  if (frames === state.frames) return state;
  const scale = state.frames > 1 ? (frames - 1) / (state.frames - 1) : 0;
  const slots = state.slots.map((slot) => {
    const taken = new Set(), keys = [];
    for (const key of slot.keys) {
      const exact = Number((key.frame * scale).toFixed(5)), whole = Math.round(exact);
      const frame = taken.has(whole) ? exact : whole;
      if (taken.has(frame)) continue;
      taken.add(frame);
      keys.push({ ...key, frame });
    }
    return { ...slot, keys: keys.sort((a, b) => a.frame - b.frame) };
  });
  return { ...state, frames, slots };
}

/** The state over frames of another size: shapes are in shares of the frame, so they stretch with it. */
export const withSize = (state, width, height) =>
  width === state.size[0] && height === state.size[1] ? state : { ...state, size: [width, height] };

// Shapes

/** A shape laid on a key's others. A key whose text grows too long is tidied. */
export function addShape(state, slot, index, shape) {
  let { shapes } = keysOf(state, slot)[index];
  for (const part of parts(shape)) shapes = grown(shapes, normal(part));
  const made = withKey(state, slot, index, { shapes });
  const length = shapes.reduce((sum, entry) => sum + shapeText(entry).length, 0);
  if (shapes.length > MOST_SHAPES) return simplify(made, slot, index);
  return length > KEY_TEXT ? tidy(made, slot, index) : made;
}

/** A stroke with more points than a shape may have, split into strokes that share their ends. */
function parts(shape) {
  if (shape.kind !== "brush" || shape.points.length <= MOST_POINTS) return [shape];
  const list = [];
  for (let k = 0; k < shape.points.length - 1; k += MOST_POINTS - 1)
    list.push({ ...shape, points: shape.points.slice(k, k + MOST_POINTS) });
  return list;
}

export const replaceShapes = (state, slot, index, shapes) =>
  withKey(state, slot, index, { shapes: shapes.slice(0, MOST_SHAPES).map(normal) });

/**
 * The bitmap of a mask: as it is, or if its text would be longer than `most`, at three quarters or half of its size, but no
 * lower than `least`. Never at the cost of more than a twentieth of its area: hair is kept, with a longer text.
 */
export function shortBitmap(mask, height, width, { subtract = false, most = KEY_TEXT, least = height >> 1 } = {}) {
  let made = bitmapOf(mask, height, width, subtract);
  const area = (pixels) => {
    let sum = 0;
    for (let k = 0; k < pixels.length; k++) if (pixels[k] > 0.5) sum++;
    return sum / pixels.length;
  };
  for (const share of [0.75, 0.5]) {
    const size = [Math.max(1, Math.round(height * share)), Math.max(1, Math.round(width * share))];
    if (made.runs.length <= most || size[0] < least) break;
    const small = resize(mask, height, width, ...size);
    if (Math.abs(area(small) - area(mask)) > 0.05 * area(mask)) break;
    made = bitmapOf(small, ...size, subtract);
  }
  return made;
}

/** What painted shapes cover, as a list of one bitmap; [] if they cover nothing. */
function joined(state, shapes, subtract = false) {
  const full = rasterSize(state), made = shapes[0].kind === "bitmap" && shapes[0];
  // A bitmap that was shrunk keeps its size: growing and shrinking at every stroke would blur its edges.
  const size = made && made.size[1] < full[0] && made.runs.length > KEY_TEXT / 2 ? [made.size[1], made.size[0]] : full;
  const mask = rasterize(subtract ? shapes.map(({ op, ...shape }) => shape) : shapes, ...size);
  return mask.some((m) => m > 0.5) ? [shortBitmap(mask, ...size, { subtract, least: full[0] >> 1 })] : [];
}

/** The key as one bitmap: the union of its shapes and what they take away. */
export function simplify(state, slot, index) {
  const { shapes } = keysOf(state, slot)[index];
  if (!shapes.length || (shapes.length === 1 && shapes[0].kind === "bitmap")) return state;
  return withKey(state, slot, index, { shapes: joined(state, shapes) });
}

/** The key with its strokes joined to bitmaps; the outlines among them stay, to be edited on. */
export function tidy(state, slot, index) {
  const { shapes } = keysOf(state, slot)[index], made = [];
  for (let k = 0; k < shapes.length; ) {
    const painted = (shape) => shape && (shape.kind === "brush" || shape.kind === "bitmap");
    let end = k + 1;
    // Below them all, strokes and erasures make one bitmap; above others only those of the same kind do.
    if (painted(shapes[k])) while (painted(shapes[end]) && (!made.length || shapes[end].op === shapes[k].op)) end++;
    const run = shapes.slice(k, end), long = run.some((shape) => shape.kind === "brush") || end > k + 1;
    if (!painted(shapes[k]) || !long) made.push(...run);
    else made.push(...joined(state, run, made.length > 0 && shapes[k].op === "subtract"));
    k = end;
  }
  return withKey(state, slot, index, { shapes: made });
}
