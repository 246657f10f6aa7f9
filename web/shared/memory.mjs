// What an editor remembers of a node beside the graph: its undo history, its report, where it was. The host makes all nodes
// anew when the graph is undone or another tab of the page is opened, so this is kept by the graph and the node's number, and
// over a reload of the page in the browser's session.
const MOST = 1_500_000; // characters that one node may keep over a reload

const kept = new Map(); // for as long as the page lives: anything
const keyOf = (node) => `fulldit ${node.graph?.id}:${node.id} ${node.comfyClass}`;

export class Memory {
  /** node: in its graph. snapshot(): what to keep; pack(snapshot, most): the same as JSON values of at most so many characters. */
  constructor(node, snapshot, pack) {
    Object.assign(this, { key: keyOf(node), snapshot, pack });
    this.leave = () => this.#overReload();
    window.addEventListener("pagehide", this.leave);
  }

  /** What was kept, or null. After a reload, values are as `pack` made them. */
  recall() {
    if (kept.has(this.key)) return kept.get(this.key);
    try {
      return JSON.parse(sessionStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  /** The node leaves the page; it may come back. */
  close() {
    kept.set(this.key, this.snapshot());
    window.removeEventListener("pagehide", this.leave);
  }

  #overReload() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.pack(this.snapshot(), MOST)));
    } catch {
      sessionStorage.removeItem(this.key); // the session's room is used up
    }
  }
}

/** The last texts of a history that fit into `most` characters, with the present one among them: {values, at}. */
export function packed({ values, at }, textOf, most) {
  let first = at, last = at, size = textOf(values[at]).length;
  const grow = (place) => {
    const more = values[place] === undefined ? Infinity : textOf(values[place]).length;
    if (size + more > most) return false;
    size += more;
    return true;
  };
  while (first > 0 && grow(first - 1)) first--;
  while (last < values.length - 1 && grow(last + 1)) last++;
  return { values: values.slice(first, last + 1).map(textOf), at: at - first };
}
