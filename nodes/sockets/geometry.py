"""DA3_GEOMETRY and MOGE_GEOMETRY of core's nodes, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...control.depth.convert import Geometry, from_da3, from_moge
from ...control.errors import UserError

ONLY_DA3 = ("mode", "sky", "confidence", "extrinsics")
READ = ("depth", "sky", "confidence", "mask")


def read_geometry(geometry: Any, least_confidence: float = 0.0, views: int | None = None) -> tuple[Geometry, str]:
    """Depth, infinite where there is sky and NaN where it is unknown, and whose it is: 'Depth Anything 3' or 'MoGe'.

    views: only so many of the first. Raises UserError for neither.
    """
    if not isinstance(geometry, Mapping) or not ("depth" in geometry or "points" in geometry):
        found = ", ".join(map(str, geometry)) if isinstance(geometry, Mapping) else type(geometry).__name__
        raise UserError(f"The geometry holds {found} and no depth: connect what DA3 or MoGe Inference gives.")
    names = READ if geometry.get("depth") is not None else (*READ, "points")
    plain = {name: as_numpy(geometry[name])[:views] for name in names if geometry.get(name) is not None}
    if any(geometry.get(name) is not None for name in ONLY_DA3):
        return from_da3({**plain, "mode": geometry.get("mode")}, least_confidence), "Depth Anything 3"
    return from_moge(plain), "MoGe"


def as_numpy(tensor: Any) -> np.ndarray:
    """A tensor of a geometry; unlike images it may hold infinite depth, for the sky."""
    return tensor.detach().float().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor, np.float32)
