// Rotations in plain numbers: 3x3 matrices as arrays of nine (row by row, acting on columns), rotation vectors (axis times
// angle in radians), quaternions w x y z. OpenCV axes as in Python: x right, y down, z forward.
export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const length = (a) => Math.hypot(a[0], a[1], a[2]);
export const radians = (degrees) => (degrees * Math.PI) / 180;
export const degrees = (angle) => (angle * 180) / Math.PI;

export function multiply(a, b) {
  const out = new Array(9);
  for (let r = 0; r < 9; r += 3)
    for (let c = 0; c < 3; c++) out[r + c] = a[r] * b[c] + a[r + 1] * b[3 + c] + a[r + 2] * b[6 + c];
  return out;
}
export const transpose = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];
export const apply = (m, v) => [
  m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
  m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
  m[6] * v[0] + m[7] * v[1] + m[8] * v[2],
];

/** The matrix of a rotation vector (Rodrigues). */
export function fromVector([x, y, z]) {
  const angle = Math.hypot(x, y, z);
  const half = angle / 2;
  const a = angle < 1e-8 ? 1 : Math.sin(angle) / angle;
  const b = angle < 1e-8 ? 0.5 : 0.5 * (Math.sin(half) / half) ** 2;
  return [
    1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y,
    b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x,
    b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y),
  ]; // prettier-ignore
}

/** The quaternion w x y z, w >= 0, of a matrix; computed from its largest component, which is the most exact. */
export function toQuaternion(m) {
  const squares = [1 + m[0] + m[4] + m[8], 1 + m[0] - m[4] - m[8], 1 - m[0] + m[4] - m[8], 1 - m[0] - m[4] + m[8]];
  const a = m[7] - m[5], b = m[2] - m[6], c = m[3] - m[1];
  const d = m[3] + m[1], e = m[2] + m[6], f = m[7] + m[5];
  const rows = [[squares[0], a, b, c], [a, squares[1], d, e], [b, d, squares[2], f], [c, e, f, squares[3]]];
  let q = rows[squares.indexOf(Math.max(...squares))];
  const size = Math.hypot(...q) * (q[0] < 0 ? -1 : 1);
  return q.map((entry) => entry / size);
}

/** The rotation vector, angle in [0, pi], of a matrix. */
export function toVector(m) {
  const [w, x, y, z] = toQuaternion(m);
  const sine = Math.hypot(x, y, z);
  return scale([x, y, z], sine > 1e-12 ? (2 * Math.atan2(sine, w)) / sine : 2);
}

/** The matrix of a quaternion w x y z of any length. */
export function fromQuaternion([w, x, y, z]) {
  const s = 2 / (w * w + x * x + y * y + z * z);
  return [
    1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
    s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
    s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
  ]; // prettier-ignore
}

/** The matrix of a turn in degrees: pan right, then tilt up, then roll clockwise. */
export function fromTurn([pan, tilt, roll]) {
  return multiply(
    multiply(fromVector([0, radians(pan), 0]), fromVector([radians(tilt), 0, 0])),
    fromVector([0, 0, radians(roll)]),
  );
}

/** The turn [pan, tilt, roll] in degrees of a matrix; straight up or down, all of the turn about the axis is pan. */
export function toTurn(m) {
  const tilt = Math.asin(Math.min(Math.max(-m[5], -1), 1));
  if (Math.abs(m[5]) > 1 - 1e-12) return [degrees(Math.atan2(-m[6], m[0])), degrees(tilt), 0];
  return [degrees(Math.atan2(m[2], m[8])), degrees(tilt), degrees(Math.atan2(m[3], m[4]))];
}

/** The matrix of an upright camera that looks along `forward`; straight up or down, x stays its right. */
export function looking(forward) {
  const ahead = scale(forward, 1 / length(forward));
  const side = [ahead[2], 0, -ahead[0]]; // down x forward
  const size = length(side);
  const right = size > 1e-9 ? scale(side, 1 / size) : [1, 0, 0];
  const down = cross(ahead, right);
  return [right[0], down[0], ahead[0], right[1], down[1], ahead[1], right[2], down[2], ahead[2]];
}
