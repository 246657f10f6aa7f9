// Undo and redo over values that do not change: texts, or states that share what they have in common.
export class History {
  /** @param value the first one @param {number} most how many are kept */
  constructor(value, most = 200) {
    this.values = [value];
    this.at = 0;
    this.most = most;
  }

  /** A new value after the present one; what was undone is forgotten. The present one again counts for nothing. */
  push(value) {
    if (value === this.values[this.at]) return;
    this.values = [...this.values.slice(Math.max(0, this.at + 2 - this.most), this.at + 1), value];
    this.at = this.values.length - 1;
  }

  get present() {
    return this.values[this.at];
  }
  get canUndo() {
    return this.at > 0;
  }
  get canRedo() {
    return this.at < this.values.length - 1;
  }

  /** The value one step back (-1) or forth (1), which becomes the present one; at an end it stays. */
  step(by) {
    this.at = Math.min(Math.max(this.at + by, 0), this.values.length - 1);
    return this.values[this.at];
  }
}
