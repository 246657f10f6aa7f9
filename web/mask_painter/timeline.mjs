// The timeline: a ruler with the playhead, and a row of keys for each slot.
import { diamond, fresh, local, playhead, ruler } from "../shared/ruler.mjs";
import { faded, tintOf } from "./colors.mjs";
import { alike } from "./keyframes.mjs";
import { doubted } from "./trust.mjs";

const PAD = 16;
export const TOP = 22, ROW = 26;

export class Timeline {
  /** on: {scrub(frame), choose(slot, index), grab(), move(index, frame) -> index, drop(), insert(slot, frame)} */
  constructor(canvas, on) {
    this.canvas = canvas;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.state) return;
      canvas.setPointerCapture(event.pointerId);
      const { x, y } = local(canvas, event, this.width, this.height), slot = this.#slot(y);
      const index = slot >= 0 ? this.#keyAt(slot, x) : -1;
      held = { index, from: x, moved: false };
      if (slot >= 0) on.choose(slot, index);
      if (index < 0) on.scrub(this.#frame(x));
    });
    canvas.addEventListener("pointermove", (event) => {
      const { x, y } = local(canvas, event, this.width, this.height);
      if (!held) {
        const slot = this.#slot(y);
        canvas.style.cursor = slot >= 0 && this.#keyAt(slot, x) >= 0 ? "ew-resize" : "default";
        return;
      }
      if (held.index < 0) on.scrub(this.#frame(x));
      else if (held.moved || Math.abs(x - held.from) > 3) {
        if (!held.moved) on.grab();
        held.moved = true;
        held.index = on.move(held.index, this.#frame(x));
      }
    });
    const release = () => {
      if (held?.moved) on.drop();
      held = null;
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("dblclick", (event) => {
      const { x, y } = local(canvas, event, this.width, this.height), slot = this.#slot(y);
      if (slot >= 0 && this.#keyAt(slot, x) < 0) on.insert(slot, this.#frame(x));
    });
  }

  /** now: {state, slot, chosen, frame, doubts: of trust.mjs, following: null | {slot, first, last, share}} */
  show(now) {
    Object.assign(this, now);
    this.draw();
  }
  resize(width, height) {
    Object.assign(this, { width, height });
    this.draw();
  }

  #last() {
    return Math.max(this.state.frames - 1, 1);
  }
  /** The x of a frame. */
  at(frame) {
    return PAD + (frame / this.#last()) * (this.width - 2 * PAD);
  }
  #frame(x) {
    const share = Math.min(Math.max((x - PAD) / (this.width - 2 * PAD), 0), 1);
    return Math.min(Math.round(share * this.#last()), this.state.frames - 1);
  }
  #slot(y) {
    const slot = Math.floor((y - TOP) / ROW);
    return slot >= 0 && slot < this.state.slots.length ? slot : -1;
  }
  #keyAt(slot, x) {
    let best = -1, close = 9;
    this.state.slots[slot].keys.forEach((key, k) => {
      const away = Math.abs(this.at(key.frame) - x);
      if (away < close) [best, close] = [k, away];
    });
    return best;
  }

  draw() {
    const { width, height, state } = this;
    if (!state || !(width > 8)) return;
    const pen = fresh(this.canvas, width, height), at = (frame) => this.at(frame);
    state.slots.forEach((slot, number) => this.#row(pen, slot, number));
    ruler(pen, { at, last: this.#last(), top: TOP - 4 });
    playhead(pen, at(this.frame), TOP - 4, height);
    state.slots.forEach((slot, number) => this.#keys(pen, slot, number));
  }

  /** A row's background, and a bar where the slot has a mask; a line in it where the mask changes. */
  #row(pen, slot, number) {
    const { width } = this, y = TOP + number * ROW, middle = y + ROW / 2, tint = tintOf(slot.colour);
    if (number === this.slot) {
      pen.fillStyle = "#ffffff0b";
      pen.fillRect(0, y, width, ROW);
    }
    pen.fillStyle = "#00000040";
    pen.fillRect(0, y + ROW - 1, width, 1);
    pen.fillStyle = "#3a4048";
    pen.fillRect(PAD, middle - 0.5, width - 2 * PAD, 1);
    pen.globalAlpha = slot.visible ? 1 : 0.35;
    slot.keys.forEach((key, k) => {
      const next = slot.keys[k + 1], from = k ? this.at(key.frame) : PAD, to = next ? this.at(next.frame) : width - PAD;
      if (!key.shapes.length) return;
      const same = !next || key.ease === "hold" || !next.shapes.length || alike(key.shapes, next.shapes);
      pen.fillStyle = faded(tint, 0.28);
      const start = k ? from : PAD;
      pen.fillRect(start, middle - 4, to - start, 8);
      if (same) return;
      pen.strokeStyle = faded(tint, 0.85);
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(this.at(key.frame), middle);
      pen.lineTo(to, middle);
      pen.stroke();
    });
    const wide = Math.max(this.at(1) - this.at(0), 2);
    for (const [frame, tint] of doubted(this.doubts, slot)) {
      pen.fillStyle = tint;
      pen.fillRect(this.at(frame) - wide / 2, y + ROW - 5, wide, 3);
    }
    pen.globalAlpha = 1;
    const { following } = this;
    if (following?.slot === number) {
      const from = this.at(following.first), to = this.at(following.last);
      pen.fillStyle = "#ffffff22";
      pen.fillRect(from, middle - 5, to - from, 10);
      pen.fillStyle = "#ffb547";
      pen.fillRect(from, middle - 5, (to - from) * following.share, 10);
    }
  }

  #keys(pen, slot, number) {
    const middle = TOP + number * ROW + ROW / 2, tint = tintOf(slot.colour);
    pen.globalAlpha = slot.visible ? 1 : 0.5;
    slot.keys.forEach((key, k) => {
      const chosen = number === this.slot && k === this.chosen, size = chosen ? 7.5 : 6;
      const empty = !key.shapes.length;
      diamond(pen, this.at(key.frame), middle, size, empty ? "#1b1d21" : chosen ? "#ffb547" : tint, empty ? (chosen ? "#ffb547" : tint) : "#17191d");
    });
    pen.globalAlpha = 1;
  }
}
