// Shows an editor over the whole page, and puts it back into its node.
export class Large {
  constructor(root) {
    this.root = root;
    this.cover = null;
  }
  get open() {
    return Boolean(this.cover);
  }

  /** Enlarge the editor, or put it back. */
  toggle() {
    if (this.cover) {
      this.home.append(this.root);
      this.remove();
    } else {
      this.home = this.root.parentElement;
      this.cover = document.createElement("div");
      this.cover.className = "fulldit-editor-large";
      const box = document.createElement("div");
      box.append(this.root);
      this.cover.append(box);
      for (const kind of ["pointerdown", "mousedown", "wheel", "contextmenu", "keydown"])
        this.cover.addEventListener(kind, (event) => event.stopPropagation());
      this.cover.addEventListener("pointerdown", (event) => event.target === this.cover && this.onleave?.());
      document.body.append(this.cover);
    }
  }

  remove() {
    this.cover?.remove();
    this.cover = null;
  }
}
