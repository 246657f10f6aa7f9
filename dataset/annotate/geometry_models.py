"""Installed models that see geometry: MoGe (depth in meters, frame by frame) and Depth Anything 3 (depth and cameras of
all frames together). They are imported where they are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch

from ...control.camera.formats.format import UNKNOWN_UNIT
from ...control.camera.trajectory import CameraTrajectory, invert
from ...control.errors import UserError
from ...control.media import to_bytes
from ...models.devices import pick_device


@dataclass(frozen=True, eq=False)
class Geometry:
    """What a model sees in a clip: numbers (F, h, w) of a kind as `normalize_depth` has it, and perhaps the camera."""

    values: np.ndarray
    kind: str
    camera: CameraTrajectory | None = None


def _import(module: str, install: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"'{module.split('.')[0]}' is not installed: {install}") from error


def open_moge(place: str) -> Callable[[np.ndarray], Geometry]:
    """Return MoGe 2 of a folder or repository, as a function of frames. Raises UserError where it is not installed."""
    module = _import("moge.model.v2", "pip install git+https://github.com/microsoft/MoGe")
    device = pick_device()
    model = module.MoGeModel.from_pretrained(place).to(device).eval()

    @torch.no_grad()
    def estimate(frames: np.ndarray) -> Geometry:
        depths = []
        for frame in frames:
            image = torch.from_numpy(np.ascontiguousarray(frame, np.float32)).permute(2, 0, 1).to(device)
            found = model.infer(image)
            # Sky and whatever it is not sure of are infinitely far.
            depths.append(torch.where(found["mask"].bool(), found["depth"], torch.inf).float().cpu().numpy())
        return Geometry(np.stack(depths), "depth")

    return estimate


def open_depth_anything_3(place: str) -> Callable[[np.ndarray], Geometry]:
    """Return Depth Anything 3 of a folder or repository, as a function of frames. Raises as `open_moge` does."""
    module = _import("depth_anything_3.api", "pip install git+https://github.com/ByteDance-Seed/depth-anything-3")
    model = module.DepthAnything3.from_pretrained(place).to(pick_device())

    def estimate(frames: np.ndarray) -> Geometry:
        found = model.inference([to_bytes(frame) for frame in frames])
        depth = np.asarray(found.depth, np.float32)
        if found.extrinsics is None or found.intrinsics is None:
            return Geometry(depth, "depth")
        matrices = np.asarray(found.intrinsics, np.float64)
        lens = np.stack([matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 2], matrices[:, 1, 2]], 1)
        height, width = depth.shape[1:]
        c2w = invert(np.asarray(found.extrinsics, np.float64)[:, :3])
        return Geometry(depth, "depth", CameraTrajectory(c2w, lens / (width, height, width, height), unit=UNKNOWN_UNIT))

    return estimate
