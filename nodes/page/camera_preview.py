"""What Camera Preview shows: a path as images and in words, and the movements that a model may not follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control.camera import CameraTrajectory
from ...control.camera.formats import UNKNOWN_UNIT
from ...control.camera.motion_range import CameraMotionRange, motion_range_warnings
from ...control.camera.plucker import plucker_embedding
from ...control.camera.rotations import angle_between
from ..sockets.cameras import camera_motion_range
from ..sockets.types import HostModel


@dataclass(frozen=True, eq=False)
class CameraPreview:
    """Images (N, H, W, 3) for the outputs; shown: one image (H, W, 3) for the node itself; report: lines of text."""

    path: np.ndarray
    curves: np.ndarray
    rays: np.ndarray
    shown: np.ndarray
    report: str


def preview_camera(camera: CameraTrajectory, layout: str, height: int, model: HostModel | None = None) -> CameraPreview:
    """Draw a path in space, as curves of its speeds, and as Plücker rays.

    layout: "sheet" for one image of each, "frames" for one per frame. height: of the images in pixels; they are 3:2.
    """
    from ...view.curve_plot import draw_curve_frames, draw_curves
    from ...view.path_plot import draw_path, draw_path_frames
    from ...view.plucker_plot import draw_plucker_frames, draw_plucker_sheet

    width = height * 3 // 2
    limits = speed_limits(camera_motion_range(model), camera.fps)
    path = draw_path(camera, height, width)
    curves = draw_curves(camera, height, width, limits)
    shown = np.concatenate([path, curves])
    report = describe_camera(camera, model)
    rays = _rays(camera, height // (4 if layout == "sheet" else 2))
    if layout == "sheet":
        return CameraPreview(path[None], curves[None], draw_plucker_sheet(rays, width=width)[None], shown, report)
    return CameraPreview(
        draw_path_frames(camera, height, width),
        draw_curve_frames(camera, height, width, limits),
        draw_plucker_frames(rays),
        shown,
        report,
    )


def speed_limits(motion_range: CameraMotionRange | None, fps: float) -> dict[str, float] | None:
    """Return the fastest movement ("speed") and turn ("angular") of a range per second at `fps`; None for no range."""
    if motion_range is None:
        return None
    return {"speed": motion_range.distance_step * fps, "angular": motion_range.turn_step * fps}


def describe_camera(camera: CameraTrajectory, model: HostModel | None = None) -> str:
    """Return the length, distances, turns and lens of a path, a line each, and what its file or video left open; with
    a model, warnings about what exceeds the movements that it was trained on."""
    path = camera.relative()
    farthest = np.linalg.norm(path.c2w[:, :, 3], axis=1).max()
    largest_turn = np.degrees(angle_between(np.eye(3), path.c2w[:, :, :3])).max()
    fov = path.fov()[:, 0]
    lens = f"{fov[0]:.4g}" if np.ptp(fov) < 0.05 else f"{fov[0]:.4g} to {fov[-1]:.4g}"
    lines = [
        f"{path.frames} frames, {path.frames / path.fps:.4g} s at {path.fps:g} a second",
        f"travels {path.distance()[-1]:.3g}, up to {farthest:.3g} from the start, "
        f"up to {path.speed().max():.3g} a second",
        f"turns by up to {largest_turn:.3g} degrees, up to {path.angular_speed().max():.3g} a second",
        f"field of view {lens} degrees",
        f"unit: {'unknown' if path.unit == UNKNOWN_UNIT else path.unit}",
    ]
    lines += path.notes
    if model is not None:
        lines += _compare(path, camera_motion_range(model), moves=farthest > 0)
    return "\n".join(lines)


def _compare(path: CameraTrajectory, motion_range: CameraMotionRange | None, moves: bool) -> list[str]:
    """Return sentences on a path against the range of movements that a model was trained on."""
    if motion_range is None:
        return ["The model does not say which movements it was trained on."]
    lines = motion_range_warnings(path, motion_range) or ["Within what the model was trained on."]
    if path.unit == UNKNOWN_UNIT and moves:
        lines.append("The unit is unknown: distances were compared as if it were the model's.")
    return lines


def _rays(camera: CameraTrajectory, height: int) -> np.ndarray:
    """Return the Plücker rays (F, 6, H, W) of a path, in the shape of its lens's image."""
    height = max(32, height)
    aspect = float((camera.intrinsics[0, 1] / camera.intrinsics[0, 0]).clip(0.2, 5))
    return plucker_embedding(camera.relative(), height, max(32, round(height * aspect)))
