// Puts the painter into a Mask Painter or Edit Masks node: the only file here that knows ComfyUI's page.
import { MaskEditor } from "./editor.mjs";
import { Following } from "./follow.mjs";

const PAINTER = "Paint here.\nTo paint over a video, connect images and run this node.";
const WAITING = "Run this node once to see the frames here.";
const TRACK = "Run this node once: the masks arrive here as keyframes to edit.";

/** node: the graph's node; box: the element of its DOM widget; app and api: ComfyUI's. Returns the painter. */
export function attach(node, box, app, api) {
  const widget = (name) => node.widgets.find((entry) => entry.name === name);
  const masks = widget("masks"), source = widget("source"), edits = node.comfyClass === "FullDiTEditTrack";
  const linked = () => node.inputs?.find((input) => input.name === "images")?.link != null;
  const whole = (name, usual, most) => {
    const value = Math.round(Number(widget(name)?.value));
    return value >= 1 ? Math.min(value, most) : usual;
  };
  const set = (target, value) => {
    target.value = value;
    target.callback?.(value);
  };
  let stage = null, track = null;

  const settings = () => {
    if (edits) return track && { frames: track.frames, size: [track.width, track.height] };
    if (linked()) return stage && { frames: stage.count, size: [stage.width, stage.height] };
    return { frames: whole("frames", 17, 1025), size: [whole("width", 832, 4096), whole("height", 480, 4096)] };
  };
  let own = false; // while the painter itself writes
  const editor = new MaskEditor({
    text: () => masks.value ?? "",
    write: (text) => {
      own = true;
      // The first edit records which masks were edited.
      if (source && !masks.value && track) set(source, track.source);
      set(masks, text);
      own = false;
      node.graph?.change?.();
    },
    taken: () => source && track && set(source, track.source),
    settings,
    hint: () => (edits ? (track ? "" : TRACK) : linked() ? (stage ? "" : WAITING) : PAINTER),
    following: new Following(api),
    // In the canvas renderer, the graph gets no wheel events over a node's elements: pass them on.
    wheel: (event) => !window.LiteGraph?.vueNodesMode && app.canvas?.processMouseWheel?.(event),
    address: (file) => api.apiURL(`/view?${new URLSearchParams(file)}`),
  });
  box.append(editor.root);
  for (const name of ["masks", "frames", "width", "height"]) {
    const target = widget(name);
    if (!target) continue;
    const before = target.callback;
    target.callback = function (...args) {
      const result = before?.apply(this, args);
      if (!own) editor.reload();
      return result;
    };
  }
  const leave = () => editor.host.following.stop();
  window.addEventListener("pagehide", leave);
  editor.cleanup.push(() => window.removeEventListener("pagehide", leave));

  /** Take over the message of a run. */
  editor.executed = (message) => {
    track = message?.fulldit_track?.[0] ?? null;
    stage = message?.fulldit_stage?.[0] ?? null;
    if (track) editor.setProposal({ text: track.proposal, changed: track.changed });
    editor.setStage(stage);
    editor.setReport([message?.text ?? []].flat().join("\n"));
  };
  /** Inputs were connected or disconnected. */
  editor.rewired = () => {
    if (stage && !linked()) editor.setStage((stage = null));
    else editor.reload();
  };
  return editor;
}
