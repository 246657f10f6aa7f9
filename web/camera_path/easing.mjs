// How the speed of a movement is spread over its time: the same curves as control/camera/easing.py, by the same names.
// The tests compare every name and value with Python's.
import { UserError } from "../shared/errors.mjs";

const BEYOND = 1.70158;
const STARTS = {
  sine: (x) => 1 - Math.cos((Math.PI / 2) * x),
  quad: (x) => x * x,
  cubic: (x) => x ** 3,
  quart: (x) => x ** 4,
  quint: (x) => x ** 5,
  expo: (x) => (2 ** (10 * (x - 1)) - 2 ** -10) / (1 - 2 ** -10),
  circ: (x) => 1 - Math.sqrt(1 - x * x),
  back: (x) => x * x * (1 + (BEYOND + 1) * (x - 1)),
};

export const EASINGS = {
  smooth: (x) => x * x * (3 - 2 * x),
  linear: (x) => x,
  in: STARTS.quad,
  out: (x) => 1 - STARTS.quad(1 - x),
  smoother: (x) => x ** 3 * (x * (6 * x - 15) + 10),
};
for (const [name, start] of Object.entries(STARTS)) {
  EASINGS[`${name}_in`] = start;
  EASINGS[`${name}_out`] = (x) => 1 - start(1 - x);
  EASINGS[`${name}_in_out`] = (x) => (x < 0.5 ? start(Math.min(2 * x, 1)) / 2 : 1 - start(Math.min(2 - 2 * x, 1)) / 2);
}

/** Progress 0..1 with its speed shaped by the curve `kind`; outside 0..1 counts as the end. */
export function eased(x, kind) {
  const curve = EASINGS[kind];
  if (!curve) throw new UserError(`the ease '${kind}' is unknown`);
  return curve(Math.min(Math.max(x, 0), 1));
}
