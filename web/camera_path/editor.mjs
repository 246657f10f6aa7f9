// The camera path editor: holds the state, shows it, and turns the user's actions into new states. It knows the page's
// elements, but nothing of ComfyUI: `host` reads and writes the state's text.
import { listen } from "./input.mjs";
import { acceptFiles } from "../shared/drop.mjs";
import { setIcon, write } from "../shared/elements.mjs";
import { Large } from "../shared/large.mjs";
import { buildPanel, DIGITS } from "./panel.mjs";
import { evaluate, pathOf } from "./path.mjs";
import { fromQuaternion, toTurn } from "./rotations.mjs";
import * as states from "./state.mjs";
import { addStyle } from "./style.mjs";
import { marksOf, Timeline } from "./timeline.mjs";
import { View } from "./view.mjs";
import { t } from "../shared/words.mjs";

const SMOOTH = 160; // points of the drawn line

export class CameraEditor {
  /** host: {text(), write(text), settings() -> {frames, fps, aspect}, address(file), presets() -> Promise}. */
  constructor(host) {
    addStyle();
    this.host = host;
    Object.assign(this, buildPanel());
    this.large = new Large(this.root);
    this.large.onleave = () => this.expand();
    this.chosen = 0;
    this.clip = 0;
    this.cleanup = [];
    const edits = {
      choose: (index) => this.choose(index),
      grab: () => this.grab(),
      drop: () => this.drop(),
    };
    this.timeline = new Timeline(this.part.strip, {
      ...edits,
      scrub: (clip) => this.scrub(clip),
      insert: (clip) => this.insert(clip),
      retime: (index, time) => this.retime(index, time),
    });
    try {
      this.view = new View(this.part.canvas, { ...edits, drag: (kind, value) => this.drag(kind, value), drawn: () => this.#placeInset() });
    } catch (error) {
      this.say(t("The 3D view needs WebGL, which this browser does not provide. The timeline and the fields still work."), true);
      console.warn("FullDiT camera editor:", error);
    }
    listen(this);
    acceptFiles(this.root, ([file]) => this.take(file));
    this.watcher = new ResizeObserver((entries) => {
      for (const { target, contentRect: { width, height } } of entries)
        if (target === this.part.strip) this.timeline.resize(width, height);
        else this.#resize(width, height);
    });
    this.watcher.observe(this.part.stage);
    this.watcher.observe(this.part.strip);
    this.reload();
    this.setTool("move");
    this.#fillPresets();
  }

  // ---- the state ----

  /** Read the host's text if it changed. */
  reload() {
    const text = this.host.text();
    if (text === this.text) return this.refresh();
    try {
      this.state = states.parse(text);
    } catch (error) {
      this.say(`${error.message} ${t("Choose a movement to start from.")}`, true);
      if (!this.state) this.state = states.parse('{"keys":[{"time":0},{"time":1,"position":[0,0,0.3]}],"ease":"smooth"}');
      return this.refresh();
    }
    this.text = text;
    this.history ??= new states.History(text);
    this.history.push(text);
    this.unsay();
    this.chosen = Math.min(this.chosen, this.state.keys.length - 1);
    this.refresh();
  }

  /** Show a state without keeping it, as during a drag. A state that makes no path is refused. */
  preview(state) {
    try {
      pathOf(state);
    } catch (error) {
      return this.say(error.message);
    }
    this.state = state;
    this.refresh();
  }

  /** Keep the state: add an undo step and write the widget's value. */
  commit(state = this.state) {
    if (state !== this.state) this.preview(state);
    const text = states.serialize(this.state);
    this.state = states.parse(text); // rounded as Python will read it
    this.history ??= new states.History(text);
    this.history.push(text);
    this.#write(text);
    this.refresh();
  }

  #write(text) {
    if (text === this.text) return;
    this.text = text;
    this.host.write(text);
    if (this.part.note.classList.contains("wrong") && this.view) this.unsay();
  }

  step(by) {
    const text = this.history?.step(by);
    if (!text || text === this.text) return;
    this.state = states.parse(text);
    this.chosen = Math.min(this.chosen, this.state.keys.length - 1);
    this.#write(text);
    this.#follow();
  }

  grab() {
    this.stop();
    this.grabbed = true;
  }
  drop() {
    if (!this.grabbed) return;
    this.grabbed = false;
    this.commit();
  }

  get key() {
    return this.state.keys[this.chosen];
  }

  drag(kind, value) {
    const key = this.key;
    if (kind === "move") this.put(states.withPosition(key, value));
    else if (kind === "aim") this.put(states.withTarget(key, value));
    else this.put(states.withTurn(key, toTurn(fromQuaternion(value))));
  }

  put(key) {
    this.preview({ ...this.state, keys: this.state.keys.map((old, k) => (k === this.chosen ? key : old)) });
  }

  choose(index) {
    this.chosen = index;
    this.stop();
    this.#follow();
  }
  /** Move the playhead to the chosen key. */
  #follow() {
    this.clip = marksOf(this.state)[this.chosen];
    this.refresh();
  }

