"""Scenes of the procedural world, as `fulldit scene` writes them, each in a folder: all is exact but the video."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ...control.errors import UserError
from ..manifest import CameraFile, Clip, DepthFile, IdentityFiles
from .place import Place, Skipped, read_text


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each folder with a scene."""
    for video in sorted(root.rglob("video.mp4")):
        scene = video.parent
        id = place.id("-".join(scene.relative_to(root).parts) or scene.name)
        camera = scene / "camera.json"
        try:
            fps = float(json.loads(read_text(camera))["fps"])
            yield Clip(
                id,
                place.name(video),
                fps=fps,
                captions={"full": read_text(scene / "caption.txt"), "plain": read_text(scene / "plain_caption.txt")},
                camera=CameraFile(place.name(camera)),
                identities=_identities(scene, place),
                depth=DepthFile(place.name(scene / "depth.npy"), "depth"),
                provenance={"scene": scene.name},
            )
        except (UserError, ValueError, KeyError, TypeError) as error:
            yield Skipped(id, getattr(error, "clause", f"'{scene}' cannot be used ({error!r})"))


def _identities(scene: Path, place: Place) -> tuple[IdentityFiles, ...]:
    return tuple(
        IdentityFiles(
            f"object {slot + 1}",
            (place.name(image),),
            place.name(scene / f"reference_{slot}_mask.png"),
            place.name(scene / f"track_{slot}.npy"),
        )
        for slot, image in enumerate(sorted(scene.glob("reference_?.png")))
    )
