// The camera editor's own style, beside what all editors share.
import { addEditorStyle, addSheet } from "../shared/style.mjs";

const CSS = `
.fulldit-camera .inset { position: absolute; width: auto; height: auto; border: 1px solid #ffffff55; border-radius: 3px; place-items: start;
  cursor: zoom-in; }
.fulldit-camera .inset:hover { background: none; border-color: #fff; }
.fulldit-camera .inset span { padding: 1px 6px 2px; font-size: 10px; color: #fff; background: #0009; border-radius: 2px 0 4px 0; }
.fulldit-camera .inset.through { border-color: #ffffff88; pointer-events: none; background: no-repeat 33.33% 0 / 1px 100% linear-gradient(#ffffff2e 0 0),
  no-repeat 66.67% 0 / 1px 100% linear-gradient(#ffffff2e 0 0), no-repeat 0 33.33% / 100% 1px linear-gradient(#ffffff2e 0 0),
  no-repeat 0 66.67% / 100% 1px linear-gradient(#ffffff2e 0 0); }
.fulldit-camera label:not(.wide, .frame) span { cursor: ew-resize; touch-action: none; }
.fulldit-camera label:not(.wide, .frame) span:hover { color: var(--ink); }
@container (max-width: 430px) { .fulldit-camera label.wide { width: 86px; } .fulldit-camera label { width: 45px; } }
`;

export function addStyle() {
  addEditorStyle();
  addSheet("camera", CSS);
}
