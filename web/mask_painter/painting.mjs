// The painter's state and every change that the user can make to it: history, playhead, current slot. The editor shows it:
// `refresh` shows the current state, `say` shows a message, `leaveTool` drops what is half drawn, `stop` stops playback.
import { isReady, need } from "./betweens.mjs";
import { tintOf } from "./colors.mjs";
import { MaskDrawing } from "./keyframes.mjs";
import * as states from "./state.mjs";
import { corrected } from "./trust.mjs";
import { t } from "../shared/words.mjs";

export const SLOTS = 3; // as many as the node has outputs
const PREVIEW = 320; // the longer side of in-betweens
let copied = null; // the shapes of a key, for all painters on the page

export class Painting {
  /** host: see MaskEditor */
  constructor(host) {
    Object.assign(this, { host, slot: 0, frame: 0, doubts: [] });
  }

  // ---- the state ----

  /** Read the host's text if it changed; fit the state to the current clip. */
  reload() {
    const text = this.host.text() || this.proposal?.text || "";
    if (text !== this.text || !this.base) {
      try {
        this.base = text ? states.parse(text) : states.empty(...(this.host.settings()?.size ?? [832, 480]), this.host.settings()?.frames ?? 17);
        this.unsay();
      } catch (error) {
        this.say(`${error.message} ${t("Painting starts over.")}`, true);
        this.base ??= states.empty(832, 480, 17);
      }
      this.text = text;
      // Masks that came in are not a step of the user's.
      if (!this.history || !this.host.text()) this.history = new states.History(this.base);
      this.history.push(this.base);
    }
    this.fitState();
  }

  /** Fit the state to the current clip. */
  fitState() {
    const now = this.host.settings();
    this.state = now ? states.withSize(states.withFrames(this.base, now.frames), ...now.size) : this.base;
    this.slot = Math.min(this.slot, Math.max(this.state.slots.length - 1, 0));
    this.frame = Math.min(this.frame, this.state.frames - 1);
    this.refresh();
  }

