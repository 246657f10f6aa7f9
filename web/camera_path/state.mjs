// The editor's state as plain JSON values, and every change to it as a function from state to state: nothing here knows the
// page. A state is {format, version, ease, turns, keys: [{time, position, target | rotation | turn, fov, ease}]}.
import { eased, EASINGS } from "./easing.mjs";
import { apply, looking, sub, toTurn } from "./rotations.mjs";
import { keyMatrix, pathOf } from "./path.mjs";
import { TURNS } from "./turns.mjs";
import { UserError } from "../shared/errors.mjs";

export const FORMAT = "fulldit-camera";
export const SUBJECT = [0, 0, 1];
// Two keys are never closer in time than this.
export const GAP = 0.004;
const FOV = [5, 150];

const number = (value) => typeof value === "number" && Number.isFinite(value);
const vector = (value, size) => Array.isArray(value) && value.length === size && value.every(number);

/** The state in a text. Throws an Error that says what is wrong, in Python's words. */
export function parse(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`the camera path is not JSON (${error.message})`);
  }
  if (!value || typeof value !== "object" || !Array.isArray(value.keys))
    throw new UserError("the camera path must be a JSON object with keys");
  const state = { format: FORMAT, version: 1, ease: value.ease ?? "linear", turns: value.turns ?? "exact", keys: [] };
  if (!EASINGS[state.ease]) throw new UserError(`the ease '${state.ease}' is unknown`);
  if (!TURNS.includes(state.turns)) throw new UserError(`turns of the kind '${state.turns}' are unknown`);
  value.keys.forEach((key, k) => {
    const made = { time: key?.time, position: key?.position ?? [0, 0, 0], fov: key?.fov ?? 50, ease: key?.ease ?? "linear" };
    for (const name of ["target", "turn", "rotation"]) if (key?.[name] != null) made[name] = key[name];
    const sizes = [["position", 3], ["target", 3], ["turn", 3], ["rotation", 4]];
    for (const [name, size] of sizes)
      if (made[name] && !vector(made[name], size)) throw new UserError(`'${name}' of camera key ${k} must be ${size} numbers`);
    if (!number(made.time) || !number(made.fov)) throw new UserError(`time and fov of camera key ${k} must be numbers`);
    if (!EASINGS[made.ease]) throw new UserError(`the ease of camera key ${k} is unknown`);
    state.keys.push(made);
  });
  pathOf(state); // throws what Python would
  return state;
}

const round = (value, digits) => {
  const rounded = Number(value.toFixed(digits));
  return Object.is(rounded, -0) ? 0 : rounded;
};

/** The text of a state: short, and the same for the same path. */
export function serialize(state) {
  const keys = state.keys.map((key) => {
    const out = { time: round(key.time, 6), position: key.position.map((value) => round(value, 5)) };
    if (key.target) out.target = key.target.map((value) => round(value, 5));
    const turn = (key.turn ?? []).map((value) => round(value, 4));
    if (!key.target && key.rotation) out.rotation = key.rotation.map((value) => round(value, 8));
    else if (turn.some((value) => value)) out.turn = turn;
    out.fov = round(key.fov, 3);
    if (key.ease !== "linear") out.ease = key.ease;
    return out;
  });
  return JSON.stringify({ format: FORMAT, version: 1, ease: state.ease, turns: state.turns, keys });
}

/** Where in the clip (0..1) the path is at the time `time` of the keys: the inverse of the whole path's ease. */
export function clipOf(state, time) {
  let low = 0, high = 1;
  for (let k = 0; k < 40; k++) {
    const middle = (low + high) / 2;
    if (eased(middle, state.ease) < time) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
/** The time of the keys at a part of the clip. */
export const timeOf = (state, clip) => Math.min(Math.max(eased(clip, state.ease), 0), 1);

export const replaceKey = (state, index, change) => ({
  ...state,
  keys: state.keys.map((key, k) => (k === index ? { ...key, ...change } : key)),
});

/** The turn of a key as [pan, tilt, roll] in degrees, whatever it is stored as. */
export const turnOf = (key) => toTurn(keyMatrix(key));

/** The key with a free turn: it no longer looks at a point. */
export function withTurn(key, turn) {
  const { target, rotation, ...rest } = key;
  return { ...rest, turn };
}

/** The key aimed at a point, keeping its roll. A point at the camera's own position is moved away. */
export function withTarget(key, target) {
  const { rotation, ...rest } = key;
  if (Math.hypot(...sub(target, key.position)) < 0.01) target = [target[0], target[1], key.position[2] + 0.01];
  return { ...rest, target, turn: [0, 0, key.turn?.[2] ?? 0] };
}

/** The key at another position; a target at that position is moved away. */
export function withPosition(key, position) {
  const moved = { ...key, position };
  return moved.target ? withTarget(moved, moved.target) : moved;
}

/** A point ahead of a key, as far as the subject is: where a new target starts. */
export function ahead(key) {
  const distance = Math.max(Math.hypot(...sub(SUBJECT, key.position)), 0.2);
  return apply(keyMatrix(key), [0, 0, distance]).map((value, d) => value + key.position[d]);
}

/** The state with a new key on the path at a time of the clip: [state, its index], or null if there is a key already. */
export function insertKey(state, clip) {
  const time = timeOf(state, clip);
  if (state.keys.some((key) => Math.abs(key.time - time) < GAP)) return null;
  const index = state.keys.filter((key) => key.time < time).length;
  const [before, after] = [state.keys[index - 1], state.keys[index]];
  const pose = pathOf(state)(clip);
  const key = { time, position: pose.position, fov: pose.fov, ease: (before ?? after).ease };
  if (before?.target && after?.target) {
    const share = (time - before.time) / (after.time - before.time);
    key.target = before.target.map((value, d) => value + (after.target[d] - value) * share);
    key.turn = [0, 0, rollOf(pose)];
  } else if (!(before && after) && (before ?? after).target) {
    key.target = (before ?? after).target;
    key.turn = [0, 0, rollOf(pose)];
  } else key.turn = toTurn(pose.rotation);
  return [{ ...state, keys: [...state.keys.slice(0, index), key, ...state.keys.slice(index)] }, index];
}

/** The roll in degrees of a pose against the upright camera that looks the same way. */
function rollOf(pose) {
  const m = pose.rotation, upright = looking([m[2], m[5], m[8]]);
  const along = (r, c) => upright[r] * m[c] + upright[3 + r] * m[3 + c] + upright[6 + r] * m[6 + c];
  return (Math.atan2(along(1, 0), along(0, 0)) * 180) / Math.PI;
}

/** The state without a key; the last remaining key stays. */
export function removeKey(state, index) {
  if (state.keys.length < 2) return state;
  return { ...state, keys: state.keys.filter((_, k) => k !== index) };
}

/** The state with a key at another time; it may pass others. Returns [state, the key's new index]. */
export function retimeKey(state, index, time) {
  const others = state.keys.filter((_, k) => k !== index);
  let wanted = Math.min(Math.max(time, 0), 1);
  for (const other of others)
    if (Math.abs(other.time - wanted) < GAP) wanted = other.time + (state.keys[index].time < other.time ? -GAP : GAP);
  if (wanted < 0 || wanted > 1 || others.some((other) => Math.abs(other.time - wanted) < GAP * 0.99)) return [state, index];
  const key = { ...state.keys[index], time: wanted };
  const keys = [...others, key].sort((a, b) => a.time - b.time);
  return [{ ...state, keys }, keys.indexOf(key)];
}

export const clampFov = (fov) => Math.min(Math.max(fov, FOV[0]), FOV[1]);

export { History } from "../shared/history.mjs";
