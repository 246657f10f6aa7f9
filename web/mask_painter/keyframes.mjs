// Masks at a few frames and every frame between them: a port of control/identity/keyframes.py. Key: {frame, shapes, ease,
// turn}: shapes as in shapes.mjs (none: out of the frame), ease a name of MASK_EASES, turn degrees or null.
import { EASINGS, eased } from "../camera_path/easing.mjs";
import { Cache, numberOf } from "./cache.mjs";
import { Form } from "./form.mjs";
import { Between } from "./inbetween.mjs";
import { lay, rasterize } from "./shapes.mjs";

export const HOLD = "hold";
export const MASK_EASES = [HOLD, ...Object.keys(EASINGS)];

// Shared by all drawings: after an edit, a new MaskDrawing reuses what the edit did not touch.
const forms = new Cache(96 * 2 ** 20);
const ways = new Cache(400); // by number: they hold forms, and little else
const masks = new Cache(64 * 2 ** 20);
const texts = new WeakMap();
// From a list of shapes to the list that it extends by one shape, so that only the new shape is drawn.
const shorter = new WeakMap();

/** A new list of shapes: `shapes` and one more. Drawing it costs no more than drawing the new shape. */
export function grown(shapes, shape) {
  const list = [...shapes, shape];
  shorter.set(list, shapes);
  return list;
}

function textOf(shapes) {
  if (!texts.has(shapes)) texts.set(shapes, JSON.stringify(shapes));
  return texts.get(shapes);
}
/** Whether two lists of shapes draw the same. */
export const alike = (one, other) => one === other || (one.length === other.length && textOf(one) === textOf(other));

const nameOf = (shapes, height, width) => `${numberOf(shapes)}@${width}x${height}`;

/** The form of a list of shapes, kept. */
export function formOf(shapes, height, width) {
  return forms.get(nameOf(shapes, height, width), height * width * 12, () => {
    const before = shorter.get(shapes);
    const drawn = before && forms.has(nameOf(before, height, width)) && formOf(before, height, width).mask;
    const mask = drawn ? lay(drawn.slice(), shapes[shapes.length - 1], height, width) : rasterize(shapes, height, width);
    return new Form(mask, height, width);
  });
}

const held = new Set(); // names of pairs of which one is empty: nothing is between them

/** Whether the mask of a pair is there. */
export const known = (pair) => held.has(pair.name) || masks.has(pair.key);
/** Keep the mask of a pair that was drawn elsewhere; null: one of the two is empty. */
export function keep(pair, mask) {
  if (mask) masks.get(pair.key, mask.byteLength, () => mask);
  else held.add(pair.name);
}

/** The masks of one slot's keys at one size. Making one is cheap: the caches above outlive it. */
export class MaskDrawing {
  /** @param {object[]} keys in the order of their frames @param {number} height @param {number} width */
  constructor(keys, height, width) {
    Object.assign(this, { keys, height, width });
  }

  /** The number of the key that holds at a frame: the last one at or before it, or the first. */
  indexAt(frame) {
    let index = 0;
    while (index + 1 < this.keys.length && this.keys[index + 1].frame <= frame) index++;
    return index;
  }

  form(index) {
    return formOf(this.keys[index].shapes, this.height, this.width);
  }

  /**
   * The two lists of shapes that a frame lies between, as far as can be said without drawing them; null where it shows a
   * key as it is. {one, other, turn, progress, height, width, name: of the two, key: of this mask}
   */
  pair(frame) {
    const { keys, height, width } = this, index = this.indexAt(frame), key = keys[index], next = keys[index + 1];
    if (!next || frame <= key.frame || key.ease === HOLD) return null;
    if (!key.shapes.length || !next.shapes.length || (!key.turn && alike(key.shapes, next.shapes))) return null;
    const progress = eased((frame - key.frame) / (next.frame - key.frame), key.ease), turn = key.turn ?? null;
    const name = `${nameOf(key.shapes, height, width)}>${numberOf(next.shapes)}:${turn}`;
    return held.has(name) ? null : { one: key.shapes, other: next.shapes, turn, progress, height, width, name, key: `${name}*${progress}` };
  }

  /** Which in-between a frame shows: null where it shows the key `index` itself, else what `pair` returns. */
  at(frame) {
    const index = this.indexAt(frame), pair = this.pair(frame);
    if (pair && !masks.has(pair.key) && (this.form(index).empty || this.form(index + 1).empty)) {
      keep(pair, null);
      return { index, between: null };
    }
    return { index, between: pair };
  }

  /**
   * The mask at a frame (a fraction lies between two frames). It is kept: do not write to it.
   * @param {number} frame @returns {Float32Array} (height, width) in reading order
   */
  mask(frame) {
    if (!this.keys.length) return new Float32Array(this.height * this.width);
    const { index, between } = this.at(frame);
    if (!between) return this.form(index).mask;
    const draw = () => {
      const way = ways.get(between.name, 1, () => new Between(this.form(index), this.form(index + 1), between.turn));
      return way.at(between.progress);
    };
    return masks.get(between.key, this.height * this.width * 4, draw);
  }
}
