"""From raw depth, wherever it comes from, to the clip that conditions take: direction, stabilization, range, report.

A long clip may come in chunks: `extract` takes the state that the chunk before has put out and goes on where that left
off, with its direction, range and stabilization. In memory are one value for every pixel of the raw frames and one for
every pixel of the result; frames that are read from files and not stabilized are read twice instead of being kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..camera.trajectory import CameraTrajectory
from ..errors import UserError
from ..images import resize
from ..progress import quiet
from .chunks import DepthState
from .measure import RangeMeter, as_disparity, fixed_range
from .normalize import SCOPES, DepthClip, apply_recipe
from .stabilize import Stabilizer, StabilizerOptions, step_of

Progress = Callable[..., object]


@dataclass(frozen=True)
class Raw:
    """Depth as an estimator, a renderer or a file gives it, before anything is done to it.

    says: what it is, for the report ("the small estimator"). frames: (F, H, W), an array or anything with a length that
    gives frames (H, W) each time it is iterated. kind: as `normalize_depth` has it. sky (F, H, W) bool or None.
    exact: it does not flicker, so it is never stabilized. absolute: its disparity is 0 at infinity, so that a camera
    can be applied to it. warnings: sentences.
    """

    says: str
    frames: Sequence[np.ndarray] | np.ndarray
    kind: str = "auto"
    sky: np.ndarray | None = None
    exact: bool = False
    absolute: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """What becomes 0 and 1: `low` and `high` quantiles over the whole clip or each frame, or near and far in the
    values' own unit. Raises UserError for an unknown scope, and for a fixed range without both."""

    scope: str = "clip"
    low: float = 0.02
    high: float = 0.98
    near: float | None = None
    far: float | None = None

    def __post_init__(self) -> None:
        if self.scope not in (*SCOPES, "fixed"):
            raise UserError(f"the depth range '{self.scope}' is unknown: choose one of {', '.join(SCOPES)} or fixed")
        if self.scope == "fixed" and (self.near is None or self.far is None):
            raise UserError("a fixed depth range needs both near and far")

    def ends(self) -> dict[str, float | None]:
        """near and far for a recipe, only where they are fixed."""
        return {"near": self.near, "far": self.far} if self.scope == "fixed" else {"near": None, "far": None}


@dataclass(frozen=True)
class Extracted:
    """clip: the depth. report: what was done, in lines, with the recipe last. state: for the next chunk."""

    clip: DepthClip
    report: str
    state: DepthState


def extract(
    raw: Raw,
    span: Span | None = None,
    *,
    images: Sequence[np.ndarray] | np.ndarray | None = None,
    stabilizing: StabilizerOptions | None = None,
    camera: CameraTrajectory | None = None,
    fill: bool = True,
    size: tuple[int, int] | None = None,
    chunked: bool = False,
    state: DepthState | None = None,
    progress: Progress = quiet,
) -> Extracted:
    """Raw depth as one normalized clip.

    images: what the depth is of, (F, H', W', 3) at any size; needed by `stabilizing` (None: not stabilized). camera:
    the path of the whole clip, for that. fill: unknown values take the nearest known; else they become far. size: of
    the result, height and width (None: the raw frames'). chunked: this is a piece of a longer clip, the first without a
    `state`; its range holds for all that follow. progress(total, title) is entered once and its step called for every
    frame; whatever it raises ends the work. Raises UserError for other numbers of frames than images, a path that is
    shorter than the clip, and depth that says nothing (see `normalize_depth`).
    """
    span = span or Span()
    count = len(raw.frames)
    if not count:
        raise UserError("the depth has no frames")
    if raw.sky is not None and len(raw.sky) != count:
        raise UserError(f"there are {count} depth frames and {len(raw.sky)} of sky: one of each was expected")
    began = 0 if state is None else state.frames
    lines = [f"{count} frame{'s' if count > 1 else ''} of {raw.says}."]
    if state is not None:
        lines.append(f"They continue a clip of {began} frames.")
    warnings = list(raw.warnings)
    steady = _steady(raw, count, chunked, images, stabilizing, camera, warnings, began)
    camera = camera if raw.absolute else None
    with progress(count * (3 if steady else 2), "depth") as step:
        meter = _measured(raw, step)
        kind, said = meter.direction(raw.kind)
        if state is None:
            warnings += said
        else:
            kind = state.recipe["kind"]
        frames, worker, sky = raw.frames, None, raw.sky
        if steady:
            worker = _worker(state, stabilizing)
            frames = _stabilized(raw, kind, worker, images, camera, step)
            meter = _measured(Raw(raw.says, frames, "disparity", sky), None)
        recipe = _recipe(meter, raw, kind, span, state, steady, chunked, warnings)
        values, ranges = _result(frames, kind, steady, recipe, span, sky, fill, size, step)
    lines += _described(recipe, span, worker, fill)
    if state is not None:
        warnings += [text for text in state.warnings if text not in warnings]
    kept = DepthState(recipe, began + count, None, worker, warnings)
    shown = {**recipe, "source": raw.says, "stabilized": worker is not None}
    if ranges is not None:
        shown["range"] = ranges
    clip = DepthClip(values, {**shown, **({"warnings": warnings} if warnings else {})})
    if ranges is not None and count > 4:
        shown["range"] = f"{count} ranges, one for each frame"
    report = "\n".join([*lines, *warnings, f"Recipe: {json.dumps(shown)}"])
    return Extracted(clip, report, kept)


