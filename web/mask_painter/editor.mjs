// The mask painter on the page: shows the state that painting.mjs holds, and adds tools, time and the video. It knows the
// page's elements, but nothing of ComfyUI.
import { acceptFiles } from "../shared/drop.mjs";
import { setIcon, write } from "../shared/elements.mjs";
import { Large } from "../shared/large.mjs";
import { forget, isReady, wish } from "./betweens.mjs";
import { tintOf } from "./colors.mjs";
import { takeFiles } from "./drop.mjs";
import { answered, drawnFor, question, summary } from "./follow.mjs";
import { Frames } from "./frames.mjs";
import { listen, sliderOf } from "./input.mjs";
import { MaskDrawing } from "./keyframes.mjs";
import { Layers } from "./layers.mjs";
import { Painting, SLOTS } from "./painting.mjs";
import { Move } from "./move.mjs";
import { buildPanel, TOOLS } from "./panel.mjs";
import { listenStage } from "./pointers.mjs";
import { describe } from "./report.mjs";
import { Select } from "./select.mjs";
import { drawStep, Sheet } from "./sheet.mjs";
import * as states from "./state.mjs";
import { addStyle } from "./style.mjs";
import { ROW, Timeline, TOP } from "./timeline.mjs";
import { BoxOrEllipse, Brush, Fill, Lasso, Polygon } from "./tools.mjs";
import { withAnswer } from "./trust.mjs";
import { View } from "./view.mjs";
import { t } from "../shared/words.mjs";

const FPS = 12; // when playing; the clip's own rate is not known here

export class MaskEditor extends Painting {
  /**
   * host: {text(), write(text), settings() -> {frames, size: [w, h]} or null while they are unknown, address(file),
   * wheel(event), hint() -> text for the empty stage, following: Following or null}.
   */
  constructor(host) {
    super(host);
    addStyle();
    Object.assign(this, buildPanel());
    Object.assign(this, { radius: 0.045, cuts: false, onion: true, cleanup: [] });
    this.large = new Large(this.root);
    this.large.onleave = () => this.expand();
    this.sheets = [];
    this.ghosts = [new Sheet(), new Sheet()];
    this.view = new View(this.part, (pen, view) => this.tool.draw?.(pen, view));
    this.frames = new Frames((file) => host.address(file), () => this.#showFrame(true), () => host.lost?.());
    this.tools = {
      brush: new Brush(this, false), eraser: new Brush(this, true), select: new Select(this), move: new Move(this), box: new BoxOrEllipse(this, "box"),
      ellipse: new BoxOrEllipse(this, "ellipse"), polygon: new Polygon(this), lasso: new Lasso(this), fill: new Fill(this),
    }; // prettier-ignore
    this.tool = this.tools.brush;
    this.timeline = new Timeline(this.part.strip, {
      scrub: (frame) => this.scrub(frame), choose: (slot, index) => this.chooseKey(slot, index), grab: () => this.stop(),
      move: (index, frame) => this.moveKey(index, frame), drop: () => this.commit(), insert: (slot, frame) => this.insert(slot, frame),
    }); // prettier-ignore
    this.layers = new Layers(this.part.rows, {
      choose: (slot) => this.chooseSlot(slot), toggle: (slot) => this.toggleVisible(slot),
      rename: (slot, name) => this.rename(slot, name), recolor: (slot, color) => this.recolor(slot, color),
      remove: (slot) => this.removeSlot(slot), reorder: (from, to) => this.reorder(from, to),
    }); // prettier-ignore
    listen(this);
    listenStage(this);
    acceptFiles(this.root, (files) => takeFiles(this, files));
    this.watcher = new ResizeObserver((entries) => {
      for (const { target, contentRect: { width, height } } of entries)
        if (target === this.part.strip) this.timeline.resize(width, height);
        else if (width > 8) this.view.resize(width, height);
    }); // prettier-ignore
    this.reload();
    this.watcher.observe(this.part.stage);
    this.watcher.observe(this.part.strip);
    this.setTool("brush");
    this.setRadius(this.radius);
    this.part.onion.setAttribute("aria-pressed", "true");
  }

  // ---- used by the tools ----

  /** Draw a piece of a stroke at once: [x, y, radius] in shares of the frame. */
  drawOn(points, subtract) {
    const [height, width] = this.#paintSize(), sheet = this.#openSheet(height, width), { pen } = sheet;
    pen.globalCompositeOperation = subtract ? "destination-out" : "source-over";
    for (let k = 1; k < points.length; k++) {
      const [a, b] = [points[k - 1], points[k]].map(([x, y, r]) => [x * width, y * height, r * height]);
      drawStep(pen, a, b);
      const reach = Math.max(a[2], b[2]) + 2;
      const box = [(Math.min(a[0], b[0]) - reach) / width, (Math.min(a[1], b[1]) - reach) / height,
        (Math.max(a[0], b[0]) + reach) / width, (Math.max(a[1], b[1]) + reach) / height]; // prettier-ignore
      sheet.touch(subtract ? null : box);
      this.view.touch(box);
    }
    pen.globalCompositeOperation = "source-over";
  }
  /** The current slot's sheet at painting size, in the scene. */
  #openSheet(height, width) {
    const sheet = (this.sheets[this.slot] ??= new Sheet());
    if (!this.view.scene.layers.some((layer) => layer.sheet === sheet)) {
      sheet.shapes([], width, height, this.tint);
      this.view.scene.layers.push({ sheet, current: true });
    }
    sheet.enlarge(width, height, this.tint);
    return sheet;
  }
  /** Empty what is drawn of the current slot: a stroke begins that takes its place. */
  clearSheet() {
    const [height, width] = this.#paintSize();
    this.#openSheet(height, width).shapes([], width, height, this.tint);
    this.view.request("masks");
  }
  redraw() {
    this.sheets[this.slot]?.touch();
    this.refresh();
  }

