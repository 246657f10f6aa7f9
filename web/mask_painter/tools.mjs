// The tools that draw. Each has down(at), move(at), up(at), cancel() for a gesture and hover(at) between gestures; `at` is
// {point: [u, v] in shares of the frame, place: {x, y} on the stage, pressure, shift, alt, instead, touch}: with `instead`,
// the shape takes the place of the mask that is there. They change the state
// through the editor alone: `paint` adds a shape to the key at the playhead, which is made if there is none.
import { twoLines } from "./view.mjs";
import { t } from "../shared/words.mjs";

const LEAST = 3; // a smaller shape on the stage was not meant
const NEAR = 11; // a click this near to the first corner closes a polygon

const both = (editor, at) => (editor.cuts !== at.alt && !at.instead ? { op: "subtract" } : {});

/** Brush and eraser: drawn on the sheet at once, kept as a stroke at the end. */
export class Brush {
  constructor(editor, erases) {
    Object.assign(this, { editor, erases, ring: true });
  }
  #radius(at) {
    return Math.min(this.editor.radius * at.pressure, 1);
  }
  down(at) {
    const { editor } = this, point = [...at.point, this.#radius(at)];
    this.subtract = this.erases || editor.cuts !== at.alt;
    this.instead = at.instead && !this.subtract;
    if (this.instead) editor.clearSheet();
    // With Shift, a straight line from the end of the last stroke.
    this.points = at.shift && this.last ? [[this.last[0], this.last[1], point[2]], point] : [point];
    editor.drawOn(this.points, this.subtract);
    if (this.points.length === 1) editor.drawOn([point, point], this.subtract);
  }
  move(at) {
    if (!this.points) return; // undone or left while it was drawn
    const before = this.points[this.points.length - 1], point = [...at.point, this.#radius(at)];
    const { aspect } = this.editor.view, away = Math.hypot((point[0] - before[0]) * aspect, point[1] - before[1]);
    // Closer points add nothing but length to the state.
    if (away < Math.max(0.12 * Math.min(point[2], before[2]), 1.2 / this.editor.view.tall)) return;
    this.points.push(point);
    this.editor.drawOn([before, point], this.subtract);
  }
  up() {
    if (!this.points) return;
    this.last = this.points[this.points.length - 1];
    const points = thinned(this.points, this.editor.view.aspect);
    this.points = null;
    this.editor.paint({ kind: "brush", ...(this.subtract ? { op: "subtract" } : {}), points }, { instead: this.instead });
  }
  cancel() {
    this.points = null;
    this.editor.redraw();
  }
  get idle() {
    return !this.points;
  }
}

/** A stroke without the points that lie on the line between their neighbors, within a tenth of its radius. */
function thinned(points, aspect) {
  const even = points.every((point) => point[2] === points[0][2]);
  return even ? simplified(points, 0.06 * points[0][2], aspect) : points;
}

/** Ramer, Douglas and Peucker: the line with fewer points, nowhere further from it than `spare` (of the height). */
export function simplified(points, spare, aspect) {
  if (points.length < 3) return points;
  const keep = new Uint8Array(points.length), work = [[0, points.length - 1]];
  keep[0] = keep[points.length - 1] = 1;
  while (work.length) {
    const [a, b] = work.pop(), [ax, ay] = points[a];
    const dx = (points[b][0] - ax) * aspect, dy = points[b][1] - ay, length = dx * dx + dy * dy;
    let far = spare, at = -1;
    for (let k = a + 1; k < b; k++) {
      const x = (points[k][0] - ax) * aspect, y = points[k][1] - ay;
      const share = length ? Math.min(Math.max((x * dx + y * dy) / length, 0), 1) : 0;
      const away = Math.hypot(x - share * dx, y - share * dy);
      if (away > far) [far, at] = [away, k];
    }
    if (at < 0) continue;
    keep[at] = 1;
    work.push([a, at], [at, b]);
  }
  return points.filter((_, k) => keep[k]);
}

/** Box and ellipse: from one corner to the other; Shift keeps them square and round. */
export class BoxOrEllipse {
  constructor(editor, kind) {
    Object.assign(this, { editor, kind });
  }
  down(at) {
    this.from = at.point;
    this.instead = at.instead;
    this.move(at);
  }
  move(at) {
    if (!this.from) return;
    const { view } = this.editor;
    let [du, dv] = [at.point[0] - this.from[0], at.point[1] - this.from[1]];
    if (at.shift) {
      const side = Math.max(Math.abs(du) * view.aspect, Math.abs(dv));
      [du, dv] = [(Math.sign(du) || 1) * side / view.aspect, (Math.sign(dv) || 1) * side];
    }
    const center = [this.from[0] + du / 2, this.from[1] + dv / 2];
    this.shape = { kind: this.kind, ...both(this.editor, at), centre: center, size: [Math.abs(du), Math.abs(dv)] };
    view.request("over");
  }
  up() {
    const { shape, editor, instead } = this, [w, h] = editor.view.box.slice(2);
    this.cancel();
    if (shape && shape.size[0] * w >= LEAST && shape.size[1] * h >= LEAST) editor.paint(shape, { pick: true, instead });
  }
  cancel() {
    this.shape = this.from = null;
    this.editor.view.request("over");
  }
  get idle() {
    return !this.shape;
  }
  draw(pen, view) {
    if (!this.shape) return;
    const { centre: center, size, op } = this.shape, a = view.toStage([center[0] - size[0] / 2, center[1] - size[1] / 2]);
    const [w, h] = [size[0] * view.box[2], size[1] * view.box[3]];
    const path = () => {
      pen.beginPath();
      if (this.kind === "box") pen.rect(a.x, a.y, w, h);
      else pen.ellipse(a.x + w / 2, a.y + h / 2, w / 2, h / 2, 0, 0, 7);
    };
    if (op === "subtract") pen.setLineDash([5, 4]);
    twoLines(pen, path, this.editor.tint, 1.5);
    pen.setLineDash([]);
  }
}

/** A freehand line, closed at the end. */
export class Lasso {
  constructor(editor) {
    this.editor = editor;
  }
  down(at) {
    this.points = [at.point];
    this.at = at;
  }
  move(at) {
    if (!this.points) return;
    const { view } = this.editor, before = this.points[this.points.length - 1], { aspect } = view;
    if (Math.hypot((at.point[0] - before[0]) * aspect, at.point[1] - before[1]) < 1.5 / view.tall) return;
    this.points.push(at.point);
    view.request("over");
  }
  up() {
    if (!this.points) return;
    const { editor, at } = this, { view } = editor;
    const points = simplified(this.points, 0.6 / Math.max(view.tall, 400), view.aspect);
    this.cancel();
    if (points.length >= 3) editor.paint({ kind: "polygon", ...both(editor, at), points: points.slice(0, 5000) }, { instead: at.instead });
  }
  cancel() {
    this.points = null;
    this.editor.view.request("over");
  }
  get idle() {
    return !this.points;
  }
  draw(pen, view) {
    if (this.points) drawLine(pen, view, this.points, this.editor.tint, true);
  }
}

function drawLine(pen, view, points, color, close) {
  const places = points.map((point) => view.toStage(point));
  twoLines(pen, () => {
    pen.beginPath();
    places.forEach(({ x, y }, k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  }, color, 1.5); // prettier-ignore
  if (!close || places.length < 3) return;
  pen.setLineDash([3, 4]);
  pen.beginPath();
  pen.moveTo(places[places.length - 1].x, places[places.length - 1].y);
  pen.lineTo(places[0].x, places[0].y);
  pen.strokeStyle = color;
  pen.lineWidth = 1;
  pen.stroke();
  pen.setLineDash([]);
}

/** Corner after corner; a click on the first one, a double-click or Enter ends it. */
export class Polygon {
  constructor(editor) {
    this.editor = editor;
    this.points = [];
  }
  down(at) {
    const { view } = this.editor;
    if (!this.points.length) this.at = at;
    if (this.#closes(at)) return this.finish();
    const last = this.points[this.points.length - 1];
    // The second click of a double-click is where the first one was.
    if (last && near(view.toStage(last), at.place) < 3) return this.finish();
    this.points.push(at.point);
    this.held = true;
    view.request("over");
  }
  move(at) {
    if (!this.held) return;
    this.points[this.points.length - 1] = at.point;
    this.editor.view.request("over");
  }
  up() {
    this.held = false;
  }
  hover(at) {
    this.next = this.points.length ? at : null;
    if (this.next) this.editor.view.request("over");
  }
  #closes(at) {
    return this.points.length >= 3 && near(this.editor.view.toStage(this.points[0]), at.place) < (at.touch ? 2 : 1) * NEAR;
  }
  finish() {
    const { editor, points, at } = this;
    this.cancel();
    if (points.length >= 3) editor.paint({ kind: "polygon", ...both(editor, at), points }, { pick: true, instead: at.instead });
    else if (points.length) editor.say(t("A polygon has three corners or more."));
  }
  /** Take the last corner back. Return whether there was one. */
  back() {
    if (!this.points.length) return false;
    this.points.pop();
    this.editor.view.request("over");
    return true;
  }
  cancel() {
    this.points = [];
    this.next = this.held = null;
    this.editor.view.request("over");
  }
  get idle() {
    return !this.points.length;
  }
  draw(pen, view) {
    if (!this.points.length) return;
    const { tint } = this.editor, closes = this.next && this.#closes(this.next);
    drawLine(pen, view, this.next && !closes ? [...this.points, this.next.point] : this.points, tint, true);
    this.points.forEach((point, k) => {
      const { x, y } = view.toStage(point), first = k === 0;
      pen.beginPath();
      pen.arc(x, y, first ? (closes ? 6.5 : 5) : 3.5, 0, 7);
      pen.fillStyle = first && closes ? tint : "#ffffff";
      pen.fill();
      pen.strokeStyle = "#17191d";
      pen.lineWidth = 1.5;
      pen.stroke();
    });
  }
}

const near = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/** The bucket. */
export class Fill {
  constructor(editor) {
    this.editor = editor;
    this.idle = true;
  }
  down(at) {
    this.editor.fill(at.point, this.editor.cuts !== at.alt);
  }
}
