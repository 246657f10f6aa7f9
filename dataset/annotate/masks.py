"""Masks of the objects in a clip: found in its middle frame, and carried along it by color and optical flow."""

from __future__ import annotations

import numpy as np
import torch

from ...control.identity.clip_flow import Clip
from ...control.identity.propagate import propagate
from ...control.identity.slots import SLOTS
from ...control.images import resize
from ...control.libraries import ndimage
from ...models.estimators.depth import embedded_estimators
from ...models.estimators.estimators_file import Estimators
from ...models.estimators.layers import at_size

LEAST, MOST = 0.002, 0.6  # shares of the image between which something is an object


@torch.no_grad()
def objects_in(frame: np.ndarray, estimators: Estimators) -> list[np.ndarray]:
    """Return the objects that the small estimator sees in a frame (H, W, 3), the largest first: (H, W) bool each."""
    image = torch.from_numpy(np.ascontiguousarray(frame, np.float32)).permute(2, 0, 1)[None]
    logits = estimators.perception(at_size(image)).objects[0].numpy()
    seen = resize(logits, *frame.shape[:2]) > 0
    labels, count = ndimage("finding objects").label(seen)
    masks = [labels == number + 1 for number in range(count)]
    masks = [mask for mask in masks if LEAST <= mask.mean() <= MOST]
    return sorted(masks, key=lambda mask: -int(mask.sum()))[:SLOTS]


def find_masks(
    frames: np.ndarray, estimators: Estimators | None = None
) -> tuple[list[np.ndarray], list[float], list[str]]:
    """Return the mask videos (F, H, W) of the objects in frames (F, H, W, 3), how far each is to be trusted, 0..1 (the
    mean over its frames), and sentences. None where no object is seen."""
    middle = len(frames) // 2
    clip = Clip(frames)
    videos: list[np.ndarray] = []
    trusts: list[float] = []
    warnings: list[str] = []
    for mask in objects_in(frames[middle], estimators or embedded_estimators()):
        video, report = propagate(clip, {middle: mask.astype(np.float32)})
        videos.append(video)
        trusts.append(float(report.trust.mean()))
        warnings += report.warnings
    return videos, trusts, warnings
