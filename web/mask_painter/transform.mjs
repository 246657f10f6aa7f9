// Moves, scales and turns shapes, and finds the shape under a point. Points are shares of the frame; `aspect` is its
// width divided by its height, so that turns and circles are not distorted.
import { bitmapOf, pixelsOf } from "./shapes.mjs";
import { normal } from "./text.mjs";

// `normal` keeps every result within the limits of a state.

/** The shape moved by (dx, dy). */
export function moved(shape, dx, dy) {
  if (shape.kind === "bitmap") return shifted(shape, dx, dy);
  if (shape.points) return normal({ ...shape, points: shape.points.map(([x, y, ...rest]) => [x + dx, y + dy, ...rest]) });
  return normal({ ...shape, centre: [shape.centre[0] + dx, shape.centre[1] + dy] });
}

/** A bitmap's pixels moved by whole pixels; what leaves the frame is gone. */
function shifted(shape, dx, dy) {
  const [width, height] = shape.size, from = pixelsOf(shape), to = new Uint8Array(from.length);
  const right = Math.round(dx * width), down = Math.round(dy * height);
  for (let row = Math.max(0, down); row < Math.min(height, height + down); row++) {
    const a = Math.max(0, -right), b = Math.min(width, width - right);
    if (a < b) to.set(from.subarray((row - down) * width + a, (row - down) * width + b), row * width + a + right);
  }
  return bitmapOf(to, height, width, shape.op === "subtract");
}

/**
 * The shape scaled about a point by (sx, sy), along the frame's axes, or along its own for an ellipse or a box (`own`).
 * A bitmap stays as it is.
 */
export function scaled(shape, sx, sy, [cx, cy], own = false) {
  if (shape.kind === "bitmap") return shape;
  const place = ([x, y, ...rest]) => [cx + (x - cx) * sx, cy + (y - cy) * sy, ...rest];
  if (shape.kind === "polygon") return normal({ ...shape, points: shape.points.map(place) });
  if (shape.kind === "brush") {
    const by = Math.sqrt(Math.abs(sx * sy));
    return normal({ ...shape, points: shape.points.map(([x, y, r]) => [...place([x, y]), r * by]) });
  }
  const size = shape.size.map((side, d) => side * Math.abs(d ? sy : sx));
  return normal({ ...shape, centre: own ? shape.centre : place(shape.centre), size });
}

/** The shape turned about a point by degrees, clockwise. A bitmap stays as it is. */
export function turned(shape, degrees, [cx, cy], aspect) {
  if (shape.kind === "bitmap") return shape;
  const angle = (degrees * Math.PI) / 180, cosine = Math.cos(angle), sine = Math.sin(angle);
  const place = ([x, y, ...rest]) => {
    const u = (x - cx) * aspect, v = y - cy;
    return [cx + (cosine * u - sine * v) / aspect, cy + sine * u + cosine * v, ...rest];
  };
  if (shape.points) return normal({ ...shape, points: shape.points.map(place) });
  const turn = ((((shape.turn ?? 0) + degrees) % 360) + 540) % 360 - 180;
  return normal({ ...shape, centre: place(shape.centre), turn });
}

/** The box [left, top, right, bottom] around a shape; null for an empty bitmap. */
export function boundsOf(shape, aspect) {
  if (shape.kind === "bitmap") {
    const [width, height] = shape.size, pixels = pixelsOf(shape);
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let row = 0, k = 0; row < height; row++)
      for (let column = 0; column < width; column++, k++)
        if (pixels[k]) {
          left = Math.min(left, column);
          right = Math.max(right, column);
          top = Math.min(top, row);
          bottom = row;
        }
    return right < 0 ? null : [left / width, top / height, (right + 1) / width, (bottom + 1) / height];
  }
  if (shape.points) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y, radius = 0] of shape.points) {
      box[0] = Math.min(box[0], x - radius / aspect);
      box[1] = Math.min(box[1], y - radius);
      box[2] = Math.max(box[2], x + radius / aspect);
      box[3] = Math.max(box[3], y + radius);
    }
    return box;
  }
  const angle = ((shape.turn ?? 0) * Math.PI) / 180, cosine = Math.abs(Math.cos(angle)), sine = Math.abs(Math.sin(angle));
  const [w, h] = [(shape.size[0] * aspect) / 2, shape.size[1] / 2];
  const round = shape.kind === "ellipse";
  const x = (round ? Math.hypot(w * cosine, h * sine) : w * cosine + h * sine) / aspect;
  const y = round ? Math.hypot(w * sine, h * cosine) : w * sine + h * cosine;
  return [shape.centre[0] - x, shape.centre[1] - y, shape.centre[0] + x, shape.centre[1] + y];
}

/** Whether a point lies on a shape, or no further from it than `spare` (a share of the height; not for bitmaps). */
export function hits(shape, x, y, aspect, spare = 0) {
  if (shape.kind === "bitmap") {
    const [width, height] = shape.size, column = Math.floor(x * width), row = Math.floor(y * height);
    return column >= 0 && column < width && row >= 0 && row < height && pixelsOf(shape)[row * width + column] > 0;
  }
  if (shape.points) {
    const at = ([u, v]) => [(u - x) * aspect, v - y];
    const pairs = shape.points.map((point, k) => [point, shape.points[k + 1] ?? (shape.kind === "brush" ? point : shape.points[0])]);
    if (pairs.some(([p, q]) => distance(at(p), at(q)) <= spare + Math.max(p[2] ?? 0, q[2] ?? 0))) return true;
    if (shape.kind === "brush") return false;
    let around = 0;
    for (const [[x0, y0], [x1, y1]] of pairs) {
      const side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0);
      if (y0 <= y && y1 > y && side > 0) around++;
      if (y1 <= y && y0 > y && side < 0) around--;
    }
    return around !== 0;
  }
  const angle = (-(shape.turn ?? 0) * Math.PI) / 180, cosine = Math.cos(angle), sine = Math.sin(angle);
  const u = (x - shape.centre[0]) * aspect, v = y - shape.centre[1];
  const a = (cosine * u - sine * v) / ((shape.size[0] * aspect) / 2 + spare);
  const b = (sine * u + cosine * v) / (shape.size[1] / 2 + spare);
  return shape.kind === "ellipse" ? a * a + b * b <= 1 : Math.abs(a) <= 1 && Math.abs(b) <= 1;
}

/** The distance of the origin to the line between two points. */
function distance([x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  const share = length ? Math.min(Math.max(-(x0 * dx + y0 * dy) / length, 0), 1) : 0;
  return Math.hypot(x0 + share * dx, y0 + share * dy);
}

/** The number of the topmost shape under a point, or -1. Shapes that take away count where they lie. */
export function topAt(shapes, x, y, aspect, spare = 0) {
  for (let k = shapes.length - 1; k >= 0; k--) if (hits(shapes[k], x, y, aspect, spare)) return k;
  return -1;
}
