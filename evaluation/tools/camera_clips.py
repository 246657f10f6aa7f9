"""Clips of the textured room that are hard to solve, each with its exact camera: what `fulldit bench trust` asks of
Camera from Video.

Translation, orbits, dollies, rotation alone, zooms, sways, little parallax, blank walls, things that move, a last frame
that leaps or is blurred, a focal length that is unknown or given wrongly. What is drawn differs with the seed; the
movements do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...control.camera import CameraTrajectory, rotations
from ...control.camera.presets import preset
from .textured_room import Mover, render_room

# The subject's distance in the room, and the field of view in degrees.
DISTANCE, FOV = 4.0, 55.0


@dataclass(frozen=True)
class HardClip:
    """A movement in the room.

    movement, amount: of the preset. focal: what the estimator is told, in true focal lengths (None: nothing). blank:
    the walls are plain. movers: how many crates move by themselves. edit: changes the path; spoil: changes the frames.
    """

    movement: str
    amount: float | None = None
    focal: float | None = 1.0
    blank: bool = False
    movers: int = 0
    edit: Callable[[CameraTrajectory], CameraTrajectory] | None = None
    spoil: Callable[[np.ndarray], np.ndarray] | None = None


def _leap(path: CameraTrajectory) -> CameraTrajectory:
    """Return the path with a last frame that leaps three times the whole way in another direction."""
    c2w = path.c2w.copy()
    extent = np.linalg.norm(c2w[:, :, 3], axis=1).max()
    c2w[-1, :, 3] = c2w[-2, :, 3] + 0.7 * extent * np.array([-0.6, -0.5, 0.6])
    return path.replace(c2w=c2w)


def _with_pan(path: CameraTrajectory) -> CameraTrajectory:
    """Return the path with a pan of 50 degrees besides: its end sees other walls than its start."""
    turn = np.linspace(0, np.radians(50), path.frames)[:, None] * np.array([0.0, 1.0, 0.0])
    c2w = path.c2w.copy()
    c2w[:, :, :3] = c2w[:, :, :3] @ rotations.from_rotvec(turn)
    return path.replace(c2w=c2w)


def _blurred_end(frames: np.ndarray) -> np.ndarray:
    """Return the frames with the last one smeared over a twelfth of its width, as by a shaken camera."""
    import cv2

    frames, length = frames.copy(), frames.shape[2] // 12
    frames[-1] = cv2.blur(frames[-1], (length, length // 3))
    return frames


def _grainy(frames: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, 14, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def _fading(frames: np.ndarray) -> np.ndarray:
    share = np.linspace(1, 0.35, len(frames))[:, None, None, None]
    return (frames * share).astype(np.uint8)


HARD_CLIPS: dict[str, HardClip] = {
    "truck": HardClip("truck_right", 0.4),
    "truck back": HardClip("truck_left", 0.25),
    "truck, lens unknown": HardClip("truck_right", 0.3, focal=None),
    "orbit": HardClip("orbit_left", 25.0),
    "orbit, lens unknown": HardClip("orbit_right", 40.0, focal=None),
    "arc": HardClip("arc_right", 30.0),
    "crane, lens unknown": HardClip("crane_up", None, focal=None),
    "spiral": HardClip("spiral"),
    "fly through, lens unknown": HardClip("fly_through", None, focal=None),
    "dolly in": HardClip("dolly_in", 0.4),
    "dolly in, lens unknown": HardClip("dolly_in", 0.4, focal=None),
    "dolly out": HardClip("dolly_out", 0.3),
    "pan": HardClip("pan_right", 20.0),
    "pan, lens unknown": HardClip("pan_left", 25.0, focal=None),
    "small tilt, lens unknown": HardClip("tilt_up", 4.0, focal=None),
    "roll": HardClip("roll_cw", 20.0),
    "roll, lens unknown": HardClip("roll_ccw", 25.0, focal=None),
    "zoom in": HardClip("zoom_in", 1.5),
    "zoom out, lens unknown": HardClip("zoom_out", 1.4, focal=None),
    "dolly zoom": HardClip("dolly_zoom"),
    "static": HardClip("static", None, focal=None),
    "sway": HardClip("handheld", 1.0),
    "strong sway, lens unknown": HardClip("handheld", 4.0, focal=None),
    "little parallax": HardClip("truck_right", 0.02),
    "little parallax, lens unknown": HardClip("truck_right", 0.05, focal=None),
    "blank walls": HardClip("orbit_left", 25.0, blank=True),
    "blank walls, pedestal": HardClip("pedestal_up", 0.2, blank=True),
    "things move": HardClip("truck_right", 0.4, movers=2),
    "much moves, dolly": HardClip("dolly_in", 0.3, movers=4),
    "much moves, pan": HardClip("pan_right", 15.0, movers=4),
    "last frame leaps": HardClip("truck_right", 0.3, edit=_leap),
    "last frame blurred": HardClip("truck_left", 0.3, spoil=_blurred_end),
    "pan while trucking": HardClip("truck_right", 0.15, edit=_with_pan),
    "focal length given too short": HardClip("orbit_left", 25.0, focal=0.7),
    "focal length given too long": HardClip("dolly_in", 0.4, focal=1.4),
    "grain": HardClip("orbit_right", 20.0, spoil=_grainy),
    "fading light": HardClip("truck_left", 0.3, spoil=_fading),
}


def render_hard(
    clip: HardClip, frames: int, height: int, width: int, seed: int = 0
) -> tuple[np.ndarray, CameraTrajectory, float | None]:
    """Return frames (F, H, W, 3) uint8, their exact camera in the room's units, and the focal length to be told.

    Raises UserError where the room cannot be rendered.
    """
    path = preset(clip.movement, frames, clip.amount, fov=FOV, aspect=width / height, seed=seed)
    if clip.edit is not None:
        path = clip.edit(path)
    path = path.scaled(DISTANCE)
    images = render_room(path.c2w, path.intrinsics, height, width, seed, clip.blank, _movers(clip.movers, frames, seed))
    if clip.spoil is not None:
        images = clip.spoil(images)
    return images, path, None if clip.focal is None else clip.focal * float(path.intrinsics[0, 0])


def _movers(count: int, frames: int, seed: int) -> list[Mover]:
    """Return `count` crates that slide through the view, near the camera."""
    rng = np.random.default_rng([79, seed])
    movers = []
    for number in range(count):
        half = rng.uniform(0.4, 0.7, 3)
        center = np.array([rng.uniform(-1.6, 1.6), rng.uniform(-0.7, 0.7), rng.uniform(2.2, 3.4)])
        way = np.array([(-1) ** number * rng.uniform(0.8, 1.6), rng.uniform(-0.4, 0.4), rng.uniform(-0.5, 0.5)])
        offsets = np.linspace(-0.5, 0.5, frames)[:, None] * way
        movers.append(Mover(center - half, center + half, offsets))
    return movers
