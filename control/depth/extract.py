"""From raw depth, wherever it comes from, to the clip that conditions take: direction, stabilization, range, report.

A long clip may come in chunks: `extract` takes the state that the chunk before has put out and goes on from there,
with its direction, range and stabilization. In memory are one value for every pixel of the raw frames and one for
every pixel of the result; frames that are read from files and not stabilized are read twice instead of being kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..camera.trajectory import CameraTrajectory
from ..clip_files import Frames
from ..errors import UserError
from ..images import resize
from ..progress import Progress, Step, quiet
from .chunks import MISMATCH, Chunk, DepthState, align_to, keep_anchor
from .measure import RangeMeter, Recipe, as_disparity, fixed_range
from .normalize import DepthClip, apply_recipe, frame_recipe
from .raw import DepthRange, RawDepth, shrink_frames
from .stabilize import Stabilizer, StabilizerOptions, step_of

__all__ = ["Chunk", "DepthRange", "ExtractedDepth", "RawDepth", "extract", "shrink_frames"]


@dataclass(frozen=True)
class ExtractedDepth:
    """clip: the depth. report: what was done, in lines, with the recipe last. state: for the next chunk."""

    clip: DepthClip
    report: str
    state: DepthState


def extract(
    raw: RawDepth,
    depth_range: DepthRange | None = None,
    *,
    images: Sequence[np.ndarray] | np.ndarray | None = None,
    stabilizing: StabilizerOptions | None = None,
    camera: CameraTrajectory | None = None,
    fill: bool = True,
    size: tuple[int, int] | None = None,
    chunk: Chunk | None = None,
    state: DepthState | None = None,
    progress: Progress = quiet,
) -> ExtractedDepth:
    """Return raw depth as one normalized clip, with a report and the state for the next chunk.

    images: what the depth is of, (F, H', W', 3) at any size; needed by `stabilizing` (None: not stabilized). camera:
    the path of the whole clip, for that. fill: unknown values take the nearest known; else they become far. size: of
    the result, height and width (None: the raw frames'). chunk: this is a piece of a longer clip, the first without a
    `state`; its range holds for all that follow. A chunk's frames come out as they would from one long clip.
    progress(total, title) is entered once and its step called for every frame; whatever it raises ends the work. Raises
    UserError for other numbers of frames than images, a path that is shorter than the clip, chunks that do not belong
    together, and depth that holds no information (see `normalize_depth`).
    """
    work = _Extraction(raw, depth_range or DepthRange(), images, camera, fill, size, chunk, state)
    stabilizer, warnings = work.stabilizer(stabilizing)
    new_frames = len(raw.frames) - work.skipped
    with progress(len(raw.frames) + new_frames * (1 if stabilizer is None else 2), "depth") as step:
        meter, shape = _measure(raw.frames, raw.sky, step)
        kind, direction_warnings = work.direction(meter)
        values = work.align(_Values(raw.frames, kind, raw.sky, shape))
        anchor = keep_anchor(values.frames, values.kind, work.overlap)
        if stabilizer is not None and images is not None:
            values = work.stabilize(values, stabilizer, images, step)
            meter, _ = _measure(values.frames, values.sky)
        recipe, range_warnings = work.recipe(meter, kind, values.kind)
        result, ranges = work.normalize(values, recipe, step)
    warnings = [*raw.warnings, *warnings, *direction_warnings, *range_warnings]
    carried = [] if state is None else [text for text in state.warnings if text not in warnings]
    warnings += carried + work.mismatch(values)
    return work.finish(result, ranges, DepthState(recipe, work.began + new_frames, anchor, stabilizer, warnings))


@dataclass(frozen=True, eq=False)
class _Values:
    """The frames (H, W) to be normalized, what their numbers are, their sky and their shape, after a step.

    residual: of the alignment to the chunk before.
    """

    frames: Frames
    kind: str
    sky: np.ndarray | None
    shape: tuple[int, int]
    residual: float = 0.0


@dataclass(frozen=True, eq=False)
class _Extraction:
    """What `extract` was asked for; its methods are the steps."""

    raw: RawDepth
    depth_range: DepthRange
    images: Sequence[np.ndarray] | np.ndarray | None
    camera: CameraTrajectory | None
    fill: bool
    size: tuple[int, int] | None
    chunk: Chunk | None
    state: DepthState | None

    def __post_init__(self) -> None:
        count = len(self.raw.frames)
        if not count:
            raise UserError("the depth has no frames")
        if self.raw.sky is not None and len(self.raw.sky) != count:
            raise UserError(f"there are {count} depth frames and {len(self.raw.sky)} of sky: one of each was expected")
        if self.overlap < 0 or self.skipped >= count:
            raise UserError(f"the overlap is {self.overlap} frames for a chunk of {count}: the overlap must be shorter")
        if self.images is not None and len(self.images) != count:
            raise UserError(
                f"there are {count} depth frames and {len(self.images)} images: connect those of the same clip"
            )

    @property
    def began(self) -> int:
        """How many frames of the clip came out before."""
        return 0 if self.state is None else self.state.frames

    @property
    def overlap(self) -> int:
        """How many frames chunks have in common."""
        return 0 if self.chunk is None else self.chunk.overlap

    @property
    def skipped(self) -> int:
        """How many of the frames came out with the chunk before."""
        return 0 if self.state is None else self.overlap

    def stabilizer(self, options: StabilizerOptions | None) -> tuple[Stabilizer | None, list[str]]:
        """Return what stabilizes the depth, going on from the chunk before, None where nothing does, and warnings."""
        count = len(self.raw.frames)
        before = None if self.state is None else self.state.stabilizer
        stabilizer, warnings = None, []
        if options is not None and not self.raw.exact and (count > 1 or self.chunk is not None):
            if self.images is None:
                warnings.append("The depth was not stabilized: connect the images that the depth is of to images.")
            else:
                warnings += self._check_camera(self.began + count - self.skipped)
                stabilizer = Stabilizer(options) if before is None else before.copy()
        if self.state is not None and (stabilizer is None) != (before is None):
            were = "stabilized" if stabilizer is None else "not stabilized"
            raise UserError(
                f"the chunks before were {were}: give images and stabilize for all, or for none, of a clip's chunks"
            )
        return stabilizer, warnings

    def _check_camera(self, frames: int) -> list[str]:
        if self.camera is None:
            return []
        if self.camera.frames < frames:
            raise UserError(
                f"the camera path has {self.camera.frames} frames and ends before the depth clip ({frames}): give one"
                " for each frame, or none"
            )
        return [] if self.raw.absolute else ["The camera was left out: this depth does not say what is infinitely far."]

    def direction(self, meter: RangeMeter) -> tuple[str, list[str]]:
        """Return what kind the numbers are, and warnings; chunks have the kind of the first."""
        known = self._known_recipe()
        return meter.direction(self.raw.kind) if known is None else (str(known["kind"]), [])

    def align(self, values: _Values) -> _Values:
        """Return the frames in line with the chunk before, without those that came out with it."""
        if self.chunk is None or not self.skipped or self.state is None:
            return values
        aligned = align_to(self.state.anchor, values.frames, values.kind, self.chunk)
        sky = None if values.sky is None else values.sky[self.skipped :]
        return _Values(aligned, "disparity", sky, values.shape, aligned.residual)

    def mismatch(self, values: _Values) -> list[str]:
        """Return a warning where the overlap of two chunks differs."""
        if values.residual <= MISMATCH:
            return []
        return [
            f"From frame {self.began} on, the depth chunks differ by {values.residual:.0%} of their range where they"
            " overlap, more than scale and shift explain: check that the overlap is stated right."
        ]

    def stabilize(
        self, values: _Values, stabilizer: Stabilizer, images: Sequence[np.ndarray] | np.ndarray, step: Step
    ) -> _Values:
        """Return the frames as stabilized disparity (F, H, W)."""
        camera = self.camera if self.raw.absolute else None
        result = np.empty((len(values.frames), *values.shape), np.float32)
        for number, (frame, image) in enumerate(zip(values.frames, images[self.skipped :], strict=True)):
            disparity = as_disparity(frame, values.kind)
            result[number] = stabilizer.step(disparity, image, step_of(camera, stabilizer.frames))
            step()
        return replace(values, frames=result, kind="disparity")

    def _known_recipe(self) -> Recipe | None:
        """Return the recipe of the chunk before, or the one that was measured beforehand."""
        if self.state is not None:
            return self.state.recipe
        return None if self.chunk is None else self.chunk.recipe

    def recipe(self, meter: RangeMeter, kind: str, measured_kind: str) -> tuple[Recipe, list[str]]:
        """Return how values of a kind become 0..1, for this and all later chunks, and warnings.

        meter: of the values, which may have become disparity: measured_kind.
        """
        known = self._known_recipe()
        if known is not None:
            return dict(known), []
        chosen = self.depth_range
        near, far = chosen.ends()
        if measured_kind == kind:
            recipe = meter.recipe(kind, chosen.low, chosen.high, near, far)
        else:
            recipe = meter.recipe(measured_kind, chosen.low, chosen.high)
            if chosen.scope == "fixed":  # near and far are in the unit that the values had
                recipe.update(range=fixed_range(kind, near, far), scope="fixed")
        recipe.update(kind=kind, asked=self.raw.kind)
        recipe.pop("warnings", None)  # those of the values as they came in are there already
        if chosen.scope == "frame":
            recipe["scope"] = "per frame"
        elif self.chunk is not None and recipe["scope"] != "fixed":
            recipe["scope"] = "first chunk"
            said = "The range of the first chunk holds for the whole clip: fix near and far where that clips."
            return recipe, [said]
        return recipe, []

    def normalize(self, values: _Values, recipe: Recipe, step: Step) -> tuple[np.ndarray, list[list[float]] | None]:
        """Return the normalized frames (F, H, W), and the range of each where every frame has its own."""
        chosen, used = self.depth_range, {**recipe, "kind": values.kind}
        result = np.empty((len(values.frames), *(self.size or values.shape)), np.float32)
        ranges = []
        for number, frame in enumerate(values.frames):
            sky = None if values.sky is None else values.sky[number : number + 1]
            own = frame_recipe(frame, sky, used, chosen.low, chosen.high) if chosen.scope == "frame" else used
            ranges.append(own["range"])
            normal = apply_recipe(np.asarray(frame)[None], own, sky, self.fill)[0]
            result[number] = normal if self.size is None else np.clip(resize(normal, *self.size), 0, 1)
            step()
        return result, ranges if chosen.scope == "frame" else None

    def finish(self, result: np.ndarray, ranges: list[list[float]] | None, state: DepthState) -> ExtractedDepth:
        """Put clip, report and state together."""
        shown = {**state.recipe, "source": self.raw.description, "stabilized": state.stabilizer is not None}
        if ranges is not None:
            shown["range"] = ranges
        clip = DepthClip(result, {**shown, **({"warnings": state.warnings} if state.warnings else {})})
        if ranges is not None and len(ranges) > 4:
            shown["range"] = f"{len(ranges)} ranges, one for each frame"
        count = len(self.raw.frames)
        lines = [f"{count} frame{'s' if count > 1 else ''} of {self.raw.description}."]
        if self.state is not None:
            lines.append(f"They continue a clip of {self.began} frames.")
        lines += _describe_values(state.recipe, self.depth_range, self.fill)
        lines += _describe_stabilization(state.stabilizer)
        return ExtractedDepth(clip, "\n".join([*lines, *state.warnings, f"Recipe: {json.dumps(shown)}"]), state)


def _measure(
    frames: Iterable[np.ndarray], sky: np.ndarray | None, step: Step | None = None
) -> tuple[RangeMeter, tuple[int, int]]:
    """Return the figures of all frames, and their shape. Raises UserError for frames of other shapes."""
    meter, shape = RangeMeter(), (0, 0)
    for number, frame in enumerate(frames):
        frame = np.asarray(frame)
        if frame.ndim != 2 or min(frame.shape) < 1 or (number and frame.shape != shape):
            expected = shape if number else "(height, width)"
            raise UserError(f"depth frame {number} has shape {frame.shape}; {expected} was expected")
        shape = frame.shape[0], frame.shape[1]
        meter.add(frame, None if sky is None else sky[number])
        if step is not None:
            step()
    return meter, shape


def _describe_values(recipe: Recipe, depth_range: DepthRange, fill: bool) -> list[str]:
    meanings = {
        "depth": "distances",
        "disparity": "disparity (near is large)",
        "inverted": "inverted (near is small)",
    }
    ends = f"the {depth_range.low:.0%} and {depth_range.high:.0%} quantiles of"
    scopes = {
        "whole clip": f"{ends} the whole clip",
        "first chunk": f"{ends} the first chunk",
        "per frame": f"{ends} each frame by itself, which flickers",
        "fixed": f"near {depth_range.near} and far {depth_range.far}",
    }
    lines = [f"Taken as {meanings[recipe['kind']]}; range: {scopes.get(recipe['scope'], recipe['scope'])}."]
    if recipe.get("sky"):
        lines.append(f"{recipe['sky']:.1%} is sky and became far.")
    if recipe.get("unknown"):
        done = "took the nearest known value" if fill else "became far"
        lines.append(f"{recipe['unknown']:.1%} is unknown and {done}.")
    return lines


def _describe_stabilization(stabilizer: Stabilizer | None) -> list[str]:
    change = None if stabilizer is None else stabilizer.change()
    if stabilizer is None or change is None:
        return []
    before, after = change
    lines = [f"Stabilized: points change by {after:.2%} of the range from frame to frame, {before:.2%} before."]
    if stabilizer.cuts:
        lines.append("Another shot begins at frame " + ", ".join(map(str, stabilizer.cuts)) + ".")
    return lines
