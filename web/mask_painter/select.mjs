// The tool that takes hold of shapes: moves them, sizes and turns them by handles, and pulls a polygon's corners.
import { boundsOf, hits, moved, scaled, topAt, turned } from "./transform.mjs";
import { twoLines } from "./view.mjs";

const REACH = 9, KNOB = 22; // of a handle; how far above the box the turning knob stands
const CORNERS = 80; // a polygon with more corners shows none
const SIDES = [[-1, -1], [0, -1], [1, -1], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0]];

export class Select {
  constructor(editor) {
    this.editor = editor;
    this.picked = [];
    this.idle = true;
  }

  /** The shapes of the key at the playhead that are picked, as [number, shape]. */
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

  /** The box around what is picked: {centre [u, v], half [x, y] in units of the page, turn in radians, own}. */
  #frame() {
    const { view } = this.editor, shapes = this.#shapes.map(([, shape]) => shape);
    if (!shapes.length) return null;
    const [w, h] = view.box.slice(2);
    if (shapes.length === 1 && shapes[0].centre)
      return { centre: shapes[0].centre, half: [(shapes[0].size[0] * w) / 2, (shapes[0].size[1] * h) / 2],
        turn: ((shapes[0].turn ?? 0) * Math.PI) / 180, own: true, free: true }; // prettier-ignore
    const boxes = shapes.map((shape) => boundsOf(shape, view.aspect)).filter(Boolean);
    if (!boxes.length) return null;
    const [l, t, r, b] = [0, 1, 2, 3].map((d) => (d < 2 ? Math.min : Math.max)(...boxes.map((box) => box[d])));
    const free = shapes.some((shape) => shape.kind !== "bitmap"); // painted pixels move, and no more
    return { centre: [(l + r) / 2, (t + b) / 2], half: [((r - l) * w) / 2, ((b - t) * h) / 2], turn: 0, own: false, free };
  }
  /** A place of the frame, in halves of its sides from the centre, plus `up` units of the page above it. */
  #spot(frame, [a, b], up = 0) {
    const { x, y } = this.editor.view.toStage(frame.centre), [c, s] = [Math.cos(frame.turn), Math.sin(frame.turn)];
    const px = a * frame.half[0], py = b * frame.half[1] - up;
    return { x: x + c * px - s * py, y: y + s * px + c * py };
  }

  /** What a place takes hold of: {kind: "side" | "knob" | "corner" | "body", ...} or null. */
  #at(place, point, touch) {
    const reach = REACH * (touch ? 1.8 : 1), near = (spot) => Math.hypot(spot.x - place.x, spot.y - place.y) < reach;
    const frame = this.#frame();
    const corners = this.#corners();
    if (corners) {
      const index = corners.points.findIndex((corner) => near(this.editor.view.toStage(corner)));
      if (index >= 0) return { kind: "corner", index };
    }
    if (frame?.free) {
      if (near(this.#spot(frame, [0, -1], KNOB))) return { kind: "knob", frame };
      const side = SIDES.find((entry) => near(this.#spot(frame, entry)));
      if (side && !(corners && side.includes(0))) return { kind: "side", side, frame };
    }
    const spare = 5 / this.editor.view.tall;
    if (this.#shapes.some(([, shape]) => hits(shape, ...point, this.editor.view.aspect, spare))) return { kind: "body" };
    return null;
  }
  /** The one picked polygon, where its corners are shown. */
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
      const middle = view.toStage(grip.frame.centre);
      const angle = ({ x, y }) => Math.atan2(y - middle.y, x - middle.x);
      let degrees = ((angle(at.place) - angle(grip.from.place)) * 180) / Math.PI;
      if (at.shift) degrees = Math.round(degrees / 15) * 15;
      change = (shape) => turned(shape, degrees, grip.frame.centre, view.aspect);
    } else change = this.#sizing(at);
    editor.reshape(new Map(grip.shapes.map(([index, shape]) => [index, change(shape)])));
  }

  /** Pulling a side or corner of the frame; the opposite one stays, with Alt the centre. */
  #sizing(at) {
    const { side, frame, from } = this.grip, { view } = this.editor;
    const [c, s] = [Math.cos(frame.turn), Math.sin(frame.turn)];
    const dx = at.place.x - from.place.x, dy = at.place.y - from.place.y;
    const along = [c * dx + s * dy, c * dy - s * dx];
    const scale = side.map((way, d) => (way ? Math.max((2 * frame.half[d] + way * along[d] * (at.alt ? 2 : 1)) / (2 * frame.half[d]), 0.02) : 1));
    if (at.shift && side[0] && side[1]) scale[0] = scale[1] = Math.max(...scale);
    const still = at.alt ? { x: 0, y: 0 } : { x: -side[0] * frame.half[0], y: -side[1] * frame.half[1] };
    if (!frame.own) {
      const middle = view.toStage(frame.centre);
      const centre = view.toPicture({ x: middle.x + still.x, y: middle.y + still.y });
      return (shape) => scaled(shape, ...scale, centre);
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

  /** Two clicks: a corner more on a polygon's side, or everything picked. */
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
    if (polygon.points.length < 4) return this.editor.say("A polygon has three corners or more.");
    this.#put({ ...polygon, points: polygon.points.filter((_, k) => k !== index) });
  }
  #put(shape) {
    if (!this.editor.openKey()) return;
    this.editor.reshape(new Map([[this.picked[0], shape]]));
    this.editor.commit();
  }

  /** What is picked, taken out. Whether there was something. */
  remove() {
    const gone = new Set(this.#shapes.map(([index]) => index)), { editor } = this;
    if (!gone.size || !editor.openKey()) return false;
    editor.setShapes(editor.shapesHere().filter((_, k) => !gone.has(k)));
    this.pick([]);
    editor.commit();
    return true;
  }
  /** Moved by pixels of the picture, by the arrow keys. Whether there was something. */
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
    const frame = this.#frame();
    if (!frame) return;
    const line = (...spots) => () => {
      pen.beginPath();
      spots.forEach(({ x, y }, k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    };
    const ends = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map((side) => this.#spot(frame, side));
    twoLines(pen, line(...ends, ends[0]), "#ffffff", 1);
    const corners = this.#corners();
    if (frame.free) {
      twoLines(pen, line(this.#spot(frame, [0, -1]), this.#spot(frame, [0, -1], KNOB)), "#ffffff", 1);
      for (const side of SIDES) if (!(corners && side.includes(0))) this.#knob(pen, this.#spot(frame, side), true);
      this.#knob(pen, this.#spot(frame, [0, -1], KNOB));
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
