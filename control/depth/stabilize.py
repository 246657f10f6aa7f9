"""Less flicker: an estimator looks at every frame anew, so the same wall comes out a little nearer, then farther.

Each frame is treated in two ways, both from what came before it alone, so that a clip may come in chunks of any size:

1. Jumps of scale and shift are undone. Between neighbors d[t] = g d[t-1] + b is fitted along the flow (scene_flow.py).
A
   camera that moves in makes everything nearer little by little: a smooth course of g and b, which is left alone. What
   differs from it by more than the fit's own noise is an estimator that changed its mind, and is taken out of this
   frame and those after it; a slow leak lets a correction that was wrong die away.
2. Every point follows its own past along the flow, and gives way to the new value slowly (memory), but never differs
   from it by more than the tolerance: that bounds what can go wrong. Where the two are three times as far apart, or
   the flow is not to be relied on, the new value counts: edges stay sharp and what moves does not smear.

Where the camera's path is known, what stands still is also known to come nearer or go farther: the past is moved on by
that before it is compared. Without a path, a camera that moves in is followed with a delay of up to the tolerance.

Shapes: (H, W) disparity-like values of any unit, NaN = unknown; images (H', W', 3) in 0..1 or bytes, any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..camera.trajectory import CameraTrajectory, compose, invert
from ..errors import UserError
from ..files import JsonObject
from .align import fit_scale_shift
from .pack import pack, unpack
from .scene_flow import sample, to_gray, trace_back

JUMP = 0.01  # what the fit of scale, and of shift in shares of the range, is uncertain by
MAX_STEP = 0.5  # log of scale, and shift: more from frame to frame is a failure of the fit, not something to undo
CUT = 0.15  # where less than this share of an image is matched to the one before, another shot begins


@dataclass(frozen=True)
class StabilizerOptions:
    """How strong the stabilization is.

    memory: how much of a value is its own past (0 = nothing, 0.98 = it gives way over some fifty frames). tolerance:
    how far a value may be kept from what was estimated, as a share of the clip's range. smooth: over how long the
    course of scale and shift is averaged, 0..1 as memory. leak: the share of a correction forgotten in each frame.
    Raises UserError for other numbers.
    """

    memory: float = 0.98
    tolerance: float = 0.1
    smooth: float = 0.9
    leak: float = 0.03

    def __post_init__(self) -> None:
        for name, top in (("memory", 0.999), ("tolerance", 1.0), ("smooth", 0.99), ("leak", 1.0)):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= top:
                raise UserError(f"the {name} of the stabilization is {value}; a number from 0 to {top} was expected")


@dataclass(frozen=True, eq=False)
class _Past:
    """The frame before: its values as they came in and went out (H, W), and its image as gray bytes (h, w)."""

    raw: np.ndarray
    out: np.ndarray
    gray: np.ndarray


@dataclass
class Stabilizer:
    """`step` takes one frame after the other; `state` and `from_state` carry it over to another chunk or process.

    frames: how many were taken. cuts: the frames at which another shot began, where nothing is carried over.
    """

    options: StabilizerOptions = field(default_factory=StabilizerOptions)
    frames: int = 0
    cuts: list[int] = field(default_factory=list)
    _range: float = 0.0
    _middle: float = 0.0  # median disparity of the first frame: 1 / the camera's unit
    _course: tuple[float, float] = (0.0, 0.0)  # log of the scale, and shift in shares of the range, from frame to frame
    _correct: tuple[float, float] = (1.0, 0.0)  # scale, and shift in shares of the range, that undo the jumps so far
    _past: _Past | None = None
    # Sums, in shares of the range, of how much points changed as they came in and as they went out, and their number.
    _changes: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def change(self) -> tuple[float, float] | None:
        """Return the mean absolute change of a point from frame to frame: as it came in, and as it went out.

        Points are followed along the flow; changes are in shares of the range. None where nothing was followed yet. A
        camera that moves in is part of the change.
        """
        before, after, points = self._changes
        return (before / points, after / points) if points else None

    def copy(self) -> Stabilizer:
        """Return a stabilizer that goes on from here by itself."""
        return replace(self, cuts=list(self.cuts))

    def step(self, values: np.ndarray, image: np.ndarray, camera: CameraTrajectory | None = None) -> np.ndarray:
        """Return the stabilized frame (H, W) float32 of `values` (H, W), seen in `image`. What is unknown stays NaN.

        camera: the pose of the frame before and of this one, in units of the first frame's median depth; values must
        be 0 at infinity then, as disparity is.
        """
        values = np.asarray(values, np.float32)
        if values.ndim != 2 or min(values.shape) < 2:
            raise UserError(f"a depth frame has shape {values.shape}; (height, width) was expected")
        values = np.where(np.isfinite(values), values, np.float32(np.nan))
        gray = to_gray(image)
        if self._past is not None and values.shape != self._past.out.shape:
            raise UserError(f"depth frame {self.frames} is {values.shape}, those before it {self._past.out.shape}")
        if self._past is not None and gray.shape != self._past.gray.shape:
            raise UserError(f"image {self.frames} of the clip has another size than those before it")
        out = self._begin(values) if self._past is None else self._continue(self._past, values, gray, camera)
        self._past = _Past(values, out, gray)
        self.frames += 1
        return out.copy()

    def _begin(self, values: np.ndarray) -> np.ndarray:
        known = values[np.isfinite(values)]
        span = float(np.subtract(*np.quantile(known, [0.98, 0.02]))) if known.size else 0.0
        self._range = span or self._range
        self._middle = float(np.median(known)) if known.size else 0.0
        self._correct, self._course = (1.0, 0.0), (0.0, 0.0)
        return values

    def _continue(
        self, past: _Past, values: np.ndarray, gray: np.ndarray, camera: CameraTrajectory | None
    ) -> np.ndarray:
        positions, sure = trace_back(past.gray, gray, values.shape, values)
        before = self._move_camera(sample(past.raw, positions), positions, camera)
        known = np.isfinite(values) & np.isfinite(before) & sure
        if self._range <= 0 or known.mean() < CUT * max(float(np.isfinite(values).mean()), 1e-6):
            self.cuts.append(self.frames)
            return self._begin(values)
        self._undo_jump(before[known], values[known])
        now = self._correct[0] * values + self._correct[1] * self._range
        kept = self._move_camera(sample(past.out, positions), positions, camera)
        usable = sure & np.isfinite(kept) & np.isfinite(now)
        out = self._mix(now, kept, usable)
        self._count_changes(np.abs(values - before), np.abs(out - kept), known & usable)
        return out

    def _undo_jump(self, before: np.ndarray, values: np.ndarray) -> None:
        """Take what differs from the course of scale and shift by more than the fit's noise into the correction."""
        scale, shift = _fit_both_ways(before, values)
        step = (
            float(np.clip(np.log(scale), -MAX_STEP, MAX_STEP)),
            float(np.clip(shift / self._range, -MAX_STEP, MAX_STEP)),
        )
        jump = _beyond(step[0] - self._course[0], JUMP), _beyond(step[1] - self._course[1], JUMP)
        smooth = self.options.smooth
        self._course = (
            smooth * self._course[0] + (1 - smooth) * (step[0] - jump[0]),
            smooth * self._course[1] + (1 - smooth) * (step[1] - jump[1]),
        )
        scale, shift = self._correct
        shift, scale = shift - scale * jump[1] / np.exp(jump[0]), scale / np.exp(jump[0])
        keep = 1 - self.options.leak
        self._correct = float(scale**keep), float(shift * keep)

    def _mix(self, now: np.ndarray, kept: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return new values (H, W) held back by their past, `kept`, by at most the tolerance."""
        tolerance = self.options.tolerance * self._range
        difference = np.where(usable, kept - now, 0)
        trust = np.where(usable, np.clip(1.5 - 0.5 * np.abs(difference) / max(tolerance, 1e-30), 0, 1), 0)
        held = np.clip(trust * self.options.memory * difference, -tolerance, tolerance)
        out: np.ndarray = (now + held).astype(np.float32)
        return out

    def _count_changes(self, before: np.ndarray, after: np.ndarray, followed: np.ndarray) -> None:
        """Add the absolute changes (H, W) of followed points, as they came in and went out, to the sums."""
        sums = self._changes
        self._changes = (
            sums[0] + float(before[followed].sum()) / self._range,
            sums[1] + float(after[followed].sum()) / self._range,
            sums[2] + float(followed.sum()),
        )

    def _move_camera(self, values: np.ndarray, positions: np.ndarray, camera: CameraTrajectory | None) -> np.ndarray:
        """Return disparity of the frame before, taken at its pixels `positions`, as it is for the camera of this frame.

        A point z along the camera's axis on the ray r (with r_z = 1) is at (R r)_z z + t_z for the next camera.
        """
        if camera is None or self._middle <= 0:
            return values
        step = compose(invert(camera.c2w[1]), camera.c2w[0])
        fx, fy, cx, cy = camera.intrinsics[0]
        x = ((positions[..., 0] + 0.5) / values.shape[1] - cx) / fx
        y = ((positions[..., 1] + 0.5) / values.shape[0] - cy) / fy
        ratio = step[2, 0] * x + step[2, 1] * y + step[2, 2] + step[2, 3] * values / self._middle
        # What passes the camera is not seen again.
        return np.where(ratio > 0.1, values / np.where(ratio > 0.1, ratio, 1), np.nan).astype(np.float32)

    def state(self) -> JsonObject:
        """Return all that the next frame needs, as plain JSON values: some bytes for every pixel of a frame."""
        arrays = dict.fromkeys(("raw", "out", "gray")) if self._past is None else vars(self._past)
        return {
            "frames": self.frames,
            "cuts": list(self.cuts),
            "range": self._range,
            "middle": self._middle,
            "course": list(self._course),
            "correct": list(self._correct),
            "options": dict(vars(self.options)),
            "changes": list(self._changes),
            **{name: None if array is None else pack(array) for name, array in arrays.items()},
        }

    @classmethod
    def from_state(cls, state: JsonObject) -> Stabilizer:
        """Return a stabilizer that goes on where `state` left off. Raises UserError for anything else."""
        try:
            stabilizer = cls(
                StabilizerOptions(**state["options"]),
                int(state["frames"]),
                [int(cut) for cut in state["cuts"]],
                _finite(state["range"]),
                _finite(state["middle"]),
                _pair(state["course"]),
                _pair(state["correct"]),
                _unpack_past(state),
            )
            before, after, points = state.get("changes", (0.0, 0.0, 0.0))
            stabilizer._changes = _finite(before), _finite(after), _finite(points)
            if stabilizer._correct[0] <= 0:
                raise ValueError("a correction that is not above 0")
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"the state of the depth stabilization cannot be read ({error}): begin anew") from error
        return stabilizer


def stabilize(
    values: Iterable[np.ndarray],
    images: Iterable[np.ndarray],
    options: StabilizerOptions | None = None,
    camera: CameraTrajectory | None = None,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[np.ndarray]:
    """Yield stabilized frames of `values` (H, W) that are seen in `images`, one at a time and so in bounded memory.

    camera: the path of the clip, relative to its first frame, where it is known; see `Stabilizer.step`. progress is
    called after every frame. Raises UserError where one of the two is longer than the other, or the path shorter than
    they, and when cancel returns True.
    """
    worker = Stabilizer(options or StabilizerOptions())
    images = iter(images)
    for number, frame in enumerate(values):
        if cancel is not None and cancel():
            raise UserError(f"stabilizing depth was stopped at frame {number}")
        image = next(images, None)
        if image is None:
            raise UserError(f"there are more depth frames than images ({number}): give one image for each")
        yield worker.step(frame, image, step_of(camera, number))
        if progress is not None:
            progress()
    if next(images, None) is not None:
        raise UserError("there are more images than depth frames: give one image for each")


def step_of(camera: CameraTrajectory | None, frame: int) -> CameraTrajectory | None:
    """Return the poses of the frame before and of `frame`, for `Stabilizer.step`; None for the first or without a path.

    Raises UserError for a path that ends before `frame`.
    """
    if camera is None or frame == 0:
        return None
    if frame >= camera.frames:
        raise UserError(f"the camera path has {camera.frames} frames and ends before the depth clip: give one for each")
    part = slice(frame - 1, frame + 1)
    return camera.replace(c2w=camera.c2w[part], intrinsics=camera.intrinsics[part])


def _fit_both_ways(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Return scale and shift from one frame to the next, fitted both ways: noise in one would shrink the scale."""
    there, _, _ = fit_scale_shift(before, after)
    back, _, _ = fit_scale_shift(after, before)
    scale = float(np.sqrt(max(there, 1e-3) / max(back, 1e-3)))
    return scale, float(np.median(after - scale * before))


def _beyond(value: float, least: float) -> float:
    """Return by how much a value is beyond -least..least."""
    return float(np.sign(value) * max(abs(value) - least, 0))


def _unpack_past(state: JsonObject) -> _Past | None:
    arrays = {name: None if state[name] is None else unpack(state[name]) for name in ("raw", "out", "gray")}
    present = {name: array for name, array in arrays.items() if array is not None}
    if not present:
        return None
    if len(present) < len(arrays):
        raise ValueError("some images are missing")
    past = _Past(**present)
    if past.raw.shape != past.out.shape or past.gray.dtype != np.uint8:
        raise ValueError("sizes differ")
    return past


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return _finite(first), _finite(second)


def _finite(value: Any) -> float:
    if not np.isfinite(float(value)):
        raise ValueError("a number is not finite")
    return float(value)
