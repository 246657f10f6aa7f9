"""Less flicker: an estimator looks at every frame anew, so the same wall comes out a little nearer, then farther.

Two things are done to each frame, both from what came before it alone, so that a clip may come in chunks of any size:

1. Jumps of scale and shift are undone. Between neighbors d[t] = g d[t-1] + b is fitted along the flow (flow.py). A
   camera that moves in makes everything nearer little by little: a smooth course of g and b, which is left alone. What
   differs from it by more than the fit's own noise is an estimator that changed its mind, and is taken out of this
   frame and those after it; a slow leak lets a correction that was wrong die away.
2. Every point follows its own past along the flow, and gives way to the new value slowly (memory), but never differs
   from it by more than the tolerance: that bounds what can go wrong. Where the two are three times as far apart, or
   the flow is not to be relied on, the new value counts: edges stay sharp and things that move do not smear.

Where the camera's path is known, what stands still is also known to come nearer or go farther: the past is moved on by
that before it is compared. Without a path, a camera that moves in is followed with a delay of up to the tolerance.

Shapes: (H, W) disparity-like values of any unit, NaN = unknown; images (H', W', 3) in 0..1 or bytes, any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..camera.trajectory import CameraTrajectory, compose, invert
from ..errors import UserError
from .align import fit_scale_shift
from .pack import pack, unpack
from .scene_flow import follow, gray_image, sample

JUMP = 0.01  # what the fit of scale, and of shift in shares of the range, is uncertain by
CUT = 0.15  # where less than this share of an image is found again, another shot begins


@dataclass(frozen=True)
class Stabilizing:
    """How strong.

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


@dataclass
class Stabilizer:
    """`step` takes one frame after the other; `state` and `from_state` carry it over to another chunk or process.

    frames: how many were taken. cuts: the frames at which another shot began, where nothing is carried over.
    """

    options: Stabilizing = field(default_factory=Stabilizing)
    frames: int = 0
    cuts: list[int] = field(default_factory=list)
    _range: float = 0.0
    _middle: float = 0.0  # median disparity of the first frame: 1 / the camera's unit
    _course: tuple[float, float] = (0.0, 0.0)  # log of the scale, and shift in shares of the range, from frame to frame
    _correct: tuple[float, float] = (1.0, 0.0)  # scale, and shift in shares of the range, that undo the jumps so far
    _raw: np.ndarray | None = None
    _out: np.ndarray | None = None
    _gray: np.ndarray | None = None
    _changes: tuple[float, float, float] = (0.0, 0.0, 0.0)  # given, put out (sums in shares of the range), points

    def change(self) -> tuple[float, float] | None:
        """Mean absolute change of a point from frame to frame, followed along the flow: as given, and as put out, in
        shares of the range. None where nothing was followed yet. A camera that moves in is part of it."""
        given, put_out, points = self._changes
        return (given / points, put_out / points) if points else None

    def step(self, values: np.ndarray, image: np.ndarray, camera: CameraTrajectory | None = None) -> np.ndarray:
        """The stabilized frame (H, W) float32 of `values` (H, W), seen in `image`. What is unknown stays NaN.

        camera: the pose of the frame before and of this one, in units of the first frame's median depth; values must
        be 0 at infinity then, as disparity is.
        """
        values = np.asarray(values, np.float32)
        if values.ndim != 2 or min(values.shape) < 2:
            raise UserError(f"a depth frame has shape {values.shape}; (height, width) was expected")
        values = np.where(np.isfinite(values), values, np.float32(np.nan))
        if self._out is not None and values.shape != self._out.shape:
            raise UserError(f"depth frame {self.frames} is {values.shape}, those before it {self._out.shape}")
        gray = gray_image(image)
        if self._gray is not None and gray.shape != self._gray.shape:
            raise UserError(f"image {self.frames} of the clip has another size than those before it")
        if self._out is None:
            self._begin(values)
        else:
            self._continue(values, gray, camera)
        self._raw, self._gray = values, gray
        self.frames += 1
        return self._out.copy()

    def _begin(self, values: np.ndarray) -> None:
        known = values[np.isfinite(values)]
        span = float(np.subtract(*np.quantile(known, [0.98, 0.02]))) if known.size else 0.0
        self._range = span or self._range
        self._middle = float(np.median(known)) if known.size else 0.0
        self._correct, self._course = (1.0, 0.0), (0.0, 0.0)
        self._out = values

    def _continue(self, values: np.ndarray, gray: np.ndarray, camera: CameraTrajectory | None) -> None:
        options, unit = self.options, self._range
        where, sure = follow(self._gray, gray, values.shape, values)
        before = self._moved(sample(self._raw, where), where, camera)
        known = np.isfinite(values) & np.isfinite(before) & sure
        if unit <= 0 or known.mean() < CUT * max(float(np.isfinite(values).mean()), 1e-6):
            self.cuts.append(self.frames)
            self._begin(values)
            return
        scale, shift = _between(before[known], values[known])
        # A scale that doubles between frames is a failure of the fit, not something to undo.
        step = float(np.clip(np.log(scale), -0.5, 0.5)), float(np.clip(shift / unit, -0.5, 0.5))
        jump = tuple(_beyond(new - usual, JUMP) for new, usual in zip(step, self._course, strict=True))
        self._course = tuple(
            options.smooth * usual + (1 - options.smooth) * (new - off)
            for new, usual, off in zip(step, self._course, jump, strict=True)
        )
        scale, shift = self._correct
        shift, scale = shift - scale * jump[1] / np.exp(jump[0]), scale / np.exp(jump[0])
        keep = 1 - options.leak
        self._correct = (float(scale**keep), float(shift * keep))
        now = self._correct[0] * values + self._correct[1] * unit
        past = self._moved(sample(self._out, where), where, camera)
        usable = sure & np.isfinite(past) & np.isfinite(now)
        reach = options.tolerance * unit
        off = np.where(usable, past - now, 0)
        trust = np.where(usable, np.clip(1.5 - 0.5 * np.abs(off) / max(reach, 1e-30), 0, 1), 0)
        self._out = (now + np.clip(trust * options.memory * off, -reach, reach)).astype(np.float32)
        followed = known & usable
        given, put_out = (float(np.abs(a - b)[followed].sum()) for a, b in ((values, before), (self._out, past)))
        self._changes = tuple(
            total + new
            for total, new in zip(self._changes, (given / unit, put_out / unit, float(followed.sum())), strict=True)
        )

    def _moved(self, values: np.ndarray, where: np.ndarray, camera: CameraTrajectory | None) -> np.ndarray:
        """Disparity of the frame before, taken at its pixels `where`, as it is for the camera of this frame.

        A point z along the camera's axis on the ray r (with r_z = 1) is at (R r)_z z + t_z for the next camera.
        """
        if camera is None or self._middle <= 0:
            return values
        step = compose(invert(camera.c2w[1]), camera.c2w[0])
        fx, fy, cx, cy = camera.intrinsics[0]
        x = ((where[..., 0] + 0.5) / values.shape[1] - cx) / fx
        y = ((where[..., 1] + 0.5) / values.shape[0] - cy) / fy
        ratio = step[2, 0] * x + step[2, 1] * y + step[2, 2] + step[2, 3] * values / self._middle
        # What passes the camera is not seen again.
        return np.where(ratio > 0.1, values / np.where(ratio > 0.1, ratio, 1), np.nan).astype(np.float32)

    def state(self) -> dict:
        """Everything that the next frame needs, as plain JSON values: some bytes for every pixel of a frame."""
        arrays = {"raw": self._raw, "out": self._out, "gray": self._gray}
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
    def from_state(cls, state: dict) -> Stabilizer:
        """Where `state` left off. Raises UserError for what is no such state."""
        try:
            made = cls(
                Stabilizing(**state["options"]),
                int(state["frames"]),
                [int(cut) for cut in state["cuts"]],
                _finite(state["range"]),
                _finite(state["middle"]),
                tuple(_finite(v) for v in state["course"]),
                tuple(_finite(v) for v in state["correct"]),
                *(None if state[name] is None else unpack(state[name]) for name in ("raw", "out", "gray")),
                tuple(_finite(v) for v in state.get("changes", (0.0, 0.0, 0.0))),
            )
            arrays = (made._raw, made._out, made._gray)
            if len(made._course) != 2 or len(made._correct) != 2 or len(made._changes) != 3 or made._correct[0] <= 0:
                raise ValueError("course or correction")
            if len({array is None for array in arrays}) > 1:
                raise ValueError("some images are missing")
            if made._out is not None and (made._raw.shape != made._out.shape or made._gray.dtype != np.uint8):
                raise ValueError("sizes differ")
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"the state of the depth stabilization cannot be read ({error}): begin anew") from error
        return made


