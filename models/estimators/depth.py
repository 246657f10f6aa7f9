"""Depth of a video from the small network that ships with the pack, in bounded memory.

It was trained on the procedural world alone and is there for the demo and the tests: on other videos it gives something
like depth, but take Depth Anything, MoGe or a renderer's depth for those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...control.errors import UserError
from ...control.progress import Step
from ..weights.checkpoint import embedded_path
from .estimators_file import Estimators, load_estimators
from .frames import Canceled, batches, frame_tensors, stop_if
from .layers import at_size
from .perception import Perception

NOTICE = (
    "This depth comes from the small estimator for the demo, which has seen nothing but the procedural world: for other"
    " videos take Depth Anything, MoGe or a renderer's depth."
)
CHUNK = 32  # frames that the network looks at together


@torch.no_grad()
def estimate_depth(
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Step | None = None,
    cancel: Canceled | None = None,
    *,
    size: tuple[int, int] | None = None,
    estimators: Estimators | None = None,
    mean: Tensor | None = None,
) -> np.ndarray:
    """Return disparity (F, h, w) float32, near is large, of frames (H, W, 3) in 0..1 or bytes, an array or one by one.

    h and w are the network's 64x96, or `size`. The network looks at every frame with the whole clip's mean in view:
    each is kept at 64x96, 36 KB, until that is known, and the result does not depend on how frames are grouped. mean:
    that of `clip_mean`, for a piece of a longer clip. progress is called after every frame; when cancel returns True,
    UserError is raised. estimators: instead of those that are shipped. Raises UserError for no frames, other shapes,
    frames of several sizes, and NaN.
    """
    perception = (estimators or embedded_estimators()).perception
    chunks = _shrunken_chunks(frames, cancel, None)
    count = sum(len(chunk) for chunk in chunks)
    if mean is None:
        mean = _mean(perception, chunks)
    height, width = size or chunks[0].shape[-2:]
    result = np.empty((count, height, width), np.float32)
    done = 0
    while chunks:
        chunk = chunks.pop(0)
        disparity = perception(chunk.float(), mean=mean).disparity
        if size is not None:
            disparity = F.interpolate(disparity[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        result[done : done + len(chunk)] = disparity.numpy()
        done += len(chunk)
        for _ in range(len(chunk)):
            stop_if(cancel, done)
            if progress is not None:
                progress()
    return result


@torch.no_grad()
def clip_mean(
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Step | None = None,
    cancel: Canceled | None = None,
    estimators: Estimators | None = None,
) -> Tensor:
    """Return what the network keeps in view of a whole clip (1, C), so that pieces of it come out as the whole does.

    Arguments and errors are those of `estimate_depth`.
    """
    return _mean((estimators or embedded_estimators()).perception, _shrunken_chunks(frames, cancel, progress))


def embedded_estimators() -> Estimators:
    """Return the estimators of the repository. Raises UserError where the file is missing or cut short."""
    return load_estimators(embedded_path("fulldit_mini_estimators"))


def _shrunken_chunks(frames: Iterable[np.ndarray], cancel: Canceled | None, progress: Step | None) -> list[Tensor]:
    """Return the frames at the network's size in half precision, in chunks (at most CHUNK, 3, 64, 96)."""

    def shrunken() -> Iterator[Tensor]:
        for number, image in enumerate(frame_tensors(frames)):
            stop_if(cancel, number)
            yield at_size(image[None])[0]
            if progress is not None:
                progress()

    chunks = [chunk.half() for chunk in batches(shrunken(), CHUNK)]
    if not chunks:
        raise UserError("there are no frames to estimate depth of")
    return chunks


def _mean(perception: Perception, chunks: list[Tensor]) -> Tensor:
    """Return the mean of the clip's pooled features (1, C)."""
    total = torch.zeros(1, perception.mean.numel(), dtype=torch.float64)
    for chunk in chunks:
        total += perception.pooled(chunk.float()).double().sum(0, keepdim=True)
    return (total / sum(len(chunk) for chunk in chunks)).float()
