// Keeps values that are costly to compute while there is room; the least recently used go first.
export class Cache {
  /** @param {number} most how much may be kept, in the unit of `get`'s sizes (bytes) */
  constructor(most) {
    this.most = most;
    this.total = 0;
    this.kept = new Map();
  }

  /** The value under `key`; if there is none, `make()` makes it, and it takes up `size`. */
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
/** A number that identifies an object for as long as it lives, for the keys of a cache. */
export function numberOf(object) {
  if (!numbers.has(object)) numbers.set(object, ++latest);
  return numbers.get(object);
}
