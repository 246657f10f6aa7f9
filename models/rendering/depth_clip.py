"""An image or a clip and its depth clip, seen along a camera path: scale and holes are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...control.camera.trajectory import UNIT, CameraTrajectory
from ...control.depth import DepthClip
from ...control.depth.along_camera import NOTABLE_HOLES, filled_clip
from ...control.depth.scale import DepthScale, describe_offset
from .along import render_along
from .views import Size

STILL = "The clip's camera was taken to stand still: if it moves, connect its path."


class RenderedClip(NamedTuple):
    """images (N, H, W, 3), black in holes. holes (N, H, W) bool. depth: as a clip, its holes filled with what is behind
    them. shares (N,): of holes in each frame. report: sentences."""

    images: Tensor
    holes: Tensor
    depth: DepthClip
    shares: np.ndarray
    report: list[str]


def render_clip(
    frames: Tensor,
    depth: DepthClip,
    path: CameraTrajectory,
    size: Size | None = None,
    *,
    source_path: CameraTrajectory | None = None,
    offset: float = 0.1,
    linear: bool = True,
    soft_edges: bool = True,
    device: torch.device | None = None,
    step: Callable[[], object] | None = None,
) -> RenderedClip:
    """Return what a camera on `path` sees of an image or a clip (1 or F, H, W, 3), and a report.

    depth: of every frame; for a single image, frames after the first are left out. offset: how far the far end of depth
    that does not know distances is from infinity, in shares of its range. The rest is `render_along`'s. Raises
    UserError as that and `DepthScale.of` do.
    """
    warnings = []
    if len(frames) == 1 and depth.frames > 1:
        warnings.append(f"The image is of one frame: of its depth clip of {depth.frames} frames, the first was taken.")
        depth = DepthClip(depth.values[:1], depth.recipe)
    scale = DepthScale.of(depth, path, offset)
    distances = torch.from_numpy(scale.distances(depth.values).astype(np.float32))
    rendering = render_along(
        frames,
        distances,
        path,
        size,
        source_path=source_path,
        linear=linear,
        soft_edges=soft_edges,
        device=device,
        step=step,
    )
    clip = filled_clip(rendering.depth.cpu().numpy(), rendering.holes.cpu().numpy(), depth, scale)
    shares = rendering.holes.float().mean((1, 2)).cpu().numpy()
    report = [_count(rendering.holes), _describe_holes(shares), *hole_warnings(shares), *warnings]
    report += _describe_scale(scale, path)
    if len(frames) == 1:
        report.append("Objects that move by themselves stand still here: one image does not show how they move.")
    elif source_path is None:
        report.append(STILL)
    return RenderedClip(rendering.images, rendering.holes, clip, shares, report)


def _count(holes: Tensor) -> str:
    frames, height, width = holes.shape
    return f"{frames} frame{'s' * (frames != 1)} of {width}x{height}."


def hole_warnings(shares: np.ndarray) -> list[str]:
    """Return a sentence about a camera that leaves what the source shows, by the shares of holes in frames (N,)."""
    blank, many = np.flatnonzero(shares == 1), np.flatnonzero(shares > NOTABLE_HOLES)
    if len(blank):
        return [f"In frame {blank[0]} the camera has left all that the source shows: take a shorter path."]
    if len(many):
        return [
            f"Holes are more than {NOTABLE_HOLES:.0%} in {len(many)} of the frames, first in frame {many[0]}: a model"
            " has to make them up. Take a shorter path if it drifts."
        ]
    return []


def _describe_holes(shares: np.ndarray) -> str:
    worst = int(shares.argmax())
    return f"{shares.mean():.1%} are holes, at most {shares[worst]:.1%}, in frame {worst}."


def _describe_scale(scale: DepthScale, path: CameraTrajectory) -> list[str]:
    """Return sentences about the distances that were used."""
    report = [scale.describe(path.unit_name)]
    if scale.offset is not None:
        report.append(describe_offset(scale.offset))
    elif path.unit != UNIT:
        report.append(f"The distances of the depth were taken to be in that unit too: {path.unit_name}.")
    return report
