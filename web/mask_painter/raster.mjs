// Outlines to antialiased masks: the same numbers as control/identity/raster.py. All lengths are in pixels.

/** Round, in place, a coverage within a millionth of 0 or 1 to 0 or 1. */
export function clean(cover) {
  for (let k = 0; k < cover.length; k++) {
    if (cover[k] < 1e-6) cover[k] = 0;
    else if (cover[k] > 1 - 1e-6) cover[k] = 1;
  }
  return cover;
}

/**
 * A part of an image, beyond which nothing is covered: pixels left <= x < right, top <= y < bottom, their cover in reading
 * order. May be of no size.
 * @typedef {{left: number, top: number, right: number, bottom: number, cover: Float32Array}} Patch
 */

/** The part of the image that points can reach that go `reach` beyond themselves. */
function around(points, reach, height, width) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const box = {
    left: Math.min(Math.max(0, Math.floor(left - reach)), width),
    top: Math.min(Math.max(0, Math.floor(top - reach)), height),
    right: Math.max(Math.min(width, Math.ceil(right + reach)), 0),
    bottom: Math.max(Math.min(height, Math.ceil(bottom + reach)), 0),
  };
  box.right = Math.max(box.left, box.right);
  box.bottom = Math.max(box.top, box.bottom);
  return box;
}

/**
 * The covered share of each pixel of a closed polygon. Exact for outlines that do not cross themselves.
 * Every edge is cut where it crosses pixel borders; a piece adds its height, weighted by the share of its pixel to its
 * right, and a sum along the row carries it to all pixels further right.
 * @param {number[][]} points [x, y] in pixels @returns {Patch}
 */
export function polygonPatch(points, height, width) {
  const patch = around(points, 1, height, width);
  const { left, top, right, bottom } = patch;
  const wide = right - left, high = bottom - top;
  const total = new Float64Array(high * (wide + 2));
  for (let k = 0; k < points.length && wide && high; k++)
    edge(total, points[k], points[(k + 1) % points.length], patch);
  patch.cover = new Float32Array(high * wide);
  for (let row = 0, place = 0; row < high; row++) {
    let sum = 0;
    for (let column = 0; column < wide; column++, place++) {
      sum += total[row * (wide + 2) + column];
      const value = Math.abs(sum);
      patch.cover[place] = value < 1e-6 ? 0 : value > 1 - 1e-6 ? 1 : value;
    }
  }
  return patch;
}

/** Adds the pieces of an edge to the sums of a patch: each row of it, and two columns more. */
function edge(total, [x0, y0], [x1, y1], { left, top, right, bottom }) {
  const dx = x1 - x0, dy = y1 - y0;
  if (dy === 0) return;
  // What lies above or below the image is cut away; left and right of it the height still counts.
  const above = (top - y0) / dy, below = (bottom - y0) / dy;
  const first = Math.max(Math.min(above, below), 0), last = Math.min(Math.max(above, below), 1);
  if (!(first < last)) return;
  const across = cuts(x0, dx, first, last, left, right), down = cuts(y0, dy, first, last, top, bottom);
  let begin = first, a = 0, b = 0;
  while (begin < last) {
    const nextA = a < across.count ? across.time(a) : last, nextB = b < down.count ? down.time(b) : last;
    if (nextA <= nextB) a++;
    else b++;
    const finish = Math.min(Math.max(Math.min(nextA, nextB), first), last);
    if (finish > begin) {
      const middle = (begin + finish) / 2;
      const rise = (finish - begin) * dy;
      const x = Math.min(Math.max(x0 + middle * dx, left), right);
      const column = Math.floor(x);
      const row = Math.min(Math.max(Math.floor(y0 + middle * dy), top), bottom - 1);
      const place = (row - top) * (right - left + 2) + column - left;
      total[place] += rise * (1 - (x - column));
      total[place + 1] += rise * (x - column);
      begin = finish;
    }
  }
}

/** The times at which start + t reach crosses a whole number from `from` to `to`, in order. */
function cuts(start, reach, first, last, from, to) {
  if (reach === 0) return { count: 0 };
  const one = start + first * reach, other = start + last * reach;
  const low = Math.max(Math.ceil(Math.min(one, other)), from), high = Math.min(Math.floor(Math.max(one, other)), to);
  const count = Math.max(high - low + 1, 0);
  return { count, time: reach > 0 ? (k) => (low + k - start) / reach : (k) => (high - k - start) / reach };
}

