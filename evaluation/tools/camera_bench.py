"""`fulldit bench camera`: camera files written and read back, rays, and cameras estimated from videos of known ones.

Round trips: a path with any rotation, far from the origin, is written and read in every format that does both. Plücker
coordinates are compared with lines through two points of the world, computed another way. Cameras from video: clips of
the procedural world (held-out scenes, objects in them move) and of a textured room by a renderer of its own, 77 frames
of 384x672, with a known focal length; errors are those of poses relative to the first frame, medians over the frames.
The direction of a translation is that from the first frame to each; frames that have moved less than a twentieth of the
farthest are left out, since the direction between two nearby points is noise.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from ...control.camera import CameraTrajectory, rotations
from ...control.camera.formats import FORMATS, read_camera, write_camera
from ...control.camera.from_video import estimate_camera
from ...control.camera.plucker import plucker_embedding
from ...control.camera.presets import preset
from ...control.camera.trajectory import compose, invert
from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import Progress, quiet
from .textured_room import render_room

FRAMES, HEIGHT, WIDTH = 77, 384, 672
# Movements of the procedural world; each has a held-out scene of its own, from FIRST_SCENE on.
WORLD = ("truck", "orbit", "pan", "handheld", "dolly", "tilt", "spline", "arc", "roll", "pedestal", "crane", "static")
FIRST_SCENE = 500
# Presets in the textured room; its subject is four units away.
ROOM = {"orbit_left": 25.0, "truck_right": 0.4, "dolly_in": 0.4, "arc_right": 30.0, "pan_right": 20.0, "handheld": 1.0}
ROOM_DISTANCE = 4.0
CLIPS = (*(f"world {kind}" for kind in WORLD), *(f"room {name}" for name in ROOM))
NEAR = 0.05  # of the longest translation: what moves less has no direction
CHUNK = 7  # frames of a clip that are rendered at once


def run_camera(
    json: str | Path | None = None,
    clips: tuple[str, ...] = CLIPS,
    frames: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
    method: str = "sift",
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Run the benchmark; return the result and write it to `json`.

    What a missing library keeps from being measured is listed with the reason under `skipped`. Raises UserError for
    unknown clips before anything is rendered.
    """
    unknown = [clip for clip in clips if clip not in CLIPS]
    if unknown:
        raise UserError(f"there is no clip '{unknown[0]}'; known are {', '.join(CLIPS)}")
    skipped: dict[str, str] = {}
    result: dict[str, Any] = {"roundtrip": round_trips(skipped), "plucker_max_diff": plucker_difference()}
    estimates: dict[str, dict[str, Any]] = {}
    with progress(len(clips), "bench camera") as step:
        for clip in clips:
            try:
                images, truth = render_clip(clip, frames, height, width)
            except UserError as error:
                skipped[clip] = str(error)
            else:
                estimates[clip] = measure_clip(images, truth, method)
            step()
    if estimates:
        keys = ("rot_deg", "trans_deg", "inliers", "seconds")
        estimates["median"] = {key: _median([clip[key] for clip in estimates.values()]) for key in keys}
    result["from_video"] = estimates
    result["skipped"] = skipped
    result["clips"] = {"frames": frames, "height": height, "width": width, "method": method}
    result["machine"] = {"platform": platform.platform(terse=True), "cores": os.cpu_count()}
    if json:
        write_json(json, result)
    return result


def _median(values: list[float | None]) -> float | None:
    """Return the median of the values that are not None, or None."""
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 5) if known else None


def random_path(frames: int = 23, seed: int = 0) -> CameraTrajectory:
    """Return a path with any rotation, far from the origin, and a zoom."""
    random = np.random.default_rng(seed)
    rotation = rotations.from_rotvec(np.cumsum(random.normal(0, 0.6, (frames, 3)), 0))
    position = np.cumsum(random.normal(0, 3, (frames, 3)), 0) + (120, -40, 7)
    zoom = np.exp(np.linspace(0, 0.8, frames))[:, None] * (0.9, 1.6)
    lens = np.concatenate([zoom, np.full((frames, 2), 0.5)], 1)
    return CameraTrajectory(np.concatenate([rotation, position[..., None]], 2), lens, fps=24)


