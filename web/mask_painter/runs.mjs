// Black-and-white images as short text: the same bytes as control/identity/runs.py, whose docstring has the format.
import { UserError } from "../shared/errors.mjs";

const MOST_PIXELS = 2 ** 24;
const MOST_CHARACTERS = 2 ** 22;

/**
 * The text of a mask (values in reading order; more than 0.5 is white, true counts as 1).
 * @param {ArrayLike<number>} mask @param {number} height @param {number} width @returns {string}
 */
export function encode(mask, height, width) {
  const total = height * width;
  const bytes = [];
  let before = 0, last = 0; // the run before the last, and the last
  let white = false, start = 0, count = 0;
  const put = (run) => {
    const value = count < 2 ? run : run - before;
    before = last;
    last = run;
    count++;
    let rest = value >= 0 ? 2 * value : -2 * value - 1;
    while (rest > 127) {
      bytes.push((rest & 127) | 128);
      rest >>>= 7;
    }
    bytes.push(rest);
  };
  for (let k = 0; k < total; k++)
    if (mask[k] > 0.5 !== white) {
      put(k - start);
      white = !white;
      start = k;
    }
  put(total - start);
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.slice(k, k + 8192));
  return btoa(text);
}

/**
 * The mask of such a text: one byte a pixel, 0 or 1. Throws a UserError for a text that is not a mask of this size.
 * @param {string} text @param {number} height @param {number} width @returns {Uint8Array}
 */
export function decode(text, height, width) {
  const total = height * width;
  if (!(total > 0 && total <= MOST_PIXELS))
    throw new UserError(`an image of ${width}x${height} is empty or larger than ${MOST_PIXELS} pixels`);
  if (text.length > Math.min(MOST_CHARACTERS, 8 * total + 8))
    throw new UserError(`${text.length} characters are more than an image of ${width}x${height} can need`);
  let data;
  // Python reads strictly: nothing but the alphabet, padded to groups of four.
  if (text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new UserError("the runs are not base64 text");
  try {
    data = atob(text);
  } catch {
    throw new UserError("the runs are not base64 text");
  }
  if (!data.length || data.charCodeAt(data.length - 1) > 127) throw new UserError("the runs are empty or cut short");
  const mask = new Uint8Array(total);
  const sums = [0, 0]; // of the black runs, and of the white ones
  let at = 0, number = 0, place = 0, count = 0;
  for (let k = 0; k < data.length; k++) {
    const byte = data.charCodeAt(k);
    if (place > 4) throw new UserError("the runs hold a number that is too large");
    number += (byte & 127) * 2 ** (7 * place++);
    if (byte > 127) continue;
    const run = (sums[count & 1] += number % 2 ? -(number + 1) / 2 : number / 2);
    if (run < 0 || at + run > total) throw new UserError(`the runs do not add up to ${width}x${height} pixels`);
    if (count & 1) mask.fill(1, at, at + run);
    at += run;
    number = place = 0;
    count++;
  }
  if (at !== total) throw new UserError(`the runs do not add up to ${width}x${height} pixels`);
  return mask;
}
