"""OpenS2V-5M: `Jsons/*.json` with an object a clip, and the videos that they name, below Videos/.

Read of an object: metadata.path, .face_cut (the frames without a transition: the first, and the one behind the last),
.crop (left, right, top, bottom without watermarks), .face_cap_qwen (the caption); annotation.mask_map (names of the
subjects), .ann_frame_data (the frame that was annotated) and .mask_annotation (per frame and subject, COCO's run
lengths in the cropped image). The annotated frame becomes each subject's reference. Where all frames of the clip have
masks, they become its masks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.files import atomic_path
from ...control.media import iterate_video, write_image
from ..manifest import Clip, IdentityFiles
from .place import Place, Skipped, read_text, videos_below
from .rle import decode_rle


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each object of each JSON file."""
    videos = {path.relative_to(root).as_posix(): path for path in videos_below(root)}
    for file in sorted(root.glob("Jsons/*.json")):
        try:
            entries = json.loads(read_text(file))
        except ValueError as error:
            yield Skipped(place.id(file.stem), getattr(error, "clause", f"'{file}' is not JSON ({error})"))
            continue
        for key, entry in entries.items():
            id = place.id(str(key))
            try:
                name = str(entry["metadata"]["path"]).lstrip("/")
                video = next((path for known, path in videos.items() if known.endswith(name)), None)
                if video is None:
                    raise UserError(f"the video '{name}' is not there: download it")
                yield _clip(entry, video, id, place, file.stem)
            except (UserError, KeyError, ValueError, TypeError, AttributeError) as error:
                yield Skipped(id, getattr(error, "clause", f"'{key}' of '{file.name}' cannot be used ({error!r})"))


def _clip(entry: dict[str, Any], video: Path, id: str, place: Place, part: str) -> Clip:
    metadata = entry["metadata"]
    first, end = (int(number) for number in metadata["face_cut"])
    left, right, top, bottom = (int(side) for side in metadata["crop"])
    caption = metadata.get("face_cap_qwen") or ""
    subjects: tuple[IdentityFiles, ...] = ()
    if entry.get("annotation"):
        subjects = _subjects(entry["annotation"], video, (first, end), (left, top, right, bottom), id, place)
    return Clip(
        id,
        place.name(video),
        (first, end),
        captions={"full": str(caption)} if caption else {},
        identities=subjects,
        crop=(left, top, right, bottom),
        provenance={"part": part, "key": id},
    )


def _subjects(
    annotation: dict[str, Any],
    video: Path,
    span: tuple[int, int],
    crop: tuple[int, int, int, int],
    id: str,
    place: Place,
) -> tuple[IdentityFiles, ...]:
    left, top, right, bottom = crop
    size = bottom - top, right - left
    at = int(annotation["ann_frame_data"]["ann_frame_idx"])
    frame = next(islice(iterate_video(video), at, None), None)
    if frame is None:
        raise UserError(f"'{video}' has no frame {at}, which was annotated: it is not downloaded whole")
    reference = place.converted(f"{id}.reference.png")
    write_image(reference, frame[top:bottom, left:right])
    all_masks = {int(key): value for key, value in annotation["mask_annotation"].items()}
    complete = all(number in all_masks for number in range(*span))
    subjects = []
    for key, subject in sorted(annotation["mask_map"].items()):
        found = all_masks[at].get(key)
        if found is None:
            continue
        mask = decode_rle(found["counts"], *size)
        if not mask.any():
            continue
        mask_file = place.converted(f"{id}.{key}.mask.png")
        write_image(mask_file, mask.astype(np.float32))
        track = _track(all_masks, key, span, size, place.converted(f"{id}.{key}.masks.npz")) if complete else None
        subjects.append(
            IdentityFiles(
                str(subject["class_name"]),
                (place.name(reference),),
                place.name(mask_file),
                place.name(track) if track else "",
            )
        )
    return tuple(subjects)


def _track(
    masks: dict[int, dict[str, Any]], key: str, span: tuple[int, int], size: tuple[int, int], file: Path
) -> Path:
    """Write one subject's masks of a span, empty where it is not seen; return the file."""
    empty = np.zeros(size, np.uint8)
    frames = [decode_rle(masks[n][key]["counts"], *size) if key in masks[n] else empty for n in range(*span)]
    with atomic_path(file) as temporary:
        np.savez_compressed(temporary, masks=np.stack(frames))
    return file
