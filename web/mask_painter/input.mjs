// User input outside the stage and the timeline: buttons, fields, the keyboard.
import { guard, isPages } from "../shared/guard.mjs";
import { TOOLS } from "./panel.mjs";

/** Connect the page's elements with the painter's actions. */
export function listen(editor) {
  const { part, root } = editor;
  const actions = {
    undo: () => editor.step(-1), redo: () => editor.step(1), onion: () => editor.toggleOnion(), fit: () => editor.view.fit(),
    help: () => editor.toggleCard(), expand: () => editor.expand(), play: () => editor.play(), add: () => editor.insert(),
    copy: () => editor.copy(), leave: () => editor.leave(), remove: () => editor.remove(), follow: () => editor.follow(),
    cuts: () => editor.setCuts(!editor.cuts), add_slot: () => editor.addSlot(), take: () => editor.take(),
  }; // prettier-ignore
  for (const name of Object.keys(TOOLS)) actions[name] = () => editor.setTool(name);
  for (const [name, action] of Object.entries(actions)) part[name].addEventListener("click", action);
  part.size.addEventListener("input", () => editor.setRadius(radiusOf(part.size.valueAsNumber)));
  part.frame.addEventListener("change", () => editor.retime(part.frame.valueAsNumber));
  part.ease.addEventListener("change", () => editor.setEase(part.ease.value));
  part.turn.addEventListener("change", () => editor.setTurn(part.turn.value === "" ? null : part.turn.valueAsNumber));
  part.report.addEventListener("click", () => part.report.classList.toggle("open"));
  editor.guarded = guard(root, {
    wheel: (event) => editor.host.wheel?.(event),
    focus: () => editor.guarded?.focused() || (editor.spaced = false), // without the focus, Space is no longer held
  });
  editor.cleanup.push(editor.guarded.end);
  root.addEventListener("pointerenter", () => editor.reload());
  root.addEventListener("keydown", (event) => pressed(editor, event, actions));
  root.addEventListener("keyup", (event) => {
    if (event.key !== " " || !editor.spaced) return;
    const used = editor.spaced === "used";
    editor.spaced = false;
    part.over.style.cursor = "";
    if (!used) actions.play();
  });
}

// The slider's 0..100 map to radii from 0.15 % to 50 % of the height, evenly in their logarithm.
const LOW = Math.log(0.0015), HIGH = Math.log(0.5);
export const radiusOf = (value) => Math.exp(LOW + (value / 100) * (HIGH - LOW));
export const sliderOf = (radius) => (100 * (Math.log(radius) - LOW)) / (HIGH - LOW);

/** A key on the keyboard was pressed. */
function pressed(editor, event, actions) {
  const mark = event.ctrlKey || event.metaKey, name = event.key.toLowerCase();
  if (isPages(event)) return;
  event.stopPropagation();
  if (event.target.closest("select, input:not([type=range], [readonly])")) {
    if (name === "escape" || name === "enter") editor.root.focus();
    return;
  }
  const { select } = editor.tools, selecting = editor.tool === select && select.picked.length > 0;
  const arrow = (dx, dy, otherwise) => () => {
    const by = event.shiftKey ? 10 : 1;
    if (!(selecting && select.nudge(dx * by, dy * by))) otherwise();
  };
  const letters = { b: "brush", e: "eraser", v: "select", m: "move", r: "box", o: "ellipse", p: "polygon", l: "lasso", g: "fill" };
  const plain = {
    "[": () => editor.resizeBrush(1 / 1.15), "]": () => editor.resizeBrush(1.15), s: actions.cuts, k: actions.add, n: actions.leave,
    t: actions.follow, f: actions.fit, i: actions.onion, x: actions.expand, h: () => editor.toggleVisible(), "?": actions.help,
    delete: actions.remove, backspace: actions.remove, enter: () => editor.tool.finish?.(),
    arrowleft: arrow(-1, 0, () => editor.nudge(event.shiftKey ? -10 : -1)), arrowright: arrow(1, 0, () => editor.nudge(event.shiftKey ? 10 : 1)),
    arrowup: arrow(0, -1, () => editor.nextKey(-1)), arrowdown: arrow(0, 1, () => editor.nextKey(1)),
    home: () => editor.scrub(0), end: () => editor.scrub(editor.state.frames - 1),
    1: () => editor.chooseSlot(0), 2: () => editor.chooseSlot(1), 3: () => editor.chooseSlot(2),
  }; // prettier-ignore
  for (const [letter, tool] of Object.entries(letters)) plain[letter] = actions[tool];
  const marked = { z: event.shiftKey ? actions.redo : actions.undo, y: actions.redo, c: actions.copy, v: () => editor.paste(),
    a: () => { editor.setTool("select"); select.all(); } }; // prettier-ignore
  let action = mark ? marked[name] : plain[name];
  if (name === " " && !event.target.closest("button")) {
    event.preventDefault();
    editor.spaced ||= true;
    return;
  }
  if (name === "escape") action = () => editor.escape();
  if (!action) return;
  event.preventDefault();
  action();
}
