// Mask shapes as data, at any size. A port of control/identity/shapes.py.
// A shape is its JSON object: {kind: "bitmap", size: [w, h], runs}, {kind: "polygon", points: [[x, y], ...]},
// {kind: "ellipse" | "box", centre: [x, y], size: [w, h], turn?}, {kind: "brush", points: [[x, y, radius], ...]}, each with
// op: "subtract" where it takes away. Positions and sizes are shares of the frame (x of its width, y of its height), a
// radius is a share of its height, a turn is in degrees clockwise.
import { Cache } from "./cache.mjs";
import { brushPatch, clean, polygonPatch, resize } from "./raster.mjs";
import { decode, encode } from "./runs.mjs";

const CORNERS = 256;
const decoded = new Cache(48 * 2 ** 20);

/** The pixels (Uint8Array) of a bitmap shape. Do not write to them. */
export function pixelsOf(shape) {
  const [width, height] = shape.size;
  return decoded.get(`${width}x${height}:${shape.runs}`, width * height + shape.runs.length, () => decode(shape.runs, height, width));
}

/** The bitmap shape of a mask (height, width); more than 0.5 is white. */
export function bitmapOf(mask, height, width, subtract = false) {
  const runs = encode(mask, height, width);
  return subtract ? { kind: "bitmap", op: "subtract", size: [width, height], runs } : { kind: "bitmap", size: [width, height], runs };
}

/** The corners, in pixels, of an outline of corners about 0 that is sized, turned and moved as a shape says. */
function placed(corners, shape, height, width) {
  const angle = ((shape.turn ?? 0) * Math.PI) / 180;
  const cosine = Math.cos(angle), sine = Math.sin(angle);
  return corners.map(([u, v]) => {
    const x = u * shape.size[0] * width, y = v * shape.size[1] * height;
    return [cosine * x - sine * y + shape.centre[0] * width, sine * x + cosine * y + shape.centre[1] * height];
  });
}

const SQUARE = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]];
// Slightly larger, so that the polygon has the ellipse's area.
const GROWN = Math.sqrt((2 * Math.PI) / CORNERS / Math.sin((2 * Math.PI) / CORNERS)) / 2;
const ROUND = Array.from({ length: CORNERS }, (_, k) => {
  const angle = k * ((2 * Math.PI) / CORNERS);
  return [Math.cos(angle) * GROWN, Math.sin(angle) * GROWN];
});

/** The closed outline [[x, y], ...] of a polygon, ellipse or box, in pixels; null for the others. */
export function outlineOf(shape, height, width) {
  if (shape.kind === "polygon") return shape.points.map(([x, y]) => [x * width, y * height]);
  if (shape.kind === "ellipse") return placed(ROUND, shape, height, width);
  if (shape.kind === "box") return placed(SQUARE, shape, height, width);
  return null;
}

/** What one shape covers, whatever its op: a Patch of raster.mjs around it. */
export function patchOf(shape, height, width) {
  if (shape.kind === "bitmap") {
    const part = clean(resize(pixelsOf(shape), shape.size[1], shape.size[0], height, width));
    return { left: 0, top: 0, right: width, bottom: height, cover: part };
  }
  if (shape.kind === "brush")
    return brushPatch(shape.points.map(([x, y, radius]) => [x * width, y * height, radius * height]), height, width);
  return polygonPatch(outlineOf(shape, height, width), height, width);
}

/**
 * What one shape covers, whatever its op: 0..1 in reading order.
 * @param {object} shape @param {number} height @param {number} width @returns {Float32Array}
 */
export const cover = (shape, height, width) =>
  lay(new Float32Array(height * width), { ...shape, op: "add" }, height, width);

/** Add one shape to a mask, or subtract it, in place. */
export function lay(mask, shape, height, width) {
  const { left, top, right, bottom, cover: part } = patchOf(shape, height, width);
  const subtract = shape.op === "subtract";
  for (let row = top, from = 0; row < bottom; row++)
    for (let to = row * width + left, end = row * width + right; to < end; to++, from++) {
      if (subtract) mask[to] = Math.min(mask[to], 1 - part[from]);
      else if (part[from] > mask[to]) mask[to] = part[from];
    }
  return mask;
}

/**
 * The mask of shapes drawn in order: 0..1 with soft edges, in reading order.
 * @param {object[]} shapes @param {number} height @param {number} width @returns {Float32Array}
 */
export function rasterize(shapes, height, width) {
  const mask = new Float32Array(height * width);
  for (const shape of shapes) lay(mask, shape, height, width);
  return mask;
}
