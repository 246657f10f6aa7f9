"""DA3_GEOMETRY and MOGE_GEOMETRY of core's nodes, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

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
        raise UserError(
            f"The geometry holds {describe_value(geometry)} and no depth: connect the output of Run Depth Anything 3 "
            f"or Run MoGe Inference."
        )
    keys = DEPTH_KEYS if geometry.get("depth") is not None else (*DEPTH_KEYS, "points")
    arrays = {key: to_array(geometry[key])[:max_views] for key in keys if geometry.get(key) is not None}
    if any(geometry.get(key) is not None for key in DA3_ONLY_KEYS):
        return from_da3({**arrays, "mode": geometry.get("mode")}, min_confidence), "Depth Anything 3"
    return from_moge(arrays), "MoGe"
