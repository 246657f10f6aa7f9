"""Long clips in chunks: what one chunk must know of those before it, so that they come out as one.

Whole-clip figures cannot come from a chunk. The range of values is therefore measured beforehand (`measure_depth` over
the file, or fixed near and far), or else the first chunk's holds for all. Estimators that give each chunk a scale and
shift of its own are brought in line by frames that two chunks have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..camera.trajectory import CameraTrajectory
from ..errors import UserError
from .align import fit_scale_shift
from .measure import as_disparity
from .normalize import DepthClip, apply_recipe, measure_depth
from .pack import pack, unpack
from .stabilize import Stabilizer, StabilizerOptions, step_of

ANCHOR_SIDE = 96  # frames in common are kept this small
VERSION = 1
MISMATCH = 0.1  # a residual of the alignment, in shares of the range, that is worth a sentence


@dataclass
class DepthState:
    """What a chunk hands to the next. `to_json` and `from_json` keep it in plain JSON values.

    recipe: how values become 0..1, for all chunks. frames: how many came out so far. anchor: the last frames (n, h, w)
    of disparity in the first chunk's scale, small. stabilizer: where the stabilization stands. warnings: sentences.
    """

    recipe: dict
    frames: int = 0
    anchor: np.ndarray | None = None
    stabilizer: Stabilizer | None = None
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        return {
            "format": "fulldit-depth-state",
            "version": VERSION,
            "recipe": self.recipe,
            "frames": self.frames,
            "anchor": None if self.anchor is None else pack(self.anchor),
            "stabilizer": None if self.stabilizer is None else self.stabilizer.state(),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, value: dict) -> DepthState:
        """Raises UserError for anything that `to_json` did not make."""
        if not isinstance(value, dict) or value.get("format") != "fulldit-depth-state":
            raise UserError("this is no state of a depth clip: give what the chunk before has put out")
        if value.get("version") != VERSION:
            raise UserError(f"the depth state has version {value.get('version')}; {VERSION} was expected: begin anew")
        try:
            anchor = None if value["anchor"] is None else unpack(value["anchor"])
            state = value["stabilizer"]
            made = cls(
                dict(value["recipe"]),
                int(value["frames"]),
                anchor,
                None if state is None else Stabilizer.from_state(state),
                [str(text) for text in value["warnings"]],
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"the depth state cannot be read ({error}): begin anew") from error
        if anchor is not None and (anchor.ndim != 3 or anchor.dtype.kind != "f"):
            raise UserError("the depth state's frames have another shape than expected: begin anew")
        apply_recipe(np.zeros((1, 1, 1), np.float32), made.recipe)  # says what is wrong with it
        return made


def process_chunk(
    depth: np.ndarray,
    state: DepthState | None = None,
    *,
    kind: str = "auto",
    recipe: dict | None = None,
    near: float | None = None,
    far: float | None = None,
    low: float = 0.02,
    high: float = 0.98,
    overlap: int = 0,
    align: bool = True,
    images: np.ndarray | None = None,
    stabilizing: StabilizerOptions | None = None,
    camera: CameraTrajectory | None = None,
) -> tuple[DepthClip, DepthState]:
    """One chunk of raw depth (F, H, W) normalized like all others, and the state for the next chunk.

    state: of the chunk before (None: this is the first). The first chunk takes `recipe` (of `measure_depth` over the
    whole clip), or near and far, or measures itself with `kind`, `low` and `high`; later ones take the state's.
    overlap: so many frames at the beginning of each chunk but the first are those at the end of the chunk before; they
    align scale and shift (align; False for metric depth) and are not put out again. images (F, H', W', 3): what the
    depth was estimated from; with them the depth is stabilized. camera: the path of the whole clip, for that. The
    chunk's frames come out as they would from one long chunk. Raises UserError for an overlap that leaves no frame,
    other sizes than before, or unknown frames only.
    """
    depth = np.asarray(depth, np.float32)
    if depth.ndim != 3 or min(depth.shape) < 1:
        raise UserError(f"the depth chunk has shape {depth.shape}; (frames, height, width) was expected")
    if overlap < 0 or (state is not None and overlap >= len(depth)):
        raise UserError(f"an overlap of {overlap} frames was given for a chunk of {len(depth)}: it must be shorter")
    if images is not None and len(images) != len(depth):
        raise UserError(f"the chunk has {len(depth)} depth frames and {len(images)} images: give one for each")
    first = state is None
    if first:
        warnings = []
        if recipe is None:
            recipe = measure_depth([depth], kind, low, high, near=near, far=far)
            if recipe["scope"] != "fixed":
                recipe["scope"] = "first chunk"
                warnings = [
                    "The range of the first chunk holds for the whole clip: measure the clip before, or fix it."
                ]
        worker = Stabilizer(stabilizing or StabilizerOptions()) if images is not None else None
        state = DepthState(recipe, stabilizer=worker, warnings=warnings)
    if (images is not None) != (state.stabilizer is not None):
        raise UserError("some chunks of the clip have images and some have none: give them for all, or for none")
    values = np.stack([as_disparity(frame, state.recipe["kind"]) for frame in depth])
    state = DepthState(dict(state.recipe), state.frames, state.anchor, state.stabilizer, list(state.warnings))
    kept = values[-overlap:]
    if not first and overlap:
        values, residual = _affine(values, state.anchor, overlap) if align else (values, 0.0)
        kept, values = values[-overlap:], values[overlap:]
        images = None if images is None else images[overlap:]
        if residual > MISMATCH:
            state.warnings.append(
                f"From frame {state.frames} on, the depth chunks differ by {residual:.0%} of their range where they"
                " overlap, more than scale and shift explain: check that the overlap is stated right."
            )
    if overlap:
        state.anchor = np.stack([shrink(frame) for frame in kept])
    if images is not None:
        # A worker of its own: the state that was handed in stays as it was, and may be used again.
        worker = Stabilizer.from_state(state.stabilizer.state()) if not first else state.stabilizer
        values = np.stack(
            [
                worker.step(frame, image, step_of(camera, worker.frames))
                for frame, image in zip(values, images, strict=True)
            ]
        )
        state.stabilizer = worker
    state.frames += len(values)
    # Already growing toward the camera; an inverted clip's values were negated, and its range is that of the negated.
    clip = apply_recipe(values, {**state.recipe, "kind": "disparity"})
    return DepthClip(clip, {**state.recipe, "warnings": state.recipe.get("warnings", []) + state.warnings}), state


def align_chunks(chunks: Iterable[np.ndarray], overlap: int) -> Iterator[np.ndarray]:
    """Chunks (F, H, W) of disparity in scales and shifts of their own, as pieces of one clip in that of the first.

    Every chunk but the first begins with the last `overlap` frames of the one before. Those are put out once. Raises
    UserError for an overlap below 1 or as long as a chunk.
    """
    if overlap < 1:
        raise UserError(f"an overlap of {overlap} frames was given; chunks need at least 1 in common to be aligned")
    anchor = None
    for number, chunk in enumerate(chunks):
        values = np.asarray(chunk, np.float32)
        if values.ndim != 3 or len(values) <= overlap:
            raise UserError(
                f"depth chunk {number} has shape {values.shape}; more than {overlap} frames (the overlap) were expected"
            )
        if anchor is not None:
            aligned = _affine(values, anchor, overlap)[0]
            values, kept = aligned[overlap:], aligned[-overlap:]
        else:
            kept = values[-overlap:]
        anchor = np.stack([shrink(frame) for frame in kept])
        yield values


def shrink(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W) made small by means over square blocks; a block with an unknown value is unknown."""
    block = -(-max(frame.shape) // ANCHOR_SIDE)
    if block == 1:
        return frame.astype(np.float32)
    height, width = (max(1, side // block) for side in frame.shape)
    tall, wide = min(block, frame.shape[0]), min(block, frame.shape[1])
    cut = frame[: height * tall, : width * wide].astype(np.float64)
    return cut.reshape(height, tall, width, wide).mean((1, 3)).astype(np.float32)


def _affine(values: np.ndarray, anchor: np.ndarray | None, overlap: int) -> tuple[np.ndarray, float]:
    if anchor is None or len(anchor) != overlap:
        kept = 0 if anchor is None else len(anchor)
        raise UserError(f"an overlap of {overlap} frames was given, but the chunk before kept {kept}: keep it the same")
    small = np.stack([shrink(frame) for frame in values[:overlap]])
    if small.shape != anchor.shape:
        raise UserError(f"a depth chunk's frames are {values.shape[1:]}, of another size than in the chunk before")
    scale, shift, residual = fit_scale_shift(small, anchor)
    if scale <= 0:
        raise UserError(
            "two chunks of depth point in opposite directions where they overlap: near and far are exchanged in one"
        )
    return (values * np.float32(scale) + np.float32(shift)).astype(np.float32), residual
