// The editors: each replaces the widget that holds its state. Their code is loaded when the first such node is on screen.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addElement, hide } from "../shared/widget.mjs";

const CAMERA = {
  module: "../camera_path/attach.mjs", also: "../camera_path/vendor/three.mjs", hides: ["path"], name: "camera editor",
  type: "FULLDIT_CAMERA_EDITOR", least: 430, size: [600, 640],
};
const MASKS = {
  module: "../mask_painter/attach.mjs", hides: ["masks", "source"], name: "mask painter",
  type: "FULLDIT_MASK_PAINTER", least: 470, size: [720, 720],
};
const EDITORS = { FullDiTCameraPath: CAMERA, FullDiTMaskPainter: MASKS, FullDiTEditTrack: MASKS };

function addEditor(node, { module, also, hides, name, type, least, size }) {
  const hidden = node.widgets.filter((widget) => hides.includes(widget.name));
  for (const widget of hidden) hide(widget);
  const box = document.createElement("div");
  box.style.cssText = "width: 100%; height: 100%; min-height: 0;";
  addElement(node, "editor", type, box, { getMinHeight: () => least });
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, size[0]), Math.max(node.size[1], height, size[1])]);
  let shown = null; // the message of a run that ended before the editor was loaded
  const load = async () => {
    if (also) import(also).catch(() => {}); // fetched in parallel with the modules that import it
    try {
      const [{ attach }, { speak }] = await Promise.all([import(module), import("../shared/words.mjs")]);
      await speak(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en");
      if (node.fulldit === "removed") return;
      node.fulldit = attach(node, box, app, api);
      if (shown) node.fulldit.executed(shown);
    } catch (error) {
      box.textContent = `The ${name} could not be loaded; its state can be edited as JSON.`;
      for (const widget of hidden) hide(widget, true);
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
