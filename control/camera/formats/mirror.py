"""Cameras whose axes are mirrored or scaled against ours: left-handed matrices, one axis the other way, one size."""

from __future__ import annotations

import numpy as np

from ...errors import UserError

# The camera's axis that points the other way than x right, y down, z forward.
MIRRORS = ("none", "x", "y", "z")


def unscaled(c2w: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return camera-to-world (F, 3 or 4, 4) without a scale that all axes of a frame share, and a note about it.

    Cameras below a scaled object have one; positions are in the world's units and stay as they are.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(c2w[:, :3, :3], axis=1)
        scale = lengths.mean(1)
        even = np.abs(lengths - scale[:, None]).max(1) <= 1e-3 * scale
    if not (np.isfinite(scale) & (scale > 1e-6) & even).all() or np.abs(scale - 1).max() <= 1e-3:
        return c2w, ()
    result = c2w.copy()
    result[:, :3, :3] /= scale[:, None, None]
    shown = f"{scale[0]:.4g}" if np.ptp(scale) < 1e-3 * scale[0] else f"{scale.min():.4g} to {scale.max():.4g}"
    return result, (f"The camera matrices are scaled by {shown}: that was taken out, and positions stay as they are.",)


def mirrored(poses: np.ndarray, mirror: str, w2c: bool = False) -> np.ndarray:
    """Return poses (F, 3 or 4, 4) with one axis of the cameras turned the other way.

    A matrix with determinant -1 has a mirrored camera in a right-handed world: only the camera's axis turns. With
    determinant 1 camera and world are mirrored alike (a left-handed program): that axis turns in both. Either way the
    movement is the same in the camera's own axes. w2c: the poses are world-to-camera.
    Raises UserError for an unknown axis, and for mirrored poses without one.
    """
    if mirror not in MIRRORS:
        raise UserError(f"the mirror is '{mirror[:40]}'; choose one of {', '.join(MIRRORS)}")
    with np.errstate(all="ignore"):
        is_mirrored = bool((np.linalg.det(poses[:, :3, :3]) < 0).any())
    if mirror == "none":
        if is_mirrored:
            raise UserError(
                "its camera matrices are mirrored (determinant -1): one axis points the other way than x right, y down,"
                " z forward; set mirror to that axis, x, y or z"
            )
        return poses
    flip = np.array([-1.0 if axis == mirror else 1.0 for axis in ("x", "y", "z", "w")])
    rows, columns = flip[: poses.shape[1], None], flip
    if not is_mirrored:
        result: np.ndarray = rows * poses * columns
    else:
        result = rows * poses if w2c else poses * columns
    return result
