"""What ViPE writes (https://github.com/nv-tlabs/vipe): `pose/NAME.npz`, `intrinsics/NAME.npz`, `rgb/NAME.mp4`,
`depth/NAME.zip` (an EXR image a frame, in meters) and `mask/NAME.zip` (a label image a frame) with the names of the
labels in `mask/NAME.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ...control.errors import UserError
from ...control.media import video_rate
from ..manifest import CameraFile, Clip, DepthFile, IdentityFiles
from .place import Place, Skipped, read_text

_PHRASE = re.compile(r"\s*(\d+)\s*[:,\t ]\s*(.+)")


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each file of poses."""
    for poses in sorted(root.rglob("pose/*.npz")):
        base, name = poses.parent.parent, poses.stem
        id = place.id("-".join((*base.relative_to(root).parts, name)))
        video = base / "rgb" / f"{name}.mp4"
        depth, masks = base / "depth" / f"{name}.zip", base / "mask" / f"{name}.zip"
        try:
            yield Clip(
                id,
                place.name(video),
                fps=video_rate(video),
                camera=CameraFile(place.name(poses)),
                identities=_identities(masks, place) if masks.exists() else (),
                depth=DepthFile(place.name(depth), convention="metres") if depth.exists() else None,
                provenance={"name": name},
            )
        except UserError as error:
            yield Skipped(id, error.clause)


def _identities(masks: Path, place: Place) -> tuple[IdentityFiles, ...]:
    """Return the labels that have a name; 0 is the background."""
    names = masks.with_suffix(".txt")
    lines = read_text(names).splitlines() if names.exists() and names.stat().st_size else []
    found = [match for match in map(_PHRASE.fullmatch, lines) if match and int(match[1])]
    return tuple(IdentityFiles(match[2].strip(), mask_video=f"{place.name(masks)}#{int(match[1])}") for match in found)