  /** Keep the state: add an undo step and write the widget's value. */
  commit(state = this.state) {
    this.opened = null;
    this.state = state;
    if (state !== this.base) {
      this.doubts = corrected(this.doubts, this.base, state);
      this.base = state;
      this.history.push(state);
      this.#write(states.serialize(state));
    }
    this.refresh();
  }
  #write(text) {
    if (text === this.text) return;
    this.text = text;
    this.host.write(text);
    if (this.part.note.classList.contains("wrong")) this.unsay();
  }

  step(by) {
    if (!this.tool.idle) return this.tool.back?.() || this.tool.cancel?.();
    let state = this.history.step(by);
    if (state === this.base) return;
    // After a reload of the page, older steps are texts until they are needed.
    if (typeof state === "string") this.history.replace((state = states.parse(state)));
    this.base = state;
    this.#write(states.serialize(state));
    this.fitState();
  }

  // ---- what outlives the painter ----

  /** Everything that is not in the state's text. */
  snapshot() {
    const { history, slot, frame, report, doubts } = this;
    return { history: { values: history.values, at: history.at }, slot, frame, report, doubts };
  }
  /** Take over what `snapshot` returned, where it belongs to the present text. */
  recall({ history, slot, frame, report, doubts }) {
    const textOf = (value) => (typeof value === "string" ? value : states.serialize(value));
    // The graph may have been undone by a few steps: then the history stands there.
    const at = this.host.text() ? history.values.findLastIndex((value) => textOf(value) === this.text) : -1;
    if (at >= 0 && this.base.slots.some((entry) => entry.keys.length)) {
      this.history = new states.History(this.base);
      this.history.values = history.values.map((value, k) => (k === at ? this.base : value));
      this.history.at = at;
    }
    if (at >= 0) Object.assign(this, { slot, frame, doubts: doubts ?? [] });
    this.report = report ?? null;
    this.fitState();
  }

  get current() {
    return this.state.slots[this.slot];
  }
  get tint() {
    return tintOf(this.current?.colour ?? "#888888");
  }
  /** The number of the key at the playhead, or -1. */
  get keyHere() {
    return this.current ? states.keyAt(this.state, this.slot, this.frame) : -1;
  }
  /** The number of the key in force at the playhead: the one there, or the last one before; or -1. */
  get keyBefore() {
    return this.current?.keys.findLastIndex((key) => key.frame <= this.frame) ?? -1;
  }

  /** Where the playhead is among the keys, in words. */
  whereIs() {
    const keys = this.current?.keys ?? [], here = this.keyHere, before = this.keyBefore;
    if (!keys.length) return t("No key yet");
    if (here >= 0) return t("Key {number}/{count}", { number: here + 1, count: keys.length });
    if (before < 0) return t("Before key 1");
    if (before === keys.length - 1) return t("After key {number}", { number: keys.length });
    return t("Key {number} to {next}", { number: before + 1, next: before + 2 });
  }
  previewSize() {
    return states.rasterSize(this.state, PREVIEW);
  }

  /** The shapes that make the mask at the playhead; null between two keys. */
  shapesHere() {
    const keys = this.current?.keys ?? [];
    if (!keys.length) return null;
    const { index, between } = new MaskDrawing(keys, ...this.previewSize()).at(this.frame);
    return between ? null : keys[index].shapes;
  }

  /** Whether the current slot can be painted on; a hidden one is shown first. */
  ready() {
    this.stop();
    if (this.following) return this.say(t("A mask is being followed: stop it first.")), false;
    if (!this.current) this.commit(states.addSlot(this.state));
    if (!this.current.visible) this.toggleVisible();
    return true;
  }

  // ---- used by the tools ----

  /**
   * Add a shape to the mask at the playhead; `pick` selects it. `instead`: it takes the place of the mask that is seen
   * there, which so has moved.
   */
  paint(shape, { pick = false, instead = false } = {}) {
    this.#whenDrawn((slot, frame) => {
      const [state, index] = states.insertKey(this.state, slot, frame);
      if (index < 0) return this.say(t("There are too many keyframes.")), this.redraw();
      const bare = instead ? states.clearKey(state, slot, index) : state;
      const made = states.addShape(bare, slot, index, shape);
      this.tools.select.picked = pick ? [made.slots[slot].keys[index].shapes.length - 1] : [];
      this.commit(made);
    });
  }

  /** Put masks {mask, height, width} in the place of those from the playhead on, one for each frame. */
  putMasks(masks) {
    if (!this.ready()) return;
    const room = this.state.frames - Math.round(this.frame), taken = masks.slice(0, room);
    let state = this.state;
    taken.forEach(({ mask, height, width }, k) => {
      const [made, index] = states.insertKey(state, this.slot, Math.round(this.frame) + k);
      if (index < 0) return;
      const shapes = mask.some((value) => value > 0.5) ? [states.shortBitmap(mask, height, width)] : [];
      state = states.replaceShapes(made, this.slot, index, shapes);
    });
    this.commit(state);
    if (taken.length < masks.length) this.say(t("{count} masks are beyond the last frame and were left out.", { count: masks.length - taken.length }));
    else this.say(taken.length > 1 ? t("Masks were put into {count} frames.", { count: taken.length }) : t("The mask was put into this frame."));
  }
  /** Put another state in the place of this one, fitted to the clip. */
  replaceAll(state) {
    if (!this.ready()) return;
    this.commit(state);
    this.fitState();
    this.say(t("The file was taken over; undo brings back what was here."));
  }

  fill([u, v], erase) {
    this.#whenDrawn((slot, frame) => {
      const [state, index] = states.insertKey(this.state, slot, frame);
      const made = index < 0 ? state : states.fill(state, slot, index, u, v, { erase });
      if (made === state)
        return this.say(erase ? t("Nothing is painted here.") : t("Draw an outline first, or click a hole in the mask."));
      this.commit(made);
    });
  }

  /** Do what makes a key at the playhead once the in-between there is drawn: nearly always at once. */
  #whenDrawn(action) {
    const { slot, frame } = this, pair = states.pairToInsert(this.state, slot, frame);
    if (isReady(pair)) return action(slot, frame);
    need(pair).then(() => this.state.slots[slot] && action(slot, frame));
  }

  /** Make a key at the playhead for a change that may still be dropped. Return whether there is one. */
  openKey() {
    if (this.opened) return true;
    if (!this.current?.keys.length) return false;
    const [state, index] = states.insertKey(this.state, this.slot, this.frame);
    if (index < 0) return false;
    this.opened = this.state;
    this.state = state;
    return true;
  }
  dropKey() {
    if (!this.opened) return;
    this.state = this.opened;
    this.opened = null;
    this.refresh();
  }
  /** Replace some shapes, by their numbers. */
  reshape(changes) {
    this.setShapes(this.shapesHere().map((shape, k) => changes.get(k) ?? shape));
  }
  setShapes(shapes) {
    this.state = states.replaceShapes(this.state, this.slot, this.keyHere, shapes);
    this.refresh();
  }

  // ---- keys and slots ----

  insert(slot = this.slot, frame = this.frame) {
    if (!this.ready()) return;
    Object.assign(this, { slot, frame });
    this.#whenDrawn((slot, frame) => {
      const [state, index] = states.insertKey(this.state, slot, frame);
      if (state === this.state)
        return this.say(index < 0 ? t("There are too many keyframes.") : t("There is a keyframe here already."));
      this.commit(state);
    });
  }
  /** Empty the mask from here to the next key. */
  leave() {
    if (!this.ready()) return;
    this.#whenDrawn((slot, frame) => {
      const [state, index] = states.insertKey(this.state, slot, frame);
      if (index >= 0) this.commit(states.clearKey(state, slot, index));
    });
  }
  remove() {
    if (this.tool === this.tools.polygon && this.tool.back()) return;
    if (this.tool === this.tools.select && this.tool.remove()) return;
    if (this.keyHere < 0) return this.say(t("There is no keyframe at this frame: Up and Down go to one."));
    this.commit(states.removeKey(this.state, this.slot, this.keyHere));
  }
  copy() {
    const shapes = this.shapesHere();
    if (!shapes) return this.say(t("Go to a keyframe to copy it."));
    copied = shapes;
    this.say(t("Copied: Ctrl+V pastes it at another frame or into another slot."));
  }
  paste() {
    const shapes = copied;
    if (!shapes || !this.ready()) return;
    this.#whenDrawn((slot, frame) => {
      const [state, index] = states.insertKey(this.state, slot, frame);
      if (index >= 0) this.commit(states.replaceShapes(state, slot, index, shapes));
    });
  }
  moveKey(index, frame) {
    const [state, moved] = states.moveKey(this.state, this.slot, index, frame);
    this.state = state;
    this.frame = Math.round(state.slots[this.slot].keys[moved].frame);
    this.refresh();
    return moved;
  }
  retime(frame) {
    if (this.keyHere < 0 || !Number.isFinite(frame)) return this.refill();
    this.moveKey(this.keyHere, frame);
    this.commit();
  }
  setEase(ease) {
    if (this.keyBefore >= 0) this.commit(states.setEase(this.state, this.slot, this.keyBefore, ease));
  }
  setTurn(turn) {
    if (this.keyBefore >= 0) this.commit(states.setTurn(this.state, this.slot, this.keyBefore, turn));
  }
  chooseKey(slot, index) {
    this.chooseSlot(slot);
    if (index >= 0) this.scrub(this.current.keys[index].frame);
  }
  nextKey(by) {
    const frames = (this.current?.keys ?? []).map((key) => key.frame);
    const to = by > 0 ? frames.find((frame) => frame > this.frame) : frames.findLast((frame) => frame < this.frame);
    if (to !== undefined) this.scrub(to);
  }

  chooseSlot(slot) {
    if (slot === this.slot || !this.state.slots[slot]) return;
    this.leaveTool();
    this.slot = slot;
    this.tools.select.picked = [];
    this.refresh();
  }
  addSlot() {
    if (this.state.slots.length >= SLOTS) return this.say(t("The node has {count} outputs, so there cannot be more slots.", { count: SLOTS }));
    const state = states.addSlot(this.state);
    this.slot = state.slots.length - 1;
    this.commit(state);
  }
  removeSlot(slot) {
    this.leaveTool();
    const state = states.removeSlot(this.state, slot);
    this.slot = Math.max(0, Math.min(this.slot - (slot < this.slot), state.slots.length - 1));
    this.commit(state);
    this.say(t("The slot was deleted; undo brings it back."));
  }
  rename(slot, name) {
    this.commit(states.renameSlot(this.state, slot, name));
  }
  recolor(slot, color) {
    this.commit(states.recolor(this.state, slot, color));
  }
  reorder(from, to) {
    if (from === to) return;
    this.slot = to;
    this.commit(states.reorder(this.state, from, to));
  }
  toggleVisible(slot = this.slot) {
    if (this.state.slots[slot]) this.commit(states.toggleVisible(this.state, slot));
  }

  // ---- messages of runs ----

  /** Take over incoming masks: {text: their state, or null; changed: whether other masks were edited; frames, size}. */
  setProposal(proposal) {
    if (proposal && !proposal.text) proposal = { ...proposal, text: this.proposal?.text ?? null };
    this.proposal = proposal;
    this.reload();
  }
  /** Replace the edits by the incoming masks. */
  take() {
    if (!this.proposal?.text) return;
    this.proposal = { ...this.proposal, changed: false };
    this.host.taken();
    this.commit(states.parse(this.proposal.text));
    this.fitState();
  }
}