def _steady(raw, count, chunked, images, stabilizing, camera, warnings, began) -> bool:
    """Whether it is to be stabilized; appends to warnings why it is not."""
    if images is not None and len(images) != count:
        raise UserError(f"there are {count} depth frames and {len(images)} images: connect those of the same clip")
    if stabilizing is None or raw.exact or (count < 2 and not chunked):
        return False
    if images is None:
        warnings.append("It was not stabilized: connect the images that the depth is of to images.")
        return False
    if camera is not None and camera.frames < began + count:
        raise UserError(
            f"the camera path has {camera.frames} frames and ends before the depth clip ({began + count}): give one"
            " for each frame, or none"
        )
    if camera is not None and not raw.absolute:
        warnings.append("The camera was left out: this depth does not say what is infinitely far.")
    return True


def _measured(raw: Raw, step: Callable[[], object] | None) -> RangeMeter:
    meter, shape = RangeMeter(), None
    for number, frame in enumerate(raw.frames):
        frame = np.asarray(frame)
        if frame.ndim != 2 or min(frame.shape) < 1 or frame.shape != (shape or frame.shape):
            raise UserError(f"depth frame {number} has shape {frame.shape}; {shape or '(height, width)'} was expected")
        shape = frame.shape
        meter.add(frame, None if raw.sky is None else raw.sky[number])
        if step is not None:
            step()
    return meter


def _worker(state: DepthState | None, stabilizing: StabilizerOptions) -> Stabilizer:
    """A stabilizer of its own: what was handed in stays as it was, and may be used again."""
    if state is None:
        return Stabilizer(stabilizing)
    if state.stabilizer is None:
        raise UserError("the chunks before were not stabilized: switch it on for the whole clip, or off")
    return Stabilizer.from_state(state.stabilizer.state())


def _stabilized(raw, kind, worker, images, camera, step) -> np.ndarray:
    """Disparity (F, H, W), stabilized."""
    result = None
    for number, (frame, image) in enumerate(zip(raw.frames, images, strict=True)):
        values = as_disparity(frame, kind)
        if result is None:
            result = np.empty((len(raw.frames), *values.shape), np.float32)
        result[number] = worker.step(values, image, step_of(camera, worker.frames))
        step()
    return result