/**
 * The cover of a stroke: points [x, y, radius] joined by round strokes. A pixel's cover is 0.5 minus the distance of its
 * center to the stroke's edge, kept within 0..1; along a segment the radius runs from its first point's to its second's.
 * @param {number[][]} points in pixels @returns {Patch}
 */
export function brushPatch(points, height, width) {
  const patch = around(points, Math.max(...points.map((point) => point[2])) + 1, height, width);
  patch.cover = new Float32Array((patch.bottom - patch.top) * (patch.right - patch.left));
  for (let k = 0; k < Math.max(points.length - 1, 1); k++) segment(patch, points[k], points[Math.min(k + 1, points.length - 1)]);
  return patch;
}

function segment({ cover, left, top, right, bottom }, [x0, y0, r0], [x1, y1, r1]) {
  const reach = Math.max(r0, r1) + 1, wide = right - left;
  const fromX = Math.max(left, Math.floor(Math.min(x0, x1) - reach)), toX = Math.min(right, Math.ceil(Math.max(x0, x1) + reach));
  const fromY = Math.max(top, Math.floor(Math.min(y0, y1) - reach)), toY = Math.min(bottom, Math.ceil(Math.max(y0, y1) + reach));
  const dx = x1 - x0, dy = y1 - y0, widens = r1 - r0;
  const length2 = dx * dx + dy * dy;
  const still = widens > 0 ? 1 : 0;
  for (let row = fromY; row < toY; row++)
    for (let column = fromX; column < toX; column++) {
      const place = (row - top) * wide + column - left;
      if (cover[place] === 1) continue; // by an earlier piece of the stroke
      const x = column + 0.5 - x0, y = row + 0.5 - y0;
      let share = still;
      if (length2 > 0) {
        share = (x * dx + y * dy) / length2;
        share = share < 0 ? 0 : share > 1 ? 1 : share;
      }
      const p = x - share * dx, q = y - share * dy;
      const value = 0.5 - Math.sqrt(p * p + q * q) + (r0 + share * widens);
      if (value > cover[place]) cover[place] = value < 1 ? value : 1;
    }
}

/**
 * An image (height, width) resized: triangle filter, widened when shrinking; pixel centers at half steps.
 * @param {ArrayLike<number>} image @returns {Float32Array} (newHeight, newWidth)
 */
export function resize(image, height, width, newHeight, newWidth) {
  if (height === newHeight && width === newWidth) return Float32Array.from(image);
  const rows = new Float32Array(newHeight * width);
  // Only from `left` to `right` is there anything at all.
  let left = width, right = 0;
  for (let row = 0; row < height; row++) {
    const base = row * width;
    for (let k = 0; k < left; k++) if (image[base + k]) left = k;
    for (let k = width - 1; k >= right; k--) if (image[base + k]) right = k + 1;
  }
  taps(height, newHeight, (to, from, weight) => {
    const a = to * width, b = from * width;
    for (let k = left; k < right; k++) rows[a + k] += weight * image[b + k];
  });
  const out = new Float32Array(newHeight * newWidth);
  const list = [];
  taps(width, newWidth, (...tap) => list.push(tap));
  const used = list.filter(([, from]) => from >= left && from < right);
  const tos = Int32Array.from(used, (tap) => tap[0]), froms = Int32Array.from(used, (tap) => tap[1]);
  const weights = Float64Array.from(used, (tap) => tap[2]);
  for (let row = 0; row < newHeight; row++) {
    const a = row * newWidth, b = row * width;
    for (let k = 0; k < used.length; k++) out[a + tos[k]] += weights[k] * rows[b + froms[k]];
  }
  return out;
}

/** Calls `use` with (new index, old index, weight) for all weights that are not 0. */
function taps(size, count, use) {
  const scale = size / count, reach = Math.max(scale, 1);
  for (let to = 0; to < count; to++) {
    const center = (to + 0.5) * scale - 0.5;
    const low = Math.max(0, Math.floor(center - reach)), high = Math.min(size - 1, Math.ceil(center + reach));
    const weights = [];
    let sum = 0;
    for (let from = low; from <= high; from++) {
      const weight = Math.max(0, 1 - Math.abs(from - center) / reach);
      weights.push(weight);
      sum += weight;
    }
    weights.forEach((weight, k) => weight && use(to, low + k, weight / sum));
  }
}
