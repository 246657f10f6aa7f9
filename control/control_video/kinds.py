"""The kinds of control videos, and one control video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checked_frames import checked_frames
from ..errors import UserError
from ..strength import check_strength

# By name: what its frames show. A name is also that of the stream in a checkpoint: never change one.
KINDS: dict[str, str] = {
    "canny": "edges of one pixel (Canny), white on black",
    "soft_edge": "edges as bright as they are strong (HED, PiDiNet and the like), white on black",
    "scribble": "a few thick strokes along the outlines, white on black",
    "lineart": "lines as a draftsman would draw them, white on black",
    "mlsd": "straight line segments (M-LSD and the like), white on black",
    "pose": "skeletons of people in OpenPose's colors, on black",
    "segmentation": "one color per region, without a meaning of its own",
    "normals": "directions of surfaces: red right, green up, blue toward the camera",
    "flow": "movement to the next frame in the colors of Middlebury's wheel, white where nothing moves",
    "tracks": "points that move with what they lie on, each in a color of its own, on black",
    "boxes": "boxes around objects, one color each, on black",
}


@dataclass(frozen=True, eq=False)
class ControlVideo:
    """One control video: `frames` (F, H, W, 3) in 0..1 of a kind, with a strength and a part of sampling of its own.

    Raises UserError for an unknown kind, another shape, NaN, and values far outside 0..1.
    """

    kind: str
    frames: np.ndarray
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        check_kind(self.kind)
        object.__setattr__(self, "frames", checked_frames(self.frames, self.title))

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"the control video '{self.kind}'"

    def check_weights(self) -> None:
        """Raise UserError for a strength or a part of sampling that cannot be."""
        check_strength(self.strength, self.start, self.end, self.title)


def check_kind(kind: str) -> None:
    """Raise UserError for a kind that there is not."""
    if kind not in KINDS:
        raise UserError(f"the kind of control video '{kind}' is unknown: choose among {', '.join(KINDS)}")
