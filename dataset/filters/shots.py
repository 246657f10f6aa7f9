"""Long videos as clips of one shot each, cut where the image changes, and to a length that is wanted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...control.errors import UserError
from ..clip_files import ClipFiles
from ..manifest import Clip
from .figures import measure


def split_clip(clip: Clip, folder: Path, shortest: float = 3.0, longest: float = 15.0) -> list[Clip]:
    """Return the shots of a clip as clips of their own, whose ids end with a number; a clip of one shot keeps its id.

    shortest, longest: in seconds; shorter shots are left out, longer ones are cut into equal parts (SpatialVID: 3 to
    15). Raises UserError for lengths that leave nothing, and for a video that cannot be read.
    """
    if not 0 <= shortest <= longest or not longest > 0:
        raise UserError(
            f"clips of {shortest:g} to {longest:g} s were asked for: the longest must be above the shortest"
        )
    if clip.span is not None and (clip.camera or clip.depth or clip.identities or clip.masks):
        raise UserError(
            "its camera, depth or masks belong to its span: cut videos into shots before they are annotated"
        )
    files = ClipFiles(clip, folder)
    found = measure(files.frames())
    first = files.span[0]
    ends = [*found.cuts, found.frames]
    most = max(1, int(min(longest * files.fps, found.frames)))
    spans: list[tuple[int, int]] = []
    for begin, end in zip([0, *found.cuts], ends, strict=True):
        parts = max(1, -(-(end - begin) // most))
        marks = [begin + (end - begin) * part // parts for part in range(parts + 1)]
        spans += [
            (first + low, first + high)
            for low, high in zip(marks, marks[1:], strict=False)
            if high - low >= max(1, shortest * files.fps)
        ]
    if spans == [files.span]:
        return [clip]
    return [dataclasses.replace(clip, id=f"{clip.id}-{n:03d}", span=span) for n, span in enumerate(spans)]
