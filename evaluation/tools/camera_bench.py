"""`fulldit bench camera`: camera files there and back, rays, and cameras found in videos whose camera is known.

Round trips: a path that no shortcut survives is written and read in every format that does both. Plücker coordinates
are compared with lines through two points of the world, computed another way. Cameras from video: clips of the
procedural world (held-out scenes, things in them move) and of a textured room by a renderer of its own, 77 frames of
384x672, the focal length given; errors are those of poses relative to the first frame, medians over the frames. The
direction of a translation is that from the first frame to each; frames that have gone less than a twentieth of the
farthest are left out, since two nearby points have no direction to speak of.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...control.camera import CameraTrajectory, rotations
from ...control.camera.formats import FORMATS, read_camera, write_camera
from ...control.camera.from_video import estimate_camera
from ...control.camera.plucker import plucker_embedding
from ...control.camera.presets import preset
from ...control.camera.trajectory import compose, invert
from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import quiet
from .textured_room import render_room

FRAMES, HEIGHT, WIDTH = 77, 384, 672
# Movements of the procedural world, with the scene that each is given: the next held-out one from here on.
WORLD = ("truck", "orbit", "pan", "handheld", "dolly", "tilt", "spline", "arc", "roll", "pedestal", "crane", "static")
FIRST_SCENE = 500
# Presets in the textured room; its subject is four units away.
ROOM = {"orbit_left": 25.0, "truck_right": 0.4, "dolly_in": 0.4, "arc_right": 30.0, "pan_right": 20.0, "handheld": 1.0}
ROOM_DISTANCE = 4.0
CLIPS = (*(f"world {kind}" for kind in WORLD), *(f"room {name}" for name in ROOM))
NEAR = 0.05


def run_camera(
    json: str | Path | None = None,
    clips: tuple[str, ...] = CLIPS,
    frames: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
    method: str = "sift",
    progress: Callable = quiet,
) -> dict:
    """Measure; returns the result and writes it to `json`. What a missing library keeps from being measured is listed
    with the reason under `skipped`. Raises UserError for unknown clips before anything is rendered."""
    unknown = [clip for clip in clips if clip not in CLIPS]
    if unknown:
        raise UserError(f"there is no clip '{unknown[0]}'; known are {', '.join(CLIPS)}")
    skipped: dict[str, str] = {}
    result: dict = {"roundtrip": round_trips(skipped), "plucker_max_diff": plucker_difference()}
    found: dict[str, dict] = {}
    with progress(len(clips), "bench camera") as step:
        for clip in clips:
            try:
                images, truth = render_clip(clip, frames, height, width)
            except UserError as error:
                skipped[clip] = str(error)
                step()
                continue
            found[clip] = measure_clip(images, truth, method)
            step()
    if found:
        keys = ("rot_deg", "trans_deg", "inliers", "seconds")
        found["median"] = {key: _median([clip[key] for clip in found.values()]) for key in keys}
    result["from_video"] = found
    result["skipped"] = skipped
    result["clips"] = {"frames": frames, "height": height, "width": width, "method": method}
    result["machine"] = {"platform": platform.platform(terse=True), "cores": os.cpu_count()}
    if json:
        write_json(json, result)
    return result


def _median(values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return round(float(np.median(given)), 5) if given else None


def any_path(frames: int = 23, seed: int = 0) -> CameraTrajectory:
    """A path with any rotation, far from the origin, and a zoom."""
    random = np.random.default_rng(seed)
    rotation = rotations.from_rotvec(np.cumsum(random.normal(0, 0.6, (frames, 3)), 0))
    position = np.cumsum(random.normal(0, 3, (frames, 3)), 0) + (120, -40, 7)
    zoom = np.exp(np.linspace(0, 0.8, frames))[:, None] * (0.9, 1.6)
    lens = np.concatenate([zoom, np.full((frames, 2), 0.5)], 1)
    return CameraTrajectory(np.concatenate([rotation, position[..., None]], 2), lens, fps=24)


def round_trips(skipped: dict[str, str]) -> dict[str, dict]:
    """Per format that is both read and written: the largest rotation error (degrees) and translation error (share of
    the path's extent), of poses relative to the first where the format keeps only those."""
    path, result = any_path(), {}
    for name, entry in FORMATS.items():
        if not (entry.readable and entry.writable):
            skipped[f"roundtrip {name}"] = "is read only" if entry.readable else "is written only"
            continue
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / f"camera{entry.extensions[0]}"
            try:
                write_camera(path, place, format=name)
                back = read_camera(place)
            except UserError as error:
                skipped[f"roundtrip {name}"] = str(error).replace(folder, "").strip()
                continue
        pairs = [(path.c2w, back.c2w), (path.relative().c2w, back.relative().c2w)]
        result[name] = min((_apart(*pair) for pair in pairs), key=lambda apart: apart["trans_rel"])
    return result


def _apart(asked: np.ndarray, found: np.ndarray) -> dict[str, float]:
    off = np.linalg.norm(asked[:, :, :3] - found[:, :, :3], axis=(1, 2)).max()
    place = np.linalg.norm(asked[:, :, 3] - found[:, :, 3], axis=1).max()
    extent = np.linalg.norm(asked[:, :, 3], axis=1).max()
    # |R - S| = 2 sqrt(2) sin(angle / 2), exact for small angles where the arc cosine is not.
    return {"rot_deg": float(np.degrees(2 * np.arcsin(off / 8**0.5))), "trans_rel": float(place / extent)}


def plucker_difference(height: int = 24, width: int = 42) -> float:
    """The largest difference from Plücker's own definition: for points p and q of a line, p x q and q - p, divided by
    the distance. p is the pixel's point at depth 1, q at depth 2, by the inverse of the 4x4 projection."""
    path = any_path(5).relative()
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
        worst = max(worst, float(np.abs(np.moveaxis(line, -1, 0) - rays[frame]).max()))
    return worst


def render_clip(clip: str, frames: int, height: int, width: int) -> tuple[np.ndarray, CameraTrajectory]:
    """Frames (F, H, W, 3) uint8 of one of CLIPS, and its exact camera."""
    where, kind = clip.split(" ")
    if where == "room":
        path = preset(kind, frames, ROOM[kind], fov=55.0, aspect=width / height)
        path = path.scaled(ROOM_DISTANCE)
        return render_room(path.c2w, path.intrinsics, height, width, seed=0), path
    return _world_clip(kind, frames, height, width)


def _world_clip(kind: str, frames: int, height: int, width: int) -> tuple[np.ndarray, CameraTrajectory]:
    import torch

    from ...scenes.trace import Tracer
    from ...scenes.world import HELD_OUT_SEED, WorldOptions, make_scene

    seed = HELD_OUT_SEED + FIRST_SCENE + WORLD.index(kind)
    scene = make_scene(seed, frames, width / height, WorldOptions(cameras=(kind,)))
    images = []
    # A few frames at a time: a whole clip of this size would take gigabytes.
    for first in range(0, frames, 7):
        some = slice(first, first + 7)
        camera = dataclasses.replace(scene.camera, c2w=scene.camera.c2w[some], intrinsics=scene.camera.intrinsics[some])
        objects = tuple(
            dataclasses.replace(item, center=item.center[some], rotation=item.rotation[some]) for item in scene.objects
        )
        part = dataclasses.replace(scene, frames=len(camera.c2w), objects=objects, camera=camera)
        with torch.no_grad():
            video = Tracer(part).render(height, width)[0]
        images.append((video.permute(1, 2, 3, 0) * 255).round().byte().numpy())
    return np.concatenate(images), CameraTrajectory(scene.camera.c2w, scene.camera.intrinsics, fps=8.0)


def measure_clip(images: np.ndarray, truth: CameraTrajectory, method: str = "sift") -> dict:
    """rot_deg and trans_deg (medians over frames; None without translation), the worst of both, inliers, seconds."""
    began = time.perf_counter()
    try:
        found = estimate_camera(images, focal=float(truth.intrinsics[0, 0]), method=method)
    except UserError as error:
        # A clip without an answer counts as one that is wrong by half a turn, so that no median hides it.
        seconds = round(time.perf_counter() - began, 2)
        return {"rot_deg": 180.0, "trans_deg": 180.0, "inliers": 0.0, "seconds": seconds, "error": str(error)}
    seconds = time.perf_counter() - began
    asked = compose(invert(truth.c2w[:1]), truth.c2w)
    rotation = np.degrees(rotations.angle_between(asked[:, :, :3], found.trajectory.c2w[:, :, :3]))
    direction = direction_errors(asked[:, :, 3], found.trajectory.c2w[:, :, 3])
    return {
        "rot_deg": round(float(np.median(rotation)), 5),
        "rot_deg_max": round(float(rotation.max()), 5),
        "trans_deg": round(float(np.median(direction)), 5) if len(direction) else None,
        "trans_deg_max": round(float(direction.max()), 5) if len(direction) else None,
        "inliers": round(float(np.median(found.inliers)), 4),
        "failed": len(found.failed),
        "movement": found.movement,
        "seconds": round(seconds, 2),
    }


def direction_errors(asked: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Angles in degrees between positions (F, 3) relative to the first frame, of the frames that have gone far enough
    to have a direction; where something moved and nothing was found, 90."""
    far = np.linalg.norm(asked, axis=1)
    if far.max() < 1e-6:
        return np.zeros(0)
    use = far > NEAR * far.max()
    length = far[use] * np.linalg.norm(found[use], axis=1)
    cosine = (asked[use] * found[use]).sum(1) / np.maximum(length, 1e-12)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
