// The line below the painter: what is painted now, and what the last run said of it as long as nothing has changed since.
import { t } from "../shared/words.mjs";

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let k = 0; k < 8; k++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});
let last = { text: null, sum: "" };
/** The CRC-32 of a text as eight hexadecimal digits: what the server knows a state by. */
export function checksum(text) {
  if (text !== last.text) last = { text, sum: compute(text) };
  return last.sum;
}

function compute(text) {
  let rest = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) rest = TABLE[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ((rest ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

/** A sentence for each slot: its name and its keyframes. */
export function summarize(state) {
  const painted = state.slots.filter((slot) => slot.keys.length);
  if (!painted.length) return t("Nothing is painted yet.");
  const line = ({ name, keys }) =>
    keys.length === 1 ? t("{name}: 1 keyframe", { name }) : t("{name}: {count} keyframes", { name, count: keys.length });
  return painted.map(line).join(" · ");
}

/**
 * The report as it is true now. report: {text, of: checksum of the state that ran} or null; text: of the present state;
 * missing: a sentence about frames that are not there, or "".
 */
export function describe(state, text, report, missing) {
  const said = report?.text && report.of === checksum(text);
  return [missing, said ? report.text : summarize(state)].filter(Boolean).join("\n");
}
