// The tool that moves the whole mask at the playhead, whatever it is made of: after a keyframe this is the mask that holds
// from there, and a keyframe is made where it was moved to.
import { t } from "../shared/words.mjs";
import { moved } from "./transform.mjs";

export class Move {
  constructor(editor) {
    Object.assign(this, { editor, grip: null, cursor: "move" });
  }
  down(at) {
    const { editor } = this, shapes = editor.openKey() ? editor.shapesHere() : [];
    if (shapes?.length) this.grip = { from: at, shapes, moved: false };
    else {
      editor.dropKey();
      editor.say(t("There is no mask in this frame to move."));
    }
  }
  move(at) {
    const { grip, editor } = this;
    if (!grip) return;
    if (!grip.moved && Math.hypot(at.place.x - grip.from.place.x, at.place.y - grip.from.place.y) < 3) return;
    grip.moved = true;
    let [du, dv] = [0, 1].map((d) => at.point[d] - grip.from.point[d]);
    if (at.shift) [du, dv] = Math.abs(du) * editor.view.aspect > Math.abs(dv) ? [du, 0] : [0, dv];
    editor.setShapes(grip.shapes.map((shape) => moved(shape, du, dv)));
  }
  up() {
    const { grip, editor } = this;
    this.grip = null;
    if (grip?.moved) editor.commit();
    else editor.dropKey();
  }
  cancel() {
    if (!this.grip) return;
    this.grip = null;
    this.editor.dropKey();
  }
  get idle() {
    return !this.grip;
  }
}
