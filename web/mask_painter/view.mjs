// The painter's stage: three canvases over one another, so that a stroke redraws nothing but the masks it touches.
//   back:  the frame, or the empty stage, and the outlines of the neighboring keys
//   masks: what the slots cover here, translucent with an outline
//   over:  handles, and shapes that are being drawn
// A scene is {size: [w, h], image, onion: [{sheet, when}], layers: [{sheet, current}]}.
import { faded } from "./colors.mjs";

const MARGIN = 14;
const ZOOM = [0.05, 64];

export class View {
  /** elements: {stage, back, masks, over}; drawOver(pen, view) paints what lies over the masks, in units of the page. */
  constructor(elements, drawOver) {
    const { stage, back, masks, over } = elements;
    Object.assign(this, { stage, back, masks, over, drawOver });
    this.scene = { size: [1, 1], image: null, onion: [], layers: [] };
    this.width = this.height = 0;
    this.zoom = 1; // units of the page for a pixel of the frame
    this.x = this.y = 0; // where the frame's top left corner is
    this.rest = new OffscreenCanvas(1, 1); // the masks of the slots that are not worked on
    // Drawing on a canvas that was a drawing source copies it whole, so small pieces have small canvases.
    this.small = new Scratch();
    this.large = new Scratch();
    this.stale = new Set();
    this.drawn = 0;
  }

  // ---- places ----

