// In-betweens of two masks: a port of control/identity/inbetween.py, whose docstring explains each step.
// Matrices are [a, b, c, d] row by row; angles run clockwise on the screen.
import { sample } from "./form.mjs";

const LEAST_GROWTH = 0.05;
const TURN_COST = 0.02;
const MOST_STRETCH = 4;
const UNIT = [1, 0, 0, 1];

const radians = (degrees) => (degrees * Math.PI) / 180;
const rotation = (angle) => [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
const product = (p, q) => [
  p[0] * q[0] + p[1] * q[2], p[0] * q[1] + p[1] * q[3], p[2] * q[0] + p[3] * q[2], p[2] * q[1] + p[3] * q[3],
];
const scaled = (p, by) => p.map((entry) => entry * by);
function inverse([a, b, c, d]) {
  const area = a * d - b * c;
  return [d / area, -b / area, -c / area, a / area];
}
/** The square root of a symmetric positive matrix, in closed form. */
function root([a, b, c, d]) {
  const area = Math.sqrt(Math.max(a * d - b * c, 0)), by = Math.sqrt(a + d + 2 * area);
  return [(a + area) / by, b / by, c / by, (d + area) / by];
}
/** The eigenvalues of a symmetric matrix, the smaller one first. */
function eigenvalues([a, b, , d]) {
  const middle = (a + d) / 2, apart = Math.hypot((a - d) / 2, b);
  return [middle - apart, middle + apart];
}

/** Step 3: the function from a turn in radians to the symmetric matrix P. */
function stretching(one, other) {
  const full = ([xx, xy, yy]) => [xx, xy, xy, yy];
  const from = root(full(one.covariance)), back = inverse(from);
  return (angle) => {
    const turn = scaled(rotation(-angle), one.scale / other.scale);
    const turned = product(product(turn, full(other.covariance)), [turn[0], turn[2], turn[1], turn[3]]);
    const matrix = product(product(back, root(product(product(from, turned), from))), back);
    const [low, high] = eigenvalues(matrix);
    return low >= 1 / MOST_STRETCH && high <= MOST_STRETCH ? matrix : UNIT;
  };
}

/** The candidate with the lowest cost; the first of equals. */
function cheapest(candidates, cost) {
  let best = candidates[0], least = Infinity;
  for (const candidate of candidates) {
    const value = cost(candidate);
    if (value < least) [best, least] = [candidate, value];
  }
  return best;
}
const nearFirst = (from, to, step) => {
  const list = [];
  for (let k = from; k <= to; k += step) list.push(k);
  return list.sort((a, b) => Math.abs(a) - Math.abs(b));
};
const COARSE = nearFirst(-180, 175, 5), FINE = nearFirst(-5, 5, 1);

/** Step 4: the turn from one form to the other, in degrees. */
function turned(one, other) {
  const stretch = stretching(one, other);
  const sides = [[one, other], [other, one]];
  const cost = (degrees) => {
    const angle = radians(degrees), p = stretch(angle);
    const [low, high] = eigenvalues(p);
    const matrix = product(scaled(rotation(angle), other.scale / one.scale), p);
    let total = TURN_COST * (Math.abs(degrees) / 180 + (Math.abs(Math.log(low)) + Math.abs(Math.log(high))) / 2);
    for (const [start, end] of sides) {
      const [a, b, c, d] = start === one ? matrix : inverse(matrix);
      const points = start.outline, own = start.own, count = own.length;
      const { distance, height, width } = end;
      const [x0, y0] = start.center, [x1, y1] = end.center;
      let sum = 0;
      for (let k = 0; k < count; k++) {
        const x = points[2 * k] - x0, y = points[2 * k + 1] - y0;
        const value = sample(distance, height, width, a * x + b * y + x1, c * x + d * y + y1);
        sum += Math.abs(value / end.scale - own[k] / start.scale);
      }
      total += sum / count / 2;
    }
    return total;
  };
  let best = cheapest(COARSE, cost);
  for (const step of [1, 0.2, 0.04]) best = cheapest(FINE.map((k) => best + step * k), cost);
  return best;
}

/** Step 5: the shift that brings sides together that neither frame cuts off. */
function shift(one, other) {
  return [0, 1].map((axis) => {
    const size = axis ? one.height : one.width;
    const lows = [one, other].map((form) => form.moments.low[axis] - 0.5);
    const highs = [one, other].map((form) => form.moments.high[axis] + 0.5);
    if (Math.min(...lows) > 0) return lows[1] - lows[0];
    if (Math.max(...highs) < size) return highs[1] - highs[0];
    return (lows[1] - lows[0] + highs[1] - highs[0]) / 2;
  });
}

/** Step 5: the end of the search from `start`, and its cost. */
function descend(cost, start, steps) {
  let best = [...start], least = cost(best);
  for (let halvings = 0; halvings < 8; halvings++)
    for (let better = true; better; ) {
      better = false;
      steps.forEach((step, number) => {
        for (const way of [step / 2 ** halvings, -step / 2 ** halvings]) {
          const tried = [...best];
          tried[number] += way;
          const value = cost(tried);
          if (value < least - 1e-9) {
            [best, least, better] = [tried, value, true];
            break;
          }
        }
      });
    }
  return [best, least];
}

/** Step 5: {growth, angle, centers} from what is seen of both. `turn`: degrees if fixed by the user, else null. */
function seen(one, other, turn) {
  const cost = (tried) => {
    const growth = Math.exp(tried[3]);
    const matrix = scaled(rotation(radians(turn ?? tried[2])), growth);
    const place = [one.center[0] + tried[0], one.center[1] + tried[1]];
    const back = inverse(matrix);
    const way = (start, from, [a, b, c, d], to, end, grown) => {
      const points = start.outline, own = start.own, count = own.length;
      const { distance, height, width } = end;
      let sum = 0;
      for (let k = 0; k < count; k++) {
        const u = points[2 * k] - from[0], v = points[2 * k + 1] - from[1];
        const x = a * u + b * v + to[0], y = c * u + d * v + to[1];
        if (x >= 0 && x <= width && y >= 0 && y <= height)
          sum += Math.abs(sample(distance, height, width, x, y) - grown * own[k]);
      }
      return sum / count / end.scale / 2;
    };
    return (
      TURN_COST * (Math.abs(tried[2]) / 180 + Math.abs(tried[3])) +
      way(one, one.center, matrix, place, other, growth) +
      way(other, place, back, one.center, one, 1 / growth)
    );
  };
  const starts = [
    [...shift(one, other), 0, 0],
    [...other.center.map((entry, d) => entry - one.center[d]), turn === null ? turned(one, other) : 0,
      Math.log(other.scale / one.scale)],
  ];
  const steps = [one.scale / 8, one.scale / 8, turn === null ? 10 : 0, 1 / 8];
  const ends = starts.map((start) => descend(cost, start, steps));
  const best = ends[1][1] < ends[0][1] ? ends[1][0] : ends[0][0];
  return {
    growth: Math.exp(best[3]),
    angle: radians(turn ?? best[2]),
    centers: [one.center, [one.center[0] + best[0], one.center[1] + best[1]]],
  };
}

/** The corners of a box around a form with a margin of 3 pixels; if the frame cuts it, also around what may be hidden. */
function corners(form) {
  const { low, high } = form.moments;
  let deepest = 0;
  if (form.cut) for (const entry of form.distance) if (entry < deepest) deepest = entry;
  const size = [form.width, form.height];
  const from = low.map((entry) => (entry - 3 < -2 ? entry - 3 - (3 - deepest) : entry - 3));
  const to = high.map((entry, d) => (entry + 3 > size[d] + 2 ? entry + 3 + (3 - deepest) : entry + 3));
  return [from[0], to[0]].flatMap((x) => [from[1], to[1]].map((y) => [x, y]));
}

/** The transform from one form to another of the same size, neither empty. */
export class Between {
  /**
   * @param {import("./form.mjs").Form} one @param {import("./form.mjs").Form} other
   * @param {number | null} turn degrees, clockwise; null: found by the best fit
   */
  constructor(one, other, turn = null) {
    Object.assign(this, { one, other, stretch: UNIT });
    if (one.cut || other.cut) {
      const swapped = one.cut && !other.cut;
      const best = swapped ? seen(other, one, turn === null ? null : -turn) : seen(one, other, turn);
      this.growth = swapped ? 1 / best.growth : best.growth;
      this.angle = swapped ? -best.angle : best.angle;
      this.centers = swapped ? [best.centers[1], best.centers[0]] : best.centers;
    } else {
      this.centers = [one.center, other.center];
      this.growth = other.scale / one.scale;
      this.angle = radians(turn ?? turned(one, other));
      this.stretch = stretching(one, other)(this.angle);
    }
    const way = scaled(product(rotation(this.angle), this.stretch), this.growth);
    this.way = way;
    const [a, b, c, d] = inverse(way);
    this.corners = [
      ...corners(one).map(([x, y]) => [x - this.centers[0][0], y - this.centers[0][1]]),
      ...corners(other).map(([x, y]) => {
        const u = x - this.centers[1][0], v = y - this.centers[1][1];
        return [a * u + b * v, c * u + d * v];
      }),
    ];
  }

  /**
   * The mask at `progress`: 0 is the first form, 1 the other; a little beyond is allowed.
   * @param {number} progress @returns {Float32Array}
   */
  at(progress) {
    const { one, other } = this, w = progress;
    const { height, width } = one;
    const growth = Math.max(1 - w + w * this.growth, LEAST_GROWTH);
    const blend = this.stretch.map((entry, k) => (1 - w) * UNIT[k] + w * entry);
    const forward = product(scaled(rotation(w * this.angle), growth), blend);
    const [[ax, ay], [bx, by]] = this.centers;
    const cx = (1 - w) * ax + w * bx, cy = (1 - w) * ay + w * by;
    const mask = new Float32Array(height * width);
    const [top, bottom, left, right] = this.#reach(forward, cx, cy, w);
    const back = inverse(forward);
    const [a0, b0, c0, d0] = back;
    const [a1, b1, c1, d1] = product(this.way, back);
    const first = one.distance, second = other.distance;
    const byFirst = (1 - w) * growth, bySecond = (w * growth) / this.growth, alone = growth / this.growth;
    const oneCut = one.cut, otherCut = other.cut;
    for (let row = top; row < bottom; row++) {
      const y = row + 0.5 - cy;
      for (let column = left; column < right; column++) {
        const x = column + 0.5 - cx;
        const x0 = a0 * x + b0 * y + ax, y0 = c0 * x + d0 * y + ay;
        const x1 = a1 * x + b1 * y + bx, y1 = c1 * x + d1 * y + by;
        let value, onlyOne = false, onlyOther = false;
        if (oneCut || otherCut) {
          const inOne = one.holds(x0, y0), inOther = other.holds(x1, y1);
          onlyOther = oneCut && inOther && !inOne;
          onlyOne = otherCut && inOne && !inOther;
        }
        if (onlyOther) value = alone * sample(second, height, width, x1, y1);
        else if (onlyOne) value = growth * sample(first, height, width, x0, y0);
        else value = byFirst * sample(first, height, width, x0, y0) + bySecond * sample(second, height, width, x1, y1);
        if (value < 0.5) mask[row * width + column] = value > -0.5 ? 0.5 - value : 1;
      }
    }
    return mask;
  }

  /** The part of the frame [top, bottom, left, right] beyond which both distances are above 0.5. Saves time. */
  #reach([a, b, c, d], cx, cy, w) {
    const { height, width } = this.one;
    if (!(w >= 0 && w <= 1)) return [0, height, 0, width];
    const xs = this.corners.map(([x, y]) => a * x + b * y + cx), ys = this.corners.map(([x, y]) => c * x + d * y + cy);
    const low = (list) => Math.max(0, Math.floor(Math.min(...list)));
    return [low(ys), Math.min(height, Math.ceil(Math.max(...ys))), low(xs), Math.min(width, Math.ceil(Math.max(...xs)))];
  }
}
