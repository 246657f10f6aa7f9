// The frames below the masks: fetched around the playhead, a few of them kept ready to draw.
const KEPT = 40, AHEAD = 8, AT_ONCE = 3;

export class Frames {
  /** address(file) -> URL; arrived(number): a frame came that was asked for; lost(): the server has them no more. */
  constructor(address, arrived, lost) {
    Object.assign(this, { address, arrived, lost });
    this.stage = null;
    this.pictures = new Map(); // number -> ImageBitmap, the one used last at the end
    this.coming = new Set();
  }

  /** Another stage {stage, subfolder, type, count, width, height}, or none. */
  open(stage) {
    if (stage?.stage === this.stage?.stage) return;
    for (const picture of this.pictures.values()) picture.close();
    this.pictures.clear();
    this.coming.clear();
    this.stage = stage;
    this.failed = false;
  }

  /** The picture of a frame, or of the nearest one that is here, or null; what is near the playhead is fetched. */
  at(frame) {
    if (!this.stage) return null;
    const number = Math.min(Math.max(Math.round(frame), 0), this.stage.count - 1);
    this.wanted = number;
    this.#fetch();
    const picture = this.pictures.get(number);
    if (picture) {
      this.pictures.delete(number);
      this.pictures.set(number, picture);
      return picture;
    }
    let best = null, near = Infinity;
    for (const [other, found] of this.pictures)
      if (Math.abs(other - number) < near) [best, near] = [found, Math.abs(other - number)];
    return best;
  }
  has(frame) {
    return this.pictures.has(Math.min(Math.max(Math.round(frame), 0), (this.stage?.count ?? 1) - 1));
  }

  #next() {
    const { count } = this.stage;
    for (let away = 0; away <= AHEAD; away++)
      for (const number of [this.wanted + away, this.wanted - Math.ceil(away / 2)])
        if (number >= 0 && number < count && !this.pictures.has(number) && !this.coming.has(number)) return number;
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
      const picture = await createImageBitmap(await answer.blob());
      if (stage !== this.stage) return picture.close();
      this.pictures.set(number, picture);
      for (const [old, found] of this.pictures) {
        if (this.pictures.size <= KEPT) break;
        this.pictures.delete(old);
        found.close();
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