def stabilize(
    values: Iterable[np.ndarray],
    images: Iterable[np.ndarray],
    options: Stabilizing | None = None,
    camera: CameraTrajectory | None = None,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[np.ndarray]:
    """Stabilized frames of `values` (H, W) that are seen in `images`, one at a time and so in bounded memory.

    camera: the path of the clip, relative to its first frame, where it is known; see `Stabilizer.step`. progress is
    called after every frame; when cancel says yes, UserError is raised. Raises UserError where one of the two is longer
    than the other, or the path than they.
    """
    worker = Stabilizer(options or Stabilizing())
    images = iter(images)
    for number, frame in enumerate(values):
        if cancel is not None and cancel():
            raise UserError(f"stabilizing depth was stopped at frame {number}")
        image = next(images, None)
        if image is None:
            raise UserError(f"there are more depth frames than images ({number}): give one image for each")
        yield worker.step(frame, image, between(camera, number))
        if progress is not None:
            progress()
    if next(images, None) is not None:
        raise UserError("there are more images than depth frames: give one image for each")


def between(camera: CameraTrajectory | None, frame: int) -> CameraTrajectory | None:
    """The poses of the frame before and of `frame`, as `Stabilizer.step` takes them; None for the first or no path."""
    if camera is None or frame == 0:
        return None
    if frame >= camera.frames:
        raise UserError(f"the camera path has {camera.frames} frames and ends before the depth clip: give one for each")
    part = slice(frame - 1, frame + 1)
    return camera.replace(c2w=camera.c2w[part], intrinsics=camera.intrinsics[part])


def _between(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Scale and shift from one frame to the next, fitted both ways: noise in one alone would shrink the scale."""
    there, _, _ = fit_scale_shift(before, after)
    back, _, _ = fit_scale_shift(after, before)
    scale = float(np.sqrt(max(there, 1e-3) / max(back, 1e-3)))
    return scale, float(np.median(after - scale * before))


def _beyond(value: float, least: float) -> float:
    return float(np.sign(value) * max(abs(value) - least, 0))


def _finite(value: float) -> float:
    if not np.isfinite(float(value)):
        raise ValueError("a number is not finite")
    return float(value)
