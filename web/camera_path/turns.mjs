// Smooth rotation through keys: control/camera/rotation_splines.py in JavaScript, including the solver behind 'fluid'.
import { add, apply, cross, dot, fromVector, length, multiply, scale, sub, toVector, transpose } from "./rotations.mjs";
import { UserError } from "../shared/errors.mjs";

export const TURNS = ["fluid", "exact"];
const HELD = 1e-9;

/** The number of the last start at or before `at`, within 0..count-1. */
export function segmentOf(starts, at, count) {
  let low = 0, high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return Math.min(Math.max(low - 1, 0), Math.max(count - 1, 0));
}

/** Slopes of a monotone cubic (Fritsch and Carlson), coordinate by coordinate. */
export function slopes(steps, rates) {
  const last = rates.length - 1;
  const out = [rates[0].slice()];
  for (let k = 0; k < last; k++)
    out.push(
      rates[k].map((before, d) => {
        const after = rates[k + 1][d];
        if (!(before * after > 0)) return 0;
        const middle = (before * steps[k + 1] + after * steps[k]) / (steps[k + 1] + steps[k]);
        const limit = 3 * Math.min(Math.abs(before), Math.abs(after));
        return Math.min(Math.max(middle, -limit), limit);
      }),
    );
  out.push(rates[last].slice());
  return out;
}

/** A function of time that returns the rotation; `times` increase, `keys` are matrices. */
export function turning(times, keys, kind) {
  if (!TURNS.includes(kind)) throw new UserError(`turns of the kind '${kind}' are unknown`);
  if (keys.length === 1) return () => keys[0];
  const runs = [];
  let start = 0;
  for (let k = 0; k < keys.length - 1; k++)
    if (length(arc(keys, k)) < HELD) {
      if (k > start) runs.push([start, k]);
      runs.push([k, k + 1]);
      start = k + 1;
    }
  if (start < keys.length - 1) runs.push([start, keys.length - 1]);
  const curves = runs.map(([a, b]) => curve(times.slice(a, b + 1), keys.slice(a, b + 1), kind));
  const starts = runs.map(([a]) => times[a]);
  return (at) => curves[segmentOf(starts, at, curves.length)](at);
}

const arc = (keys, k) => toVector(multiply(transpose(keys[k]), keys[k + 1]));

function curve(times, keys, kind) {
  const count = keys.length - 1;
  const arcs = Array.from({ length: count }, (_, k) => arc(keys, k));
  const steps = arcs.map((_, k) => times[k + 1] - times[k]);
  const rates = arcs.map((vector, k) => scale(vector, 1 / steps[k]));
  let leaving = [rates[0]], arriving = [rates[0]];
  if (count > 1) {
    const speeds = kind === "fluid" ? fluid(arcs, steps, rates) : slopes(steps, rates);
    leaving = speeds.slice(0, -1);
    arriving = arcs.map((vector, k) => vectorSpeed(vector, speeds[k + 1]));
  }
  return (at) => {
    const k = segmentOf(times, at, count);
    const width = steps[k], u = (at - times[k]) / width;
    let vector = scale(leaving[k], u * (1 - u) ** 2 * width);
    vector = add(vector, scale(arcs[k], u ** 2 * (3 - 2 * u)));
    vector = add(vector, scale(arriving[k], u ** 2 * (u - 1) * width));
    return multiply(keys[k], fromVector(vector));
  };
}

/** How fast a rotation vector changes under an angular velocity in the turned axes (Bortz 1971). */
function vectorSpeed(vector, speed) {
  const angle = length(vector), half = Math.max(angle, 1e-4) / 2;
  const third = angle < 1e-3 ? 1 / 12 + angle ** 2 / 720 : (1 - half / Math.tan(half)) / (4 * half ** 2);
  const once = cross(vector, speed);
  return add(add(speed, scale(once, 0.5)), scale(cross(vector, once), third));
}

// Both factors below turn small angles into their series, where the closed form loses its digits.
const small = 0.2;
function speedFactors(angle) {
  const s = angle * angle;
  if (angle < small) return [1 / 2 - s / 24 + (s * s) / 720, 1 / 6 - s / 120 + (s * s) / 5040];
  return [(1 - Math.cos(angle)) / s, (angle - Math.sin(angle)) / (s * angle)];
}

