// The style that the editors share, added to the page once. Colors follow ComfyUI's where the frame meets the node.
const CSS = `
.fulldit-editor { --ink: #d5dae1; --dim: #8a929d; --edge: #33383f; --ground: #202328; --raised: #2b2f35; --chosen: #ffb547;
  container-type: inline-size; box-sizing: border-box; display: flex; flex-direction: column; width: 100%; height: 100%;
  min-height: 0; overflow: hidden; border: 1px solid var(--edge); border-radius: 8px; background: var(--ground);
  color: var(--ink); font: 12px/1.3 system-ui, -apple-system, "Segoe UI", sans-serif; outline: none; user-select: none; }
.fulldit-editor:focus-visible, .fulldit-editor:focus-within { border-color: #596472; }
.fulldit-editor.dropping { border-color: var(--chosen); box-shadow: inset 0 0 0 2px var(--chosen); }
.fulldit-editor * { box-sizing: border-box; }
.fulldit-editor .bar { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; padding: 5px 6px; flex: none; }
.fulldit-editor .gap { flex: 1; }
.fulldit-editor .group { display: flex; border-radius: 6px; background: var(--raised); overflow: hidden; }
.fulldit-editor button { all: unset; box-sizing: border-box; display: grid; place-items: center; width: 28px; height: 26px; cursor: pointer;
  color: var(--ink); }
.fulldit-editor button:hover { background: #3a4048; }
.fulldit-editor button:focus-visible { box-shadow: inset 0 0 0 2px #7aa7ff; }
.fulldit-editor button[aria-pressed=true] { background: #4a3a1d; color: var(--chosen); }
.fulldit-editor button[disabled] { opacity: .32; pointer-events: none; }
.fulldit-editor svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round;
  stroke-linejoin: round; pointer-events: none; }
.fulldit-editor select, .fulldit-editor input { all: unset; box-sizing: border-box; height: 24px; padding: 0 6px; border-radius: 5px;
  background: var(--raised); color: var(--ink); font: inherit; line-height: 24px; min-width: 0; white-space: nowrap; }
.fulldit-editor select { appearance: none; cursor: pointer; max-width: 112px; padding-right: 18px; overflow: hidden; text-overflow: ellipsis;
  background: var(--raised) no-repeat right 6px center / 8px url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 5'%3E%3Cpath d='M0 0l4 5 4-5z' fill='%238a929d'/%3E%3C/svg%3E"); }
.fulldit-editor select option, .fulldit-editor select optgroup { background: #24272c; color: #d5dae1; }
.fulldit-editor select:hover, .fulldit-editor input:hover { background-color: #353a42; }
.fulldit-editor select:focus, .fulldit-editor input:focus { box-shadow: inset 0 0 0 1px #7aa7ff; }
.fulldit-editor input { width: 100%; text-align: right; font-variant-numeric: tabular-nums; user-select: text; appearance: textfield; }
.fulldit-editor input::-webkit-inner-spin-button { appearance: none; margin: 0; }
.fulldit-editor .stage { position: relative; flex: 1; min-height: 120px; overflow: hidden; background: #17191d; }
.fulldit-editor canvas { display: block; touch-action: none; }
.fulldit-editor .view { position: absolute; inset: 0; width: 100%; height: 100%; outline: none; }
.fulldit-editor .note { position: absolute; left: 8px; bottom: 8px; max-width: 60%; padding: 3px 8px; border-radius: 5px; background: #000a; color: #fff;
  opacity: 0; transition: opacity .25s; pointer-events: none; }
.fulldit-editor .note.shown { opacity: 1; }
.fulldit-editor .note.wrong { background: #7c2222; opacity: 1; }
.fulldit-editor .time { display: flex; flex: none; align-items: stretch; height: 58px; border-top: 1px solid var(--edge); background: #1b1d21; }
.fulldit-editor .player { display: flex; flex-direction: column; align-items: center; justify-content: center; width: 62px; gap: 2px;
  border-right: 1px solid var(--edge); }
.fulldit-editor .player button { border-radius: 6px; }
.fulldit-editor .clock { font-size: 10px; color: var(--dim); font-variant-numeric: tabular-nums; white-space: nowrap; }
.fulldit-editor .timeline { flex: 1; min-width: 0; width: 100%; height: 100%; }
.fulldit-editor .fields { display: flex; flex: none; flex-wrap: wrap; gap: 4px 6px; align-items: end; padding: 5px 6px 6px;
  border-top: 1px solid var(--edge); }
.fulldit-editor .which { align-self: center; min-width: 44px; color: var(--chosen); font-weight: 600; white-space: nowrap; }
.fulldit-editor label { display: flex; flex-direction: column; gap: 1px; width: 50px; }
.fulldit-editor label.wide { width: 110px; }
.fulldit-editor label span { padding-left: 2px; font-size: 10px; color: var(--dim); white-space: nowrap; }
.fulldit-editor label.frame { width: 44px; }
.fulldit-editor .rule { width: 1px; align-self: stretch; background: var(--edge); margin: 2px; }
.fulldit-editor-large { position: fixed; inset: 0; z-index: 9990; display: grid; place-items: center; background: #000b; }
.fulldit-editor-large > div { width: min(96vw, 1800px); height: 92vh; }
.fulldit-editor-large .fulldit-editor { font-size: 13px; border-radius: 10px; }
.fulldit-editor-large label.wide { width: 126px; }
.fulldit-editor-large select { max-width: 126px; }
`;

/** Add a style sheet to the page, once for each name. */
export function addSheet(name, css) {
  if (document.getElementById(`fulldit-${name}-style`)) return;
  const sheet = document.createElement("style");
  sheet.id = `fulldit-${name}-style`;
  sheet.textContent = css;
  document.head.append(sheet);
}

export const addEditorStyle = () => addSheet("editor", CSS);
