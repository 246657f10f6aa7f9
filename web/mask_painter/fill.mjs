// The bucket: fills what an outline encloses, or erases a connected part.
import { addShape, rasterSize, shortBitmap } from "./edits.mjs";
import { formOf } from "./keyframes.mjs";

/**
 * The pixels joined to (row, column), up, down and sideways, that are on the same side of 0.5.
 * @param {ArrayLike<number>} mask @returns {Uint8Array} 1 where the flood reached
 */
export function flood(mask, height, width, row, column) {
  const reached = new Uint8Array(height * width);
  const inside = mask[row * width + column] > 0.5;
  const fits = (place) => mask[place] > 0.5 === inside && !reached[place];
  const stack = [row * width + column];
  while (stack.length) {
    const place = stack.pop();
    if (!fits(place)) continue;
    const start = place - (place % width), end = start + width;
    let left = place, right = place;
    while (left > start && fits(left - 1)) left--;
    while (right + 1 < end && fits(right + 1)) right++;
    reached.fill(1, left, right + 1);
    for (const next of [-width, width]) {
      if (left + next < 0 || left + next >= mask.length) continue;
      for (let k = left + next, open = false; k <= right + next; k++) {
        const fit = fits(k);
        if (fit && !open) stack.push(k);
        open = fit;
      }
    }
  }
  return reached;
}

/** Grow the reached pixels by `steps`, in place, over pixels that `may` be reached. */
function spread(reached, width, steps, may) {
  let edge = [];
  for (let k = 0; k < reached.length; k++) if (reached[k]) edge.push(k);
  for (let step = 0; step < steps; step++) {
    const next = [];
    const take = (place) => {
      if (reached[place] || !may(place)) return;
      reached[place] = 1;
      next.push(place);
    };
    for (const k of edge) {
      if (k % width) take(k - 1);
      if ((k + 1) % width) take(k + 1);
      if (k >= width) take(k - width);
      if (k + width < reached.length) take(k + width);
    }
    edge = next;
  }
}

/**
 * The state with the hole or outline at a point filled, or with `erase` the connected part there removed. The same state is
 * returned if there is nothing to fill: on the mask itself, or in an empty key.
 * @param {number} x @param {number} y shares of the frame
 */
export function fill(state, slot, index, x, y, { erase = false } = {}) {
  const [height, width] = rasterSize(state);
  const { mask, empty } = formOf(state.slots[slot].keys[index].shapes, height, width);
  const row = Math.floor(y * height), column = Math.floor(x * width);
  if (empty || !(row >= 0 && row < height && column >= 0 && column < width)) return state;
  if (mask[row * width + column] > 0.5 !== erase) return state;
  const reached = flood(mask, height, width, row, column);
  // Grown over the existing mask or over free pixels, so that no seam is left between two soft edges, at any size.
  spread(reached, width, Math.ceil(width / 100), (place) => mask[place] > 0.5 !== erase);
  return addShape(state, slot, index, shortBitmap(reached, height, width, { subtract: erase }));
}
