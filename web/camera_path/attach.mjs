// Puts the editor into a FullDiTCameraPath node: the only file here that knows ComfyUI's page.
import { CameraEditor } from "./editor.mjs";
import { Memory, packed } from "../shared/memory.mjs";
import { t } from "../shared/words.mjs";

const BACKDROP = "fulldit_backdrop"; // the node's property with the files behind the path

/** node: the graph's node; box: the element of its DOM widget; app and api: ComfyUI's. Returns the editor. */
export function attach(node, box, app, api) {
  const widget = (name) => node.widgets.find((entry) => entry.name === name);
  const path = widget("path");
  const number = (name, usual) => {
    const value = Number(widget(name)?.value);
    return Number.isFinite(value) && value > 0 ? value : usual;
  };
  const editor = new CameraEditor({
    text: () => path.value,
    write: (text) => {
      path.value = text;
      path.callback?.(text);
      node.graph?.change?.();
    },
    settings: () => ({
      frames: Math.min(Math.max(Math.round(number("frames", 17)), 1), 1025),
      fps: number("fps", 8),
      aspect: Math.min(Math.max(number("aspect", 1.5), 0.1), 10),
    }),
    // In the canvas renderer, the graph gets no wheel events over a node's elements: pass them on.
    wheel: (event) => !window.LiteGraph?.vueNodesMode && app.canvas?.processMouseWheel?.(event),
    address: (file) => api.apiURL(`/view?${new URLSearchParams(file)}`),
    readFile: async (file) => {
      const own = /\.json$/i.test(file.name) && (await file.text());
      if (own && /"fulldit-camera"/.test(own) && JSON.parse(own).keys) return { state: own, notes: [] };
      const query = new URLSearchParams({ name: file.name, aspect: String(number("aspect", 1.5)) });
      const answer = await api.fetchApi(`/fulldit/camera?${query}`, { method: "POST", body: file });
      const read = await answer.json().catch(() => null);
      if (!answer.ok || !read) throw new Error(read?.error ?? t("The server cannot read camera files: restart ComfyUI to load the pack again."));
      return read;
    },
    presets: () =>
      fetch(new URL("presets.json", import.meta.url)).then((answer) => (answer.ok ? answer.json() : {}), () => ({})),
  });
  box.append(editor.root);
  for (const name of ["path", "frames", "fps", "aspect"]) {
    const target = widget(name);
    const before = target.callback;
    target.callback = function (...args) {
      const result = before?.apply(this, args);
      editor.reload();
      return result;
    };
  }

  const linked = () => node.inputs?.some((input) => ["image", "geometry"].includes(input.name) && input.link != null);
  /** Take over the message of a run. */
  editor.executed = (message) => {
    const backdrop = message?.fulldit_backdrop?.[0] ?? null;
    if (JSON.stringify(node.properties[BACKDROP] ?? null) !== JSON.stringify(backdrop)) {
      if (backdrop) node.properties[BACKDROP] = backdrop; // saved with the graph
      else delete node.properties[BACKDROP];
    }
    editor.setBackdrop(backdrop);
  };

  // What the page knew of this node before the graph was undone, another tab was opened, or the page was loaded again.
  const memory = new Memory(node, () => editor.snapshot(), ({ history, ...rest }, most) => ({ ...rest, history: packed(history, String, most) })); // prettier-ignore
  const kept = memory.recall();
  if (kept) editor.recall(kept);
  if (linked() && node.properties?.[BACKDROP]) editor.setBackdrop(node.properties[BACKDROP]);
  editor.cleanup.push(() => memory.close());
  return editor;
}
