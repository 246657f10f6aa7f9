"""Whether the video shows the focal length: what its points cost with a longer and a shorter one, and with a zoom.

A lens is determined where the points agree worse at 0.8 and at 1.25 times its focal length, with cameras and points
fitted anew. A camera that moves straight without turning, rolls, or turns by little looks alike through every lens. It
zooms while the camera moves, as in a dolly zoom, where the points agree far better with a focal length of each frame;
whether it does cannot be seen where they agree about as well with a zoom by 0.8 or 1.25 on the way, as they do where a
camera goes straight along its axis.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .. import rotations
from . import bundle_adjustment as ba
from .motion_fits import MotionFit, free_camera_parameters
from .uncertainty import select_cameras, select_points

FACTORS = (0.8, 1.25)
# Nearer ones, at which a fit that stopped on its way to another focal length shows itself.
_NEAR_FACTORS = (0.9, 1.1)
# By this share the points must cost more at both for the focal length to be determined.
MIN_RISE = 0.25
# And by so little they may cost less at one, before a focal length that was given is doubted.
MAX_FALL = 0.1
# A zoom is seen if the points cost less by this share with a focal length of each frame.
MIN_ZOOM_FALL = 0.3
_FRAMES, _POINTS, _ROUNDS = 12, 250, 25
_FARTHEST = 0.02


@dataclass(frozen=True)
class FocalTest:
    """What the points cost relative to the fit's own focal length (1: no difference).

    costs: by factor of the focal length. Of a camera that moves: zoom_cost: with a focal length of each frame;
    zoom_costs: by the factor by which the lens zooms up to the frame that is farthest ahead or behind.
    """

    costs: dict[float, float]
    zoom_cost: float = 1.0
    zoom_costs: dict[float, float] = field(default_factory=dict)

    @property
    def is_determined(self) -> bool:
        """Whether the points agree best with about this focal length, and clearly worse at 0.8 and 1.25 times it."""
        return min(self.costs[factor] for factor in FACTORS) > 1 + MIN_RISE and self.better is None

    @property
    def zooms(self) -> bool:
        """Whether the points agree far better with a focal length of each frame."""
        return self.zoom_cost < 1 - MIN_ZOOM_FALL

    @property
    def shows_zoom(self) -> bool:
        """Whether the points show if the lens zooms: it does, or they agree clearly worse with zooms by FACTORS."""
        return self.zooms or min(self.zoom_costs.values(), default=np.inf) > 1 + MIN_RISE

    @property
    def better(self) -> float | None:
        """The factor with which the points agree best, if clearly better, or None."""
        factor = min(self.costs, key=lambda factor: self.costs[factor])
        return factor if self.costs[factor] < 1 - MAX_FALL else None


def judge_focal(fit: MotionFit, pixel: float) -> FocalTest | None:
    """Return what a fit of all frames costs with other focal lengths; None for a kind of motion that shows none.

    pixel: a pixel of an image 672 wide in pixels of the fit's.
    """
    if fit.kind not in ("turning", "moving"):
        return None
    frames = np.unique(np.linspace(0, len(fit.bundle.focal) - 1, _FRAMES).round().astype(int))
    bundle = select_cameras(fit.bundle, frames)
    bundle = select_points(bundle, np.arange(len(bundle.points)), _POINTS)
    free = free_camera_parameters(fit.kind, len(frames), focal_known=True)
    # Noise decides how much a disagreement costs: outliers must not.
    scale = max(float(np.median(np.linalg.norm(bundle.residuals(), axis=1))), 0.1 * pixel)
    own = ba.adjust(bundle, free, scale, _ROUNDS, 1e-5)
    base = max(ba.robust_cost(own.residuals(), scale), 1e-12)
    costs = {}
    for factor in sorted((*FACTORS, *_NEAR_FACTORS)):
        trial = ba.adjust(_stretched(own, factor), free, scale, _ROUNDS, 1e-5)
        costs[factor] = ba.robust_cost(trial.residuals(), scale) / base
    if fit.kind == "turning":
        return FocalTest(costs)
    each = ba.free_parameters(len(frames), focal="each")
    trial = ba.adjust(own, each[:, each[ba.SIZE - 1] == 0], scale, _ROUNDS, 1e-5)
    zoom_costs = {}
    for factor in FACTORS:
        zoomed = ba.adjust(_zoomed(own, factor), free, scale, _ROUNDS, 1e-5)
        zoom_costs[factor] = ba.robust_cost(zoomed.residuals(), scale) / base
    return FocalTest(costs, ba.robust_cost(trial.residuals(), scale) / base, zoom_costs)


def _zoomed(bundle: ba.Bundle, factor: float) -> ba.Bundle:
    """Return the bundle with a lens that zooms on the way, and the world that looks most alike through it.

    A camera that has gone d along the axis of the first sees x f / (z + d). With X = x / (1 + c z), Z = z / (1 + c z)
    that is f' X / (Z + d'), where f' = f / (1 - c d) and d' = d / (1 - c d): another world, and a zoom. c makes f' / f
    the factor where |d| is largest.
    """
    first, start = bundle.rotation[0], bundle.translation[0]
    rotation = bundle.rotation @ first.T
    step = bundle.translation - np.einsum("kij,j->ki", rotation, start)
    ahead = -np.einsum("kji,kj->ki", rotation, step)[:, 2]
    farthest = -ahead[np.abs(ahead).argmax()]
    c = (1 - 1 / factor) / farthest if farthest else 0.0
    points = bundle.points @ first.T + start
    # What would lie beyond infinity is put far away.
    shrink = 1 / np.maximum(1 + c * points[:, 2:], _FARTHEST)
    zoom = 1 / (1 + c * ahead)
    return replace(
        bundle,
        rotation=rotation,
        translation=step * zoom[:, None],
        focal=bundle.focal * zoom,
        points=points * shrink,
    )


def _stretched(bundle: ba.Bundle, factor: float) -> ba.Bundle:
    """Return the bundle with focal lengths times `factor`, and the world that looks most alike through them.

    The first camera's own image stays exactly: what is `factor` times as large is as many times as near its axis. Turns
    become as many times smaller.
    """
    first, start = bundle.rotation[0], bundle.translation[0]
    shrink = np.diag([1 / factor, 1 / factor, 1.0])
    turn = rotations.to_rotvec(bundle.rotation @ first.T) * np.array([1 / factor, 1 / factor, 1.0])
    rotation = rotations.from_rotvec(turn)
    step = bundle.translation - np.einsum("kij,j->ki", bundle.rotation @ first.T, start)
    return replace(
        bundle,
        rotation=rotation,
        translation=step @ shrink,
        focal=bundle.focal * factor,
        points=(bundle.points @ first.T + start) @ shrink,
    )
