"""The files of the pack's folder assets, as the values of sockets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...control.camera import CameraTrajectory
from ...control.errors import UserError

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SIZES = {"96x64, 17 frames": ASSETS, "160x96, 25 frames": ASSETS / "larger"}  # the folder of every size
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


def read_example_assets(size: str) -> ExampleAssets:
    """Read the example files of one of SIZES. Raises UserError for an installation that lacks some of them."""
    from ...control.camera.formats import read_camera
    from ...control.identity.mask_images import read_mask_image
    from ...control.media import read_image, read_video

    folder = SIZES[size]
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"Example files are missing from the pack's folder assets: {', '.join(missing)}. "
            f"Install the pack again, or use your own files."
        )
    return ExampleAssets(
        image=read_image(folder / "reference.png")[None, ..., :3],
        mask=read_mask_image(folder / "reference_mask.png")[None],
        track=read_video(folder / "mask.mp4").mean(-1) > 0.5,
        depth=read_video(folder / "depth.mp4"),
        camera=read_camera(folder / "camera.json"),
        prompt=(folder / "prompt.txt").read_text(encoding="utf-8").strip(),
    )
