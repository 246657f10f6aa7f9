"""MultiCamVideo (ReCamMaster's): `LENS/sceneN/videos/cam01.mp4` to cam10, `LENS/sceneN/cameras/camera_extrinsics.json`.

The lens stands in the folder's name, as f24_aperture5, in millimeters of a sensor 23.76 wide (the dataset's card). Each
camera's clip has the next one's as source: the same moments seen by another camera.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...control.frame_order import natural_sort_key
from ..manifest import CameraFile, Clip, SourceVideo
from .place import Place, Skipped

SENSOR = 23.76  # millimeters
_LENS = re.compile(r"f(\d+(?:\.\d+)?)_")


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each camera of each scene."""
    for cameras in sorted(root.rglob("camera_extrinsics.json"), key=lambda path: natural_sort_key(str(path))):
        scene = cameras.parent.parent
        name = "-".join((scene / "x").relative_to(root).parts[:-1]) or scene.name
        lens = _LENS.search(scene.parent.name)
        videos = sorted((scene / "videos").glob("*.mp4"), key=lambda path: natural_sort_key(path.name))
        if not videos:
            yield Skipped(place.id(name), f"'{scene}' has cameras, but no videos/*.mp4")
        if not lens:
            yield Skipped(place.id(name), f"the folder '{scene.parent.name}' does not say the lens, as f24_aperture5")
            continue
        ids = [place.id(f"{name}-{video.stem}") for video in videos]
        for number, (id, video) in enumerate(zip(ids, videos, strict=True)):
            other = (number + 1) % len(videos)
            yield Clip(
                id,
                place.name(video),
                camera=CameraFile(place.name(cameras), camera=video.stem, focal=float(lens[1]) / SENSOR),
                source=SourceVideo(place.name(videos[other]), ids[other]) if other != number else None,
                provenance={"scene": name, "camera": video.stem},
            )
