"""Whether a camera path and a depth clip belong to one scene, checked before anything is generated from both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import repeat

from ..camera.trajectory import CameraTrajectory, invert
from ..errors import UserError
from ..images import indices, resize_clip
from .geometry import carry
from .measure import Recipe
from .normalize import DepthClip

# Residuals, in shares of the clip's range, up to which camera and depth agree, and from which they do not.
AGREE, DISAGREE = 0.05, 0.1
# How far the far end of a clip is from infinity, in shares of its range, where the recipe does not say it.
OFFSETS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
MOVES = 1e-3  # from this change of pose or lens on, a camera moves
NOTABLE_HOLES = 0.02  # share of the last frame
SCALES = (0.25, 0.5, 2, 4)  # of the path, that are tried where it does not fit


@dataclass(frozen=True)
class Agreement:
    """How well a camera path and a depth clip fit together.

    residual: mean absolute difference between the depth that the path predicts from the first frame and the clip's, as
    a share of the clip's range, leaving out the tenth that differs most (what moves by itself). still: the same if the
    camera stood still. holes: share of the last frame that the first does not show. offset: how far the far end of the
    clip is from infinity, in shares of its range. agrees: True, False, or None where nothing can be said. report:
    sentences.
    """

    residual: float
    still: float
    holes: float
    offset: float
    agrees: bool | None
    report: list[str]


def measure_agreement(camera: CameraTrajectory, clip: DepthClip, looks: int = 6, side: int = 96) -> Agreement:
    """Return how well a camera path fits a depth clip.

    The first frame is carried along the path to `looks` later frames, at a longer side of `side` pixels. Where the
    clip's recipe does not say what is infinitely far, that is fitted as well. Raises UserError for another number of
    frames.
    """
    if camera.frames != clip.frames:
        raise UserError(f"the camera path has {camera.frames} frames, the depth clip {clip.frames}: they must be alike")
    if clip.frames < 2:
        sentence = "One frame alone says nothing about whether camera and depth agree."
        return Agreement(0.0, 0.0, 0.0, 0.0, None, [sentence])
    chosen = np.unique(np.concatenate([[0], 1 + indices(clip.frames - 1, min(looks, clip.frames - 1))]))
    shrink = min(1.0, side / max(clip.values.shape[1:]))
    height, width = (max(2, round(length * shrink)) for length in clip.values.shape[1:])
    values = resize_clip(clip.values[chosen], height, width).astype(np.float64)
    camera = camera.relative()
    path = camera.replace(c2w=camera.c2w[chosen], intrinsics=camera.intrinsics[chosen])
    fits = [(offset, *_residual(path, values, offset)) for offset in _offsets(clip.recipe)]
    offset, residual, holes = min(fits, key=lambda fit: fit[1])
    comparison = _compare(path, values, offset, residual)
    agrees = comparison.agrees()
    return Agreement(residual, comparison.still, holes, offset, agrees, comparison.describe(agrees, holes))


@dataclass(frozen=True)
class _Comparison:
    """The path's residual, that of a camera that stands still, and those of other paths, by how they differ.

    others is empty where the camera stands still.
    """

    residual: float
    still: float
    others: dict[str, float]

    def agrees(self) -> bool | None:
        """Return whether path and clip agree; None where that cannot be said."""
        better = min(self.still, *self.others.values()) if self.others else np.inf
        if self.others and self.residual > AGREE / 2 and better < 0.5 * self.residual:
            return False
        return None if AGREE < self.residual < DISAGREE else self.residual <= AGREE

    def describe(self, agrees: bool | None, holes: float) -> list[str]:
        """Return the result in sentences."""
        figure = f"residual {self.residual:.1%} of the depth range"
        still = f"{figure}; {self.still:.1%} if the camera stood still"
        if not self.others and agrees:
            report = [f"The camera stands still, and so does the depth ({figure})."]
        elif not self.others:
            report = [
                f"The camera stands still, but the depth moves ({figure}): something moves, it flickers, or the path is"
                " not that of the clip."
            ]
        elif agrees:
            report = [f"Camera and depth agree ({still})."]
        elif agrees is None:
            report = [f"Camera and depth agree in part only ({still})."]
        else:
            report = [f"Camera and depth contradict each other ({still})."]
        if self.others and self.residual > AGREE / 2:
            report += self._describe_better()
        if holes > NOTABLE_HOLES:
            report.append(f"{holes:.0%} of the last frame is not seen in the first; depth there is the clip's alone.")
        return report

    def _describe_better(self) -> list[str]:
        """Return which other path fits much better, if any does."""
        best = min(self.others, key=self.others.__getitem__)
        if self.others[best] < 0.5 * self.residual and self.others[best] <= self.still:
            return [
                f"The depth moves as if the camera moved {best} (residual {self.others[best]:.1%}): check the path's"
                " direction and unit of length."
            ]
        if self.still < 0.5 * self.residual:
            return ["The depth moves less than the path says: it may be of a camera that stood still."]
        return []


def _compare(path: CameraTrajectory, values: np.ndarray, offset: float, residual: float) -> _Comparison:
    first = repeat(path.c2w[0], "row column -> f row column", f=path.frames)
    still = path.replace(c2w=first, intrinsics=path.intrinsics[0])
    others = {
        "backwards": path.replace(c2w=invert(path.c2w)),
        **{f"{scale:g} times as far": path.scaled(scale) for scale in SCALES},
    }
    moves = max(np.abs(path.c2w - still.c2w).max(), np.abs(path.intrinsics - still.intrinsics).max()) > MOVES
    tried = {name: _residual(other, values, offset)[0] for name, other in others.items()} if moves else {}
    return _Comparison(residual, _residual(still, values, offset)[0], tried)


def _offsets(recipe: Recipe) -> tuple[float, ...]:
    """Return what to add to normalized values so that 0 is infinitely far; several to try where nothing says it."""
    if recipe.get("kind") == "depth" and recipe.get("scope") != "per frame":
        bottom, top = recipe["range"]
        return (float(bottom) / (float(top) - float(bottom)),)
    return OFFSETS


def _residual(path: CameraTrajectory, values: np.ndarray, offset: float) -> tuple[float, float]:
    """Return the mean difference of what is carried from the first frame, and the holes of the last, as shares."""
    middle = float(np.median(values[0])) + offset
    if middle <= 0:
        return np.inf, 0.0
    disparity = (values + offset) / middle
    differences, holes = [], 0.0
    for frame in range(1, len(values)):
        carried = carry(disparity[0], path, 0, frame)
        known = np.isfinite(carried)
        holes = 1 - float(known.mean())
        # Clipped values say "at least so near" and "at least so far" only.
        predicted = np.clip(carried[known] * middle - offset, 0, 1)
        differences.append(np.abs(predicted - values[frame][known]))
    every = np.sort(np.concatenate(differences))
    if every.size < 0.05 * values[1:].size:
        return np.inf, holes
    return float(every[: max(1, int(0.9 * every.size))].mean()), holes