def _recipe(meter, raw, kind, span, state, steady, chunked, warnings) -> dict:
    """How the values become 0..1; appends to warnings what is to be known about it."""
    if state is not None:
        return dict(state.recipe)
    if steady:
        # The values are disparity now; near and far are still given in the unit that they had.
        recipe = meter.recipe("disparity", span.low, span.high)
        if span.scope == "fixed":
            recipe.update(range=fixed_range(kind, span.near, span.far), scope="fixed")
    else:
        recipe = meter.recipe(kind, span.low, span.high, **span.ends())
    recipe.update(kind=kind, asked=raw.kind)
    recipe.pop("warnings", None)  # those of the values as they were given are there already
    if span.scope == "frame":
        recipe["scope"] = "per frame"
    elif chunked and recipe["scope"] != "fixed":
        recipe["scope"] = "first chunk"
        warnings.append("The range of the first chunk holds for the whole clip: fix near and far where that clips.")
    return recipe


def _result(frames, kind, steady, recipe, span, sky, fill, size, step):
    """The normalized frames (F, H, W), and the range of each where every frame has its own."""
    used = {**recipe, "kind": "disparity" if steady else kind}
    result, ranges = None, []
    for number, frame in enumerate(frames):
        beneath = None if sky is None else sky[number : number + 1]
        own = _own(frame, beneath, used, span) if span.scope == "frame" else used
        ranges.append(own["range"])
        normal = apply_recipe(np.asarray(frame)[None], own, beneath, fill)[0]
        normal = np.clip(resize(normal, *size), 0, 1) if size is not None else normal
        if result is None:
            result = np.empty((len(frames), *normal.shape), np.float32)
        result[number] = normal
        step()
    return result, ranges if span.scope == "frame" else None


def _own(frame, sky, used: dict, span: Span) -> dict:
    """The recipe of one frame by itself; an even or empty one has none and takes the clip's."""
    try:
        return RangeMeter().add(np.asarray(frame)[None], sky).recipe(used["kind"], span.low, span.high)
    except UserError:
        return used


def _described(recipe: dict, span: Span, worker: Stabilizer | None, fill: bool) -> list[str]:
    taken = {
        "depth": "distances",
        "disparity": "disparity (near is large)",
        "inverted": "inverted (near is small)",
    }[recipe["kind"]]
    ends = f"the {span.low:.0%} and {span.high:.0%} quantiles of"
    scopes = {
        "whole clip": f"{ends} the whole clip",
        "first chunk": f"{ends} the first chunk",
        "per frame": f"{ends} each frame by itself, which flickers",
        "fixed": f"near {span.near} and far {span.far}",
    }
    lines = [f"Taken as {taken}; range: {scopes.get(recipe['scope'], recipe['scope'])}."]
    if recipe.get("sky"):
        lines.append(f"{recipe['sky']:.1%} is sky and became far.")
    if recipe.get("unknown"):
        done = "took the nearest known value" if fill else "became far"
        lines.append(f"{recipe['unknown']:.1%} is unknown and {done}.")
    change = None if worker is None else worker.change()
    if change is not None:
        lines.append(
            f"Stabilized: points change by {change[1]:.2%} of the range from frame to frame, {change[0]:.2%} before."
        )
        if worker.cuts:
            lines.append("Another shot begins at frame " + ", ".join(map(str, worker.cuts)) + ".")
    return lines


def shrunk(frames: Sequence[np.ndarray], longest: int) -> Sequence[np.ndarray]:
    """The same frames with a longer side of at most `longest` pixels (0: as they are), made small as they are read."""
    return frames if not longest else _Shrunk(frames, longest)


@dataclass(frozen=True)
class _Shrunk:
    frames: Sequence[np.ndarray]
    longest: int

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            frame = np.asarray(frame)
            share = self.longest / max(frame.shape)
            if share < 1:
                height, width = (max(1, round(side * share)) for side in frame.shape)
                # Unknown and endless values do not mix with others: the nearest pixel is taken.
                rows = ((np.arange(height) + 0.5) / height * frame.shape[0]).astype(int)
                columns = ((np.arange(width) + 0.5) / width * frame.shape[1]).astype(int)
                frame = frame[rows[:, None], columns[None]]
            yield frame


__all__ = ["Extracted", "Raw", "Span", "extract", "shrunk"]
