"""Conditions from a folder that `write_bundle` made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..camera.formats import read_camera
from ..condition import Condition, VideoSize
from ..conditions import (
    CameraCondition,
    Conditions,
    ControlVideoCondition,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    LowResCondition,
    SoundCondition,
    SourceCondition,
)
from ..control_video import ControlVideo
from ..depth import DepthClip
from ..errors import UserError
from ..files import JsonObject
from ..identity import Identity
from .frame_files import read_values
from .manifest import MANIFEST, inside, read_manifest, take

NUMBER = (int, float)


def is_bundle(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder has the manifest of a bundle."""
    return os.path.isfile(os.path.join(folder, MANIFEST))


def read_bundle(folder: str | os.PathLike[str]) -> tuple[Conditions, list[str]]:
    """Return the conditions in a folder, bit for bit those that were written, and sentences about what is missing.

    Raises UserError for a folder without a manifest, a manifest of another kind, and files that are missing, cut short
    or of another size than the video.
    """
    folder = Path(os.path.expanduser(folder))
    manifest = read_manifest(folder)
    size = take(manifest, "video", dict, "the bundle")
    frames, height, width = (take(size, key, int, "the video") for key in ("frames", "height", "width"))
    video = VideoSize(frames, height, width, float(take(size, "fps", NUMBER, "the video")))
    items: list[Condition] = []
    for entry in take(manifest, "conditions", list, "the bundle"):
        name = take(entry, "name", str, "a condition")
        read = READERS.get(name)
        if read is None:
            raise UserError(f"the bundle holds the condition '{name[:40]}', which is unknown here: update this pack")
        weight = {key: float(take(entry, key, NUMBER, f"the {name}")) for key in ("strength", "start", "end")}
        items.append(read(folder, entry, weight))
    left_out = [name[:40] for name in _texts(manifest, "left_out")]
    warnings = [f"The {name} was left out when this was exported." for name in left_out]
    conditions = Conditions(video, tuple(items), tuple(_texts(manifest, "notes")))
    conditions.validate()
    return conditions, warnings


def _texts(manifest: JsonObject, key: str) -> list[str]:
    """Return the texts of a list that a manifest may have. Raises UserError for something else than a list."""
    return [text for text in take({key: [], **manifest}, key, list, "the bundle") if isinstance(text, str)]


def _camera(folder: Path, entry: JsonObject, weight: dict[str, float]) -> CameraCondition:
    path = read_camera(inside(folder, take(entry, "camera", str, "the camera")))
    notes = tuple(str(note) for note in entry.get("notes", []) if isinstance(note, str))
    return CameraCondition(trajectory=path.replace(notes=notes), **weight)


def _identity(folder: Path, entry: JsonObject, weight: dict[str, float]) -> IdentityCondition:
    identities = take(entry, "identities", list, "the identities")
    return IdentityCondition(identities=tuple(_one_identity(folder, one) for one in identities), **weight)


def _one_identity(folder: Path, entry: Any) -> Identity:
    name = take(entry, "name", str, "an identity")
    what = f"identity '{name[:40]}'"
    images = take(entry, "images", list, what)
    return Identity(
        name,
        tuple(read_values(folder, image, f"a reference of {what}") for image in images),
        mask=None if entry.get("mask") is None else read_values(folder, entry["mask"], f"the mask of {what}"),
        mask_video=None
        if entry.get("mask_video") is None
        else read_values(folder, entry["mask_video"], f"the track of {what}"),
        **{key: float(take(entry, key, NUMBER, what)) for key in ("strength", "start", "end")},
    )


def _depth(folder: Path, entry: JsonObject, weight: dict[str, float]) -> DepthCondition:
    values = read_values(folder, entry.get("depth"), "the depth clip")
    return DepthCondition(clip=DepthClip(values, take(entry, "recipe", dict, "the depth")), **weight)


def _source(folder: Path, entry: JsonObject, weight: dict[str, float]) -> SourceCondition:
    frames = read_values(folder, entry.get("source"), "the source video")
    fps = entry.get("fps")
    rate = None if fps is None else float(take(entry, "fps", NUMBER, "the source video"))
    return SourceCondition(frames=frames, fps=rate, **weight)


def _known(folder: Path, entry: JsonObject, weight: dict[str, float]) -> KnownFramesCondition:
    mask = entry.get("mask")
    return KnownFramesCondition(
        images=read_values(folder, entry.get("images"), "the known frames"),
        mask=None if mask is None else read_values(folder, mask, "the mask of the known frames"),
        at=take(entry, "at", str, "the known frames"),
        noise=float(take(entry, "noise", NUMBER, "the known frames")),
        seed=take(entry, "seed", int, "the known frames"),
        **weight,
    )


def _control(folder: Path, entry: JsonObject, weight: dict[str, float]) -> ControlVideoCondition:
    videos = take(entry, "control_videos", list, "the control videos")
    return ControlVideoCondition(videos=tuple(_one_control_video(folder, one) for one in videos), **weight)


def _one_control_video(folder: Path, entry: Any) -> ControlVideo:
    kind = take(entry, "kind", str, "a control video")
    what = f"the control video '{kind[:40]}'"
    weight = {key: float(take(entry, key, NUMBER, what)) for key in ("strength", "start", "end")}
    return ControlVideo(kind[:40], read_values(folder, entry.get("frames"), what), **weight)


def _sound(folder: Path, entry: JsonObject, weight: dict[str, float]) -> SoundCondition:
    values = take(entry, "loudness", list, "the sound")
    if not all(isinstance(value, NUMBER) and not isinstance(value, bool) for value in values):
        raise UserError("the sound's loudness holds something else than numbers: export the conditions again")
    return SoundCondition(
        values=np.array(values, np.float32), rate=float(take(entry, "rate", NUMBER, "the sound")), **weight
    )


def _lowres(folder: Path, entry: JsonObject, weight: dict[str, float]) -> LowResCondition:
    what = "the low-resolution video"
    return LowResCondition(
        frames=read_values(folder, entry.get("lowres"), what),
        noise=float(take(entry, "noise", NUMBER, what)),
        seed=take(entry, "seed", int, what),
        **weight,
    )


# How a condition is read, by its name.
READERS: dict[str, Callable[[Path, JsonObject, dict[str, float]], Condition]] = {
    "camera": _camera,
    "identity": _identity,
    "depth": _depth,
    "source": _source,
    "known": _known,
    "control": _control,
    "sound": _sound,
    "lowres": _lowres,
}
