"""Conditions into a folder: the camera as a file of other programs, masks, depth and references as images, a manifest.

camera.json holds the camera to the last bit; `camera_FORMAT` is the same for other programs.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..camera.formats import FORMATS, write_camera
from ..condition import Condition
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
from ..errors import UserError
from ..files import JsonObject, check_folder, room_for, write_json
from ..identity import Identity
from ..media import write_video
from .frame_files import write_frames, write_still
from .manifest import FORMAT, MANIFEST, VERSION

Step = Callable[[], object]


@dataclass(frozen=True)
class BundleOptions:
    """camera_format: one of FORMATS that can be written. videos: whether masks, depth and source are also videos."""

    camera_format: str = "transforms"
    videos: bool = True


def write_bundle(
    conditions: Conditions, folder: Path, options: BundleOptions | None = None, step: Step = lambda: None
) -> list[str]:
    """Write conditions to a new folder, whole or not at all; return sentences about what is in it.

    step: called after each frame (`count_frames`). Raises UserError for a folder that exists, and one that cannot be
    written, and DiskFullError.
    """
    options = options or BundleOptions()
    entry = FORMATS.get(options.camera_format)
    if entry is None or not entry.writable:
        known = ", ".join(name for name, entry in FORMATS.items() if entry.writable)
        raise UserError(f"'{options.camera_format}' is not a camera format that can be written: choose one of {known}")
    if os.path.exists(folder):  # which says no to a name that is too long, where Path raises
        raise UserError(f"'{folder}' exists already: choose another name")
    check_folder(folder)
    part = folder.with_name(f".{folder.name[:40]}.{uuid.uuid4().hex[:8]}.part")
    try:
        with room_for(folder):
            part.mkdir(parents=True)
            said = _fill(part, conditions, options, step)
        try:
            part.rename(folder)
        except OSError as error:
            raise UserError(f"'{folder}' cannot be written ({error.strerror}): choose another folder") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(part)
    return said


def count_frames(conditions: Conditions) -> int:
    """Return how often `write_bundle` calls its step."""
    count = 0
    for item in conditions.items:
        if isinstance(item, IdentityCondition):
            count += sum(len(one.mask_video) for one in item.identities if one.mask_video is not None)
        elif isinstance(item, DepthCondition):
            count += item.clip.frames
        elif isinstance(item, SourceCondition):
            count += len(item.frames)
        elif isinstance(item, KnownFramesCondition):
            count += len(item.images) + (0 if item.mask is None else len(item.mask))
        elif isinstance(item, ControlVideoCondition):
            count += sum(len(one.frames) for one in item.videos)
    return count


def _fill(folder: Path, conditions: Conditions, options: BundleOptions, step: Step) -> list[str]:
    entries: list[JsonObject] = []
    said: list[str] = []
    bundle = _Bundle(folder, conditions, options, step, said)
    for item in conditions.items:
        write = WRITERS.get(type(item))
        if write is None:
            said.append(f"The {item.name} was left out: it cannot be kept in files yet.")
            continue
        own = {"strength": item.strength, "start": item.start, "end": item.end}
        entries.append({"name": item.name, **own, **write(bundle, item)})
    video = conditions.video
    size = {"frames": video.frames, "height": video.height, "width": video.width, "fps": video.fps}
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "version": VERSION,
            "video": size,
            "conditions": entries,
            "notes": list(conditions.notes),
            "left_out": [item.name for item in conditions.items if type(item) not in WRITERS],
        },
    )
    return said


@dataclass(frozen=True)
class _Bundle:
    """A folder that is being filled."""

    folder: Path
    conditions: Conditions
    options: BundleOptions
    step: Step
    said: list[str]

    def frames(self, name: str, values: np.ndarray, what: str) -> JsonObject:
        """Write frames as images, and as a video where that is wanted."""
        entry = write_frames(self.folder, name, values, self.step)
        shown = f"{name}/00000.png ..."
        if self.options.videos:
            entry["video"] = f"{name}.mp4"
            write_video(self.folder / entry["video"], values, self.conditions.fps)
            shown += f", {entry['video']}"
        exact = "" if "array" not in entry else f" (rounded to 16 bits; {entry['array']} is exact)"
        self.said.append(f"{what}: {shown}{exact}.")
        return entry

    def camera(self, item: CameraCondition) -> JsonObject:
        path = item.trajectory
        name = f"camera_{self.options.camera_format}{FORMATS[self.options.camera_format].extensions[0]}"
        write_camera(path, self.folder / "camera.json", "fulldit")
        write_camera(path, self.folder / name, self.options.camera_format)
        kept = FORMATS[self.options.camera_format].preserves
        missing = sorted({"poses", "intrinsics", "principal point", "fps", "unit", "pixel_aspect"} - kept)
        loses = f" (without {', '.join(missing)})" if missing else ""
        self.said.append(f"Camera: {name}{loses}; camera.json keeps everything.")
        return {"camera": "camera.json", "other": name, "notes": list(path.notes)}

    def identity(self, item: IdentityCondition) -> JsonObject:
        return {"identities": [self._identity(number, one) for number, one in enumerate(item.identities, 1)]}

    def _identity(self, number: int, one: Identity) -> JsonObject:
        place = f"identity_{number}_{_safe(one.name)}"
        entry: JsonObject = {"name": one.name, "strength": one.strength, "start": one.start, "end": one.end}
        entry["images"] = [
            write_still(self.folder, f"{place}/reference_{at}", image) for at, image in enumerate(one.images, 1)
        ]
        if one.mask is not None:
            entry["mask"] = write_still(self.folder, f"{place}/reference_mask", one.mask)
        if one.mask_video is not None:
            entry["mask_video"] = self.frames(f"{place}/masks", one.mask_video, f"Masks of '{one.name}'")
        self.said.append(f"References of '{one.name}': {place}/reference_1.png ({len(one.images)}).")
        return entry

    def depth(self, item: DepthCondition) -> JsonObject:
        recipe: Any = item.clip.recipe
        return {"depth": self.frames("depth", item.clip.values, "Depth (near is white)"), "recipe": recipe}

    def source(self, item: SourceCondition) -> JsonObject:
        return {"source": self.frames("source", item.frames, "Source video"), "fps": item.fps}

    def known(self, item: KnownFramesCondition) -> JsonObject:
        entry: JsonObject = {"images": self.frames("known", item.images, f"Known frames {item.at}"), "at": item.at}
        if item.mask is not None:
            entry["mask"] = self.frames("known_mask", item.mask, "What of them is known (white)")
        return {**entry, "noise": item.noise, "seed": item.seed}

    def control(self, item: ControlVideoCondition) -> JsonObject:
        entries: list[JsonObject] = []
        for one in item.videos:
            entry: JsonObject = {"kind": one.kind, "strength": one.strength, "start": one.start, "end": one.end}
            frames = self.frames(f"control_{one.kind}", one.frames, f"Control video '{one.kind}'")
            entries.append({**entry, "frames": frames})
        return {"control_videos": entries}

    def sound(self, item: SoundCondition) -> JsonObject:
        self.said.append("Sound: its loudness, in the manifest.")
        return {"loudness": [float(value) for value in item.values], "rate": item.rate}

    def lowres(self, item: LowResCondition) -> JsonObject:
        frames = self.frames("lowres", item.frames, "Low-resolution video")
        return {"lowres": frames, "noise": item.noise, "seed": item.seed}


# How a condition is written, by its class; others are left out, and that is said. Each takes its own class.
WRITERS: dict[type[Condition], Callable[[_Bundle, Any], JsonObject]] = {
    CameraCondition: _Bundle.camera,
    IdentityCondition: _Bundle.identity,
    DepthCondition: _Bundle.depth,
    SourceCondition: _Bundle.source,
    KnownFramesCondition: _Bundle.known,
    ControlVideoCondition: _Bundle.control,
    SoundCondition: _Bundle.sound,
    LowResCondition: _Bundle.lowres,
}


def _safe(name: str) -> str:
    """Return a name as part of a folder's name, on any system."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40].lower() or "identity"
