"""nerfstudio's layout, also DL3DV's: a folder with transforms.json and the images that it names.

DL3DV keeps the images in images_4 or images_8 under the names that transforms.json has for images/. Depth, where the
frames name it (`depth_file_path`), is in millimeters (https://docs.nerf.studio/quickstart/data_conventions.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ...control.errors import UserError
from ...control.files import is_folder
from ..manifest import CameraFile, Clip, DepthFile
from .place import Place, Skipped, read_text


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each transforms.json."""
    for transforms in sorted(root.rglob("transforms.json")):
        id = place.id("-".join(transforms.relative_to(root).parts[:-1]) or root.name)
        try:
            yield _clip(transforms, id, place)
        except (UserError, ValueError, KeyError, TypeError, IndexError) as error:
            yield Skipped(id, getattr(error, "clause", f"'{transforms}' cannot be used ({error!r})"))


def _clip(transforms: Path, id: str, place: Place) -> Clip:
    value = json.loads(read_text(transforms))
    first = value["frames"][0]
    images = (transforms.parent / first["file_path"]).parent
    if not is_folder(images):
        images = next(iter(sorted(images.parent.glob(f"{images.name}_*"))), images)
    if not is_folder(images):
        raise UserError(f"the images of '{transforms}' are not in '{images}': download them")
    fps = value.get("fps") or place.fps
    if not fps:
        raise UserError(f"'{transforms}' does not say the frames per second of its images: state them")
    depth = first.get("depth_file_path")
    return Clip(
        id,
        place.name(images),
        fps=float(fps),
        camera=CameraFile(place.name(transforms)),
        depth=DepthFile(place.name((transforms.parent / depth).parent), convention="millimetres") if depth else None,
        provenance={"scene": id},
    )
