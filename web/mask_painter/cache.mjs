// Values that are costly to make, kept while there is room: the ones used longest ago go first.
export class Cache {
  /** @param {number} most how much may be kept, in the unit of `get`'s sizes (bytes) */
  constructor(most) {
    this.most = most;
    this.total = 0;
    this.kept = new Map();
  }

  /** The value under `key`; where there is none, `make()` gives it, and it takes `size`. */
  get(key, size, make) {
    let entry = this.kept.get(key);
    if (entry) this.kept.delete(key);
    else {
      entry = { value: make(), size };
      this.total += size;
    }
    this.kept.set(key, entry);
    for (const [old, { size: freed }] of this.kept) {
      if (this.total <= this.most || old === key) break;
      this.kept.delete(old);
      this.total -= freed;
    }
    return entry.value;
  }

  has(key) {
    return this.kept.has(key);
  }
}

const numbers = new WeakMap();
let latest = 0;
/** A number that stands for an object, the same as long as it lives: for keys of a cache. */
export function numberOf(object) {
  if (!numbers.has(object)) numbers.set(object, ++latest);
  return numbers.get(object);
}
