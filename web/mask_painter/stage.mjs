// Finds the painter's frames again: by the name that the node keeps, or through the loader that they come from.
import { t } from "../shared/words.mjs";

const MOST_NODES = 4;

/** Where an input's images come from, as the nodes of an API prompt: {nodes, output}; null if that cannot be said here. */
export function sourceOf(node, name) {
  const nodes = {};
  const output = linkOf(node, node.inputs.findIndex((input) => input.name === name), nodes);
  return output && { nodes, output };
}

function linkOf(node, slot, nodes) {
  const link = node.getInputLink?.(slot), from = link && node.graph.getNodeById(link.origin_id);
  if (!from || from.mode) return null; // muted or bypassed
  if (from.type === "Reroute") return linkOf(from, 0, nodes);
  if (!from.comfyClass || Object.keys(nodes).length >= MOST_NODES) return null;
  const inputs = {};
  for (const widget of from.widgets ?? []) if (widget.serialize !== false) inputs[widget.name] = plain(widget.value);
  nodes[from.id] = { class_type: from.comfyClass, inputs };
  for (const [number, input] of (from.inputs ?? []).entries()) {
    if (input.link == null) continue;
    inputs[input.name] = linkOf(from, number, nodes);
    if (!inputs[input.name]) return null;
  }
  return [String(from.id), link.origin_slot];
}

const plain = (value) => (["string", "number", "boolean"].includes(typeof value) ? value : null);

/** The message of the stage `name`, as after a run. Throws an error that says what to do where there is none. */
export async function findStage(api, name, source) {
  const answer = await api.fetchApi("/fulldit/stage", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ stage: name, source }),
  });
  const found = await answer.json().catch(() => null);
  if (!answer.ok || !found?.stage) throw new Error(found?.error ?? t("The server has no frames: run this node once to see them."));
  return found.stage;
}
