// Shows what some nodes say about their work (tokens, a camera's report, where a file is) inside the node. The text comes
// from the server with every run, also where the node's result was kept; nothing here is needed for the graph to work.
import { app } from "../../scripts/app.js";

const SPEAKERS = ["FullDiTConditions", "FullDiTSaveCamera", "FullDiTCameraFromVideo", "FullDiTCameraPreview"];

function show(node, text) {
  let widget = node.widgets?.find((w) => w.name === "tokens");
  if (!widget) {
    const box = document.createElement("div");
    box.style.cssText =
      "white-space: pre-wrap; font: 12px sans-serif; color: var(--input-text, #ddd); padding: 4px 8px; overflow: auto;";
    widget = node.addDOMWidget("tokens", "FULLDIT_TEXT", box, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => Math.min(220, Math.max(72, 12 + 16 * box.textContent.split("\n").length)),
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
    if (!SPEAKERS.includes(nodeData.name)) return;
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      before?.apply(this, arguments);
      const text = message?.text;
      if (text) show(this, Array.isArray(text) ? text.join("\n") : String(text));
    };
  },
});
