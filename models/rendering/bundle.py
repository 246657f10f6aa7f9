"""A bundle of conditions whose camera is followed by rendering: its source video, seen along its path, by its depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...control.camera.trajectory import CameraTrajectory
from ...control.condition import digest_of
from ...control.conditions import CameraCondition, Condition, Conditions, DepthCondition, SourceCondition
from ...control.depth import DepthClip
from ...control.errors import UserError
from .depth_clip import STILL, RenderedClip, render_clip

ADDED = "Where the source's own camera moves, the path is added to its movement: Render along Camera can take that out."
NEEDED: tuple[type[Condition], ...] = (SourceCondition, DepthCondition)


def moves_camera(conditions: Conditions) -> bool:
    """Return whether a bundle has a camera path with an effect."""
    return _has(conditions, CameraCondition)


def lacks(conditions: Conditions) -> tuple[str, ...]:
    """Return the names of the conditions without which the camera of a bundle cannot be followed by rendering: of
    'source' and 'depth' those that are missing, or have no effect."""
    return tuple(kind.name for kind in NEEDED if not _has(conditions, kind))


def rendering_digest(conditions: Conditions) -> str:
    """Return a text that differs for bundles whose renderings differ: strengths and ranges do not count."""
    path, frames, depth = _parts(conditions)
    lens = (path.unit, path.pixel_aspect, path.c2w, path.intrinsics)
    return digest_of(conditions.video, *lens, frames, depth.values, sorted(map(repr, depth.recipe.items())))


def render_conditions(
    conditions: Conditions, device: torch.device | None = None, step: Callable[[], object] | None = None
) -> RenderedClip:
    """Return what the camera of a bundle sees of its source video, one frame per frame of the video, and a report.

    The bundle is fitted to its video (`Conditions.fitted`), and the depth is that of the source video. A source whose
    frames are all the same is an image: of it and of its depth, the first frame counts. device, step: as in
    `render_along`. Raises UserError for a bundle that lacks a condition, for depth that is carried along a path
    already, and as `render_clip` does.
    """
    path, frames, depth = _parts(conditions)
    if "along" in depth.recipe:
        raise UserError(
            "the depth is carried along a camera path already: give the depth of the source video as it is, or leave "
            "the camera to the depth"
        )
    frames, still = _first_if_still(frames)
    values, flat = _first_if_still(depth.values)
    said = []
    if still:
        depth = DepthClip(values, depth.recipe) if flat else depth
    elif flat:
        said.append("The depth is of one frame, but the source video moves: what moves in it gets wrong distances.")
    rendered = render_clip(torch.from_numpy(frames), depth, path, device=device, step=step)
    report = [ADDED if sentence == STILL else sentence for sentence in rendered.report]
    return rendered._replace(report=[*report, *said])


def _has(conditions: Conditions, kind: type[Condition]) -> bool:
    condition = conditions.get(kind)
    return condition is not None and condition.active


def _parts(conditions: Conditions) -> tuple[CameraTrajectory, np.ndarray, DepthClip]:
    """The path, the frames of the source (F, H, W, 3) and their depth. Raises UserError where one is missing."""
    camera, source = conditions.get(CameraCondition), conditions.get(SourceCondition)
    depth = conditions.get(DepthCondition)
    if camera is None or source is None or depth is None:
        given = ", ".join(conditions.names) or "none"
        raise UserError(f"to render along a camera path, camera, depth and source are needed; the conditions: {given}")
    return camera.trajectory, source.frames, depth.clip


def _first_if_still(frames: np.ndarray) -> tuple[np.ndarray, bool]:
    """The first of frames (F, ...) where all others equal it, else all of them, and which."""
    still = all(np.array_equal(frame, frames[0]) for frame in frames[1:])
    return (frames[:1] if still else frames), still
