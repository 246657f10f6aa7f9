// Errors where the eye is: the sentence of what stopped a node stands in the node itself, below its widgets, until the
// node runs again. The texts come from the server; the graph works without any of this.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addElement } from "../shared/widget.mjs";

const NAME = "fulldit_error", LINE = 16, PAD = 8, MARGIN = 10; // pixels; the last is the host's around an element

function height(text, width) {
  const rows = Math.max(1, Math.ceil((text.length * 6.3) / Math.max(60, width - 2 * (MARGIN + PAD) - 8)));
  return 2 * (MARGIN + PAD) + LINE * Math.min(8, rows);
}

function show(node, sentence) {
  let widget = node.widgets?.find((w) => w.name === NAME);
  if (!sentence) {
    if (!widget) return;
    node.widgets.splice(node.widgets.indexOf(widget), 1);
    widget.onRemove?.();
    node.setSize([node.size[0], Math.max(node.computeSize()[1], node.size[1] - widget.tall)]);
    node.setDirtyCanvas(true, true);
    return;
  }
  if (!widget) {
    const box = document.createElement("div");
    box.setAttribute("role", "note");
    box.style.cssText =
      `box-sizing: border-box; height: 100%; overflow: auto; padding: ${PAD}px; font: 12px/${LINE}px sans-serif; ` +
      "border-left: 3px solid #d9452b; background: rgb(217 69 43 / 0.14); color: var(--input-text, #ddd); " +
      "white-space: pre-wrap; overflow-wrap: anywhere; user-select: text;";
    box.addEventListener("pointerdown", (event) => event.stopPropagation());
    const tall = () => height(box.textContent, node.size[0]);
    widget = addElement(node, NAME, "FULLDIT_ERROR", box, {
      getMinHeight: tall, getMaxHeight: tall,
      getValue: () => box.textContent,
      setValue: (value) => (box.textContent = value),
    });
  }
  widget.value = sentence;
  widget.tall = height(sentence, node.size[0]);
  const [width, least] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], least)]);
  node.setDirtyCanvas(true, true);
}

// The node of an execution id, which names the nodes around it where it stands in a subgraph ('12:3').
function find(id) {
  let graph = app.graph, node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node?.comfyClass?.startsWith("FullDiT") || node?.type?.startsWith("FullDiT") ? node : null;
}

function clear(graph = app.graph) {
  for (const node of graph?.nodes ?? []) {
    show(node, "");
    if (node.subgraph) clear(node.subgraph);
  }
}

function showRefusals(errors) {
  for (const [id, { errors: list }] of Object.entries(errors ?? {})) {
    const node = find(id);
    // The host repeats the sentence for every input that was looked at.
    const said = (list ?? []).filter((error) => error.type === "custom_validation_failed");
    const sentences = new Set(said.map((error) => error.details.replace(/^[\w.]+ - /, "")));
    if (node && sentences.size) show(node, [...sentences].join("\n"));
  }
}

app.registerExtension({
  name: "FullDiT.ErrorsInNodes",
  setup() {
    api.addEventListener("execution_start", () => clear());
    api.addEventListener("execution_error", ({ detail }) => {
      const node = find(detail.node_id);
      if (node && detail.exception_type?.endsWith(".UserError")) show(node, detail.exception_message.trim());
    });
    const queue = api.queuePrompt;
    api.queuePrompt = async function (...given) {
      try {
        const answer = await queue.apply(this, given);
        if (Object.keys(answer?.node_errors ?? {}).length) showRefusals(answer.node_errors);
        return answer;
      } catch (error) {
        clear();
        showRefusals(error?.response?.node_errors);
        throw error;
      }
    };
  },
});
