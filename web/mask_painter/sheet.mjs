// A mask as a tinted canvas: drawn from shapes at painting size, or from the pixels of an in-between.
import { Cache, numberOf } from "./cache.mjs";
import { outlineOf, pixelsOf } from "./shapes.mjs";
import { boundsOf } from "./transform.mjs";

const bitmaps = new Cache(96 * 2 ** 20); // undo keeps many states: not all of their bitmaps can stay drawn

/** A white canvas whose alpha is a bitmap shape's mask, kept for a while. */
function bitmapCanvas(shape) {
  const [width, height] = shape.size;
  return bitmaps.get(numberOf(shape), 4 * width * height, () => {
    const canvas = new OffscreenCanvas(width, height), data = new ImageData(width, height), pixels = pixelsOf(shape);
    const words = new Uint32Array(data.data.buffer);
    for (let k = 0; k < words.length; k++) if (pixels[k]) words[k] = 0xffffffff;
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas;
  });
}

/** From one point [x, y, radius] of a stroke to the next, in pixels. */
export function drawStep(pen, [x0, y0, r0], [x1, y1, r1]) {
  const away = Math.hypot(x1 - x0, y1 - y0);
  pen.beginPath();
  if (Math.abs(r1 - r0) < 0.01 * (r0 + r1) && away) {
    pen.lineWidth = r0 + r1;
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    return pen.stroke();
  }
  pen.arc(x0, y0, r0, 0, 7);
  pen.moveTo(x1 + r1, y1);
  pen.arc(x1, y1, r1, 0, 7);
  if (away > Math.abs(r1 - r0)) {
    // The straight sides touch both circles.
    const along = Math.atan2(y1 - y0, x1 - x0), open = Math.acos((r0 - r1) / away);
    pen.moveTo(x0 + r0 * Math.cos(along + open), y0 + r0 * Math.sin(along + open));
    pen.lineTo(x1 + r1 * Math.cos(along + open), y1 + r1 * Math.sin(along + open));
    pen.lineTo(x1 + r1 * Math.cos(along - open), y1 + r1 * Math.sin(along - open));
    pen.lineTo(x0 + r0 * Math.cos(along - open), y0 + r0 * Math.sin(along - open));
    pen.closePath();
  }
  pen.fill();
}

function drawStroke(pen, points) {
  if (points.length === 1) return drawStep(pen, points[0], points[0]);
  if (points.every((point) => point[2] === points[0][2])) {
    pen.lineWidth = 2 * points[0][2];
    pen.beginPath();
    points.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    return pen.stroke();
  }
  for (let k = 1; k < points.length; k++) drawStep(pen, points[k - 1], points[k]);
}

/** Draw one shape onto a canvas of this size. */
export function drawShape(pen, shape, width, height) {
  pen.globalCompositeOperation = shape.op === "subtract" ? "destination-out" : "source-over";
  if (shape.kind === "bitmap") pen.drawImage(bitmapCanvas(shape), 0, 0, width, height);
  else if (shape.kind === "brush") drawStroke(pen, shape.points.map(([x, y, r]) => [x * width, y * height, r * height]));
  else {
    pen.beginPath();
    outlineOf(shape, height, width).forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.fill();
  }
  pen.globalCompositeOperation = "source-over";
}

const boxes = new WeakMap();

/** The box around what shapes add, [left, top, right, bottom] in shares of the frame. */
function boundsOfAll(shapes, aspect) {
  const all = [1, 1, 0, 0];
  for (const shape of shapes) {
    if (shape.op === "subtract") continue;
    if (boxes.get(shape)?.aspect !== aspect) boxes.set(shape, { aspect, box: boundsOf(shape, aspect) ?? [1, 1, 0, 0] });
    grow(all, boxes.get(shape).box);
  }
  return all;
}

function grow(box, [l, t, r, b]) {
  box[0] = Math.min(box[0], Math.max(l, 0));
  box[1] = Math.min(box[1], Math.max(t, 0));
  box[2] = Math.max(box[2], Math.min(r, 1));
  box[3] = Math.max(box[3], Math.min(b, 1));
}

/** The box around the pixels of a mask that are not 0. */
function boundsOfPixels(mask, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let row = 0, k = 0; row < height; row++)
    for (let column = 0; column < width; column++, k++)
      if (mask[k] > 0) {
        if (column < left) left = column;
        if (column > right) right = column;
        if (row < top) top = row;
        bottom = row;
      }
  return [left / width, top / height, (right + 1) / width, (bottom + 1) / height];
}

/** `bounds`: the box outside of which the sheet is empty, in shares of the frame. */
export class Sheet {
  constructor() {
    this.canvas = new OffscreenCanvas(1, 1);
    this.pen = this.canvas.getContext("2d");
    this.shown = [];
    this.bounds = [1, 1, 0, 0];
  }
  get width() {
    return this.canvas.width;
  }
  get height() {
    return this.canvas.height;
  }

  /** Whether the sheet shows this already; if not, the caller draws it now. */
  #has(...what) {
    const same = what.length === this.shown.length && what.every((value, k) => value === this.shown[k]);
    this.shown = what;
    return same;
  }
  /** The sheet was drawn on within a box: the next `shapes` or `pixels` draws again. */
  touch(box) {
    this.shown = [];
    if (box) grow(this.bounds, box);
  }

  #size(width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    else this.pen.clearRect(0, 0, width, height);
  }
  #tint(color) {
    const { pen } = this;
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = color;
    pen.fillRect(0, 0, this.width, this.height);
    pen.globalCompositeOperation = "source-over";
  }
  #ready(color) {
    Object.assign(this.pen, { fillStyle: color, strokeStyle: color, lineCap: "round", lineJoin: "round" });
  }

  /** The mask of shapes, `width` x `height` large. */
  shapes(shapes, width, height, color) {
    if (this.#has(shapes, width, height, color)) return;
    this.#size(width, height);
    this.#ready(color);
    this.bounds = boundsOfAll(shapes, width / height);
    for (const shape of shapes) drawShape(this.pen, shape, width, height);
    if (shapes.some((shape) => shape.kind === "bitmap")) this.#tint(color);
  }

  /** A mask's pixels (0..1, in reading order). */
  pixels(mask, width, height, color) {
    if (this.#has(mask, width, height, color)) return;
    this.#size(width, height);
    this.bounds = boundsOfPixels(mask, width, height);
    const data = new ImageData(width, height), words = new Uint32Array(data.data.buffer);
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    const paint = (b << 16) | (g << 8) | r;
    for (let k = 0; k < words.length; k++) if (mask[k] > 0) words[k] = ((mask[k] * 255 + 0.5) << 24) | paint;
    this.pen.putImageData(data, 0, 0);
  }

  /** Resize the sheet with its content, to be painted on. */
  enlarge(width, height, color) {
    if (this.width === width && this.height === height) return this.#ready(color);
    const old = new OffscreenCanvas(this.width, this.height);
    old.getContext("2d").drawImage(this.canvas, 0, 0);
    this.#size(width, height);
    this.pen.drawImage(old, 0, 0, width, height);
    this.#ready(color);
  }
}
