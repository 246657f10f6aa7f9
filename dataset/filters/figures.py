"""What can be measured in the frames of a clip without a network: brightness, motion, and cuts.

Shapes: frames (H, W, 3) in 0..1; luminance in 0..255, as the papers count it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ...control.images import resize

# Rec. 709, as SpatialVID measures luminance.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
# VMAF's filter of five taps (Netflix, libvmaf's motion feature; FFmpeg's vf_vmafmotion.c).
_TAPS = np.array([0.054488685, 0.244201342, 0.402619947, 0.244201342, 0.054488685], np.float32)
MOTION_SIDE = 480  # of the shorter side at which motion is measured: its thresholds are for videos of about that size
CUT_SIDE = 32  # of the small images in which cuts are looked for
# PySceneDetect's AdaptiveDetector: a cut differs by so many times its neighbors' mean, and by so much at least.
CUT_RATIO, CUT_LEAST, CUT_WINDOW = 3.0, 15.0, 2
_LEAST = 1e-6


@dataclass
class Figures:
    """Of a clip: luminance, mean over all; motion, VMAF's, mean over its steps; cuts, the frames that begin a shot."""

    luminance: float
    motion: float
    cuts: list[int]
    frames: int


@dataclass
class Measure:
    """Measures frame after frame, so that a long clip need not be in memory."""

    _luminance: list[float] = field(default_factory=list)
    _motion: list[float] = field(default_factory=list)
    _changes: list[float] = field(default_factory=list)
    _blurred: np.ndarray | None = None
    _small: np.ndarray | None = None

    def add(self, frame: np.ndarray) -> None:
        """Take in the next frame."""
        luma = frame @ _LUMA * 255
        self._luminance.append(float(luma.mean()))
        blurred = _blur(_shrunk(luma, MOTION_SIDE))
        small = to_hsv(resize(frame, CUT_SIDE, CUT_SIDE).clip(0, 1))
        if self._blurred is not None and self._small is not None:
            self._motion.append(float(np.abs(blurred - self._blurred).mean()))
            self._changes.append(_hsv_change(self._small, small))
        self._blurred, self._small = blurred, small

    def result(self) -> Figures:
        """Return the figures of the frames so far, of which there is at least one."""
        cuts = find_cuts(np.array(self._changes))
        # The step of a cut is no motion.
        steps = [value for step, value in enumerate(self._motion, 1) if step not in set(cuts)]
        motion = float(np.mean(steps)) if steps else 0.0
        return Figures(float(np.mean(self._luminance)), motion, cuts, len(self._luminance))


def measure(frames: Iterable[np.ndarray]) -> Figures:
    """Return the figures of frames (H, W, 3), of which there is at least one."""
    found = Measure()
    for frame in frames:
        found.add(frame)
    return found.result()


def _shrunk(luma: np.ndarray, side: int) -> np.ndarray:
    share = side / min(luma.shape)
    return resize(luma, *(max(1, round(s * share)) for s in luma.shape)) if share < 1 else luma


def _blur(luma: np.ndarray) -> np.ndarray:
    """Return an image (H, W), blurred by VMAF's filter in both directions, mirrored at its edges."""
    half = len(_TAPS) // 2
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (half, half)
        padded = np.pad(luma, pad, mode="reflect" if luma.shape[axis] > half else "edge")
        length = luma.shape[axis]
        luma = sum(w * np.take(padded, range(k, k + length), axis) for k, w in enumerate(_TAPS))
    return luma


def to_hsv(image: np.ndarray) -> np.ndarray:
    """Return RGB in 0..1 as hue, saturation and value, each in 0..255; hue goes once around."""
    high, low = image.max(-1), image.min(-1)
    range_ = high - low
    red, green, blue = (image[..., k] for k in range(3))
    safe = np.maximum(range_, _LEAST)
    hue = np.where(
        high == red,
        (green - blue) / safe % 6,
        np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    saturation = range_ / np.maximum(high, _LEAST)
    hsv: np.ndarray = np.stack([hue / 6 * 255 * (range_ > _LEAST), saturation * 255, high * 255], -1)
    return hsv


def _hsv_change(before: np.ndarray, after: np.ndarray) -> float:
    """Return the mean difference of two images in HSV; hue counts the shorter way around."""
    difference = np.abs(after - before)
    difference[..., 0] = np.minimum(difference[..., 0], 255 - difference[..., 0])
    return float(difference.mean())


def find_cuts(changes: np.ndarray) -> list[int]:
    """Return the frames that begin a new shot, by how much each step (F-1,) changes: much, and more than around it.

    This is the rule of PySceneDetect's AdaptiveDetector, whose defaults the constants are: a pan changes much in every
    step, a cut in one.
    """
    cuts = []
    for step, change in enumerate(changes):
        around = np.concatenate([changes[max(0, step - CUT_WINDOW) : step], changes[step + 1 : step + 1 + CUT_WINDOW]])
        mean = float(around.mean()) if around.size else np.inf
        if change >= CUT_LEAST and change >= CUT_RATIO * max(mean, _LEAST):
            cuts.append(step + 1)
    return cuts
