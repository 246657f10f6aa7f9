// User input outside the 3D view and the timeline: buttons, fields, the keyboard.
import { guard, isPages } from "../shared/guard.mjs";
import { DIGITS } from "./panel.mjs";
import * as states from "./state.mjs";

/** Connect the page's elements with the editor's actions. */
export function listen(editor) {
  const { part, root } = editor;
  const actions = {
    move: () => editor.setTool("move"), turn: () => editor.setTool("turn"), aim: () => editor.setTool("aim"),
    add: () => editor.insert(), remove: () => editor.remove(), undo: () => editor.step(-1), redo: () => editor.step(1),
    play: () => editor.play(), expand: () => editor.expand(), through: () => editor.through(), fit: () => editor.fit(),
  }; // prettier-ignore
  for (const [name, action] of Object.entries(actions)) part[name].addEventListener("click", action);
  part.inset.addEventListener("click", actions.through);
  part.look.addEventListener("change", () => {
    if (editor.view?.through) editor.through();
    editor.view?.look(part.look.value || "home");
    editor.fit();
    part.look.value = "";
  });
  part.preset.addEventListener("change", () => {
    editor.start(part.preset.value);
    part.preset.value = "";
  });
  for (const name of [...Object.keys(DIGITS), "frame"]) {
    part[name].addEventListener("input", () => typed(editor, name, part[name].valueAsNumber));
    part[name].addEventListener("change", () => editor.commit());
  }
  for (const name of Object.keys(DIGITS)) slide(editor, name);
  part.aimed.addEventListener("change", () => {
    const wanted = part.aimed.value, key = editor.key;
    if (wanted === "free") editor.commit(editor.with(states.withTurn(key, states.turnOf(key))));
    else editor.commit(editor.with(states.withTarget(key, wanted === "subject" ? [...states.SUBJECT] : states.ahead(key))));
    if (wanted === "point") editor.setTool("aim");
  });
  part.ease.addEventListener("change", () => editor.commit(editor.with({ ...editor.key, ease: part.ease.value })));
  part.whole.addEventListener("change", () => editor.commit({ ...editor.state, ease: part.whole.value }));
  part.turns.addEventListener("change", () => editor.commit({ ...editor.state, turns: part.turns.value }));

  const focus = () => editor.view && (editor.view.orbit.enableZoom = guarded.focused());
  const guarded = guard(root, { wheel: (event) => editor.host.wheel?.(event), focus });
  editor.cleanup.push(guarded.end);
  root.addEventListener("pointerenter", () => editor.reload());
  root.addEventListener("keydown", (event) => pressed(editor, event, actions));
  root.addEventListener("keyup", (event) => editor.view?.snap(event.shiftKey));
}

/** The label above a field is a slider: dragging it sideways changes the number, slowly with Shift. */
function slide(editor, name) {
  const input = editor.part[name], handle = input.previousElementSibling;
  let held = null;
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    held = { from: event.clientX, value: input.valueAsNumber };
    editor.grab();
  });
  handle.addEventListener("pointermove", (event) => {
    if (!held || !Number.isFinite(held.value)) return;
    const step = Number(input.step) * (event.shiftKey ? 0.02 : 0.2);
    typed(editor, name, held.value + (event.clientX - held.from) * step);
  });
  for (const kind of ["pointerup", "pointercancel"])
    handle.addEventListener(kind, () => {
      held = null;
      editor.drop();
    });
}

/** A number typed into a field of the chosen key. */
function typed(editor, name, value) {
  if (!Number.isFinite(value)) return;
  const key = editor.key, axis = ["x", "y", "z"].indexOf(name), angle = ["pan", "tilt", "roll"].indexOf(name);
  if (name === "frame") {
    const last = Math.max(editor.host.settings().frames - 1, 1);
    editor.retime(editor.chosen, states.timeOf(editor.state, Math.min(Math.max(value / last, 0), 1)));
  } else if (axis >= 0) {
    const position = key.position.slice();
    position[axis] = axis === 1 ? -value : value; // up is -y
    editor.put(states.withPosition(key, position));
  } else if (name === "fov") editor.put({ ...key, fov: states.clampFov(value) });
  else if (name === "roll" && key.target) editor.put({ ...key, turn: [0, 0, value] });
  else editor.put(states.withTurn(key, states.turnOf(key).map((old, d) => (d === angle ? value : old))));
}

/** A key on the keyboard was pressed. */
function pressed(editor, event, actions) {
  const mark = event.ctrlKey || event.metaKey, name = event.key.toLowerCase();
  if (isPages(event)) return;
  event.stopPropagation();
  editor.view?.snap(event.shiftKey);
  if (event.target.closest("input, select")) {
    if (name === "escape" || name === "enter") editor.root.focus();
    return;
  }
  const last = editor.state.keys.length - 1;
  const plain = {
    w: actions.move, e: actions.turn, r: actions.aim, k: actions.add, delete: actions.remove, backspace: actions.remove,
    " ": actions.play, f: actions.fit, c: actions.through, x: actions.expand,
    arrowleft: () => editor.nudge(event.shiftKey ? -10 : -1), arrowright: () => editor.nudge(event.shiftKey ? 10 : 1),
    home: () => editor.scrub(0), end: () => editor.scrub(1),
    arrowup: () => editor.choose(Math.max(editor.chosen - 1, 0)),
    arrowdown: () => editor.choose(Math.min(editor.chosen + 1, last)),
  }; // prettier-ignore
  let action = mark ? null : plain[name];
  if (mark && name === "z") action = event.shiftKey ? actions.redo : actions.undo;
  if (mark && name === "y") action = actions.redo;
  if (name === "escape" && editor.view?.through) action = actions.through;
  else if (name === "escape" && editor.large.open) action = actions.expand;
  if (!action || (name === " " && event.target.closest("button"))) return;
  event.preventDefault();
  action();
}
