"""Depth as the network takes it: like disparity, near = 1 and far = 0, normalized over the whole clip.

Frame-wise normalization flickers, so the two percentiles are taken once over all frames; the recipe that was used is
kept with the values, and gives the same result again for another part of the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError
from ..images import resize_clip
from ..libraries import ndimage
from .measure import KINDS, RangeMeter, Recipe, as_disparity, to_disparity

SCOPES = ("clip", "frame")
__all__ = [
    "KINDS",
    "SCOPES",
    "DepthClip",
    "apply_recipe",
    "measure_depth",
    "normalize_depth",
    "normalize_stream",
    "to_disparity",
]


@dataclass(frozen=True, eq=False)
class DepthClip:
    """values: (F, H, W) float32, near = 1, far = 0. recipe: how they were made, as plain JSON values.

    Raises UserError for other shapes, NaN or values outside 0..1.
    """

    values: np.ndarray
    recipe: Recipe = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.ndim != 3 or min(values.shape) < 1:
            raise UserError(f"the depth clip has shape {values.shape}; (frames, height, width) was expected")
        if not np.isfinite(values).all():
            raise UserError("the depth clip holds NaN or infinity: pass it through normalize_depth")
        if values.min() < -1e-3 or values.max() > 1 + 1e-3:
            raise UserError(
                f"the depth clip holds values from {values.min():.4g} to {values.max():.4g};"
                " 0 (far) to 1 (near) was expected: normalize it first"
            )
        object.__setattr__(self, "values", values)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.values)

    def resized(self, height: int, width: int) -> DepthClip:
        """Return the same clip at another size."""
        return DepthClip(np.clip(resize_clip(self.values, height, width), 0, 1), self.recipe)


def normalize_depth(
    depth: np.ndarray,
    kind: str = "auto",
    low: float = 0.02,
    high: float = 0.98,
    *,
    scope: str = "clip",
    near: float | None = None,
    far: float | None = None,
    sky: np.ndarray | None = None,
    fill: bool = False,
) -> DepthClip:
    """Return depth (F, H, W) in any unit as a DepthClip: 0 at the `low` quantile of disparity, 1 at the `high`.

    kind: 'depth' (meters or any unit, near is small), 'disparity' (near is large or bright: what most estimators and
    depth videos show), 'inverted' (an image whose near is dark), 'auto' (see RangeMeter.direction).
    near, far: the values of the clip that become 1 and 0, instead of quantiles (for metric depth, in its unit).
    scope: 'frame' takes the quantiles of every frame by itself, which flickers. sky (F, H, W): above 0.5 where there
    is sky; it becomes 0 and has no part in the quantiles. Unknown values (NaN; in 'depth' also <= 0) become far and are
    counted in the recipe; fill: they take the nearest known value of their frame instead. Raises UserError for another
    shape or kind, a clip without a known value and one that is the same everywhere.
    """
    if kind not in KINDS:
        raise UserError(f"depth kind '{kind}' is unknown: choose one of {', '.join(KINDS)}")
    if scope not in SCOPES:
        raise UserError(f"the scope '{scope}' of depth ranges is unknown: choose one of {', '.join(SCOPES)}")
    depth = _frames(depth)
    sky = _sky(sky, depth.shape)
    recipe = RangeMeter().add(depth, sky).recipe(kind, low, high, near, far)
    if scope == "clip" or recipe["scope"] == "fixed":
        return DepthClip(apply_recipe(depth, recipe, sky, fill), recipe)
    result, ranges = np.empty(depth.shape, np.float32), []
    for number in range(len(depth)):
        part = slice(number, number + 1)
        own_sky = None if sky is None else sky[part]
        own = frame_recipe(depth[number], own_sky, recipe, low, high)
        ranges.append(own["range"])
        result[part] = apply_recipe(depth[part], own, own_sky, fill)
    return DepthClip(result, {**recipe, "scope": "per frame", "range": ranges})


def frame_recipe(frame: np.ndarray, sky: np.ndarray | None, recipe: Recipe, low: float, high: float) -> Recipe:
    """Return the recipe of a frame (H, W) by itself, sky (1, H, W); an even or empty one has none: the clip's."""
    try:
        return RangeMeter().add(np.asarray(frame)[None], sky).recipe(recipe["kind"], low, high)
    except UserError:
        return recipe


