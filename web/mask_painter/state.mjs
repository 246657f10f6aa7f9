// The painter's state in one place: its text (text.mjs), its changes (edits.mjs, fill.mjs) and their undo history.
export * from "./text.mjs";
export * from "./edits.mjs";
export * from "./fill.mjs";
export { History } from "../shared/history.mjs";
