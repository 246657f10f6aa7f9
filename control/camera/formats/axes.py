"""Changes of axes between OpenCV and OpenGL.

OpenCV cameras (ours, COLMAP, TUM, RealEstate10K) look along +z with y down; OpenGL cameras (NeRF, Blender, glTF, USD,
ComfyUI's 3D viewport) look along -z with y up. Both agree on x, so turning one into the other negates the second and
third column of a camera-to-world rotation.
"""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from ..trajectory import make_poses

# Rows: our right, down and forward in the axes of a world with that axis up; forward is where such programs look first.
_WORLD_AXES = {
    "Y": np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "Z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "X": np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]),
}


def flip_camera_yz(c2w: np.ndarray) -> np.ndarray:
    """Return camera-to-world (..., 3 or 4, 4) with OpenGL's camera axes turned into OpenCV's, or back."""
    flipped: np.ndarray = c2w * np.array([1.0, -1.0, -1.0, 1.0])
    return flipped


def to_4x4(c2w: np.ndarray) -> np.ndarray:
    """Return poses (F, 3, 4) as matrices (F, 4, 4)."""
    last_row = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (len(c2w), 1, 4))
    return np.concatenate([c2w, last_row], 1)


def c2w_from_opengl(matrix: np.ndarray, up: str = "Y") -> np.ndarray:
    """Return poses (F, 3, 4) in our axes of camera-to-world matrices (F, 4, 4) of a 3D program.

    There a camera looks along its own -z with y up; the world has `up` 'Y' (glTF, ComfyUI's viewport), 'Z' (Blender) or
    'X'. Our world has y down, so that a level camera at the origin that looks ahead is the identity. Scale and shear
    are removed: the viewing direction and the up direction are kept. Raises UserError for singular matrices.
    """
    back, above = matrix[:, :3, 2], matrix[:, :3, 1]
    length = np.linalg.norm(back, axis=-1, keepdims=True)
    if not (length > 1e-12).all() or not np.isfinite(matrix).all():
        raise UserError("a camera matrix is singular (scaled to nothing) or not finite")
    back = back / length
    above = above - (above * back).sum(-1, keepdims=True) * back
    length = np.linalg.norm(above, axis=-1, keepdims=True)
    if not (length > 1e-12).all():
        raise UserError("a camera matrix is singular (scaled to nothing)")
    above = above / length
    rotation = np.stack([np.cross(above, back), -above, -back], -1)
    world = _WORLD_AXES[up]
    return make_poses(world @ rotation, matrix[:, :3, 3] @ world.T)


def c2w_to_opengl(c2w: np.ndarray) -> np.ndarray:
    """Return the matrices (F, 4, 4) of poses (F, 3, 4) for a world with y up: undoes `c2w_from_opengl`."""
    world = _WORLD_AXES["Y"].T
    return to_4x4(flip_camera_yz(make_poses(world @ c2w[:, :, :3], c2w[:, :, 3] @ world.T)))
