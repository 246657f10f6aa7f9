// The DOM widgets of this pack: every one is made here, so that what the host does to such widgets is answered once.
import { app } from "../../../scripts/app.js";

/**
 * Add an element to a node as a widget that is not saved with the graph.
 *
 * The properties panel of the host draws every widget that it does not know as an empty entry, and sets its width to the
 * panel's, which then is the width of the element in the node. So the panel is told to leave it out, and its width is the
 * node's whatever is set (by hosts that do not know `hideInPanel`, and on the copies that subgraphs make).
 */
export function addElement(node, name, type, element, options = {}) {
  const widget = node.addDOMWidget(name, type, element, { serialize: false, hideOnZoom: false, hideInPanel: true, ...options });
  widget.serialize = false;
  // The panel of a subgraph lists the widgets of the nodes within, whose graph is not the one on screen.
  const elsewhere = () => Boolean(node.graph && app.canvas?.graph && node.graph !== app.canvas.graph);
  Object.defineProperty(widget.options, "canvasOnly", { configurable: true, enumerable: true, get: elsewhere, set: () => {} });
  if (node.graph) settle(node, name, element);
  const added = node.onAdded;
  node.onAdded = function (...given) {
    added?.apply(this, given);
    settle(node, name, element);
  };
  return keepWidth(widget);
}

const settled = new Map(); // graph, node and name -> the element that was there last

/**
 * When the host makes a node anew, as undo does, Nodes 2.0 keeps what it has on screen for the node of that number, with
 * the element of the old node in it. The new element takes that place.
 */
function settle(node, name, element) {
  const place = `${node.graph?.id}:${node.id} ${name}`, old = settled.get(place);
  settled.set(place, element);
  if (!old || old === element || !window.LiteGraph?.vueNodesMode) return;
  const swap = () => !element.isConnected && old.isConnected && old.replaceWith(element);
  for (const wait of [30, 300, 1500]) setTimeout(swap, wait);
}

function keepWidth(widget) {
  Object.defineProperty(widget, "width", { configurable: true, enumerable: true, get: () => undefined, set: () => {} });
  const copy = widget.createCopyForNode;
  if (copy) widget.createCopyForNode = (...given) => keepWidth(copy.apply(widget, given));
  return widget;
}

/** Hide a widget that an element replaces, in both renderers and in the panel; `show` brings it back. */
export function hide(widget, show = false) {
  widget.hidden = widget.options.hidden = widget.options.canvasOnly = !show;
  if (show) delete widget.computeSize;
  else widget.computeSize = () => [0, -4];
}
