// The select tool: moves shapes, resizes and turns them by handles, and drags a polygon's corners.
import { boundsOf, hits, moved, scaled, topAt, turned } from "./transform.mjs";
import { twoLines } from "./view.mjs";
import { t } from "../shared/words.mjs";

const REACH = 9, KNOB = 22; // of a handle; how far above the box the turning knob is
const CORNERS = 80; // a polygon with more corners shows none
const SIDES = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];

export class Select {
  constructor(editor) {
    this.editor = editor;
    this.picked = [];
    this.idle = true;
  }

  /** The selected shapes of the key at the playhead, as [number, shape]. */
  get #shapes() {
    const shapes = this.editor.shapesHere() ?? [];
    this.picked = this.picked.filter((index) => shapes[index]);
    return this.picked.map((index) => [index, shapes[index]]);
  }
  pick(indices) {
    this.picked = indices;
    this.editor.view.request("over");
    this.editor.refill();
  }
  all() {
    this.pick((this.editor.shapesHere() ?? []).map((_, k) => k));
  }

  /** The box around the selected shapes: {center [u, v], half [x, y] in units of the page, turn in radians, own}. */
  #box() {
    const { view } = this.editor, shapes = this.#shapes.map(([, shape]) => shape);
    if (!shapes.length) return null;
    const [w, h] = view.box.slice(2);
    if (shapes.length === 1 && shapes[0].centre)
      return { center: shapes[0].centre, half: [(shapes[0].size[0] * w) / 2, (shapes[0].size[1] * h) / 2],
        turn: ((shapes[0].turn ?? 0) * Math.PI) / 180, own: true, free: true }; // prettier-ignore
    const boxes = shapes.map((shape) => boundsOf(shape, view.aspect)).filter(Boolean);
    if (!boxes.length) return null;
    const [l, t, r, b] = [0, 1, 2, 3].map((d) => (d < 2 ? Math.min : Math.max)(...boxes.map((box) => box[d])));
    const free = shapes.some((shape) => shape.kind !== "bitmap"); // bitmaps can only be moved
    return { center: [(l + r) / 2, (t + b) / 2], half: [((r - l) * w) / 2, ((b - t) * h) / 2], turn: 0, own: false, free };
  }
  /** A point of the box, in half sides from its center, moved up by `up` units of the page. */
  #spot(box, [a, b], up = 0) {
    const { x, y } = this.editor.view.toStage(box.center), [c, s] = [Math.cos(box.turn), Math.sin(box.turn)];
    const px = a * box.half[0], py = b * box.half[1] - up;
    return { x: x + c * px - s * py, y: y + s * px + c * py };
  }

  /** What can be grabbed at a place: {kind: "side" | "knob" | "corner" | "body", ...} or null. */
  #at(place, point, touch) {
    const reach = REACH * (touch ? 1.8 : 1), near = (spot) => Math.hypot(spot.x - place.x, spot.y - place.y) < reach;
    const box = this.#box();
    const corners = this.#corners();
    if (corners) {
      const index = corners.points.findIndex((corner) => near(this.editor.view.toStage(corner)));
      if (index >= 0) return { kind: "corner", index };
    }
    if (box?.free) {
      if (near(this.#spot(box, [0, -1], KNOB))) return { kind: "knob", box };
      const side = SIDES.find((entry) => near(this.#spot(box, entry)));
      if (side && !(corners && side.includes(0))) return { kind: "side", side, box };
    }
    const spare = 5 / this.editor.view.tall;
    if (this.#shapes.some(([, shape]) => hits(shape, ...point, this.editor.view.aspect, spare))) return { kind: "body" };
    return null;
  }
  /** The selected polygon if its corners are shown, else null. */
  #corners() {
    const shapes = this.#shapes;
    return shapes.length === 1 && shapes[0][1].kind === "polygon" && shapes[0][1].points.length <= CORNERS ? shapes[0][1] : null;
  }

  down(at) {
    const { editor } = this;
    let grip = this.#at(at.place, at.point, at.touch);
    if (grip?.kind === "corner" && at.alt) return this.#without(grip.index);
    if (!grip || (grip.kind === "body" && at.shift)) {
      if (!editor.openKey()) return;
      const index = topAt(editor.shapesHere(), ...at.point, editor.view.aspect, 5 / editor.view.tall);
      if (index < 0) {
        if (!at.shift) this.pick([]);
        editor.dropKey();
        return;
      }
      const others = at.shift ? this.picked.filter((entry) => entry !== index) : [];
      this.pick(at.shift && this.picked.includes(index) ? others : [...others, index]);
      grip = { kind: "body" };
    } else if (!editor.openKey()) return;
    this.grip = { ...grip, from: at, shapes: this.#shapes };
  }

  move(at) {
    const { grip, editor } = this;
    if (!grip) return;
    const { view } = editor, du = at.point[0] - grip.from.point[0], dv = at.point[1] - grip.from.point[1];
    if (!grip.moved && Math.hypot(at.place.x - grip.from.place.x, at.place.y - grip.from.place.y) < 3) return;
    grip.moved = true;
    let change;
    if (grip.kind === "body") {
      const along = at.shift && (Math.abs(du) * view.aspect > Math.abs(dv) ? [du, 0] : [0, dv]);
      change = (shape) => moved(shape, ...(along || [du, dv]));
    } else if (grip.kind === "corner") {
      change = (shape) => ({ ...shape, points: shape.points.map((point, k) => (k === grip.index ? [point[0] + du, point[1] + dv] : point)) });
    } else if (grip.kind === "knob") {
      const middle = view.toStage(grip.box.center);
      const angle = ({ x, y }) => Math.atan2(y - middle.y, x - middle.x);
      let degrees = ((angle(at.place) - angle(grip.from.place)) * 180) / Math.PI;
      if (at.shift) degrees = Math.round(degrees / 15) * 15;
      change = (shape) => turned(shape, degrees, grip.box.center, view.aspect);
    } else change = this.#sizing(at);
    editor.reshape(new Map(grip.shapes.map(([index, shape]) => [index, change(shape)])));
  }

  /** Dragging a side or corner of the box: the opposite one stays, with Alt the center. */
  #sizing(at) {
    const { side, box, from } = this.grip, { view } = this.editor;
    const [c, s] = [Math.cos(box.turn), Math.sin(box.turn)];
    const dx = at.place.x - from.place.x, dy = at.place.y - from.place.y;
    const along = [c * dx + s * dy, c * dy - s * dx];
    const scale = side.map((way, d) => (way ? Math.max((2 * box.half[d] + way * along[d] * (at.alt ? 2 : 1)) / (2 * box.half[d]), 0.02) : 1));
    if (at.shift && side[0] && side[1]) scale[0] = scale[1] = Math.max(...scale);
    const still = at.alt ? { x: 0, y: 0 } : { x: -side[0] * box.half[0], y: -side[1] * box.half[1] };
    if (!box.own) {
      const middle = view.toStage(box.center);
      const center = view.toFrame({ x: middle.x + still.x, y: middle.y + still.y });
      return (shape) => scaled(shape, ...scale, center);
    }
    // Along the shape's own axes: its center moves so that the opposite side stays.
    const px = still.x * (1 - scale[0]), py = still.y * (1 - scale[1]);
    const du = (c * px - s * py) / view.box[2], dv = (s * px + c * py) / view.box[3];
    return (shape) => moved(scaled(shape, ...scale, shape.centre, true), du, dv);
  }

  up() {
    const { grip, editor } = this;
    this.grip = null;
    if (grip?.moved) editor.commit();
    else editor.dropKey();
  }
  cancel() {
    if (!this.grip) return;
    this.grip = null;
    this.editor.dropKey();
  }

  /** Double-click: add a corner on a polygon's side, or select everything. */
  twice(at) {
    const polygon = this.#corners(), { editor } = this, { view } = editor;
    if (!polygon) return this.all();
    let best = null;
    polygon.points.forEach((point, k) => {
      const a = view.toStage(point), b = view.toStage(polygon.points[(k + 1) % polygon.points.length]);
      const [dx, dy] = [b.x - a.x, b.y - a.y], length = dx * dx + dy * dy || 1;
      const share = Math.min(Math.max(((at.place.x - a.x) * dx + (at.place.y - a.y) * dy) / length, 0), 1);
      const away = Math.hypot(a.x + share * dx - at.place.x, a.y + share * dy - at.place.y);
      if (away < 10 && (!best || away < best.away)) best = { away, k };
    });
    if (!best) return this.all();
    const points = polygon.points.slice();
    points.splice(best.k + 1, 0, at.point);
    this.#put({ ...polygon, points });
  }
  #without(index) {
    const polygon = this.#corners();
    if (polygon.points.length < 4) return this.editor.say(t("A polygon has three corners or more."));
    this.#put({ ...polygon, points: polygon.points.filter((_, k) => k !== index) });
  }
  #put(shape) {
    if (!this.editor.openKey()) return;
    this.editor.reshape(new Map([[this.picked[0], shape]]));
    this.editor.commit();
  }

  /** Remove the selected shapes. Return whether there were any. */
  remove() {
    const gone = new Set(this.#shapes.map(([index]) => index)), { editor } = this;
    if (!gone.size || !editor.openKey()) return false;
    editor.setShapes(editor.shapesHere().filter((_, k) => !gone.has(k)));
    this.pick([]);
    editor.commit();
    return true;
  }
  /** Move the selected shapes by pixels of the video frame (arrow keys). Return whether there were any. */
  nudge(dx, dy) {
    const shapes = this.#shapes, { editor } = this, [w, h] = editor.state.size;
    if (!shapes.length || !editor.openKey()) return false;
    editor.reshape(new Map(shapes.map(([index, shape]) => [index, moved(shape, dx / w, dy / h)])));
    editor.commit();
    return true;
  }

  hover(at) {
    const grip = this.#at(at.place, at.point, at.touch);
    const spare = 5 / this.editor.view.tall;
    const over = grip || topAt(this.editor.shapesHere() ?? [], ...at.point, this.editor.view.aspect, spare) >= 0;
    const slanted = ["nwse-resize", "nesw-resize"], kind = grip?.kind;
    this.cursor = kind === "knob" ? "grab" : kind === "corner" ? "crosshair" : kind === "side"
      ? (grip.side[0] && grip.side[1] ? slanted[grip.side[0] === grip.side[1] ? 0 : 1] : grip.side[0] ? "ew-resize" : "ns-resize")
      : over ? "move" : "default"; // prettier-ignore
  }

  draw(pen, view) {
    const box = this.#box();
    if (!box) return;
    const line = (...spots) => () => {
      pen.beginPath();
      spots.forEach(({ x, y }, k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    };
    const ends = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map((side) => this.#spot(box, side));
    twoLines(pen, line(...ends, ends[0]), "#ffffff", 1);
    const corners = this.#corners();
    if (box.free) {
      twoLines(pen, line(this.#spot(box, [0, -1]), this.#spot(box, [0, -1], KNOB)), "#ffffff", 1);
      for (const side of SIDES) if (!(corners && side.includes(0))) this.#knob(pen, this.#spot(box, side), true);
      this.#knob(pen, this.#spot(box, [0, -1], KNOB));
    }
    for (const point of corners?.points ?? []) this.#knob(pen, view.toStage(point), false, this.editor.tint);
  }
  #knob(pen, { x, y }, square = false, fill = "#ffffff") {
    pen.beginPath();
    if (square) pen.rect(x - 4, y - 4, 8, 8);
    else pen.arc(x, y, 4.5, 0, 7);
    pen.fillStyle = fill;
    pen.fill();
    pen.strokeStyle = "#17191d";
    pen.lineWidth = 1.5;
    pen.stroke();
  }
}
