"""The estimators of depth: functions from the frames (F, H, W, 3) of a clip to numbers (F, h, w), and what these are.

`small` ships with the pack and knows the procedural world alone. `depth_anything:FOLDER` is Depth Anything V2
(disparity of no scale). `moge:FOLDER` and `da3:FOLDER` are installed models, whose depth is in meters or in the unit of
the camera that they see.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...control.errors import UserError
from ...models.devices import pick_device
from ...models.estimators.depth import embedded_estimators, estimate_depth
from ...models.estimators.depth_anything import estimate_depth_anything, load_depth_anything
from .geometry_models import Geometry, open_depth_anything_3, open_moge

Estimator = Callable[[np.ndarray], Geometry]
NAMES = ("small", "depth_anything", "moge", "da3")


def open_depth_estimator(name: str) -> Estimator:
    """Return the estimator of a name, such as 'small' or 'moge:FOLDER'. Raises UserError for an unknown one, and where
    its library or files are missing."""
    kind, _, place = name.partition(":")
    if kind == "small":
        estimators = embedded_estimators()
        return lambda frames: Geometry(estimate_depth(frames, estimators=estimators), "disparity")
    if kind in NAMES and not place:
        raise UserError(
            f"the depth estimator '{name}' needs its model: write {kind}:FOLDER (or the name of a repository)"
        )
    if kind == "depth_anything":
        network = load_depth_anything(Path(place), pick_device())
        return lambda frames: Geometry(estimate_depth_anything(network, frames), "disparity")
    if kind == "moge":
        return open_moge(place)
    if kind == "da3":
        return open_depth_anything_3(place)
    raise UserError(f"the depth estimator '{name}' is unknown: choose one of {', '.join(NAMES)}")