def measure_depth(
    frames: Iterable[np.ndarray], kind: str = "auto", low: float = 0.02, high: float = 0.98, **options: float | None
) -> Recipe:
    """Return the recipe of a clip that comes frame by frame (H, W) or chunk by chunk (F, H, W); options: near and far.

    It is the recipe that `normalize_depth` finds for the whole clip. Raises UserError as that does.
    """
    meter = RangeMeter()
    for chunk in frames:
        meter.add(_frames(chunk if np.ndim(chunk) > 2 else np.asarray(chunk)[None]))
    if not meter.frames:
        raise UserError("the depth clip has no frames")
    return meter.recipe(kind, low, high, **options)


def normalize_stream(
    open_clip: Callable[[], Iterable[np.ndarray]],
    kind: str = "auto",
    low: float = 0.02,
    high: float = 0.98,
    *,
    near: float | None = None,
    far: float | None = None,
    fill: bool = False,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[Recipe, Iterator[np.ndarray]]:
    """Return the recipe of a clip of any length, and its frames (H, W) normalized one at a time, in bounded memory.

    open_clip is called twice, to measure and to convert, and gives frames (H, W) from the first on each time. progress
    is called after each frame of both passes. Raises UserError as `normalize_depth` does, and when cancel returns True.
    """

    def watched() -> Iterator[np.ndarray]:
        for number, frame in enumerate(open_clip()):
            if cancel is not None and cancel():
                raise UserError(f"normalizing depth was stopped at frame {number}")
            yield frame
            if progress is not None:
                progress()

    recipe = measure_depth(watched(), kind, low, high, near=near, far=far)
    return recipe, (apply_recipe(np.asarray(frame)[None], recipe, fill=fill)[0] for frame in watched())


def apply_recipe(depth: np.ndarray, recipe: Recipe, sky: np.ndarray | None = None, fill: bool = False) -> np.ndarray:
    """Return depth (F, H, W) of the recipe's kind, normalized by it: float32, 0 (far) to 1 (near).

    Raises UserError for a recipe without kind or range.
    """
    try:
        kind, (low, high) = recipe["kind"], (float(end) for end in recipe["range"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the recipe of a depth clip lacks its kind or range ({error}): measure it again") from error
    if kind not in KINDS[:3] or not high > low or max(abs(high), abs(low)) > 1e37:
        raise UserError(f"the recipe of a depth clip has kind '{kind}' and range {recipe['range']}: measure it again")
    bottom, top = np.float32(low), np.float32(high)
    result = np.empty(np.shape(depth), np.float32)
    # Frame by frame, so that a long clip is not in memory several times over.
    for number, frame in enumerate(np.asarray(depth)):
        disparity = as_disparity(frame, kind)
        if sky is not None:
            disparity = np.where(sky[number] > 0.5, bottom, disparity)
        known = np.isfinite(disparity)
        if fill and not known.all() and known.any():
            disparity, known = fill_unknown(disparity), np.ones_like(known)
        # The percentiles are 64-bit numbers; computing in 32 keeps this equal to the batched form on tensors.
        scaled = (np.where(known, disparity, bottom) - bottom) / (top - bottom)
        result[number] = np.clip(scaled, 0, 1)
    return result


def fill_unknown(frame: np.ndarray) -> np.ndarray:
    """Return a frame (H, W) whose unknown values (not finite) are those of the nearest known pixel; one is known."""
    transform = ndimage("filling unknown depth").distance_transform_edt
    nearest = transform(~np.isfinite(frame), return_distances=False, return_indices=True)
    filled: np.ndarray = frame[tuple(nearest)]
    return filled


def _frames(depth: np.ndarray) -> np.ndarray:
    depth = np.asarray(depth)
    if depth.dtype.kind not in "fiub":
        raise UserError(f"the depth clip holds {depth.dtype}; numbers were expected")
    depth = depth.astype(np.float32, copy=False)
    if depth.ndim == 4 and depth.shape[-1] in (1, 3):
        depth = depth.mean(-1)
    if depth.ndim != 3 or min(depth.shape) < 1:
        raise UserError(f"the depth clip has shape {depth.shape}; (frames, height, width) was expected")
    return depth


def _sky(sky: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    if sky is None:
        return None
    sky = np.nan_to_num(np.asarray(sky, np.float32))
    if sky.shape != shape:
        raise UserError(f"the sky mask has shape {sky.shape}, the depth clip {shape}: they must be alike")
    return sky
