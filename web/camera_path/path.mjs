// A camera path through keys: control/camera/splines.py in JavaScript, so that the editor shows the path that Python will
// compute from the state. Python's result is the reference; tests/fixtures/camera_keys.json compares the two.
import { eased } from "./easing.mjs";
import {
  apply, fromQuaternion, fromTurn, fromVector, length, looking, multiply, radians, sub, transpose,
} from "./rotations.mjs"; // prettier-ignore
import { segmentOf, slopes, turning } from "./turns.mjs";
import { UserError } from "../shared/errors.mjs";

/** The camera-to-world rotation of a key. Throws if the key looks at its own position. */
export function keyMatrix(key) {
  if (key.target) {
    const forward = sub(key.target, key.position ?? [0, 0, 0]);
    if (length(forward) < 1e-6) throw new UserError(`the key at ${key.time} looks at the point where it stands`);
    return multiply(looking(forward), fromVector([0, 0, radians(key.turn?.[2] ?? 0)]));
  }
  return key.rotation ? fromQuaternion(key.rotation) : fromTurn(key.turn ?? [0, 0, 0]);
}

/** Points at times on a monotone cubic, which never overshoots its keys. */
function cubic(times, points) {
  if (points.length === 1) return () => points[0];
  const steps = points.slice(1).map((_, k) => times[k + 1] - times[k]);
  const tangents = slopes(steps, steps.map((step, k) => points[k].map((value, d) => (points[k + 1][d] - value) / step)));
  return (at) => {
    const k = segmentOf(times, at, steps.length);
    const width = steps[k], u = (at - times[k]) / width, v = 1 - u;
    const a = (1 + 2 * u) * v * v, b = u * v * v * width, c = u * u * (3 - 2 * u), e = u * u * (u - 1) * width;
    return points[k].map((p, d) => a * p + b * tangents[k][d] + c * points[k + 1][d] + e * tangents[k + 1][d]);
  };
}

/** Runs of neighboring keys with a target, as [first, last, curve of target and roll]. */
function aimedRuns(times, keys) {
  const runs = [];
  for (let first = 0; first < keys.length; ) {
    let last = first;
    while (keys[first].target && keys[last + 1]?.target) last++;
    if (last > first) {
      const run = keys.slice(first, last + 1).map((key) => [...key.target, key.turn?.[2] ?? 0]);
      runs.push([first, last, cubic(times.slice(first, last + 1), run)]);
    }
    first = last + 1;
  }
  return runs;
}

/**
 * A function of the clip's time 0..1 that returns {time, position, rotation, fov}: time is the camera's place on the keys'
 * time scale after all eases. Throws for a state that Python would refuse.
 */
export function pathOf(state) {
  const keys = state.keys;
  if (!keys?.length) throw new UserError("a camera path needs at least one key");
  const times = keys.map((key) => key.time);
  if (times.some((time, k) => !(time >= 0 && time <= 1) || (k > 0 && time - times[k - 1] < 1e-6)))
    throw new UserError("the times of the keys must increase within 0..1");
  const position = cubic(times, keys.map((key) => key.position ?? [0, 0, 0]));
  const fov = cubic(times, keys.map((key) => [key.fov ?? 50]));
  const rotation = turning(times, keys.map(keyMatrix), state.turns ?? "exact");
  const runs = aimedRuns(times, keys);
  const last = times.length - 1;
  return (clip) => {
    let at = Math.min(Math.max(eased(clip, state.ease ?? "linear"), times[0]), times[last]);
    if (last > 0) {
      const k = segmentOf(times, at, last), ease = keys[k].ease ?? "linear", width = times[k + 1] - times[k];
      if (ease !== "linear") at = times[k] + width * eased((at - times[k]) / width, ease);
    }
    const where = position(at);
    const k = segmentOf(times, at, last);
    const run = runs.find(([from, to]) => k >= from && k < to);
    if (run) {
      const wanted = run[2](at), forward = sub(wanted, where);
      if (length(forward) > 1e-6) {
        const turned = multiply(looking(forward), fromVector([0, 0, radians(wanted[3])]));
        return { time: at, position: where, rotation: turned, fov: fov(at)[0] };
      }
    }
    return { time: at, position: where, rotation: rotation(at), fov: fov(at)[0] };
  };
}

/** The poses of all frames, in the editor's world. */
export function evaluate(state, frames) {
  const path = pathOf(state);
  return Array.from({ length: frames }, (_, k) => path(frames > 1 ? k / (frames - 1) : 0));
}

/** The same poses relative to the first camera, as the node returns them. */
export function relative(poses) {
  const back = transpose(poses[0].rotation);
  return poses.map((pose) => ({
    ...pose,
    position: apply(back, sub(pose.position, poses[0].position)),
    rotation: multiply(back, pose.rotation),
  }));
}
