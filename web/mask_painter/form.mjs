// A mask with everything that in-betweens need to know about it: steps 1 and 2 of control/identity/inbetween.py. Sums run in
// the same order where that matters.
export const OUTLINE = 256;

/**
 * The index of the nearest marked pixel, for every pixel; -1 if there is none. Along columns, then along rows (Maurer, Qi,
 * Raghavan 2003); of equally near pixels, the one that scipy takes.
 * @param {Uint8Array} marked 1 where it is @returns {Int32Array} indices in reading order
 */
export function nearest(marked, height, width) {
  // The row of the nearest pixel of each column, the upper one of two.
  const rows = new Int32Array(height * width).fill(-1);
  for (let column = 0; column < width; column++) {
    let seen = -1;
    for (let row = 0, place = column; row < height; row++, place += width) {
      if (marked[place]) seen = row;
      rows[place] = seen;
    }
    seen = -1;
    for (let row = height - 1, place = column + row * width; row >= 0; row--, place -= width) {
      if (rows[place] === row) seen = row;
      else if (seen >= 0 && (rows[place] < 0 || seen - row < row - rows[place])) rows[place] = seen;
    }
  }
  const places = new Int32Array(height * width);
  const columns = new Int32Array(width), squares = new Float64Array(width);
  for (let row = 0, base = 0; row < height; row++, base += width) {
    let last = -1; // of the columns whose pixels are nearest somewhere in this row
    for (let column = 0; column < width; column++) {
      if (rows[base + column] < 0) continue;
      const square = (rows[base + column] - row) ** 2;
      while (last >= 1) {
        const a = columns[last] - columns[last - 1], b = column - columns[last], c = a + b;
        if (c * squares[last] - b * squares[last - 1] - a * square - a * b * c <= 0) break;
        last--;
      }
      columns[++last] = column;
      squares[last] = square;
    }
    if (last < 0) {
      places.fill(-1, base, base + width);
      continue;
    }
    let k = 0;
    for (let column = 0; column < width; column++) {
      while (k < last && (columns[k + 1] - column) ** 2 + squares[k + 1] < (columns[k] - column) ** 2 + squares[k]) k++;
      places[base + column] = rows[base + columns[k]] * width + columns[k];
    }
  }
  return places;
}

/** The signed distance of every pixel of a mask that is not empty: negative inside. */
export function signedDistance(mask, height, width) {
  const distance = new Float64Array(height * width);
  let full = true;
  for (let k = 0; k < mask.length && full; k++) full = mask[k] >= 1;
  if (full) {
    for (let row = 0, k = 0; row < height; row++)
      for (let column = 0; column < width; column++, k++)
        distance[k] = 0.5 - Math.min(row + 1, height - row, column + 1, width - column);
    return distance;
  }
  const some = new Uint8Array(mask.length);
  for (let k = 0; k < mask.length; k++) some[k] = mask[k] > 0 ? 1 : 0;
  const covered = nearest(some, height, width);
  let [left, top, right, bottom] = [width, height, -1, -1]; // of the pixels that are covered wholly
  for (let row = 0, k = 0; row < height; row++)
    for (let column = 0; column < width; column++, k++) {
      const m = mask[k];
      if (m <= 0) {
        const near = covered[k], y = ((near / width) | 0) - row, x = (near % width) - column;
        distance[k] = Math.sqrt(x * x + y * y) + (0.5 - mask[near]);
      } else if (m < 1) distance[k] = 0.5 - m;
      else {
        if (column < left) left = column;
        if (column > right) right = column;
        if (row < top) top = row;
        bottom = row;
      }
    }
  if (right < 0) return distance;
  // The nearest pixel that is not covered wholly is among these, or one further out.
  left = Math.max(0, left - 1);
  top = Math.max(0, top - 1);
  const wide = Math.min(width, right + 2) - left, high = Math.min(height, bottom + 2) - top;
  const marked = new Uint8Array(wide * high);
  for (let row = 0, k = 0; row < high; row++)
    for (let column = 0; column < wide; column++, k++) marked[k] = mask[(row + top) * width + column + left] < 1 ? 1 : 0;
  const open = nearest(marked, high, wide);
  for (let row = 0, k = 0; row < high; row++)
    for (let column = 0; column < wide; column++, k++) {
      if (marked[k]) continue;
      const near = open[k], down = (near / wide) | 0, across = near % wide, y = down - row, x = across - column;
      distance[(row + top) * width + column + left] =
        0.5 - mask[(down + top) * width + across + left] - Math.sqrt(x * x + y * y);
    }
  return distance;
}

export class Form {
  /** @param {Float32Array} mask (height, width) in reading order */
  constructor(mask, height, width) {
    Object.assign(this, { mask, height, width });
    /** Whether no pixel is above 0.5: then only `mask` may be used. */
    this.empty = !mask.some((m) => m > 0.5);
    this.kept = {};
  }