  insert(clip = this.clip) {
    const made = states.insertKey(this.state, clip);
    if (!made) return this.say(t("There is a keyframe here already: move the playhead first."));
    [, this.chosen] = made;
    this.clip = clip;
    this.commit(made[0]);
  }
  remove() {
    if (this.state.keys.length < 2) return this.say(t("A path keeps at least one keyframe."));
    const state = states.removeKey(this.state, this.chosen);
    this.chosen = Math.min(this.chosen, state.keys.length - 1);
    this.commit(state);
    this.#follow();
  }
  retime(index, time) {
    const [state, moved] = states.retimeKey(this.state, index, time);
    this.chosen = moved;
    this.clip = states.clipOf(state, state.keys[moved].time);
    this.preview(state);
    return moved;
  }

  // ---- time ----

  scrub(clip) {
    this.stop();
    this.clip = clip;
    const near = marksOf(this.state).findIndex((mark) => Math.abs(mark - clip) < 1e-4);
    if (near >= 0) this.chosen = near;
    this.refresh();
  }
  /** Move the playhead by some frames. */
  nudge(by) {
    const last = Math.max(this.host.settings().frames - 1, 1);
    this.scrub(Math.min(Math.max(Math.round(this.clip * last) + by, 0), last) / last);
  }
  play() {
    if (this.playing) return this.stop();
    setIcon(this.part.play, "pause");
    let before = performance.now();
    if (this.clip >= 1) this.clip = 0;
    const tick = (now) => {
      const { frames, fps } = this.host.settings();
      // The last frame is shown as long as every other one before the clip starts again.
      const length = Math.max(frames, 2) / Math.max(frames - 1, 1);
      this.run = ((this.run ?? this.clip) + ((now - before) / 1000) * (fps / Math.max(frames - 1, 1))) % length;
      before = now;
      this.clip = Math.min(this.run, 1);
      this.#showNow();
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
  }
  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.playing);
    this.playing = this.run = null;
    setIcon(this.part.play, "play");
    this.refresh();
  }

  // ---- showing ----

  refresh() {
    if (!this.state) return;
    const { frames, aspect } = this.host.settings();
    this.path = pathOf(this.state);
    this.poses = evaluate(this.state, frames);
    this.smooth = Array.from({ length: SMOOTH + 1 }, (_, k) => this.path(k / SMOOTH).position);
    this.marks = marksOf(this.state);
    this.aspect = aspect;
    this.#showNow();
    this.#fill();
  }

  #showNow() {
    const { state, chosen, poses, smooth, clip, marks, aspect } = this;
    const resting = marks.some((mark) => Math.abs(mark - clip) < 1e-4);
    this.view?.show({ state, chosen, poses, smooth, aspect, resting, now: this.path(clip) });
    this.timeline.show({ state, chosen, poses, clip, marks });
    const { frames, fps } = this.host.settings();
    const frame = clip * (frames - 1);
    write(this.part.clock, `${Math.round(frame)} · ${(frame / fps).toFixed(2)} s`);
  }

  /** Write the chosen key's numbers into the fields, except into the one being edited. */
  #fill() {
    const { part, key } = this;
    const put = (name, value) => {
      if (part[name].value === value) return;
      if (part[name] !== document.activeElement || part[name].tagName === "SELECT") part[name].value = value;
    };
    write(part.which, t("Key {number}/{count}", { number: this.chosen + 1, count: this.state.keys.length }));
    const [pan, tilt] = states.turnOf(key);
    const roll = key.target ? (key.turn?.[2] ?? 0) : states.turnOf(key)[2];
    const [x, y, z] = key.position;
    for (const [name, value] of Object.entries({ x, y: -y, z, pan, tilt, roll, fov: key.fov }))
      put(name, String(Number(value.toFixed(DIGITS[name]) )));
    put("frame", String(Math.round(this.marks[this.chosen] * (this.host.settings().frames - 1))));
    const atSubject = key.target && Math.hypot(...key.target.map((value, d) => value - states.SUBJECT[d])) < 1e-4;
    put("aimed", atSubject ? "subject" : key.target ? "point" : "free");
    put("ease", key.ease);
    put("whole", this.state.ease);
    put("turns", this.state.turns);
    part.ease.disabled = this.chosen === this.state.keys.length - 1;
    part.remove.disabled = this.state.keys.length < 2;
    part.undo.disabled = !this.history?.canUndo;
    part.redo.disabled = !this.history?.canRedo;
  }

  /** Put the border and its label around the camera's image. */
  #placeInset() {
    const { x, y, w, h } = this.view.imageBox();
    const place = [x, y, w, h, this.view.through].join();
    if (place === this.placed) return;
    this.placed = place;
    const { inset } = this.part;
    inset.classList.toggle("through", this.view.through);
    Object.assign(inset.style, { left: `${x - 1}px`, bottom: `${y - 1}px`, width: `${w + 2}px`, height: `${h + 2}px` });
  }

  setTool(tool) {
    if (tool === "aim" && !this.key.target) this.commit(this.with(states.withTarget(this.key, states.ahead(this.key))));
    for (const name of ["move", "turn", "aim"]) this.part[name].setAttribute("aria-pressed", String(name === tool));
    this.view?.setTool(tool);
  }
  with(key) {
    return { ...this.state, keys: this.state.keys.map((old, k) => (k === this.chosen ? key : old)) };
  }

  through() {
    if (!this.view) return;
    this.view.through = !this.view.through;
    this.view.orbit.enabled = !this.view.through;
    this.part.through.setAttribute("aria-pressed", String(this.view.through));
    this.view.setTool(this.view.tool);
  }

  /** Enlarge the editor over the whole page, or put it back. */
  expand() {
    this.large.toggle();
    setIcon(this.part.expand, this.large.open ? "shrink" : "expand");
    this.root.focus({ preventScroll: true });
    this.view?.request();
  }

  say(text, wrong = false) {
    this.part.note.textContent = text;
    this.part.note.classList.toggle("wrong", wrong);
    this.part.note.classList.add("shown");
    clearTimeout(this.noted);
    if (!wrong) this.noted = setTimeout(() => this.unsay(), 2500);
  }
  unsay() {
    this.part.note.classList.remove("shown", "wrong");
  }

  /** Show files behind the path: what a run's message names. Files that the server no longer has are left out. */
  async setBackdrop(message) {
    if (!this.view) return;
    await this.view.backdrop.load(message, (file) => this.host.address(file));
    if (message && this.view.backdrop.empty) this.say(t("The backdrop is gone from the server: run the graph once to see it."));
    this.refresh();
  }

  /** Everything that is not in the state's text. */
  snapshot() {
    const { history, chosen, clip } = this;
    return { history: history && { values: history.values, at: history.at }, chosen, clip };
  }
  /** Take over what `snapshot` returned, where it belongs to the present text. */
  recall({ history, chosen, clip }) {
    // The graph may have been undone by a few steps: then the history stands there.
    const at = history?.values.lastIndexOf(this.text) ?? -1;
    if (at < 0) return;
    Object.assign(this.history, { values: history.values, at });
    Object.assign(this, { chosen: Math.min(chosen, this.state.keys.length - 1), clip });
    this.refresh();
  }

  /** Start over from a preset. */
  start(name) {
    const preset = this.presets?.[name];
    if (!preset) return;
    this.chosen = 0;
    this.commit(states.parse(JSON.stringify(preset.state)));
    this.choose(0);
    this.fit();
    this.say(t(preset.doc));
  }

  /** Take over the path in a dropped file: the editor's own JSON, or any camera file, which the server reads. */
  async take(file) {
    if (!file) return;
    try {
      const { state, notes } = await this.host.readFile(file);
      this.chosen = 0;
      this.commit(states.parse(state));
      this.choose(0);
      this.fit();
      this.say([t("{name} was taken over; undo brings back the path before.", { name: file.name }), ...notes].join(" "));
    } catch (error) {
      this.say(error.message, true);
    }
  }

  /** The view got a size; the first time, fit the whole path into it. */
  #resize(width, height) {
    if (!this.view) return;
    const first = !this.view.width;
    this.view.resize(width, height);
    if (!first || !this.view.width) return;
    this.fit();
    this.view.render(); // now: a busy page draws few animation frames
  }

  fit() {
    this.view?.fit([...this.smooth, ...this.state.keys.map((key) => key.position)]);
  }

  async #fillPresets() {
    const presets = await this.host.presets();
    this.presets = presets;
    for (const name of Object.keys(presets)) this.part.preset.append(new Option(t(name.replaceAll("_", " ")), name));
  }

  dispose() {
    this.stop();
    this.large.remove();
    this.watcher.disconnect();
    this.cleanup.forEach((action) => action());
    this.view?.dispose();
    this.root.remove();
  }
}