  resize(width, height) {
    const first = !this.width, old = [this.width, this.height];
    Object.assign(this, { width, height, ratio: Math.min(window.devicePixelRatio || 1, 2) });
    for (const canvas of [this.back, this.masks, this.over, this.rest]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    if (first || this.fitted) this.fit();
    else {
      this.x += (width - old[0]) / 2;
      this.y += (height - old[1]) / 2;
    }
    this.draw("back", "masks", "over"); // now: a canvas that changes its size becomes empty
  }

  /** Show the whole frame. */
  fit() {
    const [w, h] = this.scene.size;
    this.zoom = Math.max(Math.min((this.width - 2 * MARGIN) / w, (this.height - 2 * MARGIN) / h), 0.01);
    this.x = (this.width - w * this.zoom) / 2;
    this.y = (this.height - h * this.zoom) / 2;
    this.fitted = true;
    this.request("back", "masks", "over");
  }

  /** Zoom in (or out, below 1) about a place of the stage. */
  zoomBy(by, { x, y }) {
    const zoom = Math.min(Math.max(this.zoom * by, ZOOM[0]), ZOOM[1]);
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.#keepSeen();
  }
  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#keepSeen();
  }
  #keepSeen() {
    const [w, h] = this.scene.size, least = 40;
    this.x = Math.min(Math.max(this.x, least - w * this.zoom), this.width - least);
    this.y = Math.min(Math.max(this.y, least - h * this.zoom), this.height - least);
    this.fitted = false;
    this.request("back", "masks", "over");
  }

  /** Where a pointer is on the stage: the page may have zoomed the node. */
  place(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: ((event.clientX - box.left) * this.width) / box.width, y: ((event.clientY - box.top) * this.height) / box.height };
  }
  /** A place of the stage in shares of the frame, and back. */
  toFrame({ x, y }) {
    const [w, h] = this.scene.size;
    return [(x - this.x) / (w * this.zoom), (y - this.y) / (h * this.zoom)];
  }
  toStage([u, v]) {
    const [w, h] = this.scene.size;
    return { x: this.x + u * w * this.zoom, y: this.y + v * h * this.zoom };
  }
  /** Units of the page for the frame's height. */
  get tall() {
    return this.scene.size[1] * this.zoom;
  }
  get aspect() {
    return this.scene.size[0] / this.scene.size[1];
  }

  // ---- drawing ----

  /** Change the scene and redraw the stale canvases. */
  show(change, ...stale) {
    const size = change.size && (change.size[0] !== this.scene.size[0] || change.size[1] !== this.scene.size[1]);
    Object.assign(this.scene, change);
    if (size && this.width) this.fit();
    this.request(...stale);
  }

  request(...stale) {
    for (const name of stale) this.stale.add(name);
    if (stale.includes("masks")) this.dirty = null;
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  /** The masks changed within a box [left, top, right, bottom] in shares of the frame. */
  touch([left, top, right, bottom]) {
    if (!this.stale.has("masks")) {
      this.stale.add("masks");
      this.dirty = [left, top, right, bottom];
    } else if (this.dirty) {
      const d = this.dirty;
      this.dirty = [Math.min(d[0], left), Math.min(d[1], top), Math.max(d[2], right), Math.max(d[3], bottom)];
    }
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw(...stale) {
    for (const name of stale) this.stale.add(name);
    if (stale.includes("masks")) this.dirty = null;
    cancelAnimationFrame(this.pending);
    this.pending = null;
    if (!(this.width > 8)) return;
    if (this.stale.has("back")) this.#drawBack();
    if (this.stale.has("masks")) this.#drawMasks();
    if (this.stale.has("over")) {
      const pen = this.#fresh(this.over);
      this.drawOver(pen, this);
    }
    this.stale.clear();
    this.dirty = null;
    this.drawn++;
  }

  #fresh(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    return pen;
  }
  /** The frame's box in units of the page. */
  get box() {
    const [w, h] = this.scene.size;
    return [this.x, this.y, w * this.zoom, h * this.zoom];
  }

  #drawBack() {
    const pen = this.#fresh(this.back), [x, y, w, h] = this.box, { image } = this.scene;
    if (image) {
      pen.imageSmoothingQuality = w < image.width ? "medium" : "low";
      pen.drawImage(image, x, y, w, h);
    } else {
      pen.fillStyle = "#262a30";
      pen.fillRect(x, y, w, h);
      pen.fillStyle = "#ffffff0d";
      for (const share of [1 / 3, 2 / 3]) {
        pen.fillRect(Math.round(x + share * w), y, 1, h);
        pen.fillRect(x, Math.round(y + share * h), w, 1);
      }
    }
    pen.strokeStyle = "#ffffff2e";
    pen.lineWidth = 1;
    pen.strokeRect(Math.round(x) - 0.5, Math.round(y) - 0.5, Math.round(w) + 1, Math.round(h) + 1);
    const all = [0, 0, this.back.width, this.back.height];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const { sheet, when } of this.scene.onion) this.#mask(pen, sheet, all, 1, 0, when === "later" ? 0.45 : 0.8);
  }

  #drawMasks() {
    const { masks } = this, pen = masks.getContext("2d");
    let all = [0, 0, masks.width, masks.height];
    if (this.dirty) {
      all = meeting(this.#around(this.dirty, 4), all);
      if (!all) return;
    } else {
      const rest = this.rest.getContext("2d");
      rest.clearRect(...all);
      for (const { sheet, current } of this.scene.layers) if (!current) this.#mask(rest, sheet, all, 1, 0.3, 0.75);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(...all);
    pen.drawImage(this.rest, ...all, ...all);
    const current = this.scene.layers.find((layer) => layer.current);
    if (current) this.#mask(pen, current.sheet, all, 2, 0.46, 1);
  }

  /** A box [left, top, right, bottom] in shares of the frame, in device pixels and with room around it. */
  #around([l, t, r, b], spare) {
    const { ratio } = this, [x, y, w, h] = this.box;
    return [(x + l * w) * ratio - spare, (y + t * h) * ratio - spare, (x + r * w) * ratio + spare, (y + b * h) * ratio + spare];
  }

  /**
   * A mask within a box [left, top, width, height] in device pixels: filled, with an outline `thick` units of the page wide.
   * The outline is the mask shifted all round, less the mask.
   */
  #mask(pen, sheet, all, thick, fill, line) {
    const { ratio } = this, [x, y, w, h] = this.box, d = Math.max(1, Math.round(0.8 * thick * ratio)), spare = d + 2;
    const box = meeting(this.#around(sheet.bounds, spare), all);
    if (!box) return;
    const [left, top, width, height] = box, whole = [0, 0, width + 2 * spare, height + 2 * spare];
    const { part, edge } = (whole[2] <= 512 && whole[3] <= 512 ? this.small : this.large).ready(whole[2], whole[3]);
    part.save();
    part.beginPath();
    part.rect(...whole);
    part.clip();
    part.clearRect(...whole);
    part.imageSmoothingEnabled = w * ratio < 8 * sheet.width || sheet.width < 400;
    part.drawImage(sheet.canvas, x * ratio - left + spare, y * ratio - top + spare, w * ratio, h * ratio);
    part.restore();
    const inner = [spare, spare, width, height];
    pen.globalAlpha = fill;
    if (fill) pen.drawImage(part.canvas, ...inner, ...box);
    const s = Math.round(0.7 * d), corners = d > 1 ? [[s, s], [s, -s], [-s, s], [-s, -s]] : [];
    edge.clearRect(...whole);
    for (const [dx, dy] of [[d, 0], [-d, 0], [0, d], [0, -d], ...corners])
      edge.drawImage(part.canvas, ...whole, dx, dy, whole[2], whole[3]);
    edge.globalCompositeOperation = "destination-out";
    edge.drawImage(part.canvas, ...whole, ...whole);
    edge.globalCompositeOperation = "source-over";
    pen.globalAlpha = line;
    pen.drawImage(edge.canvas, ...inner, ...box);
    pen.globalAlpha = 1;
  }

  dispose() {
    cancelAnimationFrame(this.pending);
  }
}

/** Two canvases for composing a mask and its outline, at least as large as asked for. */
class Scratch {
  constructor() {
    [this.part, this.edge] = [0, 0].map(() => new OffscreenCanvas(1, 1).getContext("2d"));
  }
  ready(width, height) {
    for (const { canvas } of [this.part, this.edge]) {
      if (canvas.width < width) canvas.width = 64 * Math.ceil(width / 64);
      if (canvas.height < height) canvas.height = 64 * Math.ceil(height / 64);
    }
    return this;
  }
}

/** The overlap of a box [left, top, right, bottom] and one [left, top, width, height], in whole pixels as the latter; or null. */
function meeting([l, t, r, b], [left, top, width, height]) {
  const x = Math.max(left, Math.floor(l)), y = Math.max(top, Math.floor(t));
  const w = Math.min(left + width, Math.ceil(r)) - x, h = Math.min(top + height, Math.ceil(b)) - y;
  return w > 0 && h > 0 ? [x, y, w, h] : null;
}

/** A thin line that is visible on bright and on dark. */
export function twoLines(pen, path, color = "#ffffff", width = 1.25) {
  path();
  pen.strokeStyle = faded("#000000", 0.55);
  pen.lineWidth = width + 2;
  pen.stroke();
  path();
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.stroke();
}
