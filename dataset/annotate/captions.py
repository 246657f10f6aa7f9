"""Structured captions, as MiraData has them (arXiv 2407.06358, section 3.3): six parts, each about something else.

A captioner is a function from images (H, W, 3) and a prompt to a text. What it says is taken only as JSON with all six
parts; otherwise it is asked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import numpy as np

from ...control.errors import UserError, shorten
from ...control.images import indices, resize

Captioner = Callable[[Sequence[np.ndarray], str], str]
PARTS = {
    "short_caption": "one sentence of at most 20 words about the whole clip",
    "dense_caption": "what is seen and what happens, in 60 to 120 words",
    "main_object_caption": "the main subjects: their looks, poses and what they do",
    "background_caption": "the surroundings and where things stand in them",
    "camera_caption": "how the camera moves and turns, its angle and the kind of shot",
    "style_caption": "the look: photographic, drawn or rendered, light, colors and mood",
}
# Which of the parts are trained: the long one, and the one that says nothing of camera and places.
TRAINED = {"full": "dense_caption", "plain": "short_caption"}
FRAMES, SIDE, ATTEMPTS = 8, 448, 3
PROMPT = (
    "These {count} images are frames of one video clip of {seconds:.1f} seconds, in order. Describe the clip, not the"
    " single images. Answer with one JSON object and nothing else. It has exactly these keys, each with a text in"
    " English:\n{parts}\nSay only what can be seen. Do not begin with 'The video'."
)
_AGAIN = "\nYour last answer could not be used: {reason} Answer with the JSON object alone."


def caption_clip(
    captioner: Captioner, frames: Sequence[np.ndarray], seconds: float, attempts: int = ATTEMPTS
) -> dict[str, str]:
    """Return the parts of a clip's caption, and those that are trained under 'full' and 'plain'.

    frames: (H, W, 3) each, of which a few are shown. Raises UserError where no answer of `attempts` can be used.
    """
    shown = [_shrunk(frames[place]) for place in np.unique(indices(len(frames), min(FRAMES, len(frames))))]
    parts = "\n".join(f'- "{name}": {what}' for name, what in PARTS.items())
    prompt, reason = PROMPT.format(count=len(shown), seconds=seconds, parts=parts), ""
    for _ in range(max(1, attempts)):
        answer = captioner(shown, prompt + (_AGAIN.format(reason=reason) if reason else ""))
        try:
            caption = parse_caption(answer)
        except UserError as error:
            reason = str(error)
            continue
        return {**caption, **{kind: caption[part] for kind, part in TRAINED.items()}}
    raise UserError(f"no caption could be used in {attempts} attempts: {reason}")


def parse_caption(answer: str) -> dict[str, str]:
    """Return the parts in an answer: a JSON object, perhaps fenced or with words around it.

    Raises UserError for anything else, and for a part that is missing, empty or no text.
    """
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        value = json.loads(found[0], strict=False) if found else None
    except ValueError as error:
        raise UserError(f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"a JSON object was expected, but {shorten(answer)} came")
    caption = {}
    for name in PARTS:
        text = value.get(name)
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"its part '{name}' is {shorten(text)}; a text was expected")
        caption[name] = " ".join(text.split())
    return caption


def _shrunk(frame: np.ndarray) -> np.ndarray:
    share = SIDE / max(frame.shape[:2])
    if share >= 1:
        return frame
    height, width = (max(1, round(side * share)) for side in frame.shape[:2])
    return resize(frame, height, width).clip(0, 1)
