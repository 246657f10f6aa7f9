// Following the video: the mask at the playhead goes to the server, and keys that follow the object come back.
import { keyAt, insertKey, pairToInsert, rasterSize, replaceKeys } from "./edits.mjs";
import { need } from "./betweens.mjs";
import { MaskDrawing } from "./keyframes.mjs";
import { encode } from "./runs.mjs";
import { t } from "../shared/words.mjs";

const SIDE = 960; // the size at which the server follows masks

/** Resolves when the in-betweens that `question` and `answered` need are drawn. */
export async function drawnFor(state, slot, frame) {
  const { keys } = state.slots[slot], at = Math.round(frame);
  if (keys.length) await need(new MaskDrawing(keys, ...rasterSize(state, SIDE)).pair(at));
  await need(pairToInsert(state, slot, at));
}

/**
 * The request to the server, or a sentence that says why there is none.
 * @returns {{masks, first, last, next} | string} `next`: whether an existing key ends the range; it is kept
 */
export function question(state, slot, frame) {
  frame = Math.round(frame); // a key may lie between two frames
  const { keys } = state.slots[slot];
  if (!keys.length) return t("Paint the object in this frame first; then it can be followed.");
  const [height, width] = rasterSize(state, SIDE), drawing = new MaskDrawing(keys, height, width);
  const entry = (at) => ({ frame: at, size: [width, height], runs: encode(drawing.mask(at), height, width) });
  if (!drawing.mask(frame).some((value) => value > 0.5)) return t("The mask is empty here: go to a frame where it is not.");
  const next = keys.find((key) => key.frame > frame && Number.isInteger(key.frame));
  const last = next ? next.frame : state.frames - 1;
  if (last - frame < (next ? 2 : 1)) return t("There is no frame between here and the next keyframe or the end.");
  return { masks: next ? [entry(frame), entry(last)] : [entry(frame)], first: frame, last, next: Boolean(next) };
}

/** The state with the keys of the answer. */
export function answered(state, slot, { first, last, next }, keys) {
  const [made] = keyAt(state, slot, first) >= 0 ? [state] : insertKey(state, slot, first);
  return replaceKeys(made, slot, first + 1, next ? last - 1 : last, keys);
}

/** The answer in a sentence: its warnings, or what was done. */
export function summary({ keys, warnings }, { first, last }) {
  return warnings.join(" ") || t("Followed over {frames} frames: {keys} keyframes.", { frames: last - first, keys: keys.length });
}

/** Asks the server. host: {ask(path, body) -> Response}; onProgress(share) is called with 0..1. */
export class Following {
  constructor(api) {
    this.api = api;
    this.id = null;
  }

  async ask(stage, { masks, first, last }, onProgress) {
    this.id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const hear = ({ detail }) => detail?.id === this.id && onProgress(detail.done / detail.total);
    this.api.addEventListener("fulldit.propagate", hear);
    try {
      const body = { id: this.id, client: this.api.clientId, stage, masks, first, last };
      const answer = await this.#post("/fulldit/propagate", body);
      const result = await answer.json().catch(() => null);
      if (answer.status === 499) return null;
      if (!answer.ok || !result) throw new Error(result?.error ?? t("The server answered {status}: restart ComfyUI to load the pack again.", { status: answer.status }));
      return result;
    } finally {
      this.api.removeEventListener("fulldit.propagate", hear);
      this.id = null;
    }
  }

  stop() {
    if (this.id) this.#post("/fulldit/propagate/stop", { id: this.id }).catch(() => {});
  }

  #post(path, body) {
    return this.api.fetchApi(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }
}
