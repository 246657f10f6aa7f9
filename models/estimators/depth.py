"""Depth of a video from the small network that ships with the pack, in bounded memory.

It was trained on the procedural world alone and is there for the demo and the tests: on other videos it gives something
like depth, but take Depth Anything, MoGe or a renderer's depth for those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...control.errors import UserError
from .estimators_file import Estimators, load_estimators
from .layers import at_size
from .perception import Perception

NOTICE = (
    "This depth comes from the small estimator for the demo, which has seen nothing but the procedural world: for other"
    " videos take Depth Anything, MoGe or a renderer's depth."
)
CHUNK = 32


@torch.no_grad()
def estimate_depth(
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    size: tuple[int, int] | None = None,
    estimators: Estimators | None = None,
    mean: Tensor | None = None,
) -> np.ndarray:
    """Disparity (F, h, w) float32, near is large, of frames (H, W, 3) in 0..1 or bytes, an array or one at a time.

    h and w are the network's 64x96, or `size`. The network looks at every frame with the whole clip's mean in view:
    each is kept at 64x96, 36 KB, until that is known, and the result does not depend on how frames are grouped. mean:
    that of `clip_mean`, for a piece of a longer clip. progress is called after every frame; when cancel says yes,
    UserError is raised. estimators: instead of those that are shipped. Raises UserError for no frames, other shapes,
    frames of several sizes, and NaN.
    """
    perception = (estimators or shipped()).perception
    small = _looked_at(frames, cancel, None)
    count = sum(len(chunk) for chunk in small)
    if mean is None:
        mean = _mean(perception, small, count)
    result: np.ndarray | None = None
    done = 0
    while small:
        chunk = small.pop(0)
        disparity = perception(chunk.float(), mean=mean).disparity
        if size is not None:
            disparity = F.interpolate(disparity[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        if result is None:
            result = np.empty((count, *disparity.shape[1:]), np.float32)
        result[done : done + len(chunk)] = disparity.numpy()
        done += len(chunk)
        for _ in range(len(chunk)):
            if cancel is not None and cancel():
                raise UserError(f"estimating depth was stopped at frame {done}")
            if progress is not None:
                progress()
    return result


@torch.no_grad()
def clip_mean(
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
    estimators: Estimators | None = None,
) -> Tensor:
    """What the network keeps in view of a whole clip (1, C), so that pieces of it come out as the whole does."""
    small = _looked_at(frames, cancel, progress)
    return _mean((estimators or shipped()).perception, small, sum(len(chunk) for chunk in small))


def _looked_at(
    frames: Iterable[np.ndarray], cancel: Callable[[], bool] | None, progress: Callable[[], object] | None
) -> list[Tensor]:
    """The frames at the network's size, in chunks."""
    small: list[Tensor] = []
    waiting: list[Tensor] = []
    shape = None
    for number, frame in enumerate(frames):
        if cancel is not None and cancel():
            raise UserError(f"estimating depth was stopped at frame {number}")
        image = _image(frame, number)
        shape = shape or np.shape(frame)[:2]
        if np.shape(frame)[:2] != shape:
            raise UserError(f"frame {number} has another size than the first: give frames of one size")
        waiting.append(image)
        if progress is not None:
            progress()
        if len(waiting) == CHUNK:
            small.append(_small(waiting))
            waiting = []
    if waiting:
        small.append(_small(waiting))
    if not small:
        raise UserError("there are no frames to estimate depth of")
    return small


def _mean(perception: Perception, small: list[Tensor], count: int) -> Tensor:
    total = torch.zeros(1, perception.mean.numel(), dtype=torch.float64)
    for chunk in small:
        total += perception.pooled(chunk.float()).double().sum(0, keepdim=True)
    return (total / count).float()


def shipped() -> Estimators:
    """The estimators of the repository. Raises UserError where the file is missing or cut."""
    from ..weights.checkpoint import embedded_path

    return load_estimators(embedded_path("fulldit_mini_estimators"))


def _image(frame: np.ndarray, number: int) -> Tensor:
    frame = np.asarray(frame)
    if frame.ndim != 3 or frame.shape[2] not in (3, 4) or min(frame.shape) < 1:
        raise UserError(f"frame {number} has shape {frame.shape}; (height, width, 3) was expected")
    if frame.dtype != np.uint8 and not np.isfinite(frame).all():
        raise UserError(f"frame {number} holds NaN or infinity")
    scale = 255 if frame.dtype == np.uint8 else 1
    image = torch.from_numpy(np.ascontiguousarray(frame[..., :3], np.float32)).permute(2, 0, 1)
    return at_size(image[None] / scale)[0]


def _small(images: list[Tensor]) -> Tensor:
    return torch.stack(images).half()
