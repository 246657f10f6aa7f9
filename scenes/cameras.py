"""Camera movements of the world: from a composed view, a path of camera-to-world matrices and intrinsics.

World and camera axes are x right, y down, z forward. The composed view lies inside the path (between 25 and 75 % of
it), so that the subject stays in view for most of a large movement; everything else about a trajectory is relative
to its first frame anyway. Amounts are drawn large enough to be seen at 64x96.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEEN = (
    "static",
    "pan",
    "tilt",
    "roll",
    "truck",
    "pedestal",
    "dolly",
    "orbit",
    "arc",
    "crane",
    "zoom",
    "handheld",
    "spline",
)
UNSEEN = ("spiral", "dolly_zoom", "pan_dolly", "zigzag", "orbit_roll")

WORDS: dict[str, tuple[str, str]] = {
    "static": ("The camera stands still.", "The camera stands still."),
    "pan": ("The camera pans right.", "The camera pans left."),
    "tilt": ("The camera tilts down.", "The camera tilts up."),
    "roll": ("The camera rolls clockwise.", "The camera rolls counterclockwise."),
    "truck": ("The camera moves right.", "The camera moves left."),
    "pedestal": ("The camera sinks.", "The camera rises."),
    "dolly": ("The camera moves in.", "The camera moves back."),
    "orbit": ("The camera orbits to the right.", "The camera orbits to the left."),
    "arc": ("The camera arcs up to the right.", "The camera arcs up to the left."),
    "crane": ("The camera cranes down.", "The camera cranes up."),
    "zoom": ("The camera zooms in.", "The camera zooms out."),
    "handheld": ("The camera is handheld.", "The camera is handheld."),
    "spline": ("The camera flies along a curve.", "The camera flies along a curve."),
    "spiral": ("The camera spirals inwards.", "The camera spirals outwards."),
    "dolly_zoom": ("The camera moves in while it zooms out.", "The camera moves back while it zooms in."),
    "pan_dolly": ("The camera moves in and pans right.", "The camera moves in and pans left."),
    "zigzag": ("The camera swings right and left.", "The camera swings left and right."),
    "orbit_roll": ("The camera orbits to the right and rolls.", "The camera orbits to the left and rolls."),
}


@dataclass(frozen=True)
class CameraPath:
    """c2w (T,3,4) and intrinsics (T,4) in float64, with the movement's name and direction (+1 or -1)."""

    kind: str
    sign: int
    c2w: np.ndarray
    intrinsics: np.ndarray

    @property
    def words(self) -> str:
        return WORDS[self.kind][0 if self.sign > 0 else 1]


