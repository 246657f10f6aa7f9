"""Depth as the network takes it: like disparity, near = 1 and far = 0, normalised over the whole clip.

Frame-wise normalisation flickers, so the two percentiles are taken once over all frames; the recipe that was used is
kept beside the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError
from ..images import resize_clip

KINDS = ("depth", "disparity", "inverted", "auto")
# Percentiles of more samples than this change nothing that can be seen.
SAMPLES = 2_000_000


@dataclass(frozen=True, eq=False)
class DepthClip:
    """values: (F, H, W) float32, near = 1, far = 0. recipe: how they were made, as plain JSON values.

    Raises UserError for other shapes, NaN or values outside 0..1.
    """

    values: np.ndarray
    recipe: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.ndim != 3 or min(values.shape) < 1:
            raise UserError(f"the depth clip has shape {values.shape}; (frames, height, width) was expected")
        if not np.isfinite(values).all():
            raise UserError("the depth clip holds NaN or infinity: pass it through normalise_depth")
        if values.min() < -1e-3 or values.max() > 1 + 1e-3:
            raise UserError(
                f"the depth clip holds values from {values.min():.4g} to {values.max():.4g};"
                " 0 (far) to 1 (near) was expected: normalise it first"
            )
        object.__setattr__(self, "values", values)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.values)

    def resized(self, height: int, width: int) -> DepthClip:
        """The same clip at another size."""
        return DepthClip(np.clip(resize_clip(self.values, height, width), 0, 1), self.recipe)


def to_disparity(depth: np.ndarray) -> np.ndarray:
    """1 / depth (any shape, float32): infinity becomes 0 (far); NaN and values <= 0 become NaN (unknown)."""
    depth = np.asarray(depth, np.float32)
    known = depth > 0
    return np.where(known, 1 / np.where(known, depth, 1), np.nan).astype(np.float32)


def normalise_depth(depth: np.ndarray, kind: str = "auto", low: float = 0.02, high: float = 0.98) -> DepthClip:
    """One clip of depth (F, H, W) in any unit as a DepthClip: 0 at the `low` quantile of disparity, 1 at the `high`.

    kind: 'depth' (metres or any unit, near is small), 'disparity' (near is large or bright: what most estimators and
    depth videos show), 'inverted' (a picture whose near is dark), 'auto' (within 0..1 disparity, else depth).
    Unknown values (NaN; in 'depth' also <= 0) become far and are counted in the recipe. Raises UserError for another
    shape or kind, a clip without a known value and one that is the same everywhere.
    """
    if kind not in KINDS:
        raise UserError(f"depth kind '{kind}' is unknown: choose one of {', '.join(KINDS)}")
    if not 0 <= low < high <= 1:
        raise UserError(f"depth quantiles {low} and {high} were given; 0 <= low < high <= 1 was expected")
    depth = np.asarray(depth, np.float32)
    if depth.ndim == 4 and depth.shape[-1] in (1, 3):
        depth = depth.mean(-1)
    if depth.ndim != 3 or min(depth.shape) < 1:
        raise UserError(f"the depth clip has shape {depth.shape}; (frames, height, width) was expected")
    used = kind
    if kind == "auto":
        finite = depth[np.isfinite(depth)]
        used = "disparity" if finite.size and finite.min() >= 0 and finite.max() <= 1 + 1e-3 else "depth"
    if used == "depth":
        disparity = to_disparity(depth)
    else:
        disparity = np.where(np.isfinite(depth), depth, np.nan)
        if used == "inverted":
            disparity = -disparity
    known = np.isfinite(disparity)
    if not known.any():
        raise UserError(
            "the depth clip has no usable value (all NaN, infinite or, as depth, not above 0): check its kind"
        )
    values = disparity[known]
    sample = values[:: math.ceil(values.size / SAMPLES)]
    bottom, top = (float(q) for q in np.quantile(sample, [low, high]))
    if top - bottom <= 1e-6 * max(abs(top), abs(bottom)):
        # Almost everything at one distance: let the few other values set the range.
        bottom, top = float(values.min()), float(values.max())
    if top - bottom <= 1e-6 * max(abs(top), abs(bottom)) or top == bottom:
        raise UserError(
            "the depth clip is the same everywhere, so it says nothing about depth: check it or leave depth out"
        )
    # The percentiles are 64-bit numbers; computing in 32 keeps this equal to the batched form on tensors.
    scaled = (disparity - np.float32(bottom)) / np.float32(top - bottom)
    result = np.where(known, np.clip(np.where(known, scaled, 0), 0, 1), 0)
    recipe = {
        "kind": used, "asked": kind, "quantiles": [low, high], "range": [bottom, top],
        "unknown": round(1 - float(known.mean()), 6), "scope": "whole clip", "near": 1, "far": 0,
    }  # fmt: skip
    return DepthClip(result.astype(np.float32), recipe)
