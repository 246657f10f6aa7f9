"""Rotations in plain numpy: axis-angle vectors to matrices and back, interpolation on the shortest arc.

A rotation vector is axis times angle in radians (so(3)); matrices act on column vectors. Formulae: Rodrigues, and the
quaternion route back, which stays exact near a half turn where the trace formula does not.
"""

from __future__ import annotations

import numpy as np


def from_vector(vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3)."""
    vector = np.asarray(vector, np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    # sinc keeps both factors exact at angle 0.
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * cross + second * (cross @ cross)


def to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) as w x y z, w >= 0, of rotation matrices (..., 3, 3)."""
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    w2, x2, y2, z2 = np.moveaxis(squares, -1, 0)
    rows = np.stack([w2, a, b, c, a, x2, d, e, b, d, y2, f, c, e, f, z2], -1).reshape(*squares.shape, 4)
    # Each row is the quaternion times one of its own entries: the largest entry gives the most exact row.
    best = np.argmax(squares, -1)
    quaternion = np.take_along_axis(rows, best[..., None, None], -2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def to_vector(matrix: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), angle in [0, pi], of rotation matrices (..., 3, 3)."""
    quaternion = to_quaternion(matrix)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., :1])
    return quaternion[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The angle in radians (...) between rotation matrices (..., 3, 3)."""
    return np.linalg.norm(to_vector(np.swapaxes(first, -1, -2) @ second), axis=-1)


def interpolate(times: np.ndarray, matrices: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rotations (M, 3, 3) at times `at` (M,), on the shortest arc between neighbors of `matrices` (N, 3, 3)."""
    times, at = np.asarray(times, np.float64), np.asarray(at, np.float64)
    if len(times) == 1:
        return np.repeat(matrices, len(at), 0)
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    share = np.clip((at - times[left]) / (times[left + 1] - times[left]), 0, 1)
    step = to_vector(np.swapaxes(matrices[left], -1, -2) @ matrices[left + 1])
    return matrices[left] @ from_vector(step * share[:, None])


def nearest(matrix: np.ndarray) -> np.ndarray:
    """The rotations (..., 3, 3) nearest to almost-rotations: rounding in a file is taken away (SVD)."""
    u, _, vt = np.linalg.svd(matrix)
    sign = np.linalg.det(u @ vt)
    u = u.copy()
    u[..., :, 2] *= sign[..., None]
    return u @ vt


def looking(forward: np.ndarray, down: np.ndarray | tuple[float, float, float] = (0.0, 1.0, 0.0)) -> np.ndarray:
    """Rotations (..., 3, 3) of cameras that look along `forward` (..., 3): columns are right, down, forward.

    The image stays upright: the world's `down`, one (3,) or one for each (..., 3), lies in the plane of the camera's
    down and forward axes.
    A view straight up or down keeps the world's x as its right.
    """
    forward = np.asarray(forward, np.float64)
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(np.broadcast_to(np.asarray(down, np.float64), forward.shape), forward)
    length = np.linalg.norm(right, axis=-1, keepdims=True)
    right = np.where(length > 1e-9, right / np.maximum(length, 1e-9), np.array([1.0, 0.0, 0.0]))
    return np.stack([right, np.cross(forward, right), forward], -1)


def from_turns(degrees: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) of turns (..., 3) in degrees: pan right, then tilt up, then roll clockwise, each about the
    camera's own axes (y, x, z).
    """
    pan, tilt, roll = np.moveaxis(np.radians(np.asarray(degrees, np.float64)), -1, 0)
    zero = np.zeros_like(pan)
    return (
        from_vector(np.stack([zero, pan, zero], -1))
        @ from_vector(np.stack([tilt, zero, zero], -1))
        @ from_vector(np.stack([zero, zero, roll], -1))
    )


def to_turns(matrix: np.ndarray) -> np.ndarray:
    """Pan right, tilt up, roll clockwise in degrees (..., 3) of rotations (..., 3, 3): what `from_turns` takes.

    Pan and roll lie within -180..180, tilt within -90..90. Looking straight up or down, all of the turn counts as pan.
    """
    m = np.asarray(matrix, np.float64)
    level = np.hypot(m[..., 0, 2], m[..., 2, 2])
    steep = level < 1e-9
    tilt = np.arctan2(-m[..., 1, 2], level)
    pan = np.where(steep, np.arctan2(-m[..., 2, 0], m[..., 0, 0]), np.arctan2(m[..., 0, 2], m[..., 2, 2]))
    roll = np.where(steep, 0.0, np.arctan2(m[..., 1, 0], m[..., 1, 1]))
    return np.degrees(np.stack([pan, tilt, roll], -1))
