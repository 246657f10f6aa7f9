// The video frames below the masks: fetched around the playhead, and a few of them kept.
const KEPT = 40, AHEAD = 8, AT_ONCE = 3;

export class Frames {
  /** address(file) -> URL; arrived(number): a requested frame was loaded; lost(): the server no longer has the frames. */
  constructor(address, arrived, lost) {
    Object.assign(this, { address, arrived, lost });
    this.stage = null;
    this.images = new Map(); // number -> ImageBitmap, the most recently used one last
    this.coming = new Set();
  }

  /** Another stage {stage, subfolder, type, count, width, height}, or none. */
  open(stage) {
    if (stage?.stage === this.stage?.stage && !this.failed) return; // frames that were gone may be back
    for (const image of this.images.values()) image.close();
    this.images.clear();
    this.coming.clear();
    this.stage = stage;
    this.failed = false;
  }

  /** The image of a frame, or of the nearest one that is loaded, or null. What is near the playhead is fetched. */
  at(frame) {
    if (!this.stage) return null;
    const number = Math.min(Math.max(Math.round(frame), 0), this.stage.count - 1);
    this.wanted = number;
    this.#fetch();
    const image = this.images.get(number);
    if (image) {
      this.images.delete(number);
      this.images.set(number, image);
      return image;
    }
    let best = null, near = Infinity;
    for (const [other, image] of this.images)
      if (Math.abs(other - number) < near) [best, near] = [image, Math.abs(other - number)];
    return best;
  }
  has(frame) {
    return this.images.has(Math.min(Math.max(Math.round(frame), 0), (this.stage?.count ?? 1) - 1));
  }

  #next() {
    const { count } = this.stage;
    for (let away = 0; away <= AHEAD; away++)
      for (const number of [this.wanted + away, this.wanted - Math.ceil(away / 2)])
        if (number >= 0 && number < count && !this.images.has(number) && !this.coming.has(number)) return number;
    return -1;
  }

  async #fetch() {
    const { stage } = this;
    while (!this.failed && this.coming.size < AT_ONCE) {
      const number = this.#next();
      if (number < 0) return;
      this.coming.add(number);
      this.#one(stage, number);
    }
  }

  async #one(stage, number) {
    try {
      const file = { filename: `${String(number).padStart(5, "0")}.jpg`, subfolder: stage.subfolder, type: stage.type };
      const answer = await fetch(this.address(file));
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const image = await createImageBitmap(await answer.blob());
      if (stage !== this.stage) return image.close();
      this.images.set(number, image);
      for (const [old, stale] of this.images) {
        if (this.images.size <= KEPT) break;
        this.images.delete(old);
        stale.close();
      }
    } catch (error) {
      if (stage !== this.stage || this.failed) return;
      this.failed = true;
      console.warn("FullDiT mask painter:", error);
      this.lost();
    } finally {
      if (stage === this.stage) this.coming.delete(number);
    }
    if (stage !== this.stage) return;
    this.arrived(number);
    this.#fetch();
  }

  dispose() {
    this.open(null);
  }
}