def round_trips(skipped: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return the largest rotation error (degrees) and translation error (share of the path's extent) by format.

    Of poses relative to the first, where the format keeps only those. Formats that are not both read and written, or
    whose library is missing, are added to `skipped` with the reason.
    """
    path, result = random_path(), {}
    for name, entry in FORMATS.items():
        if not (entry.readable and entry.writable):
            skipped[f"roundtrip {name}"] = "is read only" if entry.readable else "is written only"
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"camera{entry.extensions[0]}"
            try:
                write_camera(path, file, format=name)
                back = read_camera(file)
            except UserError as error:
                skipped[f"roundtrip {name}"] = str(error).replace(folder, "").strip()
                continue
        pairs = [(path.c2w, back.c2w), (path.relative().c2w, back.relative().c2w)]
        result[name] = min((_pose_errors(*pair) for pair in pairs), key=lambda errors: errors["trans_rel"])
    return result


def _pose_errors(truth: np.ndarray, poses: np.ndarray) -> dict[str, float]:
    """Return the largest errors of poses c2w (F, 3, 4)."""
    rotation = np.linalg.norm(truth[:, :, :3] - poses[:, :, :3], axis=(1, 2)).max()
    translation = np.linalg.norm(truth[:, :, 3] - poses[:, :, 3], axis=1).max()
    extent = np.linalg.norm(truth[:, :, 3], axis=1).max()
    # |R - S| = 2 sqrt(2) sin(angle / 2), exact for small angles where the arc cosine is not.
    return {"rot_deg": float(np.degrees(2 * np.arcsin(rotation / 8**0.5))), "trans_rel": float(translation / extent)}


def plucker_difference(height: int = 24, width: int = 42) -> float:
    """Return the largest difference of our Plücker coordinates from their definition.

    For points p and q of a line that is p x q and q - p, divided by the distance. p is the pixel's point at depth 1, q
    that at depth 2, by the inverse of the 4x4 projection.
    """
    path = random_path(5).relative()
    rays = plucker_embedding(path, height, width, dtype=np.float64)
    worst = 0.0
    for frame in range(path.frames):
        fx, fy, cx, cy = path.intrinsics[frame] * (width, height, width, height)
        w2c = np.eye(4)
        w2c[:3] = path.w2c()[frame]
        lens = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        back = np.linalg.inv(lens @ w2c)
        v, u = np.mgrid[:height, :width] + 0.5
        p, q = (
            (np.stack([u * z, v * z, np.full_like(u, z), np.ones_like(u)], -1) @ back.T)[..., :3] for z in (1.0, 2.0)
        )
        line = np.concatenate([np.cross(p, q), q - p], -1) / np.linalg.norm(q - p, axis=-1, keepdims=True)
        worst = max(worst, float(np.abs(rearrange(line, "h w six -> six h w") - rays[frame]).max()))
    return worst


def render_clip(clip: str, frames: int, height: int, width: int) -> tuple[np.ndarray, CameraTrajectory]:
    """Return frames (F, H, W, 3) uint8 of one of CLIPS, and its exact camera."""
    renderer, kind = clip.split(" ")
    if renderer == "room":
        path = preset(kind, frames, ROOM[kind], fov=55.0, aspect=width / height)
        path = path.scaled(ROOM_DISTANCE)
        return render_room(path.c2w, path.intrinsics, height, width, seed=0), path
    return _world_clip(kind, frames, height, width)


def _world_clip(kind: str, frames: int, height: int, width: int) -> tuple[np.ndarray, CameraTrajectory]:
    """Return the frames and the exact camera of a held-out scene with the camera movement `kind`."""
    import torch

    from ...scenes.trace import Tracer
    from ...scenes.world import HELD_OUT_SEED, WorldOptions, make_scene

    seed = HELD_OUT_SEED + FIRST_SCENE + WORLD.index(kind)
    scene = make_scene(seed, frames, width / height, WorldOptions(cameras=(kind,)))
    images = []
    # A few frames at a time: a whole clip of this size would take gigabytes.
    for first in range(0, frames, CHUNK):
        some = slice(first, first + CHUNK)
        camera = dataclasses.replace(scene.camera, c2w=scene.camera.c2w[some], intrinsics=scene.camera.intrinsics[some])
        objects = tuple(
            dataclasses.replace(item, center=item.center[some], rotation=item.rotation[some]) for item in scene.objects
        )
        part = dataclasses.replace(scene, frames=len(camera.c2w), objects=objects, camera=camera)
        with torch.no_grad():
            video = Tracer(part).render(height, width)[0]
        images.append((rearrange(video, "c f h w -> f h w c") * 255).round().byte().numpy())
    return np.concatenate(images), CameraTrajectory(scene.camera.c2w, scene.camera.intrinsics, fps=8.0)


def measure_clip(images: np.ndarray, truth: CameraTrajectory, method: str = "sift") -> dict[str, Any]:
    """Return the errors of the camera that is estimated from images (F, H, W, 3), and how it was estimated.

    rot_deg and trans_deg are medians over the frames, ..._max the worst; trans_deg is None without translation.
    """
    began = time.perf_counter()
    try:
        estimate = estimate_camera(images, focal=float(truth.intrinsics[0, 0]), method=method)
    except UserError as error:
        # A clip without an estimate counts as wrong by half a turn, so that no median hides it.
        seconds = round(time.perf_counter() - began, 2)
        return {"rot_deg": 180.0, "trans_deg": 180.0, "inliers": 0.0, "seconds": seconds, "error": str(error)}
    seconds = time.perf_counter() - began
    target, poses = compose(invert(truth.c2w[:1]), truth.c2w), estimate.trajectory.c2w
    rotation = np.degrees(rotations.angle_between(target[:, :, :3], poses[:, :, :3]))
    direction = direction_errors(target[:, :, 3], poses[:, :, 3])
    return {
        "rot_deg": round(float(np.median(rotation)), 5),
        "rot_deg_max": round(float(rotation.max()), 5),
        "trans_deg": round(float(np.median(direction)), 5) if len(direction) else None,
        "trans_deg_max": round(float(direction.max()), 5) if len(direction) else None,
        "inliers": round(float(np.median(estimate.inliers)), 4),
        "failed": len(estimate.failed),
        "movement": estimate.movement,
        "seconds": round(seconds, 2),
    }


def direction_errors(target: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the angles in degrees between positions (F, 3) relative to the first frame and their targets (F, 3).

    Of the frames whose target is far enough away to have a direction; 90 where the estimate does not move.
    """
    distance = np.linalg.norm(target, axis=1)
    if distance.max() < 1e-6:
        return np.zeros(0)
    far = distance > NEAR * distance.max()
    length = distance[far] * np.linalg.norm(positions[far], axis=1)
    cosine = (target[far] * positions[far]).sum(1) / np.maximum(length, 1e-12)
    angles: np.ndarray = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return angles
