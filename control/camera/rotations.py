"""Rotations in plain numpy: rotation vectors, quaternions, pan/tilt/roll, look-at, and slerp.

Matrices (3, 3) act on column vectors; a camera's columns are its right, down and forward axes in the world. A rotation
vector is axis times angle in radians (so(3), Rodrigues' formula); quaternions are w x y z. Matrices become vectors by
way of quaternions, which stay exact near half a turn where the trace formula does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from einops import rearrange

from ..errors import UserError

# The axes of OpenCV cameras; a rotation about them by a positive angle pans right, tilts up, rolls clockwise.
PAN_AXIS, TILT_AXIS, ROLL_AXIS = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])


def from_rotvec(vector: np.ndarray) -> np.ndarray:
    """Return the rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = rearrange(vector, "... xyz -> xyz ...")
    zero = np.zeros_like(x)
    cross = rearrange(np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1), "... (i j) -> ... i j", i=3)
    # sinc keeps both factors exact at angle 0.
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    matrix: np.ndarray = np.eye(3) + first * cross + second * (cross @ cross)
    return matrix


def about_axis(axis: np.ndarray | Sequence[float], radians: np.ndarray | float) -> np.ndarray:
    """Return the right-handed rotations (..., 3, 3) by `radians` (...) about one unit axis (3,)."""
    return from_rotvec(np.asarray(radians)[..., None] * np.asarray(axis, np.float64))


def from_quaternion(wxyz: np.ndarray, name: str = "a quaternion") -> np.ndarray:
    """Return the rotation matrices (..., 3, 3) of quaternions (..., 4) w x y z of any length but 0.

    Raises UserError, which calls the quaternion `name`, for length 0, NaN and infinity.
    """
    length = np.linalg.norm(wxyz, axis=-1, keepdims=True)
    if not (length > 1e-6).all() or not np.isfinite(length).all():
        raise UserError(f"{name} has the length 0 or is not finite")
    w, x, y, z = rearrange(wxyz / length, "... entry -> entry ...")
    entries = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    ]
    matrix: np.ndarray = rearrange(np.stack(entries, -1), "... (i j) -> ... i j", i=3)
    return matrix


def to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Return the unit quaternions (..., 4) as w x y z, w >= 0, of rotation matrices (..., 3, 3)."""
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    w2, x2, y2, z2 = rearrange(squares, "... entry -> entry ...")
    rows = np.stack([w2, a, b, c, a, x2, d, e, b, d, y2, f, c, e, f, z2], -1)
    rows = rearrange(rows, "... (row entry) -> ... row entry", row=4)
    # Each row is the quaternion times one of its own entries: the largest entry gives the most exact row.
    best = np.argmax(squares, -1)
    quaternion = np.take_along_axis(rows, best[..., None, None], -2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    positive: np.ndarray = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    return positive


def to_rotvec(matrix: np.ndarray) -> np.ndarray:
    """Return the rotation vectors (..., 3), angle in [0, pi], of rotation matrices (..., 3, 3)."""
    quaternion = to_quaternion(matrix)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., :1])
    vector: np.ndarray = quaternion[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return vector


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the geodesic distance in radians (...) between rotation matrices (..., 3, 3)."""
    distance: np.ndarray = np.linalg.norm(to_rotvec(np.swapaxes(first, -1, -2) @ second), axis=-1)
    return distance


def slerp(times: np.ndarray, matrices: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the rotations (M, 3, 3) at times `at` (M,), on the shortest arc between neighbors of `matrices` (N, 3, 3).

    times (N,) increase; outside of them the first or last rotation holds.
    """
    times, at = np.asarray(times, np.float64), np.asarray(at, np.float64)
    if len(times) == 1:
        return np.repeat(matrices, len(at), 0)
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    fraction = np.clip((at - times[left]) / (times[left + 1] - times[left]), 0, 1)
    step = to_rotvec(np.swapaxes(matrices[left], -1, -2) @ matrices[left + 1])
    result: np.ndarray = matrices[left] @ from_rotvec(step * fraction[:, None])
    return result


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Return the rotations (..., 3, 3) nearest to almost-rotations by SVD: undoes the rounding of a file."""
    u, _, vt = np.linalg.svd(matrix)
    sign = np.linalg.det(u @ vt)
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    result: np.ndarray = u @ vt
    return result


def look_at_rotation(
    forward: np.ndarray, down: np.ndarray | tuple[float, float, float] = (0.0, 1.0, 0.0)
) -> np.ndarray:
    """Return the rotations (..., 3, 3) of cameras that look along `forward` (..., 3) with the image upright.

    down: the world's down, one (3,) or one for each camera (..., 3); it lies in the plane of the camera's down and
    forward axes. A camera that looks straight up or down keeps the world's x as its right.
    """
    forward = np.asarray(forward, np.float64)
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(np.broadcast_to(np.asarray(down, np.float64), forward.shape), forward)
    length = np.linalg.norm(right, axis=-1, keepdims=True)
    right = np.where(length > 1e-9, right / np.maximum(length, 1e-9), np.array([1.0, 0.0, 0.0]))
    return np.stack([right, np.cross(forward, right), forward], -1)


def from_pan_tilt_roll(degrees: np.ndarray | Sequence[float]) -> np.ndarray:
    """Return the rotations (..., 3, 3) of pan, tilt and roll (..., 3) in degrees.

    Pan right, then tilt up, then roll clockwise, each about the camera's own axis (y, x, z).
    """
    pan, tilt, roll = rearrange(np.radians(np.asarray(degrees, np.float64)), "... angle -> angle ...")
    result: np.ndarray = about_axis(PAN_AXIS, pan) @ about_axis(TILT_AXIS, tilt) @ about_axis(ROLL_AXIS, roll)
    return result


def to_pan_tilt_roll(matrix: np.ndarray) -> np.ndarray:
    """Return pan right, tilt up and roll clockwise in degrees (..., 3) of rotations (..., 3, 3).

    Undoes `from_pan_tilt_roll`. Pan and roll lie within -180..180, tilt within -90..90. For a camera that looks
    straight up or down, pan takes the whole rotation and roll is 0.
    """
    m = np.asarray(matrix, np.float64)
    level = np.hypot(m[..., 0, 2], m[..., 2, 2])
    steep = level < 1e-9
    tilt = np.arctan2(-m[..., 1, 2], level)
    pan = np.where(steep, np.arctan2(-m[..., 2, 0], m[..., 0, 0]), np.arctan2(m[..., 0, 2], m[..., 2, 2]))
    roll = np.where(steep, 0.0, np.arctan2(m[..., 1, 0], m[..., 1, 1]))
    degrees: np.ndarray = np.degrees(np.stack([pan, tilt, roll], -1))
    return degrees
