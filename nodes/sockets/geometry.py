"""DA3_GEOMETRY and MOGE_GEOMETRY of core's nodes, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...control.depth.convert import Geometry, from_da3, from_moge
from ...control.errors import UserError
from .arrays import describe_value, to_array
from .types import TensorDict

DA3_ONLY_KEYS = ("mode", "sky", "confidence", "extrinsics")
DEPTH_KEYS = ("depth", "sky", "confidence", "mask")


def read_geometry(
    geometry: TensorDict, min_confidence: float = 0.0, max_views: int | None = None
) -> tuple[Geometry, str]:
    """Return the depth of a geometry and the name of its model, "Depth Anything 3" or "MoGe".

    Depth is infinite in the sky and NaN where it is unknown; DA3's below `min_confidence` counts as unknown. max_views:
    read the first views only. Raises UserError for anything but these two geometries.
    """
    if not isinstance(geometry, Mapping) or not ("depth" in geometry or "points" in geometry):
        raise _missing(geometry, "depth")
    keys = DEPTH_KEYS if geometry.get("depth") is not None else (*DEPTH_KEYS, "points")
    arrays = {key: geometry_array(geometry, key)[:max_views] for key in keys if geometry.get(key) is not None}
    if any(geometry.get(key) is not None for key in DA3_ONLY_KEYS):
        return from_da3({**arrays, "mode": geometry.get("mode")}, min_confidence), "Depth Anything 3"
    return from_moge(arrays), "MoGe"


def geometry_array(geometry: TensorDict, key: str) -> np.ndarray:
    """Return an entry of a geometry as numbers with a view or more. Raises UserError where it is missing or none."""
    if not isinstance(geometry, Mapping) or geometry.get(key) is None:
        raise _missing(geometry, key)
    array = to_array(geometry[key], f"'{key}' of the geometry")
    if not array.ndim or not array.size:
        raise UserError(
            f"'{key}' of the geometry has shape {array.shape}; an entry for each view was expected. Look at the node"
            f" before."
        )
    return array


def first_points(geometry: TensorDict, height: int, width: int) -> np.ndarray | None:
    """Return the points (H, W, 3) of the first view, or None. Raises UserError for those of another size."""
    if geometry.get("points") is None:
        return None
    points = geometry_array(geometry, "points")
    if points.shape[1:] != (height, width, 3):
        raise UserError(
            f"'points' of the geometry has shape {points.shape}; (views, {height}, {width}, 3) was expected, as its"
            f" depth has."
        )
    first: np.ndarray = points[0]
    return first


def first_intrinsics(geometry: TensorDict) -> np.ndarray | None:
    """Return the intrinsics (3, 3) of the first view as they stand, or None.

    Raises UserError for other shapes, and a focal length that is not positive.
    """
    if geometry.get("intrinsics") is None:
        return None
    array = geometry_array(geometry, "intrinsics")
    if array.ndim not in (3, 4) or array.shape[-2:] != (3, 3):
        raise UserError(f"'intrinsics' of the geometry has shape {array.shape}; (views, 3, 3) was expected.")
    matrix: np.ndarray = array.reshape(-1, 3, 3)[0]
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise UserError(
            f"the focal lengths of the geometry are {matrix[0, 0]:g} and {matrix[1, 1]:g}; numbers above 0 were"
            f" expected. Look at the node before."
        )
    return matrix


def _missing(geometry: object, key: str) -> UserError:
    return UserError(
        f"The geometry holds {describe_value(geometry)} and no {key}: connect the output of Run Depth Anything 3 "
        f"or Run MoGe Inference."
    )
