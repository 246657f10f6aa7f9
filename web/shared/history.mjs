// Undo and redo over immutable values: texts, or states that share their unchanged parts.
export class History {
  /** @param value the first value @param {number} most how many values are kept */
  constructor(value, most = 200) {
    this.values = [value];
    this.at = 0;
    this.most = most;
  }

  /** Add a value after the present one and drop what was undone. The present value once more changes nothing. */
  push(value) {
    if (value === this.values[this.at]) return;
    this.values = [...this.values.slice(Math.max(0, this.at + 2 - this.most), this.at + 1), value];
    this.at = this.values.length - 1;
  }

  /** Put another form of the present value in its place. */
  replace(value) {
    this.values[this.at] = value;
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

  /** Go one step back (-1) or forward (1) and return the value there; at an end the present value stays. */
  step(by) {
    this.at = Math.min(Math.max(this.at + by, 0), this.values.length - 1);
    return this.values[this.at];
  }
}
