"""RealEstate10K (https://google.github.io/realestate10k): a camera text per sequence, whose first line is the address
of a video; videos are whoever's who downloaded them.

Found below the root, by name: the clip `SEQUENCE.mp4` or a folder of frames called SEQUENCE, both with a frame per
pose; or the whole video `YOUTUBE_ID.mp4`, of which the poses' time stamps say the span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...control.camera.formats import read_camera
from ...control.camera.formats.source import Source
from ...control.camera.interpolate import interpolate_poses
from ...control.errors import UserError
from ...control.media import IMAGES, video_rate
from ..manifest import CameraFile, Clip
from .place import Place, Skipped, videos_below

_VIDEO_ID = re.compile(r"(?:v=|youtu\.be/|embed/)([\w-]{6,})")
_FIELDS = 19


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each camera text whose video is there."""
    videos = {path.stem: path for path in videos_below(root)}
    folders = {path.parent.name: path.parent for path in root.rglob("*") if path.suffix.lower() in IMAGES}
    for text in sorted(root.rglob("*.txt")):
        source = Source(text)
        rows = [line.split() for _, line in source.rows] if text.stat().st_size else []
        if not any(len(row) == _FIELDS for row in rows):
            continue
        address = rows[0][0] if len(rows[0]) < _FIELDS else ""
        found = _VIDEO_ID.search(address)
        provenance = {"split": text.parent.name, "sequence": text.stem, **({"url": address} if address else {})}
        id = place.id(text.stem)
        try:
            if text.stem in videos or text.stem in folders:
                video = videos.get(text.stem) or folders[text.stem]
                rate = None if video.is_file() else read_camera(text).fps
                yield Clip(id, place.name(video), fps=rate, camera=CameraFile(place.name(text)), provenance=provenance)
            elif found and found[1] in videos:
                yield _part(id, text, videos[found[1]], rows, place, provenance)
            else:
                yield Skipped(id, f"no video of '{text.name}' is there: download {address or 'it'}")
        except UserError as error:
            yield Skipped(id, error.clause)


def _part(id: str, text: Path, video: Path, rows: list[list[str]], place: Place, provenance: dict[str, str]) -> Clip:
    """Return the clip of a whole video: its span, and a pose for each of its frames."""
    path, fps = read_camera(text), video_rate(video)
    start = float(next(row for row in rows if len(row) == _FIELDS)[0]) / 1e6
    first, last = round(start * fps), round((start + path.times()[-1]) * fps)
    at = np.clip(np.arange(first, last + 1) / fps - start, 0, path.times()[-1])
    c2w, intrinsics = interpolate_poses(path.c2w, path.intrinsics, path.times(), at)
    camera = place.camera(id, path.replace(c2w=c2w, intrinsics=intrinsics, fps=fps))
    return Clip(id, place.name(video), (first, last + 1), fps, camera=camera, provenance=provenance)
