"""Masks as a person would paint them, in the place of exact ones.

Every eighth frame and the last is a key, and so are the frames at which the object comes and goes, as anyone would see
who paints it: each part of the object is outlined by a polygon of at most sixteen corners, each hole by one that takes
away, and parts and holes smaller than a twentieth of the object are left alone. The frames between are what the mask
painter makes of the keys (`control.identity.keyframes.Masklet`): a movement that turns around between two keys, a
bounce for example, is lost, as it is for a person who looks at every eighth frame only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ...control.conditions import Conditions, IdentityCondition
from ...control.identity.keyframes import MaskKey, Masklet
from ...control.identity.shapes import Polygon
from ...control.libraries import opencv
from ...models.estimators import metrics
from ...models.estimators.judge import identities_of

# The sets that are generated again with painted masks: identities alone, and everything.
PAINTED_ALONE = "identity"
EVERY = 8
CORNERS = 16
LEAST_SHARE = 0.05
# Outlines are followed on an enlarged mask: between the steps of the pixels, as an eye sees them.
ENLARGED = 4


def painted(conditions: Conditions, every: int = EVERY, corners: int = CORNERS) -> Conditions:
    """Return the same conditions, every identity's mask video painted instead of exact."""
    return replace(
        conditions,
        items=tuple(
            _painted_identities(item, every, corners) if isinstance(item, IdentityCondition) else item
            for item in conditions.items
        ),
    )


def _painted_identities(condition: IdentityCondition, every: int, corners: int) -> IdentityCondition:
    identities = tuple(
        identity
        if identity.mask_video is None
        else replace(identity, mask_video=painted_track(identity.mask_video, every, corners))
        for identity in condition.identities
    )
    return replace(condition, identities=identities)


def painted_track(track: np.ndarray, every: int = EVERY, corners: int = CORNERS) -> np.ndarray:
    """A track (F, H, W), 0..1, as polygons at its keys make it again: (F, H, W) float32."""
    return painted_keys(track, every, corners).rasterize(*track.shape[1:])


def painted_keys(track: np.ndarray, every: int = EVERY, corners: int = CORNERS) -> Masklet:
    """The keys of `painted_track`, as the mask painter keeps them."""
    seen = np.any(track > 0.5, axis=(1, 2))
    frames = {*range(0, len(track), every), len(track) - 1}
    for number in np.flatnonzero(seen[1:] != seen[:-1]).tolist():
        frames |= {number, number + 1}
    return Masklet(tuple(MaskKey(frame, outlines(track[frame], corners)) for frame in sorted(frames)), len(track))


def outlines(mask: np.ndarray, corners: int = CORNERS) -> tuple[Polygon, ...]:
    """Polygons of 3 to `corners` corners around what a mask (H, W), 0..1, covers: outer outlines, then holes."""
    cv2 = opencv("outlining masks")
    height, width = (ENLARGED * side for side in mask.shape)
    large = cv2.resize(np.ascontiguousarray(mask, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    inside = (large > 0.5).astype(np.uint8)
    contours, tree = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    found: list[tuple[bool, float, Polygon]] = []
    for contour, (_, _, _, parent) in zip(contours, tree[0] if len(contours) else (), strict=True):
        points = _fewer(cv2, contour, corners)
        if len(points) >= 3:
            points = (points + 0.5) / (width, height)
            shape = Polygon(tuple((float(x), float(y)) for x, y in points), subtract=bool(parent >= 0))
            found.append((shape.subtract, float(cv2.contourArea(contour)), shape))
    least = LEAST_SHARE * inside.sum()
    kept = [one for one in found if one[1] >= least]
    if not kept and found:
        kept = [max(found, key=lambda one: (not one[0], one[1]))]  # nothing but crumbs: the largest of them
    return tuple(shape for _, _, shape in sorted(kept, key=lambda one: (one[0], -one[1])))


def _fewer(cv2: Any, contour: np.ndarray, corners: int) -> np.ndarray:
    """The corners (N, 2) that Douglas and Peucker's rule keeps at the finest tolerance that leaves so few."""
    low, high = 0.0, float(max(np.ptp(contour[:, 0], axis=0).max(), 1))
    for _ in range(12):
        middle = (low + high) / 2
        few = len(cv2.approxPolyDP(contour, middle, True)) <= corners
        low, high = (low, middle) if few else (middle, high)
    corner_points: np.ndarray = cv2.approxPolyDP(contour, high, True)[:, 0].astype(np.float64)
    return corner_points


def painted_sets(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the sets that are generated again with painted masks, of these conditions."""
    return (PAINTED_ALONE,), tuple(names)


def shared_area(one: Conditions, other: Conditions) -> float | None:
    """Return the mean over the identities of the intersection over union of their two mask videos."""
    shares: list[float | None] = []
    for a, b in zip(identities_of(one), identities_of(other), strict=True):
        if a.mask_video is not None and b.mask_video is not None:
            first, second = a.mask_video > 0.5, b.mask_video > 0.5
            either = int((first | second).sum())
            shares.append(float((first & second).sum() / either) if either else None)
    return metrics.mean_and_error(shares)[0]
