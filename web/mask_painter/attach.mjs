// Puts the painter into a Mask Painter or Edit Masks node: the only file here that knows ComfyUI's page.
import { MaskEditor } from "./editor.mjs";
import { Following } from "./follow.mjs";
import { findStage, sourceOf } from "./stage.mjs";
import { serialize } from "./state.mjs";
import { Memory, packed } from "../shared/memory.mjs";
import { t } from "../shared/words.mjs";

const PAINTER = "Paint here.\nTo paint over a video, connect images and run this node.";
const WAITING = "Run this node once to see the frames here.";
const TRACK = "Run this node once: the masks arrive here as keyframes to edit.";
const STAGE = "fulldit_stage"; // the node's property with the name of its frames

/** A snapshot of the painter as JSON values of at most so many characters. */
function pack({ history, track, ...rest }, most) {
  const room = track?.proposal && track.proposal.length < most / 2 ? most - track.proposal.length : most;
  return { ...rest, track: room < most || !track?.proposal ? track : null,
    history: packed(history, (value) => (typeof value === "string" ? value : serialize(value)), room) }; // prettier-ignore
}

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
  let stage = null, track = null, missing = "";

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
    hint: () => (edits ? (track ? "" : t(TRACK)) : linked() ? (stage ? "" : t(WAITING)) : t(PAINTER)),
    missing: () => (missing || (linked() && !stage && !edits ? t(WAITING) : "")),
    lost: () => find(true),
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

  let asked = 0; // a run's frames are newer than those that were asked for before
  const show = (found, again) => {
    asked++;
    stage = found;
    missing = "";
    editor.setStage(stage, again);
  };
  /** Ask the server for the frames that the node had; `again`: those on screen are gone. */
  const find = async (again = false) => {
    const name = node.properties?.[STAGE] ?? kept?.stage;
    if (!linked() || !name) return;
    const number = ++asked;
    try {
      const found = await findStage(api, name, sourceOf(node, "images"));
      if (number === asked) show(found, again);
    } catch (error) {
      if (number !== asked) return;
      missing = error.message || t(WAITING);
      if (again) stage = null;
      editor.setStage(stage);
    }
  };

  /** Take over the message of a run. */
  editor.executed = (message) => {
    track = message?.fulldit_track?.[0] ?? null;
    show(message?.fulldit_stage?.[0] ?? null);
    if (stage && node.properties[STAGE] !== stage.stage) node.properties[STAGE] = stage.stage; // saved with the graph
    if (track) editor.setProposal({ text: track.proposal, changed: track.changed });
    editor.setReport({ text: [message?.text ?? []].flat().join("\n"), of: message?.fulldit_state?.[0] });
  };
  /** Inputs were connected or disconnected. */
  editor.rewired = () => {
    missing = "";
    if (stage && !linked()) editor.setStage((stage = null));
    else editor.reload();
  };

  // What the page knew of this node before the graph was undone, another tab was opened, or the page was loaded again.
  const memory = new Memory(node, () => ({ ...editor.snapshot(), stage: stage?.stage, track }), pack);
  const kept = memory.recall();
  if (kept?.track && edits) {
    track = kept.track;
    editor.setProposal({ text: track.proposal, changed: track.changed });
  }
  if (kept) editor.recall(kept);
  find();
  editor.cleanup.push(() => memory.close());
  return editor;
}
