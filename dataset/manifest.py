"""The manifest of a dataset: a text file with one JSON object a line, each of which says where a clip is and what is
known about it.

Paths are relative to the manifest's folder. Camera, depth and masks have an entry for each frame of the span, or for
each of the whole video, of which those of the span are taken. What is not known is left out: a clip with a camera only,
or with depth only, is the usual case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..control.errors import UserError, shorten
from ..control.files import NOT_TEXT, JsonObject, atomic_path, existing
from .json_fields import from_json, to_json

MANIFEST = "manifest.jsonl"
# What a clip without a license means for whoever reads a manifest.
WITHOUT_LICENSE = ("skip", "refuse", "take")
# A clip's files are named by its id, and a dot would begin the ending of a sample in a WebDataset shard.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
Span = tuple[int, int]


@dataclass(frozen=True)
class CameraFile:
    """A camera file as `control.camera.formats.read_camera` takes it.

    camera, mirror: which of several cameras, which axis is mirrored. focal: in image widths, of square pixels, where
    the file has no lens. median_depth: of the span's first frame, in the file's unit of length.
    """

    file: str
    camera: str = ""
    mirror: str = "none"
    focal: float | None = None
    median_depth: float | None = None


@dataclass(frozen=True)
class DepthFile:
    """Depth as `control.depth.readers.open_depth_clip` takes it, or a .zip of images.

    The kind 'depth' is in the camera's unit. frames: those of the video that have depth, where not all have; the
    nearest stands for the others.
    """

    file: str
    kind: str = "auto"
    convention: str = "auto"
    channel: str = ""
    frames: tuple[int, ...] = ()


@dataclass(frozen=True)
class IdentityFiles:
    """Someone in the clip: reference images, the mask of the first, and masks per frame (`FILE#2`: one of labels).

    Without an image, the frame in which the masks are largest is the reference.
    """

    name: str
    images: tuple[str, ...] = ()
    mask: str = ""
    mask_video: str = ""


@dataclass(frozen=True)
class SourceVideo:
    """The video that the clip is made from, where it is one of a pair (the same scene under another camera)."""

    video: str
    id: str = ""
    span: Span | None = None


@dataclass(frozen=True)
class Clip:
    """One line of a manifest.

    span: first frame, and the one behind the last (None: the whole video). fps: of the video (None: as its file says).
    captions: by kind; 'full' and 'plain' are trained. crop: left, top, right, bottom in pixels of the video; depth and
    masks are of what is left. masks: what moves by itself. figures: what filters measured. rejected: why a filter took
    the clip out.
    """

    id: str
    video: str
    span: Span | None = None
    fps: float | None = None
    captions: dict[str, str] = field(default_factory=dict)
    camera: CameraFile | None = None
    identities: tuple[IdentityFiles, ...] = ()
    depth: DepthFile | None = None
    masks: str = ""
    source: SourceVideo | None = None
    crop: tuple[int, int, int, int] | None = None
    license: str = ""
    provenance: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float | str] = field(default_factory=dict)
    rejected: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise UserError(
                f"'id' is {shorten(self.id)}; letters, digits, '_' and '-' were expected, since files are named by it"
            )
        if self.span is not None and not 0 <= self.span[0] < self.span[1]:
            raise UserError(f"'span' is {list(self.span)}; a first frame and a later end were expected")
        if self.fps is not None and not 0 < self.fps < 1000:
            raise UserError(f"'fps' is {self.fps:g}; a number above 0 and below 1000 was expected")
        if self.crop is not None and not (0 <= self.crop[0] < self.crop[2] and 0 <= self.crop[1] < self.crop[3]):
            raise UserError(f"'crop' is {list(self.crop)}; left, top and a larger right and bottom were expected")
        if self.crop is not None and self.camera is not None:
            raise UserError(
                "'crop' and 'camera' stand together, but a camera is that of the whole image: cut the video"
            )

    def to_json(self) -> JsonObject:
        """Return the object of the line; what is left at its default does not stand in it."""
        value: JsonObject = to_json(self)
        return value


def parse_clip(value: Any) -> Clip:
    """Return the clip of a JSON object. Raises UserError, naming the field, for whatever is missing or foreign."""
    clip: Clip = from_json(Clip, value, "the clip")
    return clip


def safe_id(text: str) -> str:
    """Return an id made of any text, such as a path: what an id cannot hold becomes '-'."""
    return (re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_") or "clip")[-200:].lstrip("-_")


@dataclass
class Manifest:
    """The clips of a manifest, the folder that its paths are relative to, and the ids that were skipped for want of a
    license."""

    clips: list[Clip]
    folder: Path
    skipped: list[str]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)


def read_manifest(path: Path | str, without_license: str = "skip") -> Manifest:
    """Return the clips of a manifest.

    without_license: what to do with a clip that has no license, one of WITHOUT_LICENSE. Raises UserError, naming line
    and field, for a line that cannot be used, for an id that stands twice, and for no clips at all.
    """
    if without_license not in WITHOUT_LICENSE:
        raise UserError(f"'{without_license}' is not one of {', '.join(WITHOUT_LICENSE)} (clips without a license)")
    path = existing(path, "manifest")
    manifest = Manifest([], path.parent, [])
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            clip = parse_clip(_parsed(line))
            if clip.id in lines:
                raise UserError(f"its id '{clip.id}' stands in line {lines[clip.id]} too: give each clip its own")
            if not clip.license and without_license == "refuse":
                raise UserError("'license' is missing: state it, or choose to skip or take such clips")
        except UserError as error:
            raise UserError(f"line {number} of '{path}': {error.clause}") from error
        lines[clip.id] = number
        if not clip.license and without_license == "skip":
            manifest.skipped.append(clip.id)
        else:
            manifest.clips.append(clip)
    if not lines:
        raise UserError(f"the manifest '{path}' has no lines: a JSON object a clip was expected")
    return manifest


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise UserError(f"line {number} of '{path}' is not UTF-8: write the manifest in UTF-8") from error
            if text:
                yield number, text


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is not a JSON object ({error}): the file may be cut short") from error


def write_manifest(path: Path | str, clips: Iterable[Clip]) -> int:
    """Write clips, whole or not at all; returns how many."""
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", errors=NOT_TEXT, newline="\n") as file:
        for clip in clips:
            file.write(json.dumps(clip.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count
