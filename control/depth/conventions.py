"""What the numbers in files of depth mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError

OMNIWORLD_TOO_NEAR = 0.0015  # share of the largest number, below which nothing was measured


@dataclass(frozen=True)
class Convention:
    """What a number in a file means: `description` in words, `kind` as normalize_depth has it, `scale` to meters.

    ray: measured along the ray of the pixel instead of along the camera's axis. unknown_zero: 0 means not known.
    infinite_from: from this number on (before scaling) the pixel is sky. formula: from numbers to meters, in place of
    a scale.
    """

    description: str
    kind: str
    scale: float = 1.0
    ray: bool = False
    unknown_zero: bool = False
    infinite_from: float = np.inf
    formula: Callable[[np.ndarray], np.ndarray] | None = None

    def with_scale(self, per_meter: float) -> Convention:
        """Return the convention for files in which so many steps are a meter. Raises UserError where it has none."""
        if self.kind != "depth" or self.formula is not None:
            raise UserError(
                "a number of steps per meter was given, but these files have no such scale: leave it at 0, or choose a"
                " convention of distances"
            )
        if not (np.isfinite(per_meter) and per_meter > 0):
            raise UserError(
                f"{per_meter} steps per meter were given for the depth files; a positive number was expected"
            )
        return replace(self, scale=1 / per_meter)

    def to_depth(self, raw: np.ndarray, intrinsics: np.ndarray | None) -> np.ndarray:
        """Return a file's numbers (H, W) as depth along the camera's axis in meters; as they are unless depth."""
        if self.kind != "depth":
            return raw
        meters = raw * np.float32(self.scale) if self.formula is None else self.formula(raw)
        values = np.where(raw >= self.infinite_from, np.inf, meters)
        if self.unknown_zero:
            values[raw == 0] = np.nan
        if self.ray and intrinsics is not None:
            values = ray_to_planar(values, intrinsics)
        return values.astype(np.float32)


def _omniworld(raw: np.ndarray) -> np.ndarray:
    """Return numbers of OmniWorld-Game's PNG files as meters."""
    share = raw / np.float32(65535)
    meters = share / (1000 - 999 * share) / np.float32(0.004)
    return np.where(share < OMNIWORLD_TOO_NEAR, np.float32(np.nan), meters)


CONVENTIONS = {
    "metres": Convention(
        "distance along the camera's axis in meters, as Blender's Depth pass (Z)", "depth", infinite_from=1e9
    ),
    "centimetres": Convention(
        "distance along the camera's axis in centimeters, as Unreal's SceneDepth (from 655 m on it is sky)",
        "depth",
        0.01,
        infinite_from=65500,
    ),
    "millimetres": Convention(
        "whole millimeters along the camera's axis, 0 = unknown, as depth cameras write 16-bit PNG (or the steps per"
        " meter that are stated besides)",
        "depth",
        0.001,
        unknown_zero=True,
    ),
    "ray metres": Convention("distance along the ray of each pixel in meters", "depth", ray=True, infinite_from=1e9),
    "ray centimetres": Convention("distance along the ray of each pixel in centimeters", "depth", 0.01, True),
    "omniworld": Convention(
        "16-bit PNG of OmniWorld-Game: steps that grow with the distance",
        "depth",
        infinite_from=65501,
        formula=_omniworld,
    ),
    "disparity": Convention("near is bright or large, as most depth videos", "disparity"),
    "inverted": Convention("near is dark, as a Mist pass", "inverted"),
}

# Those of distances that need no lens.
PLANAR = tuple(name for name, one in CONVENTIONS.items() if one.kind == "depth" and not one.ray)


def find_convention(name: str) -> Convention:
    """Return a convention by its name. Raises UserError for an unknown one."""
    if name not in CONVENTIONS:
        known = "; ".join(f"{name}: {one.description}" for name, one in CONVENTIONS.items())
        raise UserError(f"the depth convention '{name}' is unknown. Known are {known}")
    return CONVENTIONS[name]


def ray_to_planar(distance: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return distance along rays (..., H, W) as depth along the camera's axis, for fx fy cx cy by width and height."""
    height, width = distance.shape[-2:]
    fx, fy, cx, cy = intrinsics
    x = ((np.arange(width) + 0.5) / width - cx) / fx
    y = ((np.arange(height) + 0.5) / height - cy) / fy
    planar: np.ndarray = (distance / np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)).astype(np.float32)
    return planar
