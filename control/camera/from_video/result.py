"""What Camera from Video found: the path, how far each frame of it can be trusted, and the sentences to read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...ranges import format_ranges
from ..trajectory import CameraTrajectory

SCALE = "ambiguous: median depth of first frame=1"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A camera path estimated from a video, and how.

    trajectory: relative to the first frame; the unit is the median depth of the points seen in it (unknowable in any
        other unit: a video of a model railway looks like one of a railway). Its notes are the doubts.
    inliers (F,): share of the tracked points of each frame that agree with its pose, 0..1.
    failed: frames whose pose is not measured but interpolated between its neighbors'.
    focal: fx in image widths of the first frame. focal_known: it was given, not guessed. focal_determined: whether the
        points agree worse with 0.8 and with 1.25 times as much, be it given or not; False also where the movement shows
        no lens: then a wrong one that was given cannot be noticed. zoom_determined: whether the points show if the
        lens zooms meanwhile.
    movement: 'static', 'turning' (rotating only), 'zooming' (rotating with a lens that zooms) or 'moving'.
    points (N, 3): the triangulated points, in the first camera's axes and the trajectory's unit (directions at
        distance 1 where the camera does not move).
    rotation_sd (F,), position_sd (F,): standard deviations of each pose relative to the first, in degrees and in the
        trajectory's unit. They say what noise does; a wrong interpretation (a subject taken for the world) is beyond
        them.
    doubtful: frames that should not be trusted without a look. Sentences of `warnings` name them and say why.
    warnings: sentences that a user should read.
    """

    trajectory: CameraTrajectory
    inliers: np.ndarray
    failed: tuple[int, ...]
    focal: float
    focal_known: bool
    focal_determined: bool
    movement: str
    points: np.ndarray
    rotation_sd: np.ndarray
    position_sd: np.ndarray
    doubtful: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    zoom_determined: bool = True
    scale: str = SCALE
    method: str = field(default="sift")

    def report(self) -> str:
        """Return a few lines for people: what moved, how well it is supported, what to doubt."""
        given = "given" if self.focal_determined else "given; the video does not show it"
        origin = given if self.focal_known else "estimated" if self.focal_determined else "a guess"
        lines = [
            f"Movement: {self.movement}. {self.trajectory.frames} frames, {len(self.points)} points.",
            f"Agreeing points per frame: median {np.median(self.inliers):.0%}, worst {self.inliers.min():.0%}"
            f" (frame {int(self.inliers.argmin())}).",
            f"Standard deviation of the poses: at most {self.rotation_sd.max():.2g} degrees (frame"
            f" {int(self.rotation_sd.argmax())}) and {self.position_sd.max():.2g} units (frame"
            f" {int(self.position_sd.argmax())}).",
            f"Focal length: {self.focal:.3f} widths ({origin}).",
            f"Scale: {self.scale}.",
            f"Frames to look at: {format_ranges(self.doubtful) if self.doubtful else 'none'}.",
        ]
        return "\n".join([*lines, *self.warnings])
