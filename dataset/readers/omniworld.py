"""OmniWorld-Game: `SCENE/color/%06d.png`, `SCENE/depth/%06d.png` (the convention 'omniworld'), `SCENE/split_info.json`
with the frames of each split, and `SCENE/camera/split_K.json` with their cameras.

A camera file has focals, cx, cy in pixels, quats (w x y z) and trans, world-to-camera in OpenCV axes. Masks of the
subject are in subject_masks/, those of what moves in gdino_mask/, the rate in fps.txt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...control.camera.formats.format import METER
from ...control.camera.rotations import from_quaternion
from ...control.camera.trajectory import CameraTrajectory, invert, make_poses
from ...control.errors import UserError
from ...control.media import images_in, read_image
from ..manifest import Clip, DepthFile, IdentityFiles
from .place import Place, Skipped, read_text

DEFAULT_FPS = 24.0  # of the recordings


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each split of each scene."""
    for info in sorted(root.rglob("split_info.json")):
        scene = info.parent
        name = "-".join(scene.relative_to(root).parts) or scene.name
        try:
            splits = _json(info)["split"]
            images = images_in(scene / "color")
            numbers = {int(image.stem): at for at, image in enumerate(images)}
            height, width = read_image(images[0]).shape[:2]
            fps = float(read_text(scene / "fps.txt")) if (scene / "fps.txt").exists() else place.fps or DEFAULT_FPS
        except (UserError, KeyError, ValueError, OSError) as error:
            yield Skipped(place.id(name), getattr(error, "clause", f"'{info}' cannot be used ({error!r})"))
            continue
        for number, frames in enumerate(splits):
            id = place.id(f"{name}-{number}")
            try:
                yield _clip(scene, number, [numbers[int(frame)] for frame in frames], (height, width), fps, id, place)
            except (UserError, KeyError, ValueError, TypeError) as error:
                yield Skipped(id, getattr(error, "clause", f"split {number} of '{scene}' cannot be used ({error!r})"))


def _json(path: Path) -> Any:
    return json.loads(read_text(path))


def _clip(
    scene: Path, number: int, frames: list[int], size: tuple[int, int], fps: float, id: str, place: Place
) -> Clip:
    if frames != list(range(frames[0], frames[0] + len(frames))):
        raise UserError(f"the frames of split {number} of '{scene}' leave some out: they are not one clip")
    height, width = size
    value = _json(scene / "camera" / f"split_{number}.json")
    rotation = from_quaternion(np.array(value["quats"], np.float64), "a quaternion of the split")
    w2c = make_poses(rotation, np.array(value["trans"], np.float64))
    lens = np.empty((len(w2c), 4))
    lens[:, 0], lens[:, 1] = np.divide(value["focals"], width), np.divide(value["focals"], height)
    lens[:, 2], lens[:, 3] = np.divide(value["cx"], width), np.divide(value["cy"], height)
    if len(w2c) != len(frames):
        raise UserError(f"split {number} of '{scene}' has {len(frames)} frames and {len(w2c)} cameras")
    masks = scene / "subject_masks"
    moving = scene / "gdino_mask"
    return Clip(
        id,
        place.name(scene / "color"),
        (frames[0], frames[-1] + 1),
        fps,
        camera=place.camera(id, CameraTrajectory(invert(w2c), lens, fps=fps, unit=METER)),
        identities=(IdentityFiles("subject", mask_video=place.name(masks)),) if masks.is_dir() else (),
        depth=DepthFile(place.name(scene / "depth"), convention="omniworld") if (scene / "depth").is_dir() else None,
        masks=place.name(moving) if moving.is_dir() else "",
        provenance={"scene": scene.name, "split": str(number)},
    )
