// Shows the reports of some nodes (token counts, a camera's report, where a file was saved) inside the node, and the errors
// of all of them as messages. The text comes from the server with every run, also when the node's result was cached; the
// graph works without any of this.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const REPORTING = [
  "FullDiTLoadVideoModel", "FullDiTModelFamily", "FullDiTLoadLora", "FullDiTSampler", "FullDiTApply",
  "FullDiTConditions", "FullDiTLoadCamera", "FullDiTSaveCamera", "FullDiTCameraFromVideo", "FullDiTCameraPreview",
  "FullDiTIdentity", "FullDiTCropReference", "FullDiTPropagateMask", "FullDiTMasksFromTrack", "FullDiTIdentityMap",
  "FullDiTExtractDepth", "FullDiTDepthAlong", "FullDiTDepthAgreement", "FullDiTDepthPictures",
  "FullDiTRenderAlong",
];

const LINE = 15, GAP = 4, MOST = 260; // pixels: a line of 12 px text, the gap behind a sentence, the tallest text

// The height of a text in a node of this width, up to a bound beyond which it scrolls; a letter is about 6.3 px wide.
function height(text, width) {
  const rows = (line) => Math.max(1, Math.ceil((line.length * 6.3) / (width - 36)));
  const all = text.split("\n").reduce((sum, line) => sum + LINE * rows(line) + GAP, 0);
  return Math.min(MOST, Math.max(72, 24 + all));
}

// Every line of the text is a block, so that one sees where a sentence that was wrapped begins.
function write(box, text) {
  const lines = String(text ?? "").split("\n");
  box.replaceChildren(...lines.map((line, at) => {
    const block = document.createElement("div");
    block.textContent = at < lines.length - 1 ? `${line}\n` : line;
    block.style.marginBottom = `${GAP}px`;
    return block;
  }));
}

function show(node, text) {
  let widget = node.widgets?.find((w) => w.name === "tokens");
  if (!widget) {
    const frame = document.createElement("div"), box = document.createElement("div");
    frame.style.cssText = "position: relative; width: 100%; height: 100%;";
    // Out of the flow: a long text scrolls instead of making the node longer (Nodes 2.0 asks the element for its height).
    box.style.cssText =
      `position: absolute; inset: 0; box-sizing: border-box; padding: 4px 8px; overflow: auto; font: 12px/${LINE}px sans-serif;` +
      "white-space: pre-wrap; overflow-wrap: anywhere; user-select: text; scrollbar-width: thin; outline: none;" +
      "color: var(--input-text, #ddd);";
    box.tabIndex = 0; // Nodes 2.0 gives the wheel to what has the focus and this mark
    box.dataset.captureWheel = "true";
    box.addEventListener("pointerdown", (event) => event.stopPropagation()); // the text is selected, not the node dragged
    frame.append(box);
    const tall = () => height(box.textContent, node.size[0]);
    widget = node.addDOMWidget("tokens", "FULLDIT_TEXT", frame, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: tall,
      getMaxHeight: () => (node.imgs?.length ? tall() : undefined), // the rest belongs to the image
      getValue: () => box.textContent,
      setValue: (value) => {
        write(box, value);
        frame.style.minHeight = `${tall()}px`;
      },
    });
    widget.serialize = false;
  }
  widget.value = text;
  const [width, least] = node.computeSize();
  if (node.size[1] < least) node.setSize([Math.max(node.size[0], width), least]);
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

// Errors: the page keeps their sentences behind "View details", but ours say what to do, so they are shown at once.
function say(id, kind, sentence) {
  if (!kind?.startsWith("FullDiT")) return;
  const summary = app.graph.getNodeById(id)?.title ?? kind;
  app.extensionManager?.toast?.add({ severity: "error", summary, detail: sentence, life: 30000 });
}

function sayRefusals(errors) {
  for (const [id, node] of Object.entries(errors ?? {})) {
    for (const { type, details } of node.errors ?? []) {
      if (type === "custom_validation_failed") say(id, node.class_type, details.replace(/^\w+ - /, ""));
    }
  }
}

app.registerExtension({
  name: "FullDiT.Errors",
  setup() {
    api.addEventListener("execution_error", ({ detail }) => {
      if (detail.exception_type?.endsWith(".UserError")) say(detail.node_id, detail.node_type, detail.exception_message.trim());
    });
    const queue = api.queuePrompt; // what is refused before anything runs has no event
    api.queuePrompt = async function (...given) {
      try {
        const answer = await queue.apply(this, given);
        sayRefusals(answer?.node_errors);
        return answer;
      } catch (error) {
        sayRefusals(error?.response?.node_errors);
        throw error;
      }
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