  // ---- time ----

  scrub(frame) {
    this.stop();
    if (frame === this.frame) return;
    this.leaveTool();
    this.frame = frame;
    this.refresh();
  }
  nudge(by) {
    this.scrub(Math.min(Math.max(Math.round(this.frame) + by, 0), this.state.frames - 1));
  }
  play() {
    if (this.playing) return this.stop();
    this.leaveTool();
    if (this.state.frames < 2) return;
    setIcon(this.part.play, "pause");
    const start = performance.now(), from = this.frame >= this.state.frames - 1 ? 0 : this.frame;
    const tick = (now) => {
      const frame = Math.floor(from + ((now - start) / 1000) * FPS) % this.state.frames;
      if (frame !== this.frame) {
        this.frame = frame;
        this.refresh();
      }
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
  }
  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.playing);
    this.playing = null;
    setIcon(this.part.play, "play");
    this.refresh();
  }

  // ---- following the video ----

  async follow() {
    const { host } = this;
    if (this.following) return host.following.stop();
    if (!this.ready()) return;
    if (!host.following || !this.stage) return this.say(t("Connect images and run this node once; then a mask can be followed through them."));
    if (this.stage.count !== this.state.frames) return this.say(t("The images and the masks have different numbers of frames."));
    const { slot, frame } = this;
    await drawnFor(this.state, slot, frame);
    const asked = question(this.state, slot, frame);
    if (typeof asked === "string") return this.say(asked);
    this.following = { slot, first: asked.first, last: asked.last, share: 0 };
    this.refresh();
    try {
      const result = await host.following.ask(this.stage.stage, asked, (share) => {
        if (this.following) this.following.share = share;
        this.#showTime();
      });
      this.following = null;
      if (!result) this.say(t("Stopped."));
      else if (this.state.slots[slot]) {
        this.commit(answered(this.state, slot, asked, result.keys));
        this.doubts = withAnswer(this.doubts, this.state.slots[slot], asked, result.trust);
        this.say(summary(result, asked));
      }
    } catch (error) {
      this.following = null;
      this.say(error.message, true);
    }
    this.refresh();
  }

  // ---- showing ----

  /** [height, width] of the sheets that are painted on: fine enough for the eye, whatever the size of the video. */
  #paintSize() {
    const [w, h] = this.state.size, side = Math.min(Math.max(w, h, 960), 1280) / Math.max(w, h);
    return [Math.max(1, Math.round(h * side)), Math.max(1, Math.round(w * side))];
  }

  refresh() {
    if (!this.state) return;
    const layers = [];
    this.wanted = [];
    this.state.slots.forEach((slot, number) => {
      const sheet = slot.visible && this.#sheet(slot, number);
      if (sheet) layers.push({ sheet, current: number === this.slot });
    });
    this.sheets.length = Math.min(this.sheets.length, this.state.slots.length);
    this.view.show({ size: this.state.size, layers, onion: this.#ghostsHere() }, "back", "masks", "over");
    this.#showFrame(false);
    this.#showTime();
    this.refill();
    wish(this, this.wanted, this.#soon(), () => this.refresh());
  }

  /** The in-betweens that may be needed next: those of the next frames while playing, else the one to paint on here. */
  #soon() {
    if (!this.playing) return [states.pairToInsert(this.state, this.slot, this.frame)].filter(Boolean);
    const size = this.previewSize(), { frames, slots } = this.state;
    return [1, 2, 3].flatMap((by) =>
      slots.map(({ keys, visible }) => visible && keys.length && new MaskDrawing(keys, ...size).pair((this.frame + by) % frames)),
    ).filter(Boolean); // prettier-ignore
  }

  /** The slot's mask at the playhead as a sheet; null if there is none. */
  #sheet(slot, number) {
    if (!slot.keys.length) return null;
    const [height, width] = this.previewSize(), drawing = new MaskDrawing(slot.keys, height, width);
    const pair = drawing.pair(this.frame), sheet = (this.sheets[number] ??= new Sheet());
    if (pair && !isReady(pair)) {
      this.wanted.push(pair);
      return sheet; // what it shows now, until the in-between is there
    }
    const { index, between } = drawing.at(this.frame);
    if (between) sheet.pixels(drawing.mask(this.frame), width, height, tintOf(slot.colour));
    else if (!slot.keys[index].shapes.length) return null;
    else sheet.shapes(slot.keys[index].shapes, ...this.#paintSize().reverse(), tintOf(slot.colour));
    return sheet;
  }

  /** The keys before and after the playhead, for the onion skin. */
  #ghostsHere() {
    if (!this.onion || this.playing || !this.current?.visible) return [];
    const { keys } = this.current, [height, width] = this.#paintSize();
    const neighbors = [keys.findLast((key) => key.frame < this.frame), keys.find((key) => key.frame > this.frame)];
    return neighbors.flatMap((key, k) => {
      if (!key?.shapes.length) return [];
      this.ghosts[k].shapes(key.shapes, width, height, k ? "#ffffff" : tintOf(this.current.colour));
      return [{ sheet: this.ghosts[k], when: k ? "later" : "earlier" }];
    });
  }

  #showFrame(arrived) {
    const { stage, state } = this;
    const share = stage && state.frames > 1 ? (stage.count - 1) / (state.frames - 1) : 0;
    const image = stage ? this.frames.at(this.frame * share) : null;
    if (image !== this.view.scene.image) this.view.show({ image }, "back");
    if (arrived && !this.shownFrames) {
      this.shownFrames = true;
      this.view.draw("back"); // now: a busy page draws few animation frames
    }
  }

  #showTime() {
    const { state, slot, frame, following } = this;
    this.timeline.show({ state, slot, frame, following, doubts: this.doubts, chosen: this.keyHere });
    this.layers.show({ state, slot });
    const height = `${TOP + ROW * Math.max(state.slots.length, 1)}px`;
    if (this.part.time.style.height !== height) this.part.time.style.height = height;
    write(this.part.clock, `${Math.round(frame)} / ${state.frames - 1}`);
  }

  /** Update fields and buttons for the playhead and the key there. */
  refill() {
    const { part, state } = this, keys = this.current?.keys ?? [], here = this.keyHere, before = this.keyBefore;
    const put = (name, value) => {
      if (part[name].value !== value && (part[name] !== document.activeElement || part[name].tagName === "SELECT")) part[name].value = value;
    };
    const after = keys[before + 1];
    write(part.which, this.whereIs());
    part.which.classList.toggle("on", here >= 0);
    put("frame", here >= 0 ? String(keys[here].frame) : "");
    part.frame.disabled = here < 0;
    put("ease", keys[before]?.ease ?? "linear");
    put("turn", keys[before]?.turn == null ? "" : String(keys[before].turn));
    part.ease.disabled = part.turn.disabled = !after || before < 0;
    part.remove.disabled = here < 0 && !(this.tool === this.tools.select && this.tools.select.picked.length);
    part.copy.disabled = !keys.length;
    part.add.disabled = here >= 0;
    part.undo.disabled = !this.history?.canUndo;
    part.redo.disabled = !this.history?.canRedo;
    part.add_slot.disabled = state.slots.length >= SLOTS;
    part.follow.disabled = !this.stage;
    write(part.follow.lastChild, t(this.following ? "Stop" : "Follow"));
    write(part.hint, state.slots.some((slot) => slot.keys.length) ? "" : this.host.hint());
    write(part.report, describe(state, this.host.text() ?? "", this.report, this.host.missing?.() ?? ""));
    part.banner.classList.toggle("shown", Boolean(this.proposal?.changed));
  }

  setTool(name) {
    this.leaveTool(this.tools[name]);
    this.tool = this.tools[name];
    for (const other of Object.keys(TOOLS)) this.part[other].setAttribute("aria-pressed", String(other === name));
    if (!this.tool.ring) this.moveRing(null);
    this.part.over.style.cursor = this.tool.ring ? "none" : "crosshair";
    this.view.request("over");
    if (this.state) this.refill();
  }
  /** Drop a half-drawn polygon when the tool, slot or frame changes. */
  leaveTool(next) {
    if (this.tool !== next && this.tool && !this.tool.idle) this.tool.cancel?.();
    this.dropKey();
  }
  setCuts(cuts) {
    this.cuts = cuts;
    write(this.part.cuts, t(cuts ? "Cut" : "Add"));
    this.part.cuts.setAttribute("aria-pressed", String(cuts));
    this.part.ring.classList.toggle("cuts", cuts);
  }
  setRadius(radius) {
    this.radius = Math.min(Math.max(radius, 0.0015), 0.5);
    const value = String(Math.round(2 * sliderOf(this.radius)) / 2);
    if (this.part.size.value !== value) this.part.size.value = value;
  }
  resizeBrush(by) {
    this.setRadius(this.radius * by);
    if (this.ringAt) this.moveRing(this.ringAt, this.ringAlt);
  }
  /** Move the brush's ring to the pointer, or hide it. */
  moveRing(place, alt = false) {
    const { ring } = this.part, shown = Boolean(place) && Boolean(this.tool.ring) && !this.spaced;
    this.ringAt = place;
    this.ringAlt = alt;
    if (shown) {
      const side = Math.max(2 * this.radius * this.view.tall, 3);
      ring.style.transform = `translate(${place.x - side / 2}px, ${place.y - side / 2}px)`;
      if (this.ringSide !== side) ring.style.width = ring.style.height = `${(this.ringSide = side)}px`;
      ring.classList.toggle("cuts", this.tool.erases || this.cuts !== alt);
    }
    ring.classList.toggle("shown", shown);
  }

  toggleOnion() {
    this.onion = !this.onion;
    this.part.onion.setAttribute("aria-pressed", String(this.onion));
    this.refresh();
  }
  toggleCard() {
    this.part.help.setAttribute("aria-pressed", String(this.part.card.classList.toggle("shown")));
  }
  /** Close what is open over the stage. */
  dismiss() {
    if (this.part.card.classList.contains("shown")) this.toggleCard();
  }
  escape() {
    if (this.part.card.classList.contains("shown")) return this.toggleCard();
    if (this.following) return this.host.following.stop();
    if (!this.tool.idle) return this.tool.cancel();
    if (this.tool === this.tools.select && this.tool.picked.length) return this.tool.pick([]);
    if (this.large.open) this.expand();
  }
  expand() {
    this.large.toggle();
    setIcon(this.part.expand, this.large.open ? "shrink" : "expand");
    this.root.focus({ preventScroll: true });
  }

  say(text, wrong = false) {
    write(this.part.note, text);
    this.part.note.classList.toggle("wrong", wrong);
    this.part.note.classList.add("shown");
    clearTimeout(this.noted);
    if (!wrong) this.noted = setTimeout(() => this.unsay(), 3000 + 30 * text.length);
  }
  unsay() {
    this.part.note.classList.remove("shown", "wrong");
  }

  // ---- messages of runs ----

  /** again: the frames of the same stage were lost and are there again. */
  setStage(stage, again = false) {
    this.stage = stage;
    this.shownFrames = false;
    if (again) this.frames.open(null);
    this.frames.open(stage);
    this.fitState();
  }
  setReport(report) {
    this.report = report;
    this.refill();
  }
  dispose() {
    this.stop();
    forget(this);
    this.host.following?.stop();
    this.large.remove();
    this.watcher.disconnect();
    this.cleanup.forEach((action) => action());
    this.frames.dispose();
    this.view.dispose();
    this.root.remove();
  }
}
