// Puts the editor into a FullDiTCameraPath node: the only file here that knows ComfyUI's page.
import { CameraEditor } from "./editor.mjs";

/** node: of the graph; box: the element of its DOM widget; app and api: ComfyUI's. Gives the editor. */
export function attach(node, box, app, api) {
  const widget = (name) => node.widgets.find((found) => found.name === name);
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
    // Where nodes are painted on a canvas, the graph does not hear the wheel over a node's elements.
    wheel: (event) => !window.LiteGraph?.vueNodesMode && app.canvas?.processMouseWheel?.(event),
    address: (file) => api.apiURL(`/view?${new URLSearchParams(file)}`),
    presets: () =>
      fetch(new URL("presets.json", import.meta.url)).then((answer) => (answer.ok ? answer.json() : {}), () => ({})),
  });
  box.append(editor.root);
  for (const name of ["path", "frames", "fps", "aspect"]) {
    const found = widget(name);
    const before = found.callback;
    found.callback = function (...given) {
      const result = before?.apply(this, given);
      editor.reload();
      return result;
    };
  }
  return editor;
}
