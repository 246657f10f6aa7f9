"""Masks at a few frames, and every frame between them.

Shapes: F frames, H height, W width. At a key the mask is exactly the key's; between two keys it is `inbetween.Between`
at the eased progress. Before the first key the first one's mask holds, after the last the last one's. A key without
shapes (or whose shapes cover nothing) says that the object is out of the image from there to the next key: it is
visible until the frame before, and again at the next key that has a mask. The ease 'hold' keeps a mask until the next
key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..camera.easing import EASING_NAMES, apply_easing
from ..errors import UserError, shorten
from ..files import JsonObject
from . import shape_json
from .inbetween import Between, Form
from .shape_json import read_numbers
from .shapes import Shape, rasterize

HOLD = "hold"
MASK_EASES = (HOLD, *EASING_NAMES)
MOST_FRAMES = 10_000
MOST_SHAPES = 500


@dataclass(frozen=True)
class MaskKey:
    """A mask at one frame.

    frame: from 0; a fraction lies between two frames. shapes: laid on one another (`shapes.rasterize`); none means out
    of the image. ease: how the speed is spread from here to the next key (MASK_EASES). turn: by how many degrees the
    object turns, clockwise, until the next key, where the nearest fit is not meant (360: once around); None finds the
    turn.
    """

    frame: float
    shapes: tuple[Shape, ...] = ()
    ease: str = "linear"
    turn: float | None = None


@dataclass(frozen=True)
class Masklet:
    """A mask per frame of one object in a clip of `frames` frames, by its keys, in the order of their frames.

    Raises UserError for keys at the same frame, outside the clip, or with an ease that does not exist.
    """

    keys: tuple[MaskKey, ...] = ()
    frames: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= MOST_FRAMES:
            raise UserError(f"a masklet has {self.frames} frames; 1 to {MOST_FRAMES} were expected")
        keys = tuple(sorted(self.keys, key=lambda key: key.frame))
        for number, key in enumerate(keys):
            if not 0 <= key.frame <= self.frames - 1:
                raise UserError(
                    f"a mask key stands at frame {key.frame:g}, but the clip has the frames 0 to {self.frames - 1}"
                )
            if number and keys[number - 1].frame == key.frame:
                raise UserError(f"two mask keys stand at frame {key.frame:g}: keep one of them")
            if key.ease not in MASK_EASES:
                raise UserError(f"the ease '{key.ease}' is unknown: choose one of {', '.join(MASK_EASES)}")
        object.__setattr__(self, "keys", keys)

    def masks(self, height: int, width: int, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield the masks (height, width), float32 0..1; `frames` other than its own spreads the keys over so many."""
        count = self.frames if frames is None else frames
        scale = (self.frames - 1) / (count - 1) if count > 1 else 0.0
        renderer = MaskRenderer(self.keys, height, width)
        for number in range(count):
            # A key that lies on a frame up to rounding lies on it.
            at = number * scale
            yield renderer.mask(round(at) if abs(at - round(at)) < 1e-9 else at)

    def rasterize(
        self, height: int, width: int, frames: int | None = None, progress: Callable[[], object] | None = None
    ) -> np.ndarray:
        """Return all masks (F, height, width), float32. `progress` is called after each frame."""
        count = self.frames if frames is None else frames
        masks = np.zeros((count, height, width), np.float32)
        for number, mask in enumerate(self.masks(height, width, count)):
            masks[number] = mask
            if progress is not None:
                progress()
        return masks


class MaskRenderer:
    """Renders the masks of keys at one size. Keeps the forms of the two keys that it is between."""

    def __init__(self, keys: Sequence[MaskKey], height: int, width: int):
        self.keys, self.size = keys, (height, width)
        self.forms: dict[int, Form] = {}
        self.between: tuple[int, Between] | None = None

    def form(self, number: int) -> Form:
        """Return the form of a key."""
        if number not in self.forms:
            self.forms = {k: form for k, form in self.forms.items() if abs(k - number) <= 1}
            self.forms[number] = Form(rasterize(self.keys[number].shapes, *self.size))
        return self.forms[number]

    def mask(self, frame: float) -> np.ndarray:
        """Return the mask (height, width) at a frame, which may lie between two."""
        if not self.keys:
            return np.zeros(self.size, np.float32)
        number = max(0, int(np.searchsorted([key.frame for key in self.keys], frame, "right")) - 1)
        key, one = self.keys[number], self.form(number)
        if frame <= key.frame or number + 1 >= len(self.keys) or key.ease == HOLD:
            return one.mask
        if key.shapes == self.keys[number + 1].shapes and not key.turn:
            return one.mask
        other = self.form(number + 1)
        if not one.inside.any() or not other.inside.any():
            return one.mask
        if self.between is None or self.between[0] != number:
            self.between = (number, Between(one, other, key.turn))
        share = (frame - key.frame) / (self.keys[number + 1].frame - key.frame)
        return self.between[1].at(float(apply_easing(share, key.ease)))


def key_to_json(key: MaskKey) -> JsonObject:
    """Return the key as a JSON object: frame, shapes, and ease and turn where they are not the defaults."""
    whole = int(key.frame) if key.frame == int(key.frame) else round(key.frame, 5)
    value: JsonObject = {"frame": whole, "shapes": [shape_json.to_json(shape) for shape in key.shapes]}
    if key.ease != "linear":
        value["ease"] = key.ease
    return value | ({} if key.turn is None else {"turn": round(key.turn, 4)})


def key_from_json(value: object, frames: int, where: str = "the key") -> MaskKey:
    """Return a key from its JSON object; "time" (0 the first frame, 1 the last) may stand instead of "frame".

    Raises UserError, calling the key `where`, for anything else.
    """
    if not isinstance(value, dict):
        raise UserError(f"{where} is {shorten(value)}; an object with a frame and shapes was expected")
    unknown = set(value) - {"frame", "time", "shapes", "ease", "turn"}
    if unknown:
        raise UserError(
            f"{where} has the unknown field '{sorted(unknown)[0]}': a key has frame (or time), shapes, ease, turn"
        )
    if ("frame" in value) == ("time" in value):
        raise UserError(
            f"{where} has {'both a frame and a time' if 'frame' in value else 'no frame'}: give one of them"
        )
    if "frame" in value:
        (frame,) = read_numbers([value["frame"]], 1, f"'frame' of {where}", 0, frames - 1)
    else:
        (time,) = read_numbers([value["time"]], 1, f"'time' of {where}", 0, 1)
        frame = time * (frames - 1)
    listed = value.get("shapes", [])
    if not isinstance(listed, list) or len(listed) > MOST_SHAPES:
        raise UserError(f"'shapes' of {where} is not a list of at most {MOST_SHAPES} shapes")
    ease = value.get("ease", "linear")
    if ease not in MASK_EASES:
        raise UserError(f"the ease of {where} is {shorten(ease)}: choose one of {', '.join(MASK_EASES)}")
    turn = value.get("turn")
    if turn is not None:
        (turn,) = read_numbers([turn], 1, f"'turn' of {where}", -36000, 36000)
    read = tuple(shape_json.from_json(shape, f"shape {number} of {where}") for number, shape in enumerate(listed))
    return MaskKey(frame, read, ease, turn)