  get distance() {
    return (this.kept.distance ??= signedDistance(this.mask, this.height, this.width));
  }

  /** {center: [x, y], scale, covariance: [xx, xy, yy], low: [x, y], high: [x, y]}: the last two of the covered centers. */
  get moments() {
    return (this.kept.moments ??= this.#moments());
  }

  #moments() {
    const { mask, height, width } = this;
    let area = 0, sumX = 0, sumY = 0;
    const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
    for (let row = 0, k = 0; row < height; row++)
      for (let column = 0; column < width; column++, k++) {
        const m = mask[k];
        if (m <= 0) continue;
        area += m;
        sumX += m * (column + 0.5);
        sumY += m * (row + 0.5);
        if (column + 0.5 < low[0]) low[0] = column + 0.5;
        if (column + 0.5 > high[0]) high[0] = column + 0.5;
        if (row + 0.5 < low[1]) low[1] = row + 0.5;
        high[1] = row + 0.5;
      }
    const center = [sumX / area, sumY / area];
    let xx = 0, xy = 0, yy = 0;
    for (let row = Math.floor(low[1]); row < high[1]; row++)
      for (let column = Math.floor(low[0]); column < high[0]; column++) {
        const m = mask[row * width + column];
        if (m <= 0) continue;
        const x = column + 0.5 - center[0], y = row + 0.5 - center[1];
        xx += m * x * x;
        xy += m * x * y;
        yy += m * y * y;
      }
    return { center, scale: Math.sqrt(area), covariance: [xx / area + 1 / 12, xy / area, yy / area + 1 / 12], low, high };
  }

  get center() {
    return this.moments.center;
  }
  get scale() {
    return this.moments.scale;
  }
  get covariance() {
    return this.moments.covariance;
  }

  /** Whether it touches the frame's border, so that more of it may lie beyond. */
  get cut() {
    return (this.kept.cut ??= this.#cut()) === 1;
  }

  #cut() {
    const { mask, height, width } = this;
    for (let column = 0; column < width; column++)
      if (mask[column] > 0.5 || mask[(height - 1) * width + column] > 0.5) return 1;
    for (let row = 0; row < height; row++) if (mask[row * width] > 0.5 || mask[row * width + width - 1] > 0.5) return 1;
    return 0;
  }

  /** At most OUTLINE pixel centers of the outline, as x, y, x, y, ...; the center itself where the mask fills the frame. */
  get outline() {
    return (this.kept.outline ??= this.#outline());
  }

  #outline() {
    const { mask, height, width } = this;
    const points = [];
    for (let row = 0, k = 0; row < height; row++)
      for (let column = 0; column < width; column++, k++) {
        if (!(mask[k] > 0.5)) continue;
        const within =
          (row === 0 || mask[k - width] > 0.5) && (row === height - 1 || mask[k + width] > 0.5) &&
          (column === 0 || mask[k - 1] > 0.5) && (column === width - 1 || mask[k + 1] > 0.5);
        if (!within) points.push(column + 0.5, row + 0.5);
      }
    if (!points.length) return Float64Array.from(this.center);
    const step = Math.ceil(points.length / 2 / OUTLINE);
    return Float64Array.from(points.filter((_, k) => Math.floor(k / 2) % step === 0));
  }

  /** The signed distances at the points of its own outline. */
  get own() {
    return (this.kept.own ??= Float64Array.from({ length: this.outline.length / 2 }, (_, k) =>
      this.at(this.outline[2 * k], this.outline[2 * k + 1]),
    ));
  }

  /** The signed distance at a point: bilinear between pixel centers; outside the frame the border's plus the way to it. */
  at(x, y) {
    return sample(this.distance, this.height, this.width, x, y);
  }

  /** Whether a point lies within the frame. */
  holds(x, y) {
    return x >= 0 && x <= this.width && y >= 0 && y <= this.height;
  }
}

/** Form.at as a plain function, for loops over pixels. */
export function sample(distance, height, width, x, y) {
  const u = x - 0.5, v = y - 0.5;
  let column = u, row = v, beyond = 0;
  if (u < 0 || v < 0 || u > width - 1 || v > height - 1) {
    column = u < 0 ? 0 : u > width - 1 ? width - 1 : u;
    row = v < 0 ? 0 : v > height - 1 ? height - 1 : v;
    beyond = Math.sqrt((u - column) * (u - column) + (v - row) * (v - row));
  }
  let left = column | 0, top = row | 0;
  if (left > width - 2) left = width > 1 ? width - 2 : 0;
  if (top > height - 2) top = height > 1 ? height - 2 : 0;
  const right = column - left, bottom = row - top;
  const place = top * width + left;
  const across = width > 1 ? 1 : 0, down = height > 1 ? width : 0;
  const upper = distance[place] * (1 - right) + distance[place + across] * right;
  const lower = distance[place + down] * (1 - right) + distance[place + down + across] * right;
  return upper * (1 - bottom) + lower * bottom + beyond;
}
