"""The distances behind a depth clip, in the unit of a camera path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera.trajectory import UNIT, CameraTrajectory
from ..errors import UserError
from .geometry import in_camera_unit
from .measure import Recipe
from .normalize import DepthClip


@dataclass(frozen=True)
class DepthScale:
    """How a clip's values are distances: 1 / (value * extent + bottom), times `factor` in the path's unit.

    offset: where the clip's far end was put, in shares of its range before infinity; None where its recipe says it.
    """

    extent: float
    bottom: float
    factor: float
    offset: float | None

    @classmethod
    def of(cls, clip: DepthClip, camera: CameraTrajectory, offset: float = 0.1) -> DepthScale:
        """Return the scale of a clip for a path, which begins where the clip's first frame was taken.

        Where the path's unit is the median depth of the first frame, that becomes 1; in another unit the clip must be
        itself. offset: see the class; used where the recipe does not know distances. Raises UserError for an offset
        that is not above 0, for relative depth with a path that has a unit of its own, and a first frame without a
        median.
        """
        extent, bottom, assumed = _range(clip.recipe, offset)
        if assumed and camera.unit != UNIT:
            raise UserError(
                f"the camera moves in {camera.unit_name} but the depth is relative, without a unit: give metric"
                f" depth, or a path in units of the {UNIT}"
            )
        plain = cls(extent, bottom, 1.0, offset if assumed else None)
        _, factor = in_camera_unit(plain.distances(clip.values[0]), camera)
        return cls(extent, bottom, factor, plain.offset)

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Return the distances of a clip's values, any shape, float64; infinite where they say so."""
        disparity = values.astype(np.float64) * self.extent + self.bottom
        with np.errstate(divide="ignore"):
            return self.factor / np.maximum(disparity, 0)

    def normalize(self, distances: np.ndarray) -> np.ndarray:
        """Return distances as values of the clip, 0 to 1; NaN stays."""
        values: np.ndarray = np.clip((self.factor / distances - self.bottom) / self.extent, 0, 1)
        return values

    def describe(self, unit: str) -> str:
        """Return a sentence about the distances of the clip's ends, in the path's unit."""
        near, far = (float(end) for end in self.distances(np.array([1.0, 0.0])))
        return f"Near (1) is at a distance of {near:.3g} and far (0) at {far:.3g}, in units of the path ({unit})."


def describe_offset(offset: float) -> str:
    """Return what to know about depth whose far end was put at an offset."""
    return (
        f"The depth does not say what is infinitely far; its far end was put {offset:g} of its range before that."
        " If the image moves too much or too little, change the offset, or give metric depth."
    )


def _range(recipe: Recipe, offset: float) -> tuple[float, float, bool]:
    """Return extent and bottom of a clip's disparities, and whether they were assumed."""
    if recipe.get("kind") == "depth" and recipe.get("scope") != "per frame":
        bottom, top = (float(end) for end in recipe["range"])
        return top - bottom, bottom, False
    if not 0 < offset < np.inf:
        raise UserError(f"the offset is {offset}; a number above 0 was expected: it puts the far end")
    return 1.0, float(offset), True