def axis_rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Right-handed rotations about x, y or z by angles (T,) in radians: (T,3,3). About y it turns z toward x."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = c
    out[:, i, j], out[:, j, i] = -s, s
    return out


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Camera-to-world rotations (T,3,3) at `eye` (T,3) looking at `target` (T,3) or (3,), upright (y is down)."""
    z = target - eye
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    x = np.cross(np.array([0.0, 1.0, 0.0]), z)
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def _smooth_noise(rng: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    """Sums of three slow sines (T,channels), amplitude about 1."""
    s = np.linspace(0, 1, frames)[:, None, None]
    rate = rng.uniform(0.5, 2.6, (1, channels, 3))
    phase = rng.uniform(0, 2 * np.pi, (1, channels, 3))
    return np.sin(2 * np.pi * rate * s + phase).sum(-1) / 1.7


def make_path(
    rng: np.random.Generator,
    kind: str,
    frames: int,
    distance: float,
    elevation: float,
    target: np.ndarray,
    fx: float,
    aspect: float,
) -> CameraPath:
    """A path of `kind` whose composed view looks at `target` (3,) from `distance` and `elevation` (radians)."""
    sign = 1 if rng.random() < 0.5 else -1
    center = rng.uniform(0.25, 0.75)
    s = np.linspace(0, 1, frames)
    if rng.random() < 0.5:
        s = s * s * (3 - 2 * s)
    strength = rng.random()

    def between(low: float, high: float) -> float:
        return low + (high - low) * strength

    azimuth = np.zeros(frames)
    elevations = np.full(frames, elevation)
    distances = np.full(frames, distance)
    move = sign * (s - center)
    turn = {"yaw": np.zeros(frames), "pitch": np.zeros(frames), "roll": np.zeros(frames)}
    shift = np.zeros((frames, 3))
    zoom = np.ones(frames)
    aim = np.broadcast_to(target, (frames, 3)).copy()

    if kind == "pan":
        turn["yaw"] = np.radians(between(14, 34)) * move
    elif kind == "tilt":
        turn["pitch"] = -np.radians(between(9, 22)) * move
    elif kind == "roll":
        turn["roll"] = np.radians(between(12, 36)) * move
    elif kind == "truck":
        shift[:, 0] = distance * between(0.25, 0.6) * move
    elif kind == "pedestal":
        shift[:, 1] = distance * between(0.15, 0.35) * move
    elif kind == "dolly":
        shift[:, 2] = distance * between(0.25, 0.55) * move
    elif kind in ("orbit", "orbit_roll"):
        azimuth = np.radians(between(20, 60)) * move
        if kind == "orbit_roll":
            turn["roll"] = np.radians(between(10, 24)) * move
    elif kind == "arc":
        azimuth = np.radians(between(18, 45)) * move
        elevations = elevation + np.radians(between(8, 18)) * s
    elif kind == "crane":
        elevations = elevation + np.radians(between(12, 28)) * (s if sign < 0 else 1 - s)
    elif kind == "zoom":
        zoom = between(1.35, 1.9) ** move
    elif kind == "handheld":
        wobble = _smooth_noise(rng, frames, 6) * between(0.6, 1.3)
        turn["yaw"], turn["pitch"], turn["roll"] = (np.radians((3.5, 2.5, 2.5)) * wobble[:, :3]).T
        shift = distance * 0.035 * wobble[:, 3:]
    elif kind == "spline":
        knots = rng.uniform(-1, 1, (4, 3)) * np.array([0.32, 0.12, 0.26]) * distance
        shift = _catmull_rom(knots, s)
        aim = aim + _catmull_rom(rng.uniform(-1, 1, (4, 3)) * np.array([0.14, 0.05, 0.05]) * distance, s)
    elif kind == "spiral":
        azimuth = np.radians(between(25, 60)) * move
        distances = distance * (1 - between(0.2, 0.4) * move)
    elif kind == "dolly_zoom":
        shift[:, 2] = distance * between(0.25, 0.45) * move
        zoom = (distance - shift[:, 2]) / distance
    elif kind == "pan_dolly":
        turn["yaw"] = np.radians(between(12, 24)) * move
        shift[:, 2] = distance * between(0.2, 0.4) * (s - center)
    elif kind == "zigzag":
        shift[:, 0] = distance * between(0.12, 0.3) * sign * np.sin(2 * np.pi * s)
    elif kind != "static":
        raise ValueError(f"Unknown camera movement '{kind}'; known are {', '.join((*SEEN, *UNSEEN))}.")

    flat = distances * np.cos(elevations)
    eye = target + np.stack([np.sin(azimuth) * flat, -distances * np.sin(elevations), -np.cos(azimuth) * flat], -1)
    base = look_at(eye, target)
    if kind == "spline":
        eye = eye + shift
        rotation = look_at(eye, aim)
    else:
        # Pedestal and truck keep to the world's axes, dolly follows the view; all are what the word says on a set.
        along = np.broadcast_to(np.eye(3), base.shape) if kind == "pedestal" else base
        eye = eye + np.einsum("tij,tj->ti", along, shift)
        # A pan turns about the world's vertical, so the horizon stays level.
        nod = axis_rotation(0, turn["pitch"]) @ axis_rotation(2, turn["roll"])
        rotation = axis_rotation(1, turn["yaw"]) @ base @ nod
    eye[:, 1] = np.minimum(eye[:, 1], -0.12 * distance)
    intrinsics = np.stack([fx * zoom, fx * aspect * zoom, np.full(frames, 0.5), np.full(frames, 0.5)], -1)
    return CameraPath(kind, sign, np.concatenate([rotation, eye[..., None]], -1), intrinsics)


def _catmull_rom(knots: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Values (T,C) on a smooth curve through knots (K,C) at s in [0, 1]."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    position = s * (len(knots) - 1)
    k = np.minimum(position.astype(int), len(knots) - 2)
    u = (position - k)[:, None]
    a, b, c, d = (padded[k + i] for i in range(4))
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)
