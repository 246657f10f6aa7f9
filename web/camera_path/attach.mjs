// Puts the editor into a FullDiTCameraPath node: the only file here that knows ComfyUI's page.
import { CameraEditor } from "./editor.mjs";

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
  return editor;
}
