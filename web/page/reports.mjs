// Shows the reports of some nodes (token counts, a camera's report, where a file was saved) inside the node. The text comes
// from the server with every run, also when the node's result was cached; the graph works without any of this.
import { app } from "../../../scripts/app.js";
import { addElement } from "../shared/widget.mjs";

const REPORTING = [
  "FullDiTLoadVideoModel", "FullDiTModelFamily", "FullDiTLoadLora", "FullDiTSampler", "FullDiTApply",
  "FullDiTConditions", "FullDiTLoadCamera", "FullDiTSaveCamera", "FullDiTCameraFromVideo", "FullDiTCameraPreview",
  "FullDiTIdentity", "FullDiTCropReference", "FullDiTPropagateMask", "FullDiTMasksFromTrack", "FullDiTIdentityMap",
  "FullDiTExtractDepth", "FullDiTDepthAlong", "FullDiTDepthAgreement", "FullDiTDepthPictures",
  "FullDiTRenderAlong", "FullDiTCompare", "FullDiTAgreementReport", "FullDiTFitVideo", "FullDiTExportConditions",
  "FullDiTImportConditions", "FullDiTCameraPreset", "FullDiTDescribeCamera", "FullDiTEnhancePrompt", "FullDiTStory",
  "FullDiTControlVideo", "FullDiTSound",
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
    widget = addElement(node, "tokens", "FULLDIT_TEXT", frame, {
      getMinHeight: tall,
      getMaxHeight: () => (node.imgs?.length ? tall() : undefined), // the rest belongs to the image
      getValue: () => box.textContent,
      setValue: (value) => {
        write(box, value);
        frame.style.minHeight = `${tall()}px`;
      },
    });
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
      // A sentence that several parts of a run say, or that is sent again, is shown once.
      const text = [...new Set([message.text].flat().join("\n").split("\n"))].join("\n");
      // An empty text takes back what the last run said; a node that has said nothing keeps its size.
      if (text || this.widgets?.some((w) => w.name === "tokens")) show(this, text);
    };
  },
});