/** The angular velocity in the turned axes while a rotation vector changes: the inverse of vectorSpeed. */
function angularSpeed(vector, change) {
  const [a, b] = speedFactors(length(vector));
  const once = cross(vector, change);
  return add(sub(change, scale(once, a)), scale(cross(vector, once), b));
}

/** What a steady change of the rotation vector adds to the angular acceleration: the derivative of angularSpeed. */
function bending(vector, change) {
  const angle = length(vector), s = angle * angle;
  const [, b] = speedFactors(angle);
  const k1 = angle < small
    ? 1 / 12 - s / 180 + (s * s) / 6720
    : (2 * (1 - Math.cos(angle)) - angle * Math.sin(angle)) / (s * s);
  const k2 = angle < small
    ? -1 / 60 + s / 1260 - (s * s) / 60480
    : (3 * Math.sin(angle) - 2 * angle - angle * Math.cos(angle)) / (s * s * angle);
  const once = cross(vector, change), along = dot(vector, change);
  return add(scale(add(scale(once, k1), scale(cross(vector, once), k2)), along), scale(cross(change, once), b));
}

/**
 * Angular velocities at the keys that leave no jump in the angular acceleration; the first and last are those of their
 * segment's mean. The acceleration before an inner key equals the one after it: a block tridiagonal system, and a mildly
 * nonlinear term that a few rounds settle, with the same tolerance as scipy's RotationSpline.
 */
function fluid(arcs, steps, rates) {
  const inner = arcs.length - 1;
  const block = (map) => transpose([...map([1, 0, 0]), ...map([0, 1, 0]), ...map([0, 0, 1])]);
  const change = arcs.map((vector) => block((axis) => vectorSpeed(vector, axis)));
  const back = arcs.map((vector) => block((axis) => angularSpeed(vector, axis)));
  const first = rates[0], last = rates[rates.length - 1];
  const speeds = rates.slice(0, inner); // a start: the mean of the segment before the key
  const lower = [], upper = [], pivots = [];
  for (let k = 0; k < inner; k++) {
    lower.push(back[k].map((entry) => (2 * entry) / steps[k]));
    upper.push(change[k + 1].map((entry) => (2 * entry) / steps[k + 1]));
    const own = 4 * (1 / steps[k] + 1 / steps[k + 1]);
    let diagonal = [own, 0, 0, 0, own, 0, 0, 0, own];
    if (k > 0) {
      const taken = multiply(multiply(lower[k], pivots[k - 1]), upper[k - 1]);
      diagonal = diagonal.map((entry, i) => entry - taken[i]);
    }
    pivots.push(inverse(diagonal));
  }
  for (let round = 0; round < 10; round++) {
    const right = [];
    for (let k = 0; k < inner; k++) {
      const before = bending(arcs[k], apply(change[k], speeds[k]));
      let value = add(scale(arcs[k], 6 / steps[k] ** 2), scale(arcs[k + 1], 6 / steps[k + 1] ** 2));
      value = sub(value, before);
      if (k === 0) value = sub(value, apply(lower[0], first));
      if (k === inner - 1) value = sub(value, apply(upper[k], last));
      if (k > 0) value = sub(value, apply(lower[k], apply(pivots[k - 1], right[k - 1])));
      right.push(value);
    }
    let settled = true;
    for (let k = inner - 1; k >= 0; k--) {
      const rest = k === inner - 1 ? right[k] : sub(right[k], apply(upper[k], speeds[k + 1]));
      const next = apply(pivots[k], rest);
      if (next.some((entry, d) => Math.abs(entry - speeds[k][d]) >= 1e-9 * (1 + Math.abs(entry)))) settled = false;
      speeds[k] = next;
    }
    if (settled) break;
  }
  return [first, ...speeds.slice(0, inner), last];
}

function inverse(m) {
  const c = [
    m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
    m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
    m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3],
  ]; // prettier-ignore
  const determinant = m[0] * c[0] + m[1] * c[3] + m[2] * c[6];
  return c.map((entry) => entry / determinant);
}
