"""The range of a clip's values and which way they point, frame by frame in bounded memory.

The same figures come out however the clip is cut into pieces: every n-th value is kept, and n doubles when there are
too many.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..files import JsonObject

# Plain JSON values: kind, asked, quantiles, range, scope, unknown, and perhaps sky and warnings.
Recipe = JsonObject
KINDS = ("depth", "disparity", "inverted", "auto")
# Percentiles of more samples than this change nothing that can be seen.
SAMPLES = 2_000_000
# Quarter of the image by quarter: what lies below is nearer, by so much of the range, in so many of the frames.
GROUND_STEP, GROUND_SHARE = 0.35, 0.8
SKY = "sky"


class RangeMeter:
    """`add` the frames of a clip, then ask for a `recipe`. Values may be depth or disparity; NaN is unknown."""

    def __init__(self) -> None:
        self.frames = 0
        self.pixels = self.unknown = self.sky = self.not_positive = self.infinite = 0
        self.low, self.high = np.inf, -np.inf  # of finite values
        self.low_positive = np.inf
        self._slopes: list[float] = []
        self._kept: list[np.ndarray] = []
        self._count = 0
        self._seen, self._stride = 0, 1

    def add(self, depth: np.ndarray, sky: np.ndarray | None = None) -> RangeMeter:
        """Add one frame (H, W) or several (F, H, W); sky of the same shape, above 0.5 where there is only sky."""
        depth = np.asarray(depth)
        if depth.ndim == 3:
            for number, frame in enumerate(depth):
                self.add(frame, None if sky is None else sky[number])
            return self
        depth = depth.astype(np.float32, copy=False)
        self.frames += 1
        self.pixels += depth.size
        values = depth.ravel()
        if sky is not None:
            seen = np.asarray(sky).ravel() <= 0.5
            self.sky += int(seen.size - seen.sum())
            values = values[seen]
        known = ~np.isnan(values)
        self.unknown += int(values.size - known.sum())
        values = values[known]
        finite = values[np.isfinite(values)]
        self.infinite += values.size - finite.size
        self.not_positive += int((values <= 0).sum())
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
            positive = finite[finite > 0]
            if positive.size:
                self.low_positive = min(self.low_positive, float(positive.min()))
        self._slopes.append(_slope(depth))
        self._keep(values)
        return self

    def _keep(self, values: np.ndarray) -> None:
        taken = values[-self._seen % self._stride :: self._stride].copy()
        self._seen += values.size
        self._kept.append(taken)
        self._count += taken.size
        while self._count > SAMPLES:
            every = np.concatenate(self._kept)[::2]
            self._kept, self._count = [every], every.size
            self._stride *= 2

    def ground(self) -> float:
        """Return where the larger values lie: 1 plainly below, as what is near in most images, -1 above, 0 unclear."""
        if not self._slopes:
            return 0.0
        slopes = np.array(self._slopes)
        for sign in (1.0, -1.0):
            if (sign * slopes > GROUND_STEP).mean() >= GROUND_SHARE:
                return sign
        return 0.0

    def direction(self, kind: str) -> tuple[str, list[str]]:
        """Return the kind that `kind` comes to ('auto' decided), and warnings about what looks odd.

        auto: numbers within 0..1 are taken for disparity and others for depth, unless what lies below in the image is
        plainly farther then than what lies above, which no ground is.
        """
        if kind not in KINDS:
            raise UserError(f"depth kind '{kind}' is unknown: choose one of {', '.join(KINDS)}")
        ground = self.ground()
        if kind == "auto":
            return self._auto_direction(ground)
        if ground and (kind == "disparity") == (ground < 0):
            return kind, [
                f"Taken as '{kind}', the lower part of the depth images is farther than the upper, which is rare:"
                " check that near and far are not exchanged."
            ]
        return kind, []

    def _auto_direction(self, ground: float) -> tuple[str, list[str]]:
        if self.low >= 0 and self.high <= 1 + 1e-3:
            if ground < 0:
                return "inverted", [
                    "The upper part of the depth images is brighter than the lower, so near was taken to be dark"
                    " (inverted); say 'disparity' if near is bright."
                ]
            return "disparity", []
        if ground > 0:
            return "disparity", [
                "The larger values lie in the lower part of the depth images, so they were taken for disparity"
                " (near is large); say 'depth' if they are distances."
            ]
        return "depth", []

    def recipe(
        self,
        kind: str = "auto",
        low: float = 0.02,
        high: float = 0.98,
        near: float | None = None,
        far: float | None = None,
    ) -> Recipe:
        """Return how the values become 0 (far) to 1 (near), as plain JSON values: see `normalize.apply_recipe`.

        Without near and far: the `low` and `high` quantiles of disparity. With both: these values of the clip itself
        (for depth, in its own unit; far may be infinite). Raises UserError for a kind or numbers that make no sense, a
        clip without a known value and one that is the same everywhere.
        """
        if not 0 <= low < high <= 1:
            raise UserError(f"the depth quantiles are {low} and {high}; 0 <= low < high <= 1 was expected")
        used, warnings = self.direction(kind)
        samples = as_disparity(np.concatenate(self._kept) if self._kept else np.zeros(0, np.float32), used)
        samples = samples[np.isfinite(samples)]
        if not samples.size:
            raise UserError(
                "the depth clip has no usable value (all NaN, infinite or, as depth, not above 0): check its kind"
            )
        unknown = self.unknown + (self.not_positive if used == "depth" else self.infinite)
        ends = fixed_range(used, near, far)
        recipe: Recipe = {
            "kind": used,
            "asked": kind,
            "quantiles": [low, high],
            "range": self._quantiles(samples, used, low, high) if ends is None else ends,
            "unknown": round(unknown / max(self.pixels, 1), 6),
            "scope": "whole clip" if ends is None else "fixed",
            "near": 1,
            "far": 0,
        }
        if self.sky:
            recipe[SKY] = round(self.sky / max(self.pixels, 1), 6)
        if warnings:
            recipe["warnings"] = warnings
        return recipe

    def _quantiles(self, samples: np.ndarray, used: str, low: float, high: float) -> list[float]:
        bottom, top = (float(q) for q in np.quantile(samples, [low, high]))
        if _flat(bottom, top):
            # Almost everything at one distance: let the few other values set the range.
            limits = np.array([self.low_positive if used == "depth" else self.low, self.high], np.float32)
            ends = [float(end) for end in as_disparity(limits, used) if np.isfinite(end)]
            ends += [0.0] if used == "depth" and self.infinite else []
            bottom, top = min(ends), max(ends)
        if _flat(bottom, top):
            raise UserError("the depth clip is the same everywhere, so it holds no depth: check it or leave depth out")
        return [bottom, top]


def to_disparity(depth: np.ndarray) -> np.ndarray:
    """Return 1 / depth (any shape, float32): infinity becomes 0 (far); NaN and values <= 0 become NaN (unknown)."""
    depth = np.asarray(depth, np.float32)
    known = depth > 0
    return np.where(known, 1 / np.where(known, depth, 1), np.nan).astype(np.float32)


def as_disparity(depth: np.ndarray, kind: str) -> np.ndarray:
    """Return values of a kind (not 'auto'), float32, as values that grow toward the camera; NaN = unknown."""
    if kind == "depth":
        return to_disparity(depth)
    depth = np.asarray(depth, np.float32)
    values = np.where(np.isfinite(depth), depth, np.float32(np.nan))
    return -values if kind == "inverted" else values


def fixed_range(kind: str, near: float | None, far: float | None) -> list[float] | None:
    """Return far and near, values of a clip of this kind, as a recipe's range; None for none.

    Raises UserError for one without the other, and for two in the wrong order.
    """
    if near is None and far is None:
        return None
    if near is None or far is None:
        raise UserError("only one of near and far is set for the depth: give both, or none to measure them")
    near, far = float(near), float(far)
    ordered = {"depth": 0 < near < far, "disparity": near > far, "inverted": near < far}[kind]
    if not ordered or np.isnan(near) or np.isnan(far) or np.isinf(near) or (np.isinf(far) and kind != "depth"):
        expected = {"depth": "0 < near < far", "disparity": "near > far", "inverted": "near < far"}[kind]
        raise UserError(f"near is {near:g} and far {far:g} for {kind}; {expected} was expected")
    bottom, top = (float(v) for v in as_disparity(np.array([far, near]), kind))
    return [bottom, top]


def _flat(bottom: float, top: float) -> bool:
    return top - bottom <= 1e-6 * max(abs(top), abs(bottom)) or top == bottom


def _slope(frame: np.ndarray) -> float:
    """Return how much larger the lower quarter of a frame is than the upper, in shares of the frame's own range."""
    few = frame[:: max(1, frame.shape[0] // 48), :: max(1, frame.shape[1] // 48)]
    if len(few) < 8:
        return 0.0
    few = np.where(np.isfinite(few), few, np.nan)
    known = few[~np.isnan(few)]
    if known.size < few.size // 4 or not known.size:
        return 0.0
    bottom, top = np.quantile(known, [0.02, 0.98])
    if top - bottom <= 1e-6 * max(abs(top), abs(bottom)):
        return 0.0
    quarter = len(few) // 4
    few = np.clip(few, bottom, top)
    if np.isnan(few[:quarter]).all() or np.isnan(few[-quarter:]).all():
        return 0.0
    return float((np.nanmean(few[-quarter:]) - np.nanmean(few[:quarter])) / (top - bottom))
