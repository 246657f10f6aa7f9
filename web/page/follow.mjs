// One source of size, length and rate: where a model, images or conditions are connected, the widgets that follow them
// show the values that will be taken: in their label where 0 follows and another number is one's own, else in gray. What
// is taken is decided by the server (nodes/followed.py); before a run, the size of a FullDiT checkpoint is asked for,
// anything else is known after the first run.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

// sockets: what is followed, the first that is connected. widgets: by the server's names. zero: a number other than 0 is
// the user's own and stays.
const FOLLOWERS = {
  FullDiTConditions: { sockets: ["model", "source_video"], widgets: { frames: "frames", width: "width", height: "height" }, zero: true },
  FullDiTFitVideo: {
    sockets: ["conditions", "model"], zero: true,
    widgets: { frames: "frames", width: "width", height: "height", fps: "fps" },
  },
  FullDiTCameraPreset: { sockets: ["model"], widgets: { frames: "frames", fps: "fps", aspect: "aspect" } },
  FullDiTCameraPath: { sockets: ["model"], widgets: { frames: "frames", fps: "fps", aspect: "aspect" } },
  FullDiTMaskPainter: { sockets: ["images", "model"], widgets: { frames: "frames", width: "width", height: "height" } },
};
const LOADER = "FullDiTLoad", sizes = new Map();

// The node behind an input, through reroutes and what passes a MODEL on (LoRAs and patches).
function source(node, name) {
  for (let steps = 0; node && steps < 50; steps++) {
    const input = node.inputs?.find((one) => one.name === name);
    if (input?.link == null) return null;
    const link = node.graph.links.get ? node.graph.links.get(input.link) : node.graph.links[input.link];
    const next = node.graph.getNodeById(link?.origin_id);
    if (!next || next.comfyClass === LOADER || !next.inputs?.some((one) => one.name === "model" && one.link != null)) return next;
    node = next;
    name = "model";
  }
  return null;
}

async function sizeOf(checkpoint) {
  if (!sizes.has(checkpoint)) {
    const asked = api.fetchApi(`/fulldit/video_size?checkpoint=${encodeURIComponent(checkpoint)}`);
    sizes.set(checkpoint, asked.then((answer) => (answer.ok ? answer.json() : null)).catch(() => null));
  }
  return sizes.get(checkpoint);
}

async function refresh(node) {
  const { sockets, widgets, zero } = FOLLOWERS[node.comfyClass];
  const socket = sockets.find((name) => node.inputs?.some((one) => one.name === name && one.link != null));
  const origin = socket && source(node, socket);
  let values = null;
  if (origin?.comfyClass === LOADER) values = await sizeOf(origin.widgets?.find((one) => one.name === "checkpoint")?.value);
  else if (origin && node.fullditFollowed?.origin === origin.id) values = node.fullditFollowed.values;
  for (const [key, name] of Object.entries(widgets)) {
    const widget = node.widgets?.find((one) => one.name === name);
    if (widget) mark(widget, !!socket, socket, values?.[key], zero);
  }
  node.setDirtyCanvas?.(true, true);
}

function mark(widget, follows, socket, value, zero) {
  widget.fullditLabel ??= { label: widget.label };
  const own = zero && Number(widget.value) !== 0, taken = follows && !own;
  // Where 0 stands for what is connected, a number of one's own can be typed; elsewhere what is connected decides.
  widget.disabled = taken && !zero;
  (widget.options ??= {}).disabled = widget.disabled;
  const from = `from ${socket?.replace("_", " ")}`, shown = value === undefined || value === null ? from : `${value} ${from}`;
  widget.label = taken ? `${widget.fullditLabel.label ?? widget.name} (${shown})` : widget.fullditLabel.label;
}

app.registerExtension({
  name: "FullDiT.Follow",
  nodeCreated(node) {
    if (!FOLLOWERS[node.comfyClass]) return;
    const after = (name, action) => {
      const before = node[name];
      node[name] = function (...given) {
        const answer = before?.apply(this, given);
        action(...given);
        return answer;
      };
    };
    const soon = () => queueMicrotask(() => refresh(node).catch(() => {}));
    after("onConnectionsChange", soon);
    after("onConfigure", () => setTimeout(soon));
    after("onExecuted", (message) => {
      const values = message?.fulldit_followed?.[0];
      const { sockets } = FOLLOWERS[node.comfyClass];
      const socket = sockets.find((name) => node.inputs?.some((one) => one.name === name && one.link != null));
      node.fullditFollowed = values ? { values, origin: source(node, socket ?? "")?.id } : null;
      soon();
    });
    for (const name of Object.values(FOLLOWERS[node.comfyClass].widgets)) {
      const widget = node.widgets?.find((one) => one.name === name), before = widget?.callback;
      if (widget) widget.callback = function (...given) {
        soon();
        return before?.apply(this, given);
      };
    }
  },
  afterConfigureGraph() {
    const all = (graph) => graph.nodes.forEach((node) => {
      if (FOLLOWERS[node.comfyClass]) refresh(node).catch(() => {});
      if (node.subgraph) all(node.subgraph);
    });
    all(app.graph);
  },
});
