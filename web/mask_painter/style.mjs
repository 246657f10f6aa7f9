// The mask painter's own style, beside what all editors share.
import { addEditorStyle, addSheet } from "../shared/style.mjs";
import { ROW, TOP } from "./timeline.mjs";

const CSS = `
.fulldit-masks .stage { touch-action: none; cursor: crosshair; min-height: 160px; }
.fulldit-masks .stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.fulldit-masks .ring { position: absolute; left: 0; top: 0; border: 1.25px solid #fff; border-radius: 50%; box-shadow: 0 0 0 1px #0009, inset 0 0 0 1px #0006;
  pointer-events: none; opacity: 0; will-change: transform; }
.fulldit-masks .ring.shown { opacity: 1; }
.fulldit-masks .ring.cuts { border-style: dashed; }
.fulldit-masks .hint { position: absolute; inset: auto 0; top: 50%; transform: translateY(-50%); text-align: center; color: #aab1bb; pointer-events: none; white-space: pre-line; line-height: 1.5; }
.fulldit-masks .hint:empty { display: none; }
.fulldit-masks .note { max-width: 75%; }
.fulldit-masks .banner { display: none; position: absolute; top: 8px; left: 50%; transform: translateX(-50%); align-items: center; gap: 10px; padding: 5px 6px 5px 12px;
  border-radius: 7px; background: #2b2f35f2; box-shadow: 0 2px 10px #0006; white-space: nowrap; cursor: default; }
.fulldit-masks .banner.shown { display: flex; }
.fulldit-masks button.word { display: flex; align-items: center; gap: 5px; width: auto; padding: 0 9px; }
.fulldit-masks button.word[aria-pressed=true] { background: #4a2430; color: #ff9db0; }
.fulldit-masks button.strong { height: 26px; border-radius: 6px; background: #4a3a1d; color: var(--chosen); font-weight: 600; }
.fulldit-masks button.strong:hover { background: #5c4822; }
.fulldit-masks .group.tools { --w: 30px; }
.fulldit-masks .tools button { width: var(--w); }
.fulldit-masks [data-do=cuts] { min-width: 42px; justify-content: center; }
.fulldit-masks label { display: flex; flex-direction: column; gap: 1px; width: 58px; }
.fulldit-masks label.wide { width: 112px; }
.fulldit-masks label.frame { width: 46px; }
.fulldit-masks label.size { width: 92px; }
.fulldit-masks input[type=range] { appearance: none; padding: 0; background: none; cursor: pointer; }
.fulldit-masks input[type=range]::-webkit-slider-runnable-track { height: 3px; border-radius: 2px; background: #4b525c; }
.fulldit-masks input[type=range]::-webkit-slider-thumb { appearance: none; width: 13px; height: 13px; margin-top: -5px; border-radius: 50%; background: var(--ink); }
.fulldit-masks input[type=range]::-moz-range-track { height: 3px; border-radius: 2px; background: #4b525c; }
.fulldit-masks input[type=range]::-moz-range-thumb { width: 13px; height: 13px; border: 0; border-radius: 50%; background: var(--ink); }
.fulldit-masks input[type=range]:focus { box-shadow: none; }
.fulldit-masks input[type=range]:focus-visible::-webkit-slider-thumb { background: #7aa7ff; }
.fulldit-masks .time { height: auto; }
.fulldit-masks .side { display: flex; flex-direction: column; width: 178px; flex: none; border-right: 1px solid var(--edge); }
.fulldit-masks .player { flex-direction: row; justify-content: flex-start; gap: 6px; width: auto; height: ${TOP}px; padding: 0 5px; border: 0; }
.fulldit-masks .player button { width: 24px; height: 20px; }
.fulldit-masks .timeline { width: auto; }
.fulldit-masks .layer { display: flex; align-items: center; gap: 4px; height: ${ROW}px; padding: 0 6px 0 4px; border-bottom: 1px solid #0004; cursor: default; }
.fulldit-masks .layer:hover { background: #ffffff08; }
.fulldit-masks .layer.chosen { background: #ffffff10; }
.fulldit-masks .layer.held { opacity: .6; }
.fulldit-masks .layer button { width: 22px; height: 20px; border-radius: 5px; color: var(--dim); }
.fulldit-masks .layer button[aria-pressed=true] { background: none; color: var(--dim); }
.fulldit-masks .layer button:hover { background: #3a4048; color: var(--ink); }
.fulldit-masks .layer button svg { width: 14px; height: 14px; }
.fulldit-masks .layer .gone { visibility: hidden; width: 18px; }
.fulldit-masks .layer:hover .gone { visibility: visible; }
.fulldit-masks .layer.unseen .name { opacity: .5; }
.fulldit-masks .dot { width: 14px; height: 14px; flex: none; border-radius: 50%; cursor: pointer; box-shadow: inset 0 0 0 1px #0005; overflow: hidden; }
.fulldit-masks .dot input { opacity: 0; width: 100%; height: 100%; padding: 0; cursor: pointer; }
.fulldit-masks .name { flex: 1; height: 20px; line-height: 20px; padding: 0 4px; text-align: left; background: none; text-overflow: ellipsis; }
.fulldit-masks .name:read-only { cursor: default; user-select: none; }
.fulldit-masks .name:read-only:focus { box-shadow: none; background: none; }
.fulldit-masks .layer.chosen .name { color: #fff; }
.fulldit-masks .out { min-width: 10px; font-size: 10px; color: var(--dim); text-align: right; }
.fulldit-masks .which { min-width: 76px; color: var(--dim); }
.fulldit-masks .which.on { color: var(--chosen); }
.fulldit-masks .fields .group { align-self: center; }
.fulldit-masks .fields .strong { align-self: center; }
.fulldit-masks .fields :is(select, input)[disabled] { opacity: .4; pointer-events: none; }
.fulldit-masks .report { flex: none; padding: 0 8px 6px; color: var(--dim); font-size: 11px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; cursor: pointer; }
.fulldit-masks .report:empty { display: none; }
.fulldit-masks .report.open { white-space: pre-line; max-height: 96px; overflow: auto; user-select: text; }
.fulldit-masks .card { display: none; position: absolute; inset: 0; margin: auto; width: fit-content; height: fit-content; max-width: 96%; max-height: 96%; overflow: auto;
  grid-template-columns: auto auto; gap: 10px 28px; padding: 14px 20px; border-radius: 10px; background: #1b1d21f5; box-shadow: 0 4px 24px #000a; cursor: default; }
.fulldit-masks .card.shown { display: grid; }
.fulldit-masks .card dl { display: grid; grid-template-columns: auto auto; gap: 2px 12px; margin: 0; align-content: start; justify-content: start; }
.fulldit-masks .card dt, .fulldit-masks .card dd { margin: 0; }
.fulldit-masks .card dt { white-space: nowrap; }
.fulldit-masks .card dt { color: #fff; }
.fulldit-masks .card dd { color: #aab1bb; }
.fulldit-masks .card .title { grid-column: 1 / -1; color: var(--chosen); font-weight: 600; }
.fulldit-masks .card kbd { font: inherit; }
.fulldit-editor-large .fulldit-masks .side { width: 220px; }
@container (max-width: 560px) { .fulldit-masks .side { width: 132px; } .fulldit-masks label.size { width: 64px; } .fulldit-masks .group.tools { --w: 26px; }
  .fulldit-masks .card { grid-template-columns: auto; } }
`;

export function addStyle() {
  addEditorStyle();
  addSheet("masks", CSS);
}
