// Shows the reports of some nodes (token counts, a camera's report, where a file was saved) inside the node. The text comes
// from the server with every run, also when the node's result was cached; the graph works without any of this.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const REPORTING = [
  "FullDiTConditions", "FullDiTSaveCamera", "FullDiTCameraFromVideo", "FullDiTCameraPreview",
  "FullDiTIdentity", "FullDiTCropReference", "FullDiTPropagateMask", "FullDiTMasksFromTrack", "FullDiTIdentityMap",
  "FullDiTExtractDepth", "FullDiTDepthAlong", "FullDiTDepthAgreement", "FullDiTDepthPictures",
];

// The number of lines of 12 px text in a box of this width; a letter is about 6.3 px wide.
function lines(text, width) {
  return text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil((line.length * 6.3) / width)), 0);
}

function show(node, text) {
  let widget = node.widgets?.find((w) => w.name === "tokens");
  if (!widget) {
    const box = document.createElement("div");
    box.style.cssText =
      "white-space: pre-wrap; font: 12px sans-serif; color: var(--input-text, #ddd); padding: 4px 8px; overflow: auto;";
    const tall = () => Math.min(260, Math.max(72, 32 + 15 * lines(box.textContent, node.size[0] - 36)));
    widget = node.addDOMWidget("tokens", "FULLDIT_TEXT", box, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: tall,
      getMaxHeight: () => (node.imgs?.length ? tall() : undefined), // the rest belongs to the image
      getValue: () => box.textContent,
      setValue: (value) => {
        box.textContent = value ?? "";
      },
    });
    widget.serialize = false;
  }
  widget.value = text;
  if (widget.element) widget.element.textContent = text;
  const [width, height] = node.computeSize();
  if (node.size[1] < height) node.setSize([Math.max(node.size[0], width), height]);
  node.setDirtyCanvas(true, true);
}

app.registerExtension({
  name: "FullDiT.Tokens",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!REPORTING.includes(nodeData.name)) return;
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      before?.apply(this, arguments);
      if (message?.text === undefined) return;
      const text = [message.text].flat().join("\n");
      // An empty text takes back what the last run said; a node that has said nothing keeps its size.
      if (text || this.widgets?.some((w) => w.name === "tokens")) show(this, text);
    };
  },
});

// The editors: each replaces the widget that holds its state. Their code is loaded when the first such node is on screen.
const CAMERA = {
  module: "./camera_path/attach.mjs", also: "./camera_path/vendor/three.mjs", hides: ["path"], name: "camera editor",
  type: "FULLDIT_CAMERA_EDITOR", least: 430, size: [600, 640],
};
const MASKS = {
  module: "./mask_painter/attach.mjs", hides: ["masks", "source"], name: "mask painter",
  type: "FULLDIT_MASK_PAINTER", least: 470, size: [720, 720],
};
const EDITORS = { FullDiTCameraPath: CAMERA, FullDiTMaskPainter: MASKS, FullDiTEditTrack: MASKS };

function addEditor(node, { module, also, hides, name, type, least, size }) {
  const hidden = node.widgets.filter((widget) => hides.includes(widget.name));
  for (const widget of hidden) {
    widget.hidden = true; // the editor replaces it
    widget.options.hidden = true; // the same, for Nodes 2.0
    widget.computeSize = () => [0, -4];
  }
  const box = document.createElement("div");
  box.style.cssText = "width: 100%; height: 100%; min-height: 0;";
  const widget = node.addDOMWidget("editor", type, box, { serialize: false, hideOnZoom: false, getMinHeight: () => least });
  widget.serialize = false;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, size[0]), Math.max(node.size[1], height, size[1])]);
  let shown = null; // the message of a run that ended before the editor was loaded
  const load = async () => {
    if (also) import(also).catch(() => {}); // fetched in parallel with the modules that import it
    try {
      const { attach } = await import(module);
      if (node.fulldit === "removed") return;
      node.fulldit = attach(node, box, app, api);
      if (shown) node.fulldit.executed(shown);
    } catch (error) {
      box.textContent = `The ${name} could not be loaded; its state can be edited as JSON.`;
      for (const widget of hidden) {
        widget.hidden = widget.options.hidden = false;
        delete widget.computeSize;
      }
      console.error(`FullDiT ${name}:`, error);
    }
  };
  const seen = new ResizeObserver(([entry]) => {
    if (!entry.contentRect.width) return;
    seen.disconnect();
    load();
  });
  seen.observe(box);
  const after = (name, action) => {
    const before = node[name];
    node[name] = function (...args) {
      before?.apply(this, args);
      action(...args);
    };
  };
  after("onConfigure", () => node.fulldit?.reload?.());
  after("onConnectionsChange", () => node.fulldit?.rewired?.());
  after("onExecuted", (message) => {
    shown = message;
    node.fulldit?.executed?.(message);
  });
  after("onRemoved", () => {
    seen.disconnect();
    node.fulldit?.dispose?.();
    node.fulldit = "removed";
  });
}

app.registerExtension({
  name: "FullDiT.Editors",
  nodeCreated(node) {
    if (EDITORS[node.comfyClass]) addEditor(node, EDITORS[node.comfyClass]);
  },
});
