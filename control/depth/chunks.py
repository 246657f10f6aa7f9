"""Long clips in chunks: what one chunk must know of those before it, so that they come out as one.

Whole-clip figures cannot come from a chunk. The range of values is therefore measured beforehand (`measure_depth` over
the file, or fixed near and far), or else the first chunk's holds for all. Estimators that give each chunk a scale and
shift of its own are brought in line by frames that two chunks have in common. `extract.py` processes a chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from einops import reduce

from ..clip_files import Frames
from ..errors import UserError
from ..files import JsonObject
from .align import fit_scale_shift
from .measure import Recipe, as_disparity
from .normalize import apply_recipe
from .pack import pack, unpack
from .stabilize import Stabilizer

ANCHOR_SIDE = 96  # frames in common are kept this small
FORMAT, VERSION = "fulldit-depth-state", 1
MISMATCH = 0.1  # a residual of the alignment, in shares of the range, from which on a warning is given


@dataclass(frozen=True)
class Chunk:
    """A clip that is a piece of a longer one.

    overlap: so many frames at the beginning of each chunk but the first are those at the end of the chunk before; they
    align scale and shift (align; False for metric depth) and are not put out again. recipe: of `measure_depth` over the
    whole clip; without one the first chunk's range holds for all.
    """

    overlap: int = 0
    align: bool = True
    recipe: Recipe | None = None


@dataclass
class DepthState:
    """What a chunk hands to the next. `to_json` and `from_json` keep it in plain JSON values.

    recipe: how values become 0..1, for all chunks. frames: how many came out so far. anchor: the last frames (n, h, w)
    of disparity in the first chunk's scale, small. stabilizer: what the stabilization has seen. warnings: sentences.
    """

    recipe: Recipe
    frames: int = 0
    anchor: np.ndarray | None = None
    stabilizer: Stabilizer | None = None
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> JsonObject:
        """Return the state as plain JSON values."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "recipe": self.recipe,
            "frames": self.frames,
            "anchor": None if self.anchor is None else pack(self.anchor),
            "stabilizer": None if self.stabilizer is None else self.stabilizer.state(),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> DepthState:
        """Return the state of such values. Raises UserError for anything that `to_json` did not make."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise UserError("this is not the state of a depth clip: give what the chunk before has put out")
        if value.get("version") != VERSION:
            raise UserError(f"the depth state has version {value.get('version')}; {VERSION} was expected: begin anew")
        try:
            stabilizer = value["stabilizer"]
            state = cls(
                dict(value["recipe"]),
                int(value["frames"]),
                None if value["anchor"] is None else unpack(value["anchor"]),
                None if stabilizer is None else Stabilizer.from_state(stabilizer),
                [str(text) for text in value["warnings"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"the depth state cannot be read ({error}): begin anew") from error
        if state.anchor is not None and (state.anchor.ndim != 3 or state.anchor.dtype.kind != "f"):
            raise UserError("the depth state's frames have another shape than expected: begin anew")
        apply_recipe(np.zeros((1, 1, 1), np.float32), state.recipe)  # raises UserError for a broken one
        return state


@dataclass(frozen=True, eq=False)
class Aligned:
    """Frames of a kind as disparity in the first chunk's scale and shift, without those of the chunk before.

    residual: how much the overlap differs after that, as a share of its range.
    """

    frames: Frames
    kind: str
    overlap: int
    scale: float = 1.0
    shift: float = 0.0
    residual: float = 0.0

    def __len__(self) -> int:
        return len(self.frames) - self.overlap

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in islice(self.frames, self.overlap, None):
            values = as_disparity(frame, self.kind) * np.float32(self.scale) + np.float32(self.shift)
            yield values.astype(np.float32, copy=False)


def align_to(anchor: np.ndarray | None, frames: Frames, kind: str, chunk: Chunk) -> Aligned:
    """Return the frames (H, W) of a chunk in the scale and shift of `anchor`, the end of the chunk before.

    Raises UserError where the two cannot be one clip.
    """
    if not chunk.align:
        return Aligned(frames, kind, chunk.overlap)
    if anchor is None or len(anchor) != chunk.overlap:
        kept = 0 if anchor is None else len(anchor)
        raise UserError(
            f"the overlap is {chunk.overlap} frames, but the chunk before kept {kept}: keep the overlap the same"
        )
    first = [as_disparity(frame, kind) for frame in islice(frames, chunk.overlap)]
    small = np.stack([shrink(frame) for frame in first])
    if small.shape != anchor.shape:
        raise UserError(f"a depth chunk's frames are {first[0].shape}, of another size than in the chunk before")
    scale, shift, residual = fit_scale_shift(small, anchor)
    if scale <= 0:
        raise UserError(
            "two chunks of depth point in opposite directions where they overlap: near and far are exchanged in one"
        )
    return Aligned(frames, kind, chunk.overlap, scale, shift, residual)


def keep_anchor(frames: Frames, kind: str, overlap: int) -> np.ndarray | None:
    """Return the last `overlap` frames as disparity, small, for the next chunk to be aligned to."""
    if not overlap:
        return None
    return np.stack([shrink(as_disparity(frame, kind)) for frame in deque(frames, maxlen=overlap)])


def shrink(frame: np.ndarray) -> np.ndarray:
    """Return a frame (H, W) made small by means over square blocks; a block with an unknown value is unknown."""
    block = -(-max(frame.shape) // ANCHOR_SIDE)
    if block == 1:
        return frame.astype(np.float32)
    height, width = (max(1, side // block) for side in frame.shape)
    tall, wide = min(block, frame.shape[0]), min(block, frame.shape[1])
    cut = frame[: height * tall, : width * wide].astype(np.float64)
    small: np.ndarray = reduce(cut, "(h tall) (w wide) -> h w", "mean", tall=tall, wide=wide)
    return small.astype(np.float32)
