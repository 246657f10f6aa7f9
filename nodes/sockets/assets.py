"""The files of the pack's folder assets, as the values of sockets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...control.camera import CameraTrajectory
from ...control.errors import UserError

ASSETS = Path(__file__).resolve().parents[2] / "assets"
FILES = ("reference.png", "reference_mask.png", "mask.mp4", "depth.mp4", "camera.json", "prompt.txt")


class ExampleAssets(NamedTuple):
    """image: (1, H, W, 3). mask: (1, H, W) of the object in it. track: its mask per frame (F, h, w). depth: a depth
    video (F, h, w, 3). camera: the path that belongs to it. prompt: what the clip shows."""

    image: np.ndarray
    mask: np.ndarray
    track: np.ndarray
    depth: np.ndarray
    camera: CameraTrajectory
    prompt: str


def read_example_assets() -> ExampleAssets:
    """Read the example files. Raises UserError for an installation that lacks some of them."""
    from ...control.camera.formats import read_camera
    from ...control.identity.mask_images import read_mask_image
    from ...control.media import read_image, read_video

    missing = [name for name in FILES if not (ASSETS / name).is_file()]
    if missing:
        raise UserError(
            f"Example files are missing from the pack's folder assets: {', '.join(missing)}. "
            f"Install the pack again, or use your own files."
        )
    return ExampleAssets(
        image=read_image(ASSETS / "reference.png")[None, ..., :3],
        mask=read_mask_image(ASSETS / "reference_mask.png")[None],
        track=read_video(ASSETS / "mask.mp4").mean(-1) > 0.5,
        depth=read_video(ASSETS / "depth.mp4"),
        camera=read_camera(ASSETS / "camera.json"),
        prompt=(ASSETS / "prompt.txt").read_text(encoding="utf-8").strip(),
    )
