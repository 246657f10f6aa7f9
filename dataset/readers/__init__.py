"""Datasets that people have, as lines of a manifest.

One file a layout: realestate10k.py, multicamvideo.py, spatialvid.py, omniworld.py, nerfstudio.py (also DL3DV),
opens2v.py (rle.py decodes its masks), vipe.py, folders.py (videos and captions) and world.py (what `fulldit scene`
writes). `READERS` lists them. place.py is where a manifest is written: what all of them use.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...control.errors import UserError
from ..manifest import Clip
from . import folders, multicamvideo, nerfstudio, omniworld, opens2v, realestate10k, spatialvid, vipe, world
from .place import Place, Skipped

__all__ = ["READERS", "Place", "Reader", "Skipped", "read_dataset"]

Found = Clip | Skipped


@dataclass(frozen=True)
class Reader:
    """One layout: what it is, the license of the dataset that has it ('' where each user has another), and what yields
    its clips."""

    doc: str
    license: str
    read: Callable[[Path, Place], Iterator[Found]]


READERS: dict[str, Reader] = {
    "realestate10k": Reader("RealEstate10K: camera texts, and videos or frames by sequence", "", realestate10k.read),
    "multicamvideo": Reader("MultiCamVideo (ReCamMaster): ten cameras a scene", "Apache-2.0", multicamvideo.read),
    "spatialvid": Reader("SpatialVID: poses, depth, captions, moving masks", "CC-BY-NC-SA-4.0", spatialvid.read),
    "omniworld": Reader("OmniWorld-Game: frames, depth, cameras in splits", "CC-BY-NC-SA-4.0", omniworld.read),
    "nerfstudio": Reader("nerfstudio and DL3DV: transforms.json and images", "", nerfstudio.read),
    "opens2v": Reader("OpenS2V-5M: captions, and subjects with masks", "CC-BY-4.0", opens2v.read),
    "vipe": Reader("what ViPE writes: poses, intrinsics, depth, masks", "", vipe.read),
    "folder": Reader("a folder of videos, with a text of the same name as caption", "", folders.read),
    "world": Reader("scenes of the procedural world, as `fulldit scene` writes them", "Apache-2.0", world.read),
}


def read_dataset(layout: str, root: Path, folder: Path, license: str = "", fps: float | None = None) -> Iterator[Found]:
    """Yield the clips of a dataset for a manifest in `folder`, and what had to be skipped.

    license, fps: of clips whose dataset does not state them. Raises UserError for an unknown layout and a missing root.
    """
    if layout not in READERS:
        raise UserError(f"the layout '{layout}' is unknown: choose one of {', '.join(READERS)}")
    if not root.is_dir():
        raise UserError(f"the dataset '{root}' is not a folder: give the folder that holds it")
    reader = READERS[layout]
    for found in reader.read(root, Place(folder, fps)):
        if isinstance(found, Clip):
            provenance = {"dataset": layout, **found.provenance}
            found = dataclasses.replace(
                found, license=found.license or license or reader.license, provenance=provenance
            )
        yield found
