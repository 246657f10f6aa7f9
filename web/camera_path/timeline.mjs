// The timeline: frames, keys as diamonds to drag, the playhead, and the camera's speed as a curve behind them.
import { diamond, fresh, local, playhead, ruler } from "../shared/ruler.mjs";
import { length, sub, toVector, transpose, multiply } from "./rotations.mjs";
import { clipOf, timeOf } from "./state.mjs";

const PAD = 16, TOP = 17;

export class Timeline {
  /** on: {scrub(clip), choose(index), grab(), retime(index, time) -> index, drop(), insert(clip)} */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.state) return;
      canvas.setPointerCapture(event.pointerId);
      const { x, y } = this.#local(event);
      const index = y > TOP ? this.#keyAt(x) : -1;
      held = { index, from: x, moved: false };
      if (index >= 0) this.on.choose(index);
      else this.on.scrub(this.#clip(x, event.shiftKey));
    });
    canvas.addEventListener("pointermove", (event) => {
      const { x, y } = this.#local(event);
      if (!held) {
        const hover = y > TOP ? this.#keyAt(x) : -1;
        canvas.style.cursor = hover >= 0 ? "ew-resize" : "default";
        return;
      }
      if (held.index < 0) this.on.scrub(this.#clip(x, event.shiftKey));
      else if (held.moved || Math.abs(x - held.from) > 3) {
        if (!held.moved) this.on.grab();
        held.moved = true;
        held.index = this.on.retime(held.index, timeOf(this.state, this.#clip(x, event.shiftKey)));
      }
    });
    const release = () => {
      if (held?.moved) this.on.drop();
      held = null;
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("dblclick", (event) => {
      const { x } = this.#local(event);
      if (this.#keyAt(x) < 0) this.on.insert(this.#clip(x, event.shiftKey));
    });
  }

  show({ state, chosen, poses, clip, marks }) {
    Object.assign(this, { state, chosen, poses, clip, marks });
    this.draw();
  }

  resize(width, height) {
    Object.assign(this, { width, height });
    this.draw();
  }

  #local(event) {
    return local(this.canvas, event, this.width, this.height);
  }
  #x(clip) {
    return PAD + clip * (this.width - 2 * PAD);
  }
  /** The part of the clip at x, on a whole frame unless `free`. */
  #clip(x, free) {
    const clip = Math.min(Math.max((x - PAD) / (this.width - 2 * PAD), 0), 1);
    const last = this.poses.length - 1;
    return free || last < 1 ? clip : Math.round(clip * last) / last;
  }
  #keyAt(x) {
    let best = -1, near = 10;
    this.state.keys.forEach((key, k) => {
      const away = Math.abs(this.#x(this.marks[k]) - x) - (k === this.chosen ? 1 : 0);
      if (away < near) [best, near] = [k, away];
    });
    return best;
  }

  draw() {
    const { width, height } = this;
    if (!this.state || !(width > 8)) return;
    const pen = (this.pen = fresh(this.canvas, width, height));
    const last = Math.max(this.poses.length - 1, 1), middle = (TOP + height) / 2 + 1;
    this.#speed(last, height);
    ruler(pen, { at: (frame) => this.#x(frame / last), last, top: TOP });
    pen.fillStyle = "#4b525c";
    pen.fillRect(PAD, middle - 0.5, width - 2 * PAD, 1);
    playhead(pen, this.#x(this.clip), TOP, height);
    this.state.keys.forEach((key, k) => {
      if (k !== this.chosen) diamond(pen, this.#x(this.marks[k]), middle, 6, "#d5dae1");
    });
    if (this.state.keys[this.chosen]) diamond(pen, this.#x(this.marks[this.chosen]), middle, 7.5, "#ffb547");
  }

  /** Filled curves of how fast the camera moves and turns, each relative to its own fastest frame. */
  #speed(last, height) {
    const { pen, poses } = this;
    if (poses.length < 3) return;
    const moves = [], turns = [];
    for (let k = 0; k < poses.length - 1; k++) {
      moves.push(length(sub(poses[k + 1].position, poses[k].position)));
      turns.push(length(toVector(multiply(transpose(poses[k].rotation), poses[k + 1].rotation))));
    }
    const room = height - TOP - 6;
    for (const [values, fill, stroke, least] of [
      [turns, "rgba(167,139,250,0.10)", "rgba(167,139,250,0.55)", 1e-5],
      [moves, "rgba(53,208,186,0.12)", "rgba(53,208,186,0.6)", 1e-6],
    ]) {
      const most = Math.max(...values);
      if (most < least) continue;
      pen.beginPath();
      values.forEach((value, k) => {
        const x = this.#x((k + 0.5) / last), y = height - 2 - (value / most) * room;
        if (k === 0) pen.moveTo(x, y);
        else pen.lineTo(x, y);
      });
      pen.strokeStyle = stroke;
      pen.lineWidth = 1.25;
      pen.stroke();
      pen.lineTo(this.#x((values.length - 0.5) / last), height);
      pen.lineTo(this.#x(0.5 / last), height);
      pen.fillStyle = fill;
      pen.fill();
    }
  }
}

/** The time of each key in the clip, 0..1. */
export const marksOf = (state) => state.keys.map((key) => clipOf(state, key.time));
