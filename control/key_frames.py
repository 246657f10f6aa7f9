"""Key frames first: every n-th frame of a long clip is made as a clip of its own, and is known when the rest is made.

The key frames see each other, however far apart they are in the long clip, and so agree on what is where; what is made
between them starts and ends at them. This is the hierarchy of NUWA-XL (arXiv 2303.12346), with known frames as the only
thing that passes from one level to the next.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .conditions import CameraCondition, Conditions, KnownFramesCondition
from .errors import UserError
from .fit import Fit, TimeFit
from .ranges import format_ranges


def at_key_frames(conditions: Conditions, every: int) -> Conditions:
    """Return the conditions of the clip that is every `every`-th frame, from the first to the last, in the same time.

    Of known frames, those are kept that are key frames. Raises UserError unless the last frame is a key frame.
    """
    video = conditions.video
    if every < 2 or video.frames == 1 or (video.frames - 1) % every:
        raise UserError(
            f"Key frames every {every} frames were asked for of a clip of {video.frames} frames: the distance must be 2"
            f" or more, and the clip's last frame a key frame ({every}k+1 frames)."
        )
    frames, fps = (video.frames - 1) // every + 1, conditions.fps / every
    items = [item for item in conditions.items if not isinstance(item, KnownFramesCondition)]
    size = dataclasses.replace(video, frames=frames, fps=fps)
    thinned = Conditions(size, tuple(items)).fitted(Fit(time=TimeFit.RESAMPLE))
    camera = thinned.get(CameraCondition)
    if camera is not None:  # which keeps its rate when it is resampled
        camera = dataclasses.replace(camera, trajectory=dataclasses.replace(camera.trajectory, fps=fps))
    rest = [item for item in thinned.items if not isinstance(item, CameraCondition)]
    made = [item for item in (camera, *rest, _known_at_key_frames(conditions, every)) if item is not None]
    return Conditions(size, tuple(made), conditions.notes)


def between_key_frames(conditions: Conditions, images: np.ndarray, every: int) -> Conditions:
    """Return the conditions of the whole clip, in which the key frames `images` (N, H, W, 3), 0..1, are known.

    What was known before stays known: where it covers a part of a key frame, it lies over it.
    """
    video, given = conditions.video, conditions.get(KnownFramesCondition)
    places = np.arange(0, video.frames, every)
    if len(images) != len(places):
        raise UserError(f"{len(images)} key frames came for a clip that has {len(places)} of them, one every {every}.")
    if given is None:
        return dataclasses.replace(
            conditions, items=(*conditions.items, KnownFramesCondition(images=images, at=format_ranges(places)))
        )
    own = given.places(video.frames)
    order = np.union1d(own, places)
    frames = np.zeros((len(order), video.height, video.width, 3), np.float32)
    region = np.zeros((len(order), video.height, video.width), np.float32)
    key = np.searchsorted(order, places)
    frames[key], region[key] = images, 1
    for row, image, mask in zip(np.searchsorted(order, own), given.images, _masks(given), strict=True):
        frames[row] += (image - frames[row]) * mask[..., None]
        region[row] = np.maximum(region[row], mask)
    joined = dataclasses.replace(
        given, images=frames, mask=None if region.min() == 1 else region, at=format_ranges(order)
    )
    rest = [item for item in conditions.items if item is not given]
    return dataclasses.replace(conditions, items=(*rest, joined))


def _known_at_key_frames(conditions: Conditions, every: int) -> KnownFramesCondition | None:
    """Return what is known of the key frames, counted as they are; None where that is nothing."""
    given = conditions.get(KnownFramesCondition)
    if given is None:
        return None
    places = given.places(conditions.video.frames)
    kept = places % every == 0
    if not kept.any():
        return None
    order = np.flatnonzero(kept)[np.argsort(places[kept], kind="stable")]
    mask = given.mask if given.mask is None or len(given.mask) == 1 else given.mask[order]
    at = format_ranges(places[order] // every)
    return dataclasses.replace(given, images=given.images[order], mask=mask, at=at)


def _masks(known: KnownFramesCondition) -> np.ndarray:
    """Return what is known of each image (N, H, W)."""
    shape = known.images.shape[:3]
    return np.ones(shape, np.float32) if known.mask is None else np.broadcast_to(known.mask, shape)
